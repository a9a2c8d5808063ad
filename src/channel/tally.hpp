// How many items of a channel are done with, and waiting until all are: `task_done` and `join` of queue.Queue.
//
// An item is unfinished from the moment that it is published until somebody says that it is done, or until the
// channel drops it. So sending and receiving count nothing here: what was published is the queue's own count, and a
// send that waits, or fails, is not in it.
//
// Invariants:
//  1. done <= published. Done only grows, and under `lock_`, so "all are done" can only become true there.
//  2. lock_ is a leaf: nothing else is locked, woken or released while it is held. It may be taken attached.
//  3. Whoever makes it true wakes who waits, after unlocking; who is woken looks again, and an item that was sent
//     meanwhile has it wait on, as in queue.Queue.
#pragma once

#include <cstdint>

#include "channel/spin_lock.hpp"
#include "channel/status.hpp"
#include "channel/waiter.hpp"

namespace interpchannels {

class Queue;

// `queue`: the one that it is a part of.
class Tally {
public:
    Tally() = default;
    Tally(const Tally&) = delete;
    Tally& operator=(const Tally&) = delete;

    // One more item is done. False, and nothing happened, where all that were sent already are.
    bool add_done(const Queue& queue) noexcept;
    // So many items were dropped: nobody will say that they are done.
    void add_dropped(const Queue& queue, std::uint64_t count) noexcept;
    std::uint64_t unfinished(const Queue& queue) noexcept;

    // Blocks, detached, until nothing is unfinished. kOk, kTimeout, kInterrupted or kCancelled; kEnding even where
    // nothing is, since the end of an interpreter may have dropped it. The close of the channel does not end the wait:
    // what was received may still be worked on.
    Status wait(const Queue& queue, const WaitFor& wait) noexcept;

    // In the child of a fork, single-threaded: nothing is unfinished.
    void abandon_in_child(const Queue& queue) noexcept;

private:
    bool all_done_locked(const Queue& queue) const noexcept;
    void wake_all() noexcept;

    SpinLock lock_;  // protects what follows
    std::uint64_t done_ = 0;
    LinkList joiners_;
};

}  // namespace interpchannels
