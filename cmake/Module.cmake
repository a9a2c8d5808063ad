# The extension module `_interpchannels`, and next to it the Python files: build/.../python is what goes on PYTHONPATH.

# Development.Module and not Development: an extension must not link libpython. The process has one already, and a
# second copy (shared builds) or a missing one (static builds) breaks the import.
find_package(Python 3.12 REQUIRED COMPONENTS Interpreter Development.Module)

file(GLOB module_sources CONFIGURE_DEPENDS src/crossing/*.cpp src/interpreter/*.cpp src/module/*.cpp)

set(stage_dir ${CMAKE_BINARY_DIR}/python/interpchannels)

Python_add_library(_interpchannels MODULE WITH_SOABI ${module_sources})
target_include_directories(_interpchannels PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_link_libraries(_interpchannels PRIVATE interpchannels_engine interpchannels_flags)
target_compile_definitions(_interpchannels PRIVATE INTERPCHANNELS_VERSION="${PROJECT_VERSION}")
target_compile_options(_interpchannels PRIVATE
    -Wno-missing-field-initializers  # CPython's tables end in {nullptr} by convention
    -Wno-cast-function-type  # and hold METH_FASTCALL functions as PyCFunction
)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND Python_SOABI MATCHES "^cpython-[0-9]+t?d")
    # Debian's debug build has its headers as links to the others; GCC takes a system header for what it links to, and
    # finds the other pyconfig.h beside it: a module that counts no references.
    target_compile_options(_interpchannels PRIVATE -fno-canonical-system-headers)
endif()
set_target_properties(_interpchannels PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${stage_dir})
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    # Unresolved symbols of ours should fail here and not at import; those of Python are to stay open, so this is a
    # version script's job: export the init function alone and drop what nothing refers to.
    target_link_options(_interpchannels PRIVATE
        -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/exports.map -Wl,--gc-sections)
    set_property(TARGET _interpchannels APPEND PROPERTY LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/exports.map)
    target_compile_options(_interpchannels PRIVATE -ffunction-sections -fdata-sections)
endif()

# Runs in every build (it has no output to be up to date with): an edited, added or removed Python file shows in the
# staged package without configuring again.
add_custom_target(stage_python ALL
    COMMAND ${CMAKE_COMMAND}
        -DSOURCE=${PROJECT_SOURCE_DIR}/python/interpchannels
        -DDESTINATION=${stage_dir}
        -P ${PROJECT_SOURCE_DIR}/cmake/StagePython.cmake
    VERBATIM)

# One name for "everything that `import interpchannels` needs", so that the demo builds no tests.
add_custom_target(interpchannels_package DEPENDS _interpchannels stage_python)

# Into a wheel goes the module alone; the Python files are the backend's (pyproject.toml, wheel.packages).
install(TARGETS _interpchannels LIBRARY DESTINATION interpchannels)
