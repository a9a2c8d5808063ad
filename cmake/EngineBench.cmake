# The engine's benchmark, and those of its peers that are written in C++; they share bench/engine's headers, so that all
# of them run the same code around their channel. A clock and repetitions are all it takes: no benchmark library.
function(interpchannels_add_bench name source)
    add_executable(${name} ${source})
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/bench/engine)
    target_link_libraries(${name} PRIVATE Threads::Threads interpchannels_flags)
endfunction()

interpchannels_add_bench(engine_bench bench/engine/engine.cpp)
target_link_libraries(engine_bench PRIVATE interpchannels_engine)

# What `make bench-peers` builds besides; nobody else needs it.
add_custom_target(bench_peers DEPENDS engine_bench)
function(interpchannels_add_peer name source)
    interpchannels_add_bench(${name} ${source})
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
    add_dependencies(bench_peers ${name})
endfunction()

interpchannels_add_peer(bench_mutex_deque bench/peers/cpp/mutex_deque.cpp)
find_path(INTERPCHANNELS_MOODYCAMEL concurrentqueue/blockingconcurrentqueue.h)
if(INTERPCHANNELS_MOODYCAMEL)
    interpchannels_add_peer(bench_moodycamel bench/peers/cpp/moodycamel.cpp)
    target_include_directories(bench_moodycamel SYSTEM PRIVATE ${INTERPCHANNELS_MOODYCAMEL})
endif()
