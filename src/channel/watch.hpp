// A receive that no thread waits for: its notifier is told, once, when it is worth a try.
//
// It takes nothing by itself: its owner tries, and arms it again where somebody else was quicker. So whoever
// gives up the wait has taken no item, and hands on the wake-up that it may have got (cancel()).
//
// Invariants:
//  1. Armed: it is linked, in line with those who block, and its word says that it waits. Told: it is linked
//     nowhere, and no waker touches it any more. All of that changes under the channel's receive lock.
//  2. A promise that was told owes a look: its owner tries to receive and says so (looked()), or cancels. A
//     hint owes nothing: it is told besides.
//  3. A promise is armed anew only once it was popped from the notifier's ready list: it is there once at most.
#pragma once

#include "channel/blocked.hpp"
#include "channel/channel.hpp"

namespace interpchannels {

class Watch : private Receiver {
public:
    enum class Kind : std::uint8_t {
        kPromise,  // the waiter goes to the notifier's ready list
        kHint,     // the notifier is signalled, no more
    };
    // The channel and the notifier outlive it.
    Watch(Channel& channel, Notifier& notifier, Kind kind) noexcept
        : waiter_(&notifier, kind == Kind::kPromise), channel_(channel) {
        who = &waiter_;
        promises = kind == Kind::kPromise;
    }
    ~Watch() { cancel(); }
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    // Its owner's thread, one at a time; they never wait. kWouldBlock: armed. kOk: try now, there may be something,
    // or the channel is closed; kCancelled, kEnding: as for a blocked call. Only kWouldBlock arms.
    // Detached.
    Status arm(const std::atomic<bool>* cancelled, WaitGroup* group) noexcept;
    // May be called attached: a bounded try for the lock, and kContended.
    Status try_arm(const std::atomic<bool>* cancelled, WaitGroup* group) noexcept;
    // Its owner was told and has tried to receive: what it owed is paid. In vain, it keeps its place in line.
    void looked(bool received) noexcept {
        armed_ = false;
        if (received) place = 0;
    }
    // There is something to cancel().
    bool armed() const noexcept { return armed_; }

    // Leaves the line, and passes on a wake-up that nobody has looked for. Detached; idempotent.
    void cancel() noexcept;

    Waiter& waiter() noexcept { return waiter_; }

private:
    Status arm_locked(const std::atomic<bool>* cancelled, WaitGroup* group) noexcept;

    Waiter waiter_;
    Channel& channel_;
    bool armed_ = false;  // linked, or told and nobody has looked; its owner's
};

}  // namespace interpchannels
