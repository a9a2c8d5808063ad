#include "channel/watch.hpp"

namespace interpchannels {

Status Watch::arm(const std::atomic<bool>* cancelled, WaitGroup* group) noexcept {
    {
        SpinGuard guard(channel_.queue_.recv_lock);
        // Linked or not: who wakes all leaves it in line, woken. But not while it may lie in the ready list. Relaxed:
        // the lock orders it against the wakers, who hold it too.
        if (!armed_ || !waiter_.listed) waiter_.word.store(Waiter::kWaiting, std::memory_order_relaxed);
        if (!linked) {
            place = 0;  // it may have received since: the last in line
            channel_.link_locked(*this);
        }
        // Linked, then look: pairs with the fences in try_send() and tell_receivers(), and with those of who sets a
        // flag (close, shutdown, the interpreter's end), then wakes.
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
            return status;
        }
    }
    armed_ = true;
    return Status::kWouldBlock;
}

void Watch::cancel() noexcept {
    bool pass_on = false;
    {
        SpinGuard guard(channel_.queue_.recv_lock);
        if (linked) {
            channel_.unlink_locked(*this);
        } else {
            pass_on = armed_ && promises;
        }
    }
    armed_ = false;
    if (pass_on) channel_.settle();
}

}  // namespace interpchannels
