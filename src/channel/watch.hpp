// A receive that no thread waits for: its notifier is told, once, when it is worth a try.
//
// It takes nothing by itself: its owner tries, and arms it again where somebody else was quicker. So whoever
// gives up the wait has taken no item, and hands on the wake-up that it may have got (cancel()).
//
// Invariants:
//  1. Armed: it is linked, in line with those who block. Woken: it is not, and the notifier knows.
//  2. Who promises and was woken tries to receive, or cancels. A hint does neither: it is told besides.
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
    Watch(Channel& channel, Notifier& notifier, Kind kind) noexcept
        : waiter_(&notifier, kind == Kind::kPromise), channel_(channel) {
        who = &waiter_;
        promises = kind == Kind::kPromise;
    }
    ~Watch() { cancel(); }

    // Detached; never waits. kWouldBlock: armed. kOk: try now, there may be something, or the channel is closed;
    // kCancelled, kEnding: as for a blocked call. Only kWouldBlock arms.
    Status arm(const std::atomic<bool>* cancelled, WaitGroup* group) noexcept;
    // Its owner has seen that it was woken, and tries.
    void consume() noexcept { armed_ = false; }
    // Detached; idempotent.
    void cancel() noexcept;

    Waiter& waiter() noexcept { return waiter_; }

private:
    Waiter waiter_;
    Channel& channel_;
    bool armed_ = false;  // linked, or woken and not consumed
};

}  // namespace interpchannels
