# tests/fuzz/NAME.cpp becomes the executable fuzz_NAME: the engine alone, or (those in crossing_targets) with the whole
# extension and a CPython inside, where the build's Python can be embedded.
if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "The fuzz targets need clang++ (libFuzzer); use the preset `fuzz` or -DCMAKE_CXX_COMPILER=clang++")
endif()

set(crossing_targets decode round_trip)

# The engine is instrumented for coverage as well; only the executables get libFuzzer's main.
target_compile_options(interpchannels_engine PRIVATE -fsanitize=fuzzer-no-link)

function(interpchannels_add_fuzz_target name)
    add_executable(fuzz_${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/${name}.cpp)
    target_include_directories(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
    target_compile_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    target_link_libraries(fuzz_${name} PRIVATE interpchannels_engine interpchannels_flags ${ARGN})
endfunction()

file(GLOB fuzz_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/fuzz/*.cpp)
foreach(source IN LISTS fuzz_sources)
    get_filename_component(name ${source} NAME_WE)
    if(NOT name IN_LIST crossing_targets)
        interpchannels_add_fuzz_target(${name})
    endif()
endforeach()

find_package(Python 3.12 COMPONENTS Interpreter Development.Module Development.Embed)
if(NOT Python_Development.Embed_FOUND)
    message(STATUS "This Python cannot be embedded (no libpython): the crossing's fuzz targets are left out")
    return()
endif()

# The extension as a library: its module is built in, so that what the targets call and what Python imports is one.
file(GLOB module_sources CONFIGURE_DEPENDS src/crossing/*.cpp src/interpreter/*.cpp src/module/*.cpp)
add_library(interpchannels_fuzzed STATIC ${module_sources})
target_link_libraries(interpchannels_fuzzed
    PUBLIC interpchannels_engine Python::Python PRIVATE interpchannels_flags)
target_compile_definitions(interpchannels_fuzzed PRIVATE INTERPCHANNELS_VERSION="${PROJECT_VERSION}")
target_compile_options(interpchannels_fuzzed PRIVATE
    -fsanitize=fuzzer-no-link -Wno-missing-field-initializers -Wno-cast-function-type)
foreach(name IN LISTS crossing_targets)
    interpchannels_add_fuzz_target(${name} interpchannels_fuzzed)
    target_compile_definitions(fuzz_${name} PRIVATE
        FUZZ_PYTHON="${Python_EXECUTABLE}"
        FUZZ_PATH="${PROJECT_SOURCE_DIR}/python:${PROJECT_SOURCE_DIR}/tests/crossing:${PROJECT_SOURCE_DIR}/tests/fuzz")
endforeach()
