// What every blocked call of the engine does: when it must leave, how it sleeps, and being in its group.
#pragma once

#include <algorithm>
#include <utility>

#include "channel/park.hpp"
#include "channel/status.hpp"
#include "channel/waiter.hpp"

namespace interpchannels {

// Sleeps until the waiter is woken. kOk, kTimeout or kInterrupted.
inline Status sleep_until_woken(Waiter& waiter, const WaitFor& wait, Nanos slice_end) noexcept {
    Nanos until = slice_end < wait.deadline ? slice_end : wait.deadline;
    for (;;) {
        // Acquire (here and below) pairs with mark_woken().
        std::uint32_t seen = Waiter::kWaiting;
        if (!waiter.word.compare_exchange_strong(seen, Waiter::kParked, std::memory_order_acq_rel,
                                                 std::memory_order_acquire) &&
            seen == Waiter::kWoken) {
            return Status::kOk;
        }
        switch (park(waiter.word, Waiter::kParked, until)) {
        case Parked::kWoken:
            if (waiter.word.load(std::memory_order_acquire) == Waiter::kWoken) return Status::kOk;
            break;
        case Parked::kTimeout:
            if (until == wait.deadline) return Status::kTimeout;
            // Relaxed: what it asks for is done elsewhere, after its own synchronisation.
            if (!wait.asked || __atomic_load_n(wait.asked, __ATOMIC_RELAXED) != 0)
                return Status::kInterrupted;
            until = std::min(now() + wait.slice, wait.deadline);
            break;
        case Parked::kInterrupted:
            if (wait.interruptible) return Status::kInterrupted;
            break;
        }
    }
}

inline bool is_cancelled(const std::atomic<bool>* cancelled) noexcept {
    // Acquire pairs with the release of whoever set it before wake_all().
    return cancelled && cancelled->load(std::memory_order_acquire);
}

// Why the call must not block (any longer), or kOk.
inline Status must_leave(const WaitFor& wait) noexcept {
    if (is_cancelled(wait.cancelled)) return Status::kCancelled;
    if (wait.group && wait.group->ended()) return Status::kEnding;
    if (wait.group && wait.group->pokes() != wait.pokes) return Status::kInterrupted;
    return Status::kOk;
}

inline Nanos end_of_slice(const WaitFor& wait) noexcept { return wait.slice ? now() + wait.slice : kNever; }

// In the group while it waits.
class InGroup {
public:
    InGroup(WaitGroup* group, Waiter& waiter) noexcept : group_(group), waiter_(waiter) {}
    // False where the group has ended.
    bool enter() noexcept {
        if (!group_ || entered_) return true;
        return entered_ = group_->enter(waiter_);
    }
    void leave() noexcept {
        if (std::exchange(entered_, false)) group_->leave(waiter_);
    }
    ~InGroup() { leave(); }
    InGroup(const InGroup&) = delete;
    InGroup& operator=(const InGroup&) = delete;

private:
    WaitGroup* const group_;
    Waiter& waiter_;
    bool entered_ = false;
};

}  // namespace interpchannels
