// A send that waits: a parcel that stands in line, in its sender's own memory.
//
// Invariants:
//  1. The parcel, and what its `data` points to, stay put while the offer lives. The offer leaves the channel
//     before it goes: its destructor withdraws it, so an unwinding thread leaves nothing behind.
//  2. It keeps its place in line until it is done, refused or withdrawn, whatever its sender does meanwhile.
//  3. It is done once: whoever takes it, or moves it in, holds the send lock and has claimed it.
#pragma once

#include "channel/channel.hpp"

namespace interpchannels {

class Offer : private Link {
public:
    // until_taken: done when a receiver took it (always so at capacity 0); otherwise when it has a place.
    Offer(Channel& channel, Parcel& parcel, std::int64_t sender, bool until_taken) noexcept
        : Offer(channel, parcel, sender, until_taken, nullptr) {}
    // With a notifier nobody waits for it: look() again once the notifier's ready list has waiter().
    Offer(Channel& channel, Parcel& parcel, std::int64_t sender, bool until_taken,
          Notifier* notifier) noexcept;
    // Detached where it stands in line.
    ~Offer() {
        if (stands_) withdraw();
    }

    // Blocks, detached. kOk: sent, and the parcel is empty. kInterrupted: the offer keeps its place in
    // line; wait again or withdraw. Anything else: withdrawn, and the parcel is as it was.
    Status wait(const WaitFor& wait) noexcept;
    // Detached; never waits. For one with a notifier, that is new or was popped from the ready list. kOk: sent;
    // kWouldBlock: it stands (again) in line, or is in the ready list; anything else: withdrawn, and the parcel is as it
    // was. Where it is not kWouldBlock, it is not in the ready list.
    Status look(const std::atomic<bool>* cancelled, WaitGroup* group) noexcept;
    // Detached. True: nothing was sent. False: it had been taken already.
    bool withdraw() noexcept;
    // It was left in line, and nobody has looked since.
    bool stands() const noexcept { return stands_; }

    Waiter& waiter() noexcept { return me_; }

private:
    friend class Channel;
    friend class Select;
    Status step(Status leave) noexcept;
    Status look_locked(WakeList& wakes) noexcept;

    Waiter me_;
    Channel& channel_;
    Parcel& parcel_;
    const std::int64_t sender_;
    const bool until_taken_;
    std::uint64_t position_ = 0;  // records published before it: its turn comes when those are gone
    // Stored last by whoever takes it or moves it in, under send_lock: the sender may go as soon as it is seen.
    std::atomic<bool> sent_{false};
    bool waited_ = false;  // these two are the sender's own
    bool stands_ = false;  // it was left in line
};

}  // namespace interpchannels
