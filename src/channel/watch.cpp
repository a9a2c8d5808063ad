#include "channel/watch.hpp"

#include <utility>

namespace interpchannels {

// Both locks.
Status Watch::arm_locked(const std::atomic<bool>* cancelled, WaitGroup* group) noexcept {
    if (!linked) {
        // Relaxed: the lock orders it against the wakers, who hold it too.
        waiter_.word.store(Waiter::kWaiting, std::memory_order_relaxed);
        channel_.link_locked(*this);
    }
    // Linked, then look: pairs with the fences of who sets a flag (close, shutdown, the interpreter's end), then
    // wakes. The locks order it against who sends.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    Status status = Status::kWouldBlock;
    if (is_cancelled(cancelled)) {
        status = Status::kCancelled;
    } else if (group && group->ended()) {
        status = Status::kEnding;
    } else if (channel_.maybe_ready()) {
        status = Status::kOk;
    }
    if (status != Status::kWouldBlock) {
        channel_.unlink_locked(*this);
    } else {
        armed_ = true;
    }
    return status;
}

Status Watch::arm(const std::atomic<bool>* cancelled, WaitGroup* group) noexcept {
    SpinGuard receives(channel_.queue_.recv_lock);
    SpinGuard sends(channel_.queue_.send_lock);
    return arm_locked(cancelled, group);
}

Status Watch::try_arm(const std::atomic<bool>* cancelled, WaitGroup* group) noexcept {
    Queue& queue = channel_.queue_;
    if (!queue.recv_lock.try_lock_briefly()) return Status::kContended;
    Status status = Status::kContended;
    if (queue.send_lock.try_lock_briefly()) {
        status = arm_locked(cancelled, group);
        queue.send_lock.unlock();
    }
    queue.recv_lock.unlock();
    return status;
}

void Watch::cancel() noexcept {
    if (!std::exchange(armed_, false)) return;
    bool pass_on = false;
    {
        SpinGuard guard(channel_.queue_.recv_lock);
        if (linked) {
            channel_.unlink_locked(*this);
        } else {
            pass_on = promises;
        }
        place = 0;
    }
    if (pass_on) channel_.settle();
}

}  // namespace interpchannels
