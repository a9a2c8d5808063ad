#include "channel/channel.hpp"

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>

#include "channel/blocked.hpp"
#include "channel/offer.hpp"

namespace interpchannels {
namespace {

// Moves a parcel out of its sender's memory.
void deliver(Parcel& from, Parcel& out, Scratch& scratch) noexcept {
    const std::byte* const bytes = from.data;
    const bool in_place = from.heap == nullptr;
    out = std::move(from);  // which empties it
    if (in_place) {
        if (out.size) std::memcpy(scratch.bytes, bytes, out.size);
        out.data = scratch.bytes;
    }
    out.unbound = false;
}

}  // namespace

// --- life ---

Channel::~Channel() = default;

bool Channel::try_ref() noexcept {
    std::uint32_t refs = refs_.load(std::memory_order_relaxed);
    while (refs != 0) {
        // Relaxed: the table's lock, which the caller holds, orders it against the channel's making.
        if (refs_.compare_exchange_weak(refs, refs + 1, std::memory_order_relaxed)) return true;
    }
    return false;
}

bool Channel::drop_ref() noexcept {
    // Release: what this thread did to the channel comes before its end; acquire (in the same operation,
    // for the last one) sees what the others did.
    return refs_.fetch_sub(1, std::memory_order_acq_rel) == 1;
}

void Channel::unref() noexcept {
    if (drop_ref()) delete this;
}

// --- locks ---

template <bool kBounded>
bool Channel::acquire(SpinLock& lock) noexcept {
    if constexpr (kBounded) return lock.try_lock_briefly();
    lock.lock();
    return true;
}

// --- sending ---

bool Channel::append_locked(Parcel& parcel, std::int64_t sender) noexcept {
    note_sender(sender);
    return queue_.append(parcel);
}

// Both locks, capacity 0: to the receiver that has waited longest, of those who can be handed something.
bool Channel::hand_over_locked(Parcel& parcel, std::int64_t sender, WakeList& wakes) noexcept {
    for (Link *link = queue_.receivers.front(), *next = nullptr; link; link = next) {
        next = link->next;
        auto& receiver = static_cast<Receiver&>(*link);
        if (!receiver.out) continue;
        unlink_locked(receiver);
        if (!receiver.claim()) continue;  // its select has chosen another
        note_sender(sender);
        const std::uint64_t bytes = parcel.size + parcel.attached;
        deliver(parcel, *receiver.out, *receiver.scratch);
        queue_.count_direct(bytes);
        wakes.add(*receiver.who);
        receiver.delivered.store(true, std::memory_order_release);  // pairs with the acquire in recv()
        return true;
    }
    return false;
}

Status Channel::try_send(Parcel& parcel, std::int64_t sender) noexcept {
    if (capacity_ == 0) {
        if (!queue_.recv_lock.try_lock_briefly()) return Status::kContended;
        if (!queue_.send_lock.try_lock_briefly()) {
            queue_.recv_lock.unlock();
            return Status::kContended;
        }
        WakeList wakes;
        const Status status = sends_closed()                            ? Status::kClosed
                              : hand_over_locked(parcel, sender, wakes) ? Status::kOk
                                                                        : Status::kWouldBlock;
        queue_.send_lock.unlock();
        queue_.recv_lock.unlock();
        wakes.deliver();
        return status;
    }

    if (!queue_.send_lock.try_lock_briefly()) return Status::kContended;
    Status status = Status::kOk;
    if (sends_closed()) {
        status = Status::kClosed;
    } else if (capacity_ != kUnbounded &&
               (offers_count_.load(std::memory_order_relaxed) != 0 || !has_place_locked())) {
        status = Status::kWouldBlock;  // nobody overtakes a standing offer
    } else if (!append_locked(parcel, sender)) {
        status = Status::kNoMemory;
    }
    queue_.send_lock.unlock();
    if (status != Status::kOk) return status;
    // Relaxed: who links holds our lock too (link_locked). Linked before this send, it is seen here; linked after it, it
    // sees the item. So no fence is needed here, which would be one atomic operation more for each send.
    if (receivers_count_.load(std::memory_order_relaxed) == 0) return Status::kOk;
    return wake_receivers<true>(1) ? Status::kOk : Status::kOkOwing;
}

Status Channel::try_send_batch(Batch& batch, std::int64_t sender, std::uint64_t& sent) noexcept {
    sent = 0;
    if (capacity_ == 0) return Status::kWouldBlock;
    if (!queue_.send_lock.try_lock_briefly()) return Status::kContended;
    Status status = Status::kOk;
    if (sends_closed()) {
        status = Status::kClosed;
    } else {
        std::uint64_t places = batch.count();
        if (capacity_ != kUnbounded) {
            const std::uint64_t live = queue_.live();
            const auto capacity = static_cast<std::uint64_t>(capacity_);
            places =
                offers_count_.load(std::memory_order_relaxed) != 0 || live >= capacity  // as in try_send()
                    ? 0
                    : std::min(places, capacity - live);
        }
        if (places == 0) {
            status = Status::kWouldBlock;
        } else {
            note_sender(sender);
            sent = queue_.append_batch(batch, places);
            if (sent == 0) status = Status::kNoMemory;
        }
    }
    queue_.send_lock.unlock();
    if (status != Status::kOk) return status;
    // As in try_send().
    if (receivers_count_.load(std::memory_order_relaxed) == 0) return Status::kOk;
    return wake_receivers<true>(sent) ? Status::kOk : Status::kOkOwing;
}

// recv_lock. True where somebody was woken who promises to look; false where nobody is left, or the wakes are full.
// At capacity 0 those who can be handed something need not look.
bool Channel::wake_one_locked(WakeList& wakes) noexcept {
    for (Link *link = queue_.receivers.front(), *next = nullptr; link && !wakes.full(); link = next) {
        next = link->next;
        auto& receiver = static_cast<Receiver&>(*link);
        if (capacity_ == 0 && receiver.out) continue;
        unlink_locked(receiver);
        wakes.add(*receiver.who);
        if (receiver.promises) return true;
    }
    return false;
}

// For `count` items. False where the lock was not had.
template <bool kBounded>
bool Channel::wake_receivers(std::uint64_t count) noexcept {
    for (bool more = count != 0; more;) {
        WakeList wakes;
        if (!acquire<kBounded>(queue_.recv_lock)) return false;
        while (count != 0 && wake_one_locked(wakes)) --count;
        queue_.recv_lock.unlock();
        more = count != 0 && wakes.full();
        wakes.deliver();
    }
    return true;
}

template bool Channel::wake_receivers<true>(std::uint64_t) noexcept;

void Channel::tell_receivers(std::uint64_t count) noexcept {
    // As in try_send(): what it tells of was done under the send lock.
    if (receivers_count_.load(std::memory_order_relaxed) != 0) wake_receivers<false>(count);
}

// In the child of a fork, where the channel is abandoned, the lists stay empty: `linked` alone is kept.

// Both locks, both: a sender looks for receivers, and a receiver for offers, without theirs. Whoever links looks at the
// queue after it.
void Channel::link_locked(Receiver& receiver) noexcept {
    receiver.linked = true;
    if (abandoned()) return;
    queue_.receivers.insert(receiver);
    // Relaxed: one writer (recv_lock); what orders it for its readers is in channel.hpp, invariant 2. So for all four.
    receivers_count_.store(receivers_count_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void Channel::link_locked(Offer& offer) noexcept {
    offer.position_ = queue_.published();
    offer.linked = true;
    if (abandoned()) return;
    queue_.offers.insert(offer);
    offers_count_.store(offers_count_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void Channel::unlink_locked(Receiver& receiver) noexcept {
    receiver.linked = false;
    if (abandoned()) return;
    queue_.receivers.remove(receiver);
    receivers_count_.store(receivers_count_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
}

void Channel::unlink_locked(Offer& offer) noexcept {
    offer.linked = false;
    if (abandoned()) return;
    queue_.offers.remove(offer);
    offers_count_.store(offers_count_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
}

// --- receiving ---

// Both locks: the front offer is its receiver's. False where it leaves the line and is nobody's, since its
// select has chosen another.
bool Channel::take_offer_locked(Parcel& out, Scratch& scratch, WakeList& wakes) noexcept {
    auto& offer = static_cast<Offer&>(*queue_.offers.front());
    unlink_locked(offer);
    if (!offer.claim()) return false;
    note_sender(offer.sender_);
    const std::uint64_t bytes = offer.parcel_.size + offer.parcel_.attached;
    deliver(offer.parcel_, out, scratch);
    queue_.count_direct(bytes);
    wakes.add(*offer.who);
    offer.sent_.store(true, std::memory_order_release);  // pairs with the acquire in Offer::wait()
    return true;
}

// Both locks: moves offers into the places that are free; says how many, and as many receivers are to be woken
// after the unlock, as a send does it: the offer's sender may be away (interrupted) and never look. Where
// memory fails the offer stands, and is taken from its sender's memory when its turn comes.
int Channel::promote_locked(WakeList& wakes) noexcept {
    int moved_in = 0;
    while (!queue_.offers.empty() && offers_stand() && !wakes.full() && has_place_locked()) {
        auto& offer = static_cast<Offer&>(*queue_.offers.front());
        if (offer.until_taken_) break;
        if (!offer.claim()) {  // its select has chosen another
            unlink_locked(offer);
            continue;
        }
        if (!append_locked(offer.parcel_, offer.sender_)) {
            offer.unclaim();
            if (offer.chosen) wakes.add(*offer.who);
            break;
        }
        unlink_locked(offer);
        wakes.add(*offer.who);
        offer.sent_.store(true, std::memory_order_release);  // likewise
        ++moved_in;
    }
    return moved_in;
}

// recv_lock (at capacity 0 both). `moved_in`: how many receivers are to be woken after the unlock.
template <Channel::SendLock kSendLock>
Status Channel::recv_locked(Parcel& out, Scratch& scratch, WakeList& wakes, int& moved_in) noexcept {
    // Read before the queue is: acquire pairs with the release in close_sends(), so that what was sent
    // before the close is seen by whoever sees the close.
    const std::uint32_t bits = bits_.load(std::memory_order_acquire);
    if (bits & kClosedNow) return Status::kClosed;
    if (capacity_ == 0) {
        while (!queue_.offers.empty() && offers_stand()) {
            if (take_offer_locked(out, scratch, wakes)) return Status::kOk;
        }
        return (bits & kSendsClosed) ? Status::kClosed : Status::kWouldBlock;
    }
    const auto lock_sends = [&] {
        if constexpr (kSendLock == SendLock::kHeld) return true;
        return acquire<kSendLock == SendLock::kTry>(queue_.send_lock);
    };
    const auto unlock_sends = [&] {
        if constexpr (kSendLock != SendLock::kHeld) queue_.send_lock.unlock();
    };

    // Relaxed: who links an offer holds our lock too (link_locked), so none comes before we let go of it; and who links
    // afterwards sees the place that is made here.
    if (offers_count_.load(std::memory_order_relaxed) != 0) {
        if (!lock_sends()) return Status::kContended;
        bool took = false;
        for (;;) {
            const bool empty = !queue_.has_next();
            const auto* first = offers_stand() ? static_cast<const Offer*>(queue_.offers.front()) : nullptr;
            // Where there is a capacity nothing is published past a standing offer, but by those before it
            // in line (which positions don't tell): its turn comes when the queue is empty.
            if (first &&
                (empty || (capacity_ == kUnbounded && first->position_ <= queue_.skip_to_next()))) {
                took = take_offer_locked(out, scratch, wakes);
                if (!took) continue;
            } else {
                took = queue_.take(out, scratch);
            }
            break;
        }
        if (capacity_ != kUnbounded) moved_in += promote_locked(wakes);
        unlock_sends();
        if (took) return Status::kOk;
    } else if (queue_.take(out, scratch)) {
        return Status::kOk;
    }
    return (bits & kSendsClosed) ? Status::kClosed : Status::kWouldBlock;
}

template Status Channel::recv_locked<Channel::SendLock::kHeld>(Parcel&, Scratch&, WakeList&, int&) noexcept;

Status Channel::try_recv(Parcel& out, Scratch& scratch) noexcept {
    if (!queue_.recv_lock.try_lock_briefly()) return Status::kContended;
    if (capacity_ == 0 && !queue_.send_lock.try_lock_briefly()) {
        queue_.recv_lock.unlock();
        return Status::kContended;
    }
    WakeList wakes;
    int moved_in = 0;
    const Status status = recv_locked<SendLock::kTry>(out, scratch, wakes, moved_in);
    if (capacity_ == 0) queue_.send_lock.unlock();
    unlock_and_give_back();
    wakes.deliver();
    if (moved_in != 0 && receivers_count_.load(std::memory_order_relaxed) != 0 &&  // the locks order it
        !wake_receivers<true>(static_cast<std::uint64_t>(moved_in))) {
        return Status::kOkOwing;
    }
    return status;
}

// recv_lock, which it unlocks.
void Channel::unlock_and_give_back() noexcept {
    const Queue::Contents left = queue_.oversized() ? unused_memory_locked() : Queue::Contents{};
    queue_.recv_lock.unlock();
    if (left.head) Queue::release(left);
}

// recv_lock. What a backlog has left behind, unless a sender is at it.
Queue::Contents Channel::unused_memory_locked() noexcept {
    if (!queue_.send_lock.try_lock()) return {};
    const Queue::Contents left = queue_.detach_memory();
    queue_.send_lock.unlock();
    return left;
}

Status Channel::try_recv_batch(Batch& out, std::uint64_t max) noexcept {
    // What is offered at capacity 0 and by the drop-in's senders is taken one by one.
    if (capacity_ == 0) return Status::kWouldBlock;
    if (capacity_ == kUnbounded && offers_count_.load(std::memory_order_relaxed) != 0)  // a hint
        return Status::kWouldBlock;
    if (!queue_.recv_lock.try_lock_briefly()) return Status::kContended;
    WakeList wakes;
    int moved_in = 0;
    Status status = Status::kWouldBlock;
    // Acquire pairs with the release in close_now(), as in recv_locked().
    if ((bits_.load(std::memory_order_acquire) & kClosedNow) == 0 && queue_.take_batch(out, max) != 0) {
        status = Status::kOk;
        // Relaxed: as in recv_locked().
        if (capacity_ != kUnbounded && offers_count_.load(std::memory_order_relaxed) != 0) {
            if (queue_.send_lock.try_lock_briefly()) {
                moved_in = promote_locked(wakes);
                // More places than one list of wake-ups holds: the rest detached.
                if (wakes.full()) status = Status::kOkOwing;
                queue_.send_lock.unlock();
            } else {
                status = Status::kOkOwing;
            }
        }
    }
    unlock_and_give_back();
    wakes.deliver();
    if (moved_in != 0 && receivers_count_.load(std::memory_order_relaxed) != 0 &&  // the locks order it
        !wake_receivers<true>(static_cast<std::uint64_t>(moved_in))) {
        return Status::kOkOwing;
    }
    return status;
}

Status Channel::recv(Parcel& out, Scratch& scratch, const WaitFor& wait, std::uint64_t* place) noexcept {
    const Nanos slice_end = end_of_slice(wait);
    // At capacity 0 it stands in line first: who finds it there hands it the item.
    if (capacity_ != 0) {
        recv_spin_.spin([&] { return maybe_ready() || must_leave(wait) != Status::kOk; }, wait.deadline);
    }
    Waiter waiter;
    Receiver me;
    me.who = &waiter;
    me.out = &out;
    me.scratch = &scratch;
    if (place) me.place = *place;
    InGroup in_group(wait.group, waiter);
    Status woken = Status::kOk;
    for (;;) {
        WakeList wakes;
        int moved_in = 0;
        Queue::Contents left;
        const Status leave = woken != Status::kOk ? woken : must_leave(wait);
        queue_.recv_lock.lock();
        if (capacity_ == 0) queue_.send_lock.lock();
        Status status = me.delivered.load(std::memory_order_relaxed)  // the locks order it
                            ? Status::kOk
                            : recv_locked<SendLock::kTake>(out, scratch, wakes, moved_in);
        if (status == Status::kWouldBlock && leave == Status::kOk && !me.linked) {
            if (capacity_ != 0) queue_.send_lock.lock();
            link_locked(me);
            status = recv_locked<SendLock::kHeld>(out, scratch, wakes, moved_in);
            if (status == Status::kWouldBlock) left = queue_.detach_memory();
            if (capacity_ != 0) queue_.send_lock.unlock();
        }
        if (status == Status::kWouldBlock) {
            if (leave != Status::kOk) {
                status = leave;
            } else {
                waiter.word.store(Waiter::kWaiting, std::memory_order_relaxed);  // the lock orders it
            }
        }
        if (status != Status::kWouldBlock && me.linked) unlink_locked(me);
        if (capacity_ == 0) queue_.send_lock.unlock();
        queue_.recv_lock.unlock();
        if (left.head) Queue::release(left);
        wakes.deliver();
        if (moved_in != 0) tell_receivers(static_cast<std::uint64_t>(moved_in));
        if (status != Status::kWouldBlock) {
            if (place) *place = me.place;
            return status;
        }
        std::atomic_thread_fence(std::memory_order_seq_cst);  // as in Offer::wait(), for the group
        if (!in_group.enter() || must_leave(wait) != Status::kOk) continue;  // the next look says why
        const bool soon =
            capacity_ == 0 &&
            recv_spin_.spin([&] { return waiter.word.load(std::memory_order_acquire) == Waiter::kWoken; },
                            wait.deadline);
        woken = soon ? Status::kOk : sleep_until_woken(waiter, wait, slice_end);
        // Acquire pairs with the release in hand_over_locked(): the item is here, and nobody knows us any more.
        if (me.delivered.load(std::memory_order_acquire)) {
            if (place) *place = me.place;
            return Status::kOk;
        }
    }
}

void Channel::settle() noexcept {
    wake_receivers<false>(count_with_offers());
    promote_all();
}

void Channel::promote_all() noexcept {
    if (capacity_ <= 0) return;
    for (bool more = true; more;) {
        WakeList wakes;
        int moved_in = 0;
        {
            SpinGuard receive(queue_.recv_lock);
            SpinGuard send(queue_.send_lock);
            moved_in = promote_locked(wakes);
        }
        more = wakes.full();
        wakes.deliver();
        if (moved_in != 0) tell_receivers(static_cast<std::uint64_t>(moved_in));
    }
}

bool Channel::maybe_ready() const noexcept {
    // Hints only: the call that acts on them looks again under the lock.
    return queue_.live() != 0 || offers_count_.load(std::memory_order_relaxed) != 0 ||
           (bits_.load(std::memory_order_relaxed) & kSendsClosed) != 0;
}

bool Channel::spin_attached(std::int64_t receiver, Nanos nanos) const noexcept {
    if (!SpinBudget::useful() || last_sender_.load(std::memory_order_relaxed) == receiver) return false;
    const Nanos start = now();
    for (Nanos at = start; at < start + nanos; at = now()) {
        for (int i = 0; i < 16; ++i) {
            if (maybe_ready()) return true;
            cpu_relax();
        }
        // The peer may have been woken onto this very core, where it cannot answer as long as we spin.
        if (at >= start + SpinBudget::kAloneNanos) std::this_thread::yield();
    }
    return false;
}

// --- closing ---

void Channel::close_sends(bool keep_offers) noexcept {
    {
        SpinGuard guard(queue_.send_lock);
        const std::uint32_t bits = bits_.load(std::memory_order_relaxed);
        if (bits & kSendsClosed) return;
        // Release pairs with the acquire in recv_locked() and state().
        bits_.store(bits | kSendsClosed | (keep_offers ? kOffersKept : 0u), std::memory_order_release);
    }
    wake_all();
}

void Channel::close_now(Queue::Contents* left) noexcept {
    Queue::Contents contents;
    std::uint64_t dropped = 0;
    {
        SpinGuard receive(queue_.recv_lock);
        SpinGuard send(queue_.send_lock);
        const std::uint32_t bits = bits_.load(std::memory_order_relaxed);
        if (bits & kClosedNow) return;
        bits_.store(bits | kSendsClosed | kClosedNow, std::memory_order_release);  // as in close_sends()
        dropped = queue_.live();
        contents = queue_.detach_all();
    }
    queue_.tally.add_dropped(queue_, dropped);
    wake_all();
    if (left) {
        *left = contents;
    } else {
        Queue::release(contents);
    }
}

bool Channel::close_if_empty() noexcept {
    {
        SpinGuard receive(queue_.recv_lock);
        SpinGuard send(queue_.send_lock);
        if (queue_.live() != 0 || !queue_.offers.empty()) return false;
        const std::uint32_t bits = bits_.load(std::memory_order_relaxed);
        bits_.store(bits | kSendsClosed | kClosedNow, std::memory_order_release);  // as in close_sends()
    }
    wake_all();
    return true;
}

// recv_lock. As mark_wave(), and a watch leaves the line: told, it is linked nowhere (watch.hpp).
void Channel::mark_receivers(std::uint64_t wave, WakeList& wakes) noexcept {
    for (Link *link = queue_.receivers.front(), *next = nullptr; link && !wakes.full(); link = next) {
        next = link->next;
        auto& receiver = static_cast<Receiver&>(*link);
        if (receiver.wave >= wave) continue;
        receiver.wave = wave;
        if (!receiver.out) unlink_locked(receiver);
        wakes.add(*receiver.who);
    }
}

void Channel::wake_all() noexcept {
    // Whoever blocks later sees the flag that was set before this, since it looks after linking.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    std::uint64_t wave = 0;
    for (bool more = true; more;) {
        WakeList wakes;
        {
            SpinGuard guard(queue_.recv_lock);
            if (wave == 0) wave = queue_.receivers.begin_wave();
            mark_receivers(wave, wakes);
        }
        more = wakes.full();
        wakes.deliver();
    }
    wave = 0;
    for (bool more = true; more;) {
        WakeList wakes;
        {
            SpinGuard guard(queue_.send_lock);
            if (wave == 0) wave = queue_.offers.begin_wave();
            mark_wave(queue_.offers, wave, wakes);
        }
        more = wakes.full();
        wakes.deliver();
    }
}

State Channel::state_of(std::uint32_t bits) const noexcept {
    if (bits & kClosedNow) return State::kClosed;
    if (!(bits & kSendsClosed)) return State::kOpen;
    // Offers first: a promotion puts one into the queue before it takes it off the line. Acquire keeps the two
    // loads in this order; there is nothing to see behind it.
    const bool offers = (bits & kOffersKept) && offers_count_.load(std::memory_order_acquire) != 0;
    const bool left = queue_.live() != 0 || offers;
    return left ? State::kClosing : State::kClosed;
}

ChannelStats Channel::stats() const noexcept {
    // Exact at rest; in motion each figure is one that was true a moment ago.
    ChannelStats s;
    const std::uint64_t direct = queue_.direct();
    s.queued = queue_.live();
    s.sent = queue_.published() + direct;
    s.received = s.sent - s.queued;
    s.bytes = queue_.bytes_sent();
    s.queued_bytes = queue_.bytes_queued();
    s.waiting_senders = offers_count_.load(std::memory_order_relaxed);
    s.waiting_receivers = receivers_count_.load(std::memory_order_relaxed);
    return s;
}

void Channel::clear_sender(std::int64_t interp, std::uint8_t remove_op) noexcept {
    Attachment* dropped = nullptr;
    {
        SpinGuard receive(queue_.recv_lock);
        SpinGuard send(queue_.send_lock);
        queue_.clear_sender(interp, remove_op, dropped);
    }
    release_chain(dropped);
    promote_all();
}

void Channel::abandon_in_child() noexcept {
    bits_.store(kSendsClosed | kClosedNow | kAbandoned, std::memory_order_seq_cst);
    queue_.abandon();
    queue_.send_lock.unlock();
    queue_.recv_lock.unlock();
    queue_.receivers.clear_after_fork();
    queue_.offers.clear_after_fork();
    queue_.tally.abandon_in_child(queue_);
    receivers_count_.store(0, std::memory_order_seq_cst);
    offers_count_.store(0, std::memory_order_seq_cst);
}

}  // namespace interpchannels
