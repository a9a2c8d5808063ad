// What the engine's tests share: parcels that are easy to make and to read, attachments that count their
// releases, blocked calls in threads of their own, and rounds that the environment can multiply.
//
// No test waits for time to pass. What has to be true first is spun for; a hang is left to the runner's
// time limit, which then names the test.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "channel/channel.hpp"
#include "channel/offer.hpp"

namespace interpchannels::testing {

// ENGINE_TEST_ROUNDS multiplies what the stress tests do; a sanitizer slows them tenfold, so they do less.
inline int rounds(int usual) {
    static const double factor = [] {
        const char* text = std::getenv("ENGINE_TEST_ROUNDS");
        const double wanted = text ? std::atof(text) : 1.0;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
        return (wanted > 0 ? wanted : 1.0) / 4;
#else
        return wanted > 0 ? wanted : 1.0;
#endif
    }();
    return std::max(1, static_cast<int>(usual * factor));
}

template <class Condition>
void spin_until(Condition condition) {
    while (!condition()) std::this_thread::yield();
}

// Where the threads of one round meet, so that what they do next races. Reusable.
class Meeting {
public:
    explicit Meeting(int parties) : parties_(parties) {}
    void arrive() {
        const int round = round_.load();
        if (arrived_.fetch_add(1) + 1 == parties_) {
            arrived_.store(0);
            round_.store(round + 1);
            round_.notify_all();
            return;
        }
        for (int i = 0; round_.load() == round; ++i) {
            if (i < 500) {
                cpu_relax();
            } else {
                round_.wait(round);  // the other has no core now: leave it this one
            }
        }
    }

private:
    const int parties_;
    std::atomic<int> arrived_{0};
    std::atomic<int> round_{0};
};

// An attachment that can say how often it was released. Owned by the test, so that a second release
// shows as a number and not as a crash.
class CountedAttachment final : public Attachment {
public:
    void release() noexcept override { releases_.fetch_add(1); }
    int releases() const { return releases_.load(); }

private:
    std::atomic<int> releases_{0};
};

class Attachments {
public:
    // A chain of n.
    Attachment* chain(int n) {
        Attachment* first = nullptr;
        for (int i = 0; i < n; ++i) {
            all_.emplace_back();
            all_.back().next = first;
            first = &all_.back();
        }
        return first;
    }
    std::size_t size() const { return all_.size(); }
    // How many were released exactly, and how many more than, once.
    std::size_t released() const { return count(1, 1); }
    std::size_t released_twice() const { return count(2, 1 << 30); }

private:
    std::size_t count(int low, int high) const {
        return static_cast<std::size_t>(std::count_if(all_.begin(), all_.end(), [&](const auto& a) {
            return a.releases() >= low && a.releases() <= high;
        }));
    }
    std::deque<CountedAttachment> all_;
};

// A parcel with its bytes; in place, or on the heap as an encoder would put them.
struct Message {
    explicit Message(std::string text) : bytes(std::move(text)) { fill(bytes.size() > kInlineMax); }
    explicit Message(std::uint64_t value) : bytes(reinterpret_cast<const char*>(&value), sizeof value) {
        fill(false);
    }
    Message(std::uint64_t value, std::int64_t sender, std::uint8_t op) : Message(value) {
        parcel.sender = sender;
        parcel.unbound_op = op;
    }
    Message(const Message&) = delete;
    Message& operator=(const Message&) = delete;

    void fill(bool on_heap) {
        parcel.size = bytes.size();
        if (on_heap) {
            parcel.heap = static_cast<std::byte*>(std::malloc(bytes.size() + 1));
            std::memcpy(parcel.heap, bytes.data(), bytes.size());
            parcel.data = parcel.heap;
        } else {
            parcel.data = reinterpret_cast<const std::byte*>(bytes.data());
        }
    }

    std::string bytes;
    Parcel parcel;
};

inline std::string text_of(const Parcel& parcel) {
    return {reinterpret_cast<const char*>(parcel.data), parcel.size};
}
inline std::uint64_t value_of(const Parcel& parcel) {
    std::uint64_t value = ~std::uint64_t{0};
    if (parcel.size == sizeof value) std::memcpy(&value, parcel.data, sizeof value);
    return value;
}

// A parcel's bytes where they can be read in whole words, as an encoder's can.
struct ShortBytes {
    explicit ShortBytes(const Parcel& parcel) { std::memcpy(bytes, parcel.data, parcel.size); }
    static bool fit(const Parcel& parcel) {
        return parcel.size > 0 && parcel.size <= sizeof bytes && !parcel.heap && !parcel.attachments;
    }
    alignas(8) std::byte bytes[136];
};
inline Status try_send_short(Channel& channel, Parcel& parcel, std::int64_t sender) {
    const ShortBytes copy(parcel);
    const Status status = channel.try_send_short(copy.bytes, static_cast<std::uint32_t>(parcel.size),
                                                 parcel.unbound_op, sender);
    if (status != Status::kContended) parcel.reset();
    if (status != Status::kOkOwing) return status;
    channel.settle();
    return Status::kOk;
}
// An item that was received as a short one, as try_recv() gives it.
inline void put_short(const ShortItem& item, Parcel& out, Scratch& scratch) {
    std::memcpy(scratch.bytes, item.bytes, item.size);
    out.data = scratch.bytes;
    out.size = item.size;
}
inline Status try_recv_short(Channel& channel, Parcel& out, Scratch& scratch) {
    ShortItem item;
    const Status status = channel.try_recv_short(item);
    if (status == Status::kOk) put_short(item, out, scratch);
    return status;
}
// Every other call of a thread goes the short way first.
inline bool short_first() {
    thread_local bool is = false;
    return std::exchange(is, !is);
}

// try_send and try_recv as a caller uses them: again while contended, settled where owing.
inline Status send_now(Channel& channel, Parcel& parcel, std::int64_t sender = 1) {
    for (;;) {
        Status status = Status::kContended;
        if (short_first() && ShortBytes::fit(parcel)) status = try_send_short(channel, parcel, sender);
        if (status == Status::kContended) status = channel.try_send(parcel, sender);
        if (status == Status::kContended) {
            std::this_thread::yield();
            continue;
        }
        if (status != Status::kOkOwing) return status;
        channel.settle();
        return Status::kOk;
    }
}
inline Status send_now(Channel& channel, std::uint64_t value, std::int64_t sender = 1) {
    Message message(value);
    return send_now(channel, message.parcel, sender);
}
inline Status recv_now(Channel& channel, Parcel& out, Scratch& scratch) {
    for (;;) {
        Status status = Status::kContended;
        if (short_first()) status = try_recv_short(channel, out, scratch);
        if (status == Status::kContended) status = channel.try_recv(out, scratch);
        if (status == Status::kContended) {
            std::this_thread::yield();
            continue;
        }
        if (status != Status::kOkOwing) return status;
        channel.settle();
        return Status::kOk;
    }
}
inline Status recv_now(Channel& channel, std::uint64_t& value) {
    Parcel out;
    Scratch scratch;
    const Status status = recv_now(channel, out, scratch);
    if (status == Status::kOk) value = value_of(out);
    return status;
}
// The next value, or one of these where there is none.
inline constexpr std::uint64_t kNothing = ~std::uint64_t{0} - 1;
inline constexpr std::uint64_t kGone = ~std::uint64_t{0} - 2;
inline std::uint64_t next_value(Channel& channel) {
    std::uint64_t value = kNothing;
    return recv_now(channel, value) == Status::kClosed ? kGone : value;
}

// A WaitFor whose deadline has passed, and one that only lets the call stand in line.
inline WaitFor at_once() {
    WaitFor wait;
    wait.deadline = now() - 1;
    return wait;
}
inline WaitFor stand_in_line() {
    WaitFor wait;
    wait.slice = 1;
    return wait;
}

// Holds the channel of a test; its own reference is dropped with it.
class PlainChannel {
public:
    explicit PlainChannel(std::int64_t capacity) : channel_(Ref<Channel>::adopt(new Channel(capacity))) {}
    Channel& operator*() const { return *channel_; }
    Channel* operator->() const { return channel_.get(); }

private:
    Ref<Channel> channel_;
};

// A recv in a thread of its own.
class BlockedRecv {
public:
    explicit BlockedRecv(Channel& channel, WaitFor wait = {})
        : thread_([this, &channel, wait] {
              status_ = channel.recv(out_, scratch_, wait);
              value_ = status_ == Status::kOk ? value_of(out_) : kNothing;
              done_.store(true);
          }) {}
    ~BlockedRecv() { join(); }
    Status join() {
        if (thread_.joinable()) thread_.join();
        return status_;
    }
    bool done() const { return done_.load(); }
    std::uint64_t value() const { return value_; }
    std::thread::native_handle_type handle() { return thread_.native_handle(); }

private:
    Parcel out_;
    Scratch scratch_;
    Status status_ = Status::kWouldBlock;
    std::uint64_t value_ = kNothing;
    std::atomic<bool> done_{false};
    std::thread thread_;
};

// A send that waits, in a thread of its own.
class BlockedSend {
public:
    BlockedSend(Channel& channel, std::uint64_t value, bool until_taken, WaitFor wait = {})
        : message_(value), thread_([this, &channel, until_taken, wait] {
              Offer offer(channel, message_.parcel, 1, until_taken);
              status_ = offer.wait(wait);
              done_.store(true);
              withdrawn_ = offer.withdraw();
          }) {}
    ~BlockedSend() { join(); }
    Status join() {
        if (thread_.joinable()) thread_.join();
        return status_;
    }
    bool done() const { return done_.load(); }
    // What withdraw() said after the wait.
    bool withdrawn() const { return withdrawn_; }
    // What the parcel still holds.
    std::uint64_t kept() const { return value_of(message_.parcel); }
    std::thread::native_handle_type handle() { return thread_.native_handle(); }

private:
    Message message_;
    Status status_ = Status::kWouldBlock;
    bool withdrawn_ = false;
    std::atomic<bool> done_{false};
    std::thread thread_;
};

inline void await_receivers(Channel& channel, std::uint32_t n) {
    spin_until([&] { return channel.stats().waiting_receivers == n; });
}
inline void await_senders(Channel& channel, std::uint32_t n) {
    spin_until([&] { return channel.stats().waiting_senders == n; });
}
inline void expect_nobody_waits(Channel& channel) {
    EXPECT_EQ(channel.stats().waiting_receivers, 0u);
    EXPECT_EQ(channel.stats().waiting_senders, 0u);
}

}  // namespace interpchannels::testing
