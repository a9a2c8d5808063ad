// What the scenes share: items with an account of each, calls that wait as the module's do, and what has to be true when
// nothing can happen by itself.
//
// The account: an item that was accepted is received once, what was refused never, and what arrives is what was sent.
#pragma once

#include "channel/batch.hpp"
#include "channel/channel.hpp"
#include "channel/offer.hpp"
#include "channel/select.hpp"
#include "schedule/scheduler.hpp"

namespace interpchannels::scenes {

using ::schedule::expect;
using ::schedule::go;
using ::schedule::run;

inline constexpr int kMostItems = 16;
inline constexpr std::size_t kMostBytes = 1024;

// An item in its sender's memory.
struct Message {
    Message(int number, std::size_t size) noexcept {
        for (std::size_t i = 0; i < size; ++i)
            bytes[i] = static_cast<std::byte>(number * 16 + static_cast<int>(i % 7));
        parcel.data = bytes;
        parcel.size = size;
    }
    std::byte bytes[kMostBytes];
    Parcel parcel;
};

// One play's. `number` is the item's; the account is of a scene, whose fibers are one thread's.
class Account {
public:
    void accept(int number) noexcept {
        expect(!accepted_[number], "an item was accepted twice");
        accepted_[number] = true;
    }
    void receive(const Parcel& parcel) noexcept {
        expect(parcel.size != 0, "an item is not what was sent");
        const int number = static_cast<int>(parcel.data[0]) / 16;
        const Message sent(number, parcel.size);
        expect(::std::memcmp(parcel.data, sent.bytes, parcel.size) == 0, "an item is not what was sent");
        expect(!received_[number], "an item was received twice");
        received_[number] = true;
        if (ordered) expect(number > last_, "an item overtook another");
        last_ = number;
    }
    // When all is over, and everything that is left was received.
    void check() const noexcept {
        for (int i = 0; i < kMostItems; ++i) {
            expect(!received_[i] || accepted_[i], "an item was received that was refused");
            expect(received_[i] || !accepted_[i] || dropping, "an item was lost");
        }
    }
    int received() const noexcept {
        int n = 0;
        for (const bool one : received_) n += one;
        return n;
    }

    bool ordered = true;    // one sender and one receiver
    bool dropping = false;  // somebody closes the channel with what lies in it

private:
    bool accepted_[kMostItems] = {};
    bool received_[kMostItems] = {};
    int last_ = -1;
};

// As the module: the short way first, where it is asked for, then blocking.cpp. After an interruption it either comes
// back or gives up.
inline Status send(Channel& channel, Account& account, int number, const WaitFor& wait = {},
                   std::size_t size = 8, bool is_short = false) noexcept {
    Message message(number, size);
    Status status = Status::kContended;
    if (is_short) status = channel.try_send_short(message.bytes, static_cast<std::uint32_t>(size), 0, 1);
    if (status == Status::kContended) status = channel.try_send(message.parcel, 1);
    if (status == Status::kOkOwing) {
        channel.settle();
        status = Status::kOk;
    }
    if (status == Status::kWouldBlock || status == Status::kContended) {
        Offer offer(channel, message.parcel, 1, false);
        do {
            status = offer.wait(wait);
        } while (status == Status::kInterrupted && ::schedule::choose(2) == 0);
        if (status == Status::kInterrupted && !offer.withdraw()) status = Status::kOk;
    }
    if (status == Status::kOk) account.accept(number);
    return status;
}

inline Status recv(Channel& channel, Account& account, const WaitFor& wait = {}) noexcept {
    Parcel parcel;
    Scratch scratch;
    std::uint64_t place = 0;
    Status status = Status::kOk;
    do {
        status = channel.recv(parcel, scratch, wait, &place);
    } while (status == Status::kInterrupted && ::schedule::choose(2) == 0);
    if (status == Status::kOk) account.receive(parcel);
    return status;
}

inline Status send_short(Channel& channel, Account& account, int number) noexcept {
    return send(channel, account, number, {}, 8, true);
}

// Likewise.
inline Status recv_short(Channel& channel, Account& account) noexcept {
    ShortItem item;
    if (channel.try_recv_short(item) != Status::kOk) return recv(channel, account);
    Parcel parcel;
    parcel.data = item.bytes;
    parcel.size = item.size;
    account.receive(parcel);
    return Status::kOk;
}

// One that does not wait.
inline Status try_recv(Channel& channel, Account& account) noexcept {
    Parcel parcel;
    Scratch scratch;
    Status status = channel.try_recv(parcel, scratch);
    if (status == Status::kOkOwing) {
        channel.settle();
        status = Status::kOk;
    }
    if (status == Status::kOk) account.receive(parcel);
    return status;
}

inline void receive_all(Channel& channel, Account& account) noexcept {
    while (try_recv(channel, account) == Status::kOk) {
    }
}

// A wait that has a limit, which is reached at any moment.
inline WaitFor limited() noexcept {
    WaitFor wait;
    wait.deadline = now() + 1;
    return wait;
}

// Nothing can happen by itself: nobody may wait for what is there. Then what is left is received, and all of them end.
inline void at_rest(Channel& channel, Account& account) noexcept {
    const ChannelStats stats = channel.stats();
    if (stats.waiting_receivers != 0) {
        expect(stats.queued == 0, "a receiver sleeps, and there is an item");
        expect(channel.capacity() > 0 || stats.waiting_senders == 0, "a receiver and a sender sleep");
        expect(channel.state() == State::kOpen, "a receiver sleeps at a closed channel");
    }
    if (stats.waiting_senders != 0 && channel.capacity() > 0) {
        expect(stats.queued >= static_cast<std::uint64_t>(channel.capacity()),
               "a sender sleeps, and there is a place");
        expect(channel.state() == State::kOpen, "a sender sleeps at a closed channel");
    }
    receive_all(channel, account);
    channel.close_now();
}

// What all have to leave as they found it.
template <class... Channels>
void at_end(Account& account, Channels&... channels) noexcept {
    const auto look = [&](Channel& channel) {
        const ChannelStats stats = channel.stats();
        expect(stats.waiting_receivers == 0 && stats.waiting_senders == 0, "who has gone stands in line");
        receive_all(channel, account);
        expect(channel.count() == 0, "the count is wrong");
    };
    (look(channels), ...);
    account.check();
}

// How a scene is searched.
struct Search {
    const char* name;
    ::schedule::Bounds bounds;
};
inline constexpr Search kOrders{"every order, no buffers", {::schedule::Bounds::kNone, false, false}};
inline constexpr Search kBuffers{"every order", {::schedule::Bounds::kNone, true, false}};
inline constexpr Search kOne{"1 preemption", {1, true, false}};
inline constexpr Search kTwo{"2 preemptions", {2, true, false}};
inline constexpr Search kThree{"3 preemptions", {3, true, false}};
inline constexpr Search kFineTwo{"2 preemptions, fine", {2, true, true}};
inline constexpr Search kFineThree{"3 preemptions, fine", {3, true, true}};

struct Scene {
    const char* name;
    void (*play)();
    Search searches[2];  // of the check that everybody runs
    Search more[1];      // besides, in the long one
};

}  // namespace interpchannels::scenes
