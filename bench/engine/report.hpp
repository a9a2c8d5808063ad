// The command line of a benchmark program in C++, and what it prints.
//
//   PROGRAM                      the whole plan in turns, and a table
//   PROGRAM --json FILE          the same, and a JSON object for each row there
//   PROGRAM --repetitions N      instead of 5
//   PROGRAM --list               the rows, as they can be asked for
//   PROGRAM ROW...               these rows once, a JSON object for each on stdout: for bench/peers/run
//
// A row is {"who", "shape", "ns_per_message", "samples"}: nanoseconds, the median of the samples and all of them.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "shapes.hpp"

namespace interpchannels::bench {

struct Result {
    Row row;
    std::vector<double> samples;

    double median() const {
        std::vector<double> sorted = samples;
        std::sort(sorted.begin(), sorted.end());
        const std::size_t middle = sorted.size() / 2;
        return sorted.size() % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
    void print_json(std::FILE* to, const char* who) const {
        std::fprintf(to, R"({"who": "%s", "shape": "%s", "ns_per_message": %.2f, "samples": [)", who,
                     row.name.c_str(), median());
        for (std::size_t i = 0; i < samples.size(); ++i) {
            std::fprintf(to, "%s%.2f", i ? ", " : "", samples[i]);
        }
        std::fprintf(to, "]}\n");
    }
};

inline void print_table(const std::vector<Result>& results, const char* who) {
    std::printf("%s, ns a message: median, least and most of %zu\n\n", who,
                results.empty() ? 0 : results[0].samples.size());
    for (const Result& result : results) {
        const auto [least, most] = std::minmax_element(result.samples.begin(), result.samples.end());
        std::printf("%-24s %9.1f %9.1f %9.1f\n", result.row.name.c_str(), result.median(), *least, *most);
    }
}

// A process with channels has threads. While it has none, the C library leaves out a mutex's atomic instructions.
class SecondThread {
public:
    ~SecondThread() {
        {
            std::lock_guard<std::mutex> guard(mutex_);
            done_ = true;
        }
        changed_.notify_one();
        thread_.join();
    }

private:
    std::mutex mutex_;  // protects done_
    std::condition_variable changed_;
    bool done_ = false;
    std::thread thread_{[this] {
        std::unique_lock<std::mutex> guard(mutex_);
        while (!done_) changed_.wait(guard);
    }};
};

template <class Peer>
int bench_main(int argc, char** argv) {
    SecondThread second;
    std::vector<Result> results;
    const char* json = nullptr;
    int repetitions = 5;
    bool rows_asked = false;
    for (int i = 1; i < argc; ++i) {
        Row row;
        if (!std::strcmp(argv[i], "--list")) {
            for (const Row& each : plan()) std::printf("%s\n", each.text().c_str());
            return 0;
        }
        if (!std::strcmp(argv[i], "--json") && i + 1 < argc) {
            json = argv[++i];
        } else if (!std::strcmp(argv[i], "--repetitions") && i + 1 < argc) {
            repetitions = std::max(1, std::atoi(argv[++i]));
        } else if (parse(argv[i], row)) {
            rows_asked = true;
            if (Run<Peer>::possible(row)) results.push_back({row, {}});
        } else {
            std::fprintf(stderr, "usage: %s [--list] [--json FILE] [--repetitions N] [ROW...]\n", argv[0]);
            return 2;
        }
    }
    if (rows_asked) {
        for (Result& result : results) {
            result.samples.push_back(Run<Peer>(result.row).nanos());
            result.print_json(stdout, Peer::name);
            std::fflush(stdout);
        }
        return 0;
    }
    for (const Row& row : plan()) {
        if (Run<Peer>::possible(row)) results.push_back({row, {}});
    }
    for (int i = 0; i < repetitions; ++i) {
        for (Result& result : results) result.samples.push_back(Run<Peer>(result.row).nanos());
    }
    print_table(results, Peer::name);
    if (json) {
        std::FILE* const to = std::fopen(json, "w");
        if (!to) {
            std::perror(json);
            return 1;
        }
        for (const Result& result : results) result.print_json(to, Peer::name);
        std::fclose(to);
    }
    return 0;
}

}  // namespace interpchannels::bench
