#include "channel/select.hpp"

#include <algorithm>
#include <functional>
#include <new>
#include <numeric>
#include <utility>

#include "channel/blocked.hpp"

namespace interpchannels {

// --- before it waits ---

void Select::shuffle() noexcept {
    // Fisher and Yates, with Marsaglia's xorshift64* ("Xorshift RNGs", 2003; the multiplier is Vigna's).
    for (std::size_t i = count_; i > 1; --i) {
        random_ ^= random_ >> 12;
        random_ ^= random_ << 25;
        random_ ^= random_ >> 27;
        // The high bits are the good ones; 32 of them leave no bias that could be measured.
        const std::uint64_t draw = (random_ * 0x2545F4914F6CDD1DULL) >> 32;
        std::swap(order_[i - 1], order_[(draw * i) >> 32]);
    }
}

Status Select::try_once() noexcept {
    if (!order_) {
        order_.reset(new (std::nothrow) std::size_t[count_]);
        if (!order_) return Status::kNoMemory;
        std::iota(&order_[0], &order_[count_], std::size_t{0});
    }
    shuffle();
    bool contended = false;
    for (std::size_t i = 0; i < count_; ++i) {
        const SelectOp& op = ops_[order_[i]];
        Status status = Status::kCancelled;
        if (!is_cancelled(op.cancelled)) {
            status = op.parcel ? op.channel->try_send(*op.parcel, interpreter_)
                               : op.channel->try_recv(out_, scratch_);
        }
        if (status == Status::kContended) contended = true;
        if (status == Status::kContended || status == Status::kWouldBlock) continue;
        index_ = order_[i];
        return status;
    }
    return contended ? Status::kContended : Status::kWouldBlock;
}

// Memory for all of it, once, so that nothing fails while locks are held.
bool Select::prepare() noexcept {
    if (cases_) return true;
    if (!order_) {
        order_.reset(new (std::nothrow) std::size_t[count_]);
        if (!order_) return false;
        std::iota(&order_[0], &order_[count_], std::size_t{0});
    }
    channels_.reset(new (std::nothrow) Channel*[count_]);
    std::unique_ptr<Case[]> cases(new (std::nothrow) Case[count_]);
    if (!channels_ || !cases) return false;
    for (std::size_t i = 0; i < count_; ++i) {
        Case& c = cases[i];
        channels_[i] = ops_[i].channel;
        if (ops_[i].parcel) {
            c.offer.emplace(*ops_[i].channel, *ops_[i].parcel, interpreter_, false);
            c.offer->who = &me_;
            c.offer->chosen = &chosen_;
        } else {
            c.receiver.who = &me_;
            c.receiver.chosen = &chosen_;
            c.receiver.out = &out_;
            c.receiver.scratch = &scratch_;
        }
    }
    std::sort(&channels_[0], &channels_[count_], std::less<>());
    channel_count_ =
        static_cast<std::size_t>(std::unique(&channels_[0], &channels_[count_]) - &channels_[0]);
    cases_ = std::move(cases);
    mixed_ = mixed();
    return true;
}

// Does a channel occur in both directions?
bool Select::mixed() const noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
        for (std::size_t k = 0; ops_[i].parcel && k < count_; ++k) {
            if (!ops_[k].parcel && ops_[k].channel == ops_[i].channel) return true;
        }
    }
    return false;
}

// --- with every lock ---

void Select::lock_all() noexcept {
    for (std::size_t i = 0; i < channel_count_; ++i) {
        channels_[i]->queue_.recv_lock.lock();
        channels_[i]->queue_.send_lock.lock();
    }
}

bool Select::try_lock_all() noexcept {
    for (std::size_t i = 0; i < channel_count_; ++i) {
        Queue& queue = channels_[i]->queue_;
        const bool receives = queue.recv_lock.try_lock_briefly();
        if (receives && queue.send_lock.try_lock_briefly()) continue;
        if (receives) queue.recv_lock.unlock();
        unlock_first(i);
        return false;
    }
    return true;
}

void Select::unlock_first(std::size_t count) noexcept {
    for (std::size_t i = count; i-- > 0;) {
        channels_[i]->queue_.send_lock.unlock();
        channels_[i]->queue_.recv_lock.unlock();
    }
}

// What was chosen already, or can be done now. kWouldBlock: nothing.
Status Select::look(WakeList& wakes, int& moved_in) noexcept {
    // Acquire pairs with the release in Link::claim(): the parcel that came with it is seen.
    if (const Link* const link = chosen_.load(std::memory_order_acquire)) {
        for (std::size_t i = 0; i < count_; ++i) {
            const Case& c = cases_[i];
            if (link == &c.receiver || (c.offer && link == static_cast<const Link*>(&*c.offer))) index_ = i;
        }
        return Status::kOk;
    }
    if (mixed_) unlink(true);
    shuffle();
    for (std::size_t i = 0; i < count_; ++i) {
        const std::size_t at = order_[i];
        const SelectOp& op = ops_[at];
        Status status = Status::kCancelled;
        if (!is_cancelled(op.cancelled)) {
            if (op.parcel) {
                Offer& offer = *cases_[at].offer;
                status = offer.look_locked(wakes);
                // Its receiver is to be told, unless it was handed over.
                if (status == Status::kOk && !offer.until_taken_) ++moved_in;
            } else {
                status = op.channel->recv_locked<Channel::SendLock::kHeld>(out_, scratch_, wakes, moved_in);
            }
        }
        if (status == Status::kWouldBlock) continue;
        index_ = at;
        return status;
    }
    return Status::kWouldBlock;
}

// In the order that look() has drawn: of two cases of one channel the first in line is served first.
void Select::link_all() noexcept {
    for (std::size_t at = 0; at < count_; ++at) {
        const std::size_t i = order_[at];
        Case& c = cases_[i];
        if (c.offer) {
            if (c.offer->linked) continue;
            c.stood_up = c.offer->until_taken_ && c.offer->place == 0;
            ops_[i].channel->link_locked(*c.offer);
        } else {
            if (!c.receiver.linked) ops_[i].channel->link_locked(c.receiver);
            c.stood = true;
        }
    }
    // Relaxed: the locks order it against the wakers, each of whom holds one of them.
    me_.word.store(Waiter::kWaiting, std::memory_order_relaxed);
}

void Select::unlink(bool offers_too) noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
        Case& c = cases_[i];
        if (c.offer) {
            if (offers_too && c.offer->linked) ops_[i].channel->unlink_locked(*c.offer);
        } else if (c.receiver.linked) {
            ops_[i].channel->unlink_locked(c.receiver);
            c.stood = false;
        }
    }
}

// Holding no lock, out of every line: a receive that was woken and has not received hands its wake-up on.
void Select::pass_on(Status status) noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
        if (!std::exchange(cases_[i].stood, false) || (i == index_ && status == Status::kOk)) continue;
        ops_[i].channel->settle();
    }
}

// Holding no lock, as Offer::step() does: at capacity 0 those who could be handed it were not there; others may wait
// to be told.
void Select::tell_of_offers() noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
        if (std::exchange(cases_[i].stood_up, false)) ops_[i].channel->tell_receivers(1);
    }
}

Status Select::try_together() noexcept {
    if (!prepare()) return Status::kNoMemory;
    if (!try_lock_all()) return Status::kContended;
    WakeList wakes;
    int moved_in = 0;
    const Status status = look(wakes, moved_in);
    unlock_first(channel_count_);
    wakes.deliver();
    return status == Status::kOk && moved_in != 0 ? Status::kOkOwing : status;
}

bool Select::maybe_ready(const WaitFor& wait) const noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
        const SelectOp& op = ops_[i];
        const Channel& c = *op.channel;
        if (is_cancelled(op.cancelled)) return true;
        if (!op.parcel) {
            if (c.maybe_ready()) return true;
        } else if (c.sends_closed() ||
                   (c.capacity_ == 0
                        ? c.receivers_count_.load(std::memory_order_relaxed) != 0
                        : c.offers_count_.load(std::memory_order_relaxed) == 0 && c.has_place())) {
            return true;  // hints, as in Channel::maybe_ready()
        }
    }
    return must_leave(wait) != Status::kOk;
}

// --- the wait ---

Status Select::wait(const WaitFor& wait) noexcept {
    if (!prepare()) return Status::kNoMemory;
    const Nanos slice_end = end_of_slice(wait);
    // At capacity 0 there is nothing to see of those who only look: it stands in line first, as receives and offers do.
    const bool stand_first = std::any_of(&channels_[0], &channels_[channel_count_],
                                         [](const Channel* channel) { return channel->capacity_ == 0; });
    SpinBudget& budget = channels_[0]->recv_spin_;
    if (!stand_first) budget.spin([&] { return maybe_ready(wait); }, wait.deadline);
    InGroup in_group(wait.group, me_);
    Status woken = Status::kOk;
    for (;;) {
        WakeList wakes;
        int moved_in = 0;
        const Status leave = woken != Status::kOk ? woken : must_leave(wait);
        lock_all();
        Status status = look(wakes, moved_in);
        if (status != Status::kWouldBlock) {
            unlink(true);
        } else if (leave == Status::kOk) {
            // All locks are held: what comes later, comes after the links, and sees them.
            link_all();
        } else {
            if (mixed_ && leave == Status::kInterrupted) link_all();  // look() took the offers out
            unlink(leave != Status::kInterrupted);
            for (std::size_t i = 0; i < count_; ++i) cases_[i].stood = false;  // it has looked, in vain
            status = leave;
        }
        unlock_first(channel_count_);
        wakes.deliver();
        if (status != Status::kWouldBlock) {
            if (moved_in != 0) ops_[index_].channel->tell_receivers(static_cast<std::uint64_t>(moved_in));
            pass_on(status);
            return status;
        }
        tell_of_offers();
        // Re-armed, then look: pairs with the fences of who sets a flag, then wakes.
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (!in_group.enter() || must_leave(wait) != Status::kOk || any_cancelled()) continue;
        // Acquire pairs with mark_woken().
        const bool soon =
            stand_first &&
            budget.spin([&] { return me_.word.load(std::memory_order_acquire) == Waiter::kWoken; },
                        wait.deadline);
        woken = soon ? Status::kOk : sleep_until_woken(me_, wait, slice_end);
    }
}

bool Select::any_cancelled() const noexcept {
    return std::any_of(ops_, ops_ + count_, [](const SelectOp& op) { return is_cancelled(op.cancelled); });
}

bool Select::withdraw() noexcept {
    if (!cases_ || index_ != kNone) return index_ == kNone;
    WakeList wakes;
    int moved_in = 0;
    lock_all();
    if (chosen_.load(std::memory_order_acquire)) {  // as in look()
        static_cast<void>(look(wakes, moved_in));
    }
    unlink(true);
    unlock_first(channel_count_);
    pass_on(Status::kOk);
    return index_ == kNone;
}

}  // namespace interpchannels
