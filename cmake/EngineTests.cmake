# The engine's tests, linked without Python: a symbol of Python that slipped into the engine fails here.
include(cmake/GoogleTest.cmake)
include(GoogleTest)

file(GLOB engine_test_sources CONFIGURE_DEPENDS tests/channel/*.cpp)
if(NOT engine_test_sources)
    message(STATUS "tests/channel/ holds no test")
    return()
endif()

# Compiled once, for every back end: they differ in two files of the engine, and in none of its headers. Without link-time
# optimisation, which compiles them again for each executable.
add_library(engine_tests_objects OBJECT ${engine_test_sources})
target_include_directories(engine_tests_objects PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests)
target_link_libraries(engine_tests_objects PRIVATE interpchannels_flags GTest::gtest_main)
set_property(TARGET engine_tests_objects PROPERTY INTERPROCEDURAL_OPTIMIZATION OFF)

function(interpchannels_add_engine_tests name engine prefix)
    add_executable(${name} $<TARGET_OBJECTS:engine_tests_objects>)
    target_link_libraries(${name} PRIVATE ${engine} GTest::gtest_main)
    # Found when ctest runs and not in the build, so that a test binary which crashes at once can't fail the build.
    # The prefix keeps the two executables' tests apart in ctest's list.
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST TEST_PREFIX "${prefix}" PROPERTIES TIMEOUT 300)
endfunction()

# What is made at first use hangs the child of a fork that falls into it, so the engine makes nothing so.
function(interpchannels_add_first_use_test engine prefix)
    add_test(NAME "${prefix}NothingIsMadeAtFirstUse"
             COMMAND ${CMAKE_COMMAND} -D NM=${CMAKE_NM} -D LIBRARY=$<TARGET_FILE:${engine}>
                     -P ${PROJECT_SOURCE_DIR}/cmake/nothing_at_first_use.cmake)
endfunction()

interpchannels_add_engine_tests(engine_tests interpchannels_engine "")
interpchannels_add_first_use_test(interpchannels_engine "")

if(INTERPCHANNELS_PORTABLE_PARK)
    # The same tests against the waiting back end that other systems get; here, so that it can't rot on Linux.
    interpchannels_add_engine(interpchannels_engine_portable)
    target_compile_definitions(interpchannels_engine_portable PRIVATE INTERPCHANNELS_PORTABLE_PARK=1)
    interpchannels_add_engine_tests(engine_tests_portable interpchannels_engine_portable "portable: ")
    interpchannels_add_first_use_test(interpchannels_engine_portable "portable: ")
endif()
