#include "channel/tally.hpp"

#include <algorithm>

#include "channel/blocked.hpp"
#include "channel/queue.hpp"

namespace interpchannels {

bool Tally::all_done_locked(const Queue& queue) const noexcept { return done_ == queue.published(); }

bool Tally::add_done(const Queue& queue) noexcept {
    bool all = false;
    {
        SpinGuard guard(lock_);
        if (all_done_locked(queue)) return false;
        ++done_;
        all = all_done_locked(queue);
    }
    if (all) wake_all();
    return true;
}

void Tally::add_dropped(const Queue& queue, std::uint64_t count) noexcept {
    bool all = false;
    {
        SpinGuard guard(lock_);
        // Fewer, where items that were still queued were called done.
        done_ += std::min(count, queue.published() - done_);
        all = all_done_locked(queue);
    }
    if (all) wake_all();
}

std::uint64_t Tally::unfinished(const Queue& queue) noexcept {
    SpinGuard guard(lock_);
    return queue.published() - done_;
}

// In one wave (waiter.hpp). Holding no lock.
void Tally::wake_all() noexcept {
    std::uint64_t wave = 0;
    for (bool more = true; more;) {
        WakeList wakes;
        {
            SpinGuard guard(lock_);
            if (wave == 0) wave = joiners_.begin_wave();
            mark_wave(joiners_, wave, wakes);
        }
        more = wakes.full();
        wakes.deliver();
    }
}

Status Tally::wait(const Queue& queue, const WaitFor& wait) noexcept {
    const Nanos slice_end = end_of_slice(wait);
    Waiter waiter;
    Link me;
    me.who = &waiter;
    InGroup in_group(wait.group, waiter);
    Status woken = Status::kOk;
    for (;;) {
        {
            SpinGuard guard(lock_);
            const bool done = all_done_locked(queue);
            // Looked at after it: where an interpreter's end has dropped what was left, the end is seen too.
            Status leave = must_leave(wait);
            if (leave == Status::kOk) leave = woken;
            if (done && leave != Status::kEnding) leave = Status::kOk;
            if (done || leave != Status::kOk) {
                if (me.linked) joiners_.remove(me);
                return leave;
            }
            if (!me.linked) joiners_.insert(me);
            waiter.word.store(Waiter::kWaiting, std::memory_order_relaxed);  // the lock orders it
        }
        std::atomic_thread_fence(std::memory_order_seq_cst);  // as in Offer::wait(), for the group
        if (!in_group.enter() || must_leave(wait) != Status::kOk) continue;  // the next look says why
        woken = sleep_until_woken(waiter, wait, slice_end);
    }
}

void Tally::abandon_in_child(const Queue& queue) noexcept {
    lock_.unlock();
    joiners_.clear_after_fork();
    done_ = queue.published();
}

}  // namespace interpchannels
