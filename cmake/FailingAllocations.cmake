# What tests/nomem preloads and imports: a target of its own that only `make pytest` asks for, so that nothing of it is
# in the package. It stands on glibc's names, and a sanitizer has its own malloc.
add_custom_target(failing_allocations)
if(CMAKE_SYSTEM_NAME STREQUAL "Linux" AND (NOT INTERPCHANNELS_SANITIZE OR INTERPCHANNELS_SANITIZE MATCHES "address"))
    Python_add_library(failing_allocations_module MODULE WITH_SOABI EXCLUDE_FROM_ALL
        ${PROJECT_SOURCE_DIR}/tests/nomem/failing_allocations.cpp)
    target_link_libraries(failing_allocations_module PRIVATE interpchannels_flags ${CMAKE_DL_LIBS})
    target_compile_options(failing_allocations_module PRIVATE -Wno-missing-field-initializers -fno-builtin)
    if(INTERPCHANNELS_SANITIZE)
        target_compile_definitions(failing_allocations_module PRIVATE INTERPCHANNELS_ASAN)
        target_compile_options(failing_allocations_module PRIVATE -fno-sanitize=all)  # it runs before ASan does
    endif()
    set_target_properties(failing_allocations_module PROPERTIES
        OUTPUT_NAME failing_allocations
        INTERPROCEDURAL_OPTIMIZATION OFF
        CXX_VISIBILITY_PRESET default
        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/failing_allocations)
    add_dependencies(failing_allocations failing_allocations_module)
endif()
