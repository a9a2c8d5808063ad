// The shapes, for any channel in C++: how long one run of a row takes.
//
// A peer is a class with a static `name`, `takes(capacity)` and `selects`, a constructor from a capacity, and classes
// that one thread each uses: Sender and Receiver, made from the channel, and where it selects SelectSender and
// SelectReceiver, made from all of them. The clock runs from before the first thread is made until the last has ended,
// as in crossbeam's benchmark.
//
// Invariant: a run whose messages did not all arrive is no result. Sender k of a run sends 0, 1, 2, ...; the sum of what
// was received is compared.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "plan.hpp"

namespace interpchannels::bench {

template <class Peer>
class Run {
public:
    explicit Run(const Row& row) : row_(row) {}

    static bool possible(const Row& row) {
        const bool selects = row.kind == Kind::kSelectRecv || row.kind == Kind::kSelectBoth;
        return Peer::takes(row.capacity) && (!selects || Peer::selects);
    }

    // Nanoseconds a message; a round trip is one message.
    double nanos() {
        const int channels = row_.kind == Kind::kPingPong ? 2
                             : row_.kind == Kind::kSelectRecv || row_.kind == Kind::kSelectBoth
                                 ? row_.senders
                                 : 1;
        for (int i = 0; i < channels; ++i) channels_.push_back(std::make_unique<Peer>(row_.capacity));
        for (auto& channel : channels_) all_.push_back(channel.get());
        const auto start = std::chrono::steady_clock::now();
        work();
        const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
        check();
        return took.count() / static_cast<double>(row_.messages);
    }

private:
    using Value = std::uint64_t;

    void work() {
        const Value n = row_.messages;
        switch (row_.kind) {
        case Kind::kPair: {
            typename Peer::Sender sender(first());
            typename Peer::Receiver receiver(first());
            Value sum = 0;
            for (Value i = 0; i < n; ++i) {
                sender.send(i);
                sum += receiver.recv();
            }
            sum_ += sum;
            return;
        }
        case Kind::kSeq:
            send(first(), n);
            receive(first(), n);
            return;
        case Kind::kFlow:
            for (int i = 0; i < row_.senders; ++i) start([this] { send(first(), share(row_.senders)); });
            // One receiver is the thread that is here already.
            for (int i = 1; i < row_.receivers; ++i)
                start([this] { receive(first(), share(row_.receivers)); });
            receive(first(), share(row_.receivers));
            break;
        case Kind::kPingPong:
            start([this, n] {
                typename Peer::Sender sender(*all_[0]);
                typename Peer::Receiver receiver(*all_[1]);
                Value value = 0;  // what is sent depends on what came
                for (Value i = 0; i < n; ++i) {
                    sender.send(value);
                    value = receiver.recv() + 1;
                }
            });
            bounce(n);
            break;
        case Kind::kSelectRecv:
            if constexpr (Peer::selects) {
                for (Peer* channel : all_) start([this, channel] { send(*channel, share(row_.senders)); });
                select_receive(n);
            }
            break;
        case Kind::kSelectBoth:
            if constexpr (Peer::selects) {
                for (int i = 0; i < row_.senders; ++i) start([this] { select_send(share(row_.senders)); });
                for (int i = 1; i < row_.receivers; ++i) {
                    start([this] { select_receive(share(row_.receivers)); });
                }
                select_receive(share(row_.receivers));
            }
            break;
        }
        for (std::thread& thread : threads_) thread.join();
    }

    void send(Peer& channel, Value n) {
        typename Peer::Sender sender(channel);
        for (Value i = 0; i < n; ++i) sender.send(i);
    }
    void receive(Peer& channel, Value n) {
        typename Peer::Receiver receiver(channel);
        Value sum = 0;
        for (Value i = 0; i < n; ++i) sum += receiver.recv();
        sum_ += sum;
    }
    void bounce(Value n) {
        typename Peer::Receiver receiver(*all_[0]);
        typename Peer::Sender sender(*all_[1]);
        Value sum = 0;
        for (Value i = 0; i < n; ++i) {
            const Value value = receiver.recv();
            sum += value;
            sender.send(value);
        }
        sum_ += sum;
    }
    void select_send(Value n) {
        typename Peer::SelectSender sender(all_);
        for (Value i = 0; i < n; ++i) sender.send(i);
    }
    void select_receive(Value n) {
        typename Peer::SelectReceiver receiver(all_);
        Value sum = 0;
        for (Value i = 0; i < n; ++i) sum += receiver.recv();
        sum_ += sum;
    }

    void check() const {
        const bool many =
            row_.kind == Kind::kFlow || row_.kind == Kind::kSelectRecv || row_.kind == Kind::kSelectBoth;
        const Value senders = many ? static_cast<Value>(row_.senders) : 1;
        const Value each = row_.messages / senders;
        const Value wanted = senders * (each * (each - 1) / 2);
        if (sum_.load() != wanted) {
            std::fprintf(stderr, "%s of %s: what was received is not what was sent\n", row_.name.c_str(),
                         Peer::name);
            std::exit(1);
        }
    }

    template <class Work>
    void start(Work work) {
        threads_.emplace_back(work);
    }
    Peer& first() { return *all_[0]; }
    Value share(int threads) const { return row_.messages / static_cast<Value>(threads); }

    const Row row_;
    std::vector<std::unique_ptr<Peer>> channels_;
    std::vector<Peer*> all_;
    std::vector<std::thread> threads_;
    std::atomic<Value> sum_{0};
};

}  // namespace interpchannels::bench
