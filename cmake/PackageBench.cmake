# What `python -m interpchannels bench` measures beside, and is no part of the package.

# The peer in C++ of a sleeping waiter. Linux's futex, so there alone.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    add_executable(futex_round_trip bench/futex/round_trip.cpp)
    target_link_libraries(futex_round_trip PRIVATE Threads::Threads interpchannels_flags)
endif()

# The floor of the drop-in's calls.
if(INTERPCHANNELS_MODULE)
    Python_add_library(calls MODULE WITH_SOABI bench/calls/calls.cpp)
    target_link_libraries(calls PRIVATE interpchannels_flags)
    target_compile_options(calls PRIVATE -Wno-cast-function-type)  # as for the package's module
endif()
