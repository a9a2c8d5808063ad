// What the engine and its peers are asked to do: the rows, and how many messages each run of one has.
//
// The shapes are those of crossbeam-channel's own benchmark (seq, spsc, mpsc, mpmc, select_rx, select_both, ping_pong;
// crossbeam-channel/benchmarks in its repository), and besides them a pair in one thread, 1->n, 2->2, and a select of
// two. Programs in other languages get a row as text, so that the plan stands here and nowhere else.
//
// Invariant: `messages` can be divided by the number of senders and by that of receivers.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace interpchannels::bench {

enum class Kind {
    kPair,        // one thread: send, receive, send, receive
    kSeq,         // one thread: sends all, then receives all
    kFlow,        // one channel; every sender and every receiver is a thread
    kSelectRecv,  // a channel and a thread for each sender; one receiver selects among the channels
    kSelectBoth,  // as many channels as senders; all threads select among all of them
    kPingPong,    // two channels, two threads: a message goes there and back
};

inline constexpr std::int64_t kNoLimit = -1;

struct Row {
    std::string name;  // shape/capacity
    Kind kind = Kind::kFlow;
    std::int64_t capacity = kNoLimit;
    int senders = 1;
    int receivers = 1;
    std::uint64_t messages = 0;

    // name:senders:receivers:messages, which parse() reads.
    std::string text() const {
        return name + ':' + std::to_string(senders) + ':' + std::to_string(receivers) + ':' +
               std::to_string(messages);
    }
};

inline Kind kind_of(const std::string& shape) {
    if (shape == "pair") return Kind::kPair;
    if (shape == "seq") return Kind::kSeq;
    if (shape == "ping_pong") return Kind::kPingPong;
    if (shape == "select_both") return Kind::kSelectBoth;
    if (shape.rfind("select", 0) == 0) return Kind::kSelectRecv;
    return Kind::kFlow;
}

// False where the text is no row.
inline bool parse(const std::string& text, Row& row) {
    const std::size_t slash = text.find('/');
    const std::size_t colon = text.find(':');
    if (slash == std::string::npos || colon == std::string::npos || colon < slash) return false;
    unsigned long long messages = 0;
    if (std::sscanf(text.c_str() + colon, ":%d:%d:%llu", &row.senders, &row.receivers, &messages) != 3 ||
        row.senders < 1 || row.receivers < 1) {
        return false;
    }
    row.name = text.substr(0, colon);
    row.kind = kind_of(text.substr(0, slash));
    row.messages = messages;
    const std::string capacity = text.substr(slash + 1, colon - slash - 1);
    row.capacity = capacity == "unbounded" ? kNoLimit
                   : capacity == "all"     ? static_cast<std::int64_t>(messages)
                                           : std::atoll(capacity.c_str());
    return true;
}

inline std::vector<Row> plan() {
    struct Shape {
        const char* name;
        int senders;
        int receivers;
        std::vector<const char*> capacities;
    };
    const std::vector<const char*> every = {"unbounded", "1024", "1", "0"};
    const std::vector<Shape> shapes = {
        {"pair", 1, 1, {"unbounded", "1024", "1"}},
        {"seq", 1, 1, {"unbounded", "all"}},
        {"spsc", 1, 1, every},
        {"mpsc", 4, 1, every},
        {"spmc", 1, 4, every},
        {"mpmc2", 2, 2, every},
        {"mpmc4", 4, 4, every},
        {"select_rx2", 2, 1, every},
        {"select_rx", 4, 1, every},
        {"select_both", 4, 4, every},
        {"ping_pong", 1, 1, every},
    };
    std::vector<Row> rows;
    for (const Shape& shape : shapes) {
        for (const std::string capacity : shape.capacities) {
            // Enough that starting threads does not show, and few where the slowest peer takes 25 us for each.
            const bool handed_over = capacity == "0" || capacity == "1";
            const bool alone = shape.name == std::string("pair") || shape.name == std::string("seq");
            const bool slow = !alone && (handed_over || shape.name == std::string("ping_pong"));
            Row row;
            parse(std::string(shape.name) + '/' + capacity + ':' + std::to_string(shape.senders) + ':' +
                      std::to_string(shape.receivers) + ':' + (slow ? "40000" : "400000"),
                  row);
            rows.push_back(row);
        }
    }
    return rows;
}

}  // namespace interpchannels::bench
