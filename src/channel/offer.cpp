#include "channel/offer.hpp"

#include <utility>

#include "channel/blocked.hpp"

namespace interpchannels {

Offer::Offer(Channel& channel, Parcel& parcel, std::int64_t sender, bool until_taken,
             Notifier* notifier) noexcept
    : me_(notifier, true),
      channel_(channel),
      parcel_(parcel),
      sender_(sender),
      until_taken_(until_taken || channel.capacity() == 0) {
    who = &me_;
}

// One look at whether the offer is done. send_lock (at capacity 0 both locks). kWouldBlock: it stands.
Status Offer::look_locked(WakeList& wakes) noexcept {
    Channel& c = channel_;
    if (sent_.load(std::memory_order_relaxed)) return Status::kOk;  // the lock orders it
    // Relaxed: written under send_lock.
    const std::uint32_t bits = c.bits_.load(std::memory_order_relaxed);
    const bool stays = linked && (bits & Channel::kOffersKept) && !(bits & Channel::kClosedNow);
    if ((bits & Channel::kSendsClosed) && !stays) {
        if (linked) c.unlink_locked(*this);
        return Status::kClosed;
    }
    if (c.capacity_ == 0) {
        if (!linked && c.hand_over_locked(parcel_, sender_, wakes)) {
            sent_.store(true, std::memory_order_relaxed);
            return Status::kOk;
        }
    } else if (!until_taken_) {
        // An unbounded channel has a place behind any offer: the order is by position there.
        const bool first = c.capacity_ == kUnbounded ||
                           (linked ? c.queue_.offers.front() == this : c.queue_.offers.empty());
        if (first && c.has_place_locked()) {
            if (!c.append_locked(parcel_, sender_)) {
                if (linked) c.unlink_locked(*this);
                return Status::kNoMemory;
            }
            if (linked) c.unlink_locked(*this);
            sent_.store(true, std::memory_order_relaxed);
            return Status::kOk;
        }
    }
    return Status::kWouldBlock;
}

// One look, standing in line where it has to; with `leave` other than kOk it does not stay there, unless it was
// only interrupted. kWouldBlock: it stands, and its word is armed.
Status Offer::step(Status leave) noexcept {
    Channel& c = channel_;
    // To stand up takes both locks. Who was left standing is linked, or is done or refused.
    const bool both = c.capacity_ == 0 || !stands_;
    WakeList wakes;
    bool stood_up = false;
    if (both) c.queue_.recv_lock.lock();
    c.queue_.send_lock.lock();
    // Told since it stood up, which is how it gets into the ready list: what it was told of is for the look that follows.
    // Relaxed: the lock orders it against the wakers.
    if (leave != Status::kOk && me_.notifier &&
        me_.word.load(std::memory_order_relaxed) == Waiter::kWoken) {
        c.queue_.send_lock.unlock();
        if (both) c.queue_.recv_lock.unlock();
        return Status::kWouldBlock;
    }
    const bool was_sent = sent_.load(std::memory_order_relaxed);
    Status status = look_locked(wakes);
    if (status == Status::kWouldBlock && leave == Status::kOk && !linked) {
        c.link_locked(*this);
        stood_up = true;
    }
    if (status == Status::kWouldBlock) {
        if (leave == Status::kOk) {
            // Relaxed: the lock orders it against the wakers, who hold it too.
            me_.word.store(Waiter::kWaiting, std::memory_order_relaxed);
        } else {
            if (linked && leave != Status::kInterrupted) c.unlink_locked(*this);
            status = leave;
        }
    }
    stands_ = linked;
    c.queue_.send_lock.unlock();
    if (both) c.queue_.recv_lock.unlock();
    wakes.deliver();
    // It moved in, or receivers may take it where it stands. At capacity 0 those who could be handed it were not
    // there; others may wait to be told.
    const bool moved_in = status == Status::kOk && !until_taken_ && !was_sent;
    if (moved_in || (stood_up && until_taken_ && status == Status::kWouldBlock)) c.tell_receivers(1);
    return status;
}

Status Offer::wait(const WaitFor& wait) noexcept {
    Channel& c = channel_;
    const Nanos slice_end = end_of_slice(wait);
    if (!until_taken_ && !std::exchange(waited_, true)) {
        const bool ready = c.send_spin_.spin(
            [&] {
                return (c.offers_count_.load(std::memory_order_relaxed) == 0 && c.has_place()) ||
                       (c.bits_.load(std::memory_order_relaxed) & Channel::kSendsClosed) ||
                       must_leave(wait) != Status::kOk;
            },
            wait.deadline);
        // As a new send, which leaves the receivers' lock alone; to stand up takes both.
        if (ready && must_leave(wait) == Status::kOk) {
            const Status status = c.try_send(parcel_, sender_);
            if (status == Status::kOkOwing) c.settle();
            if (status == Status::kOk || status == Status::kOkOwing) {
                sent_.store(true, std::memory_order_relaxed);
                return Status::kOk;
            }
        }
    }
    InGroup in_group(wait.group, me_);
    Status woken = Status::kOk;
    for (;;) {
        const Status status = step(woken != Status::kOk ? woken : must_leave(wait));
        if (status != Status::kWouldBlock) return status;
        // Re-armed, then look: pairs with the fence in WaitGroup::wake_all(), which marks without our lock.
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (!in_group.enter() || must_leave(wait) != Status::kOk) continue;  // the next look says why
        const bool soon =
            until_taken_ &&
            c.send_spin_.spin([&] { return me_.word.load(std::memory_order_acquire) == Waiter::kWoken; },
                              wait.deadline);
        woken = soon ? Status::kOk : sleep_until_woken(me_, wait, slice_end);
        // Acquire pairs with the release where it is stored: it is in no line, and nobody knows it any more.
        if (sent_.load(std::memory_order_acquire)) {
            stands_ = false;
            return Status::kOk;
        }
    }
}

Status Offer::look(const std::atomic<bool>* cancelled, WaitGroup* group) noexcept {
    const Status status = step(Status::kOk);
    if (status != Status::kWouldBlock) return status;
    // It stands, then look: pairs with the fences of who sets a flag, then wakes.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    WaitFor wait;
    wait.cancelled = cancelled;
    wait.group = group;
    if (group) wait.pokes = group->pokes();  // those are for threads
    const Status leave = must_leave(wait);
    return leave == Status::kOk ? Status::kWouldBlock : step(leave);
}

bool Offer::withdraw() noexcept {
    Channel& c = channel_;
    c.queue_.send_lock.lock();  // whoever takes an offer holds it
    if (linked) c.unlink_locked(*this);
    stands_ = false;
    const bool sent = sent_.load(std::memory_order_relaxed);
    c.queue_.send_lock.unlock();
    return !sent;
}

}  // namespace interpchannels
