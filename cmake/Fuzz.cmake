# tests/fuzz/NAME.cpp becomes the executable fuzz_NAME.
if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "The fuzz targets need clang++ (libFuzzer); use the preset `fuzz` or -DCMAKE_CXX_COMPILER=clang++")
endif()

# The engine is instrumented for coverage as well; only the executables get libFuzzer's main.
target_compile_options(interpchannels_engine PRIVATE -fsanitize=fuzzer-no-link)

file(GLOB fuzz_sources CONFIGURE_DEPENDS tests/fuzz/*.cpp)
foreach(source IN LISTS fuzz_sources)
    get_filename_component(name ${source} NAME_WE)
    add_executable(fuzz_${name} ${source})
    target_compile_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    target_link_libraries(fuzz_${name} PRIVATE interpchannels_engine interpchannels_flags)
endforeach()
