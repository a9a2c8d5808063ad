# The peer in C++ that `python -m interpchannels bench` measures a sleeping waiter beside. Linux's futex, so there alone.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    add_executable(futex_round_trip bench/futex/round_trip.cpp)
    target_link_libraries(futex_round_trip PRIVATE Threads::Threads interpchannels_flags)
endif()
