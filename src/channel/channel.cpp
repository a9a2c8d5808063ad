#include "channel/channel.hpp"

#include <cstring>
#include <utility>

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

// Sleeps until the waiter is woken. kOk, kTimeout or kInterrupted.
Status sleep_until_woken(Waiter& waiter, const WaitFor& wait, Nanos slice_end) noexcept {
    const Nanos until = slice_end < wait.deadline ? slice_end : wait.deadline;
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
            return until == wait.deadline ? Status::kTimeout : Status::kInterrupted;
        case Parked::kInterrupted:
            if (wait.interruptible) return Status::kInterrupted;
            break;
        }
    }
}

// Why the call must not block (any longer), or kOk.
Status must_leave(const WaitFor& wait) noexcept {
    // Acquire pairs with the release of whoever set it before wake_all().
    if (wait.cancelled && wait.cancelled->load(std::memory_order_acquire)) return Status::kCancelled;
    if (wait.group && wait.group->ended()) return Status::kEnding;
    if (wait.group && wait.group->pokes() != wait.pokes) return Status::kInterrupted;
    return Status::kOk;
}

Nanos end_of_slice(const WaitFor& wait) noexcept { return wait.slice ? now() + wait.slice : kNever; }

// In the group while it blocks.
class InGroup {
public:
    InGroup(WaitGroup* group, Waiter& waiter) noexcept : group_(group), waiter_(waiter) {}
    bool enter() noexcept {
        if (!group_ || entered_) return true;
        return entered_ = group_->enter(waiter_);
    }
    ~InGroup() {
        if (entered_) group_->leave(waiter_);
    }
    InGroup(const InGroup&) = delete;
    InGroup& operator=(const InGroup&) = delete;

private:
    WaitGroup* const group_;
    Waiter& waiter_;
    bool entered_ = false;
};

}  // namespace

struct Channel::Receiver : Waiter {
    Parcel* out = nullptr;
    Scratch* scratch = nullptr;
    bool delivered = false;  // recv_lock
};

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

void Channel::unref() noexcept {
    // Release: what this thread did to the channel comes before its end; acquire (in the same operation,
    // for the last one) sees what the others did.
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

// --- locks ---

template <bool kBounded>
bool Channel::acquire(SpinLock& lock) noexcept {
    if constexpr (kBounded) return lock.try_lock_briefly();
    lock.lock();
    return true;
}

// --- sending ---

void Channel::note_sender(std::int64_t sender) noexcept {
    // A hint for spin_attached(). Stored only where it changes: the line is shared with the receivers.
    if (last_sender_.load(std::memory_order_relaxed) != sender) {
        last_sender_.store(sender, std::memory_order_relaxed);
    }
}

bool Channel::append_locked(Parcel& parcel, std::int64_t sender) noexcept {
    note_sender(sender);
    return queue_.append(parcel);
}

// Both locks, capacity 0: to the receiver that has waited longest.
bool Channel::hand_over_locked(Parcel& parcel, std::int64_t sender, WakeList& wakes) noexcept {
    if (receivers_.empty()) return false;
    auto& receiver = static_cast<Receiver&>(*receivers_.front());
    unlink_locked(receiver);
    note_sender(sender);
    const std::uint64_t bytes = parcel.size + parcel.attached;
    deliver(parcel, *receiver.out, *receiver.scratch);
    receiver.delivered = true;
    // One writer at a time (both locks): plain additions.
    direct_.store(direct_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    direct_bytes_.store(direct_bytes_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
    wakes.add(receiver);
    return true;
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
               (offers_count_.load(std::memory_order_relaxed) != 0 || !has_place())) {
        status = Status::kWouldBlock;  // nobody overtakes a standing offer
    } else if (!append_locked(parcel, sender)) {
        status = Status::kNoMemory;
    }
    queue_.send_lock.unlock();
    if (status != Status::kOk) return status;
    // Published, then look for receivers: pairs with the fence in recv(), which links, then looks.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (receivers_count_.load(std::memory_order_relaxed) == 0) return Status::kOk;
    return wake_receiver<true>() ? Status::kOk : Status::kOkOwing;
}

template <bool kBounded>
bool Channel::wake_receiver() noexcept {
    WakeList wakes;
    if (!acquire<kBounded>(queue_.recv_lock)) return false;
    if (!receivers_.empty()) {
        auto& receiver = static_cast<Receiver&>(*receivers_.front());
        unlink_locked(receiver);
        wakes.add(receiver);
    }
    queue_.recv_lock.unlock();
    wakes.deliver();
    return true;
}

void Channel::unlink_locked(Receiver& receiver) noexcept {
    receivers_.remove(receiver);
    // Relaxed: one writer (recv_lock); the fences named in channel.hpp order it for its readers.
    receivers_count_.store(receivers_count_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
}

void Channel::unlink_locked(Offer& offer) noexcept {
    offers_.remove(offer);
    offers_count_.store(offers_count_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
}

// One look at whether the offer is done. send_lock (at capacity 0 both locks). kWouldBlock: it stands.
Status Offer::look_locked(WakeList& wakes) noexcept {
    Channel& c = channel_;
    if (sent_) return Status::kOk;
    // Relaxed: written under send_lock.
    const std::uint32_t bits = c.bits_.load(std::memory_order_relaxed);
    const bool stays = linked && (bits & Channel::kOffersKept) && !(bits & Channel::kClosedNow);
    if ((bits & Channel::kSendsClosed) && !stays) {
        if (linked) c.unlink_locked(*this);
        return Status::kClosed;
    }
    if (c.capacity_ == 0) {
        if (!linked && c.hand_over_locked(parcel_, sender_, wakes)) {
            sent_ = true;
            return Status::kOk;
        }
    } else if (!until_taken_) {
        // An unbounded channel has a place behind any offer: the order is by position there.
        const bool first =
            c.capacity_ == kUnbounded || (linked ? c.offers_.front() == this : c.offers_.empty());
        if (first && c.has_place()) {
            if (!c.append_locked(parcel_, sender_)) {
                if (linked) c.unlink_locked(*this);
                return Status::kNoMemory;
            }
            if (linked) c.unlink_locked(*this);
            sent_ = true;
            return Status::kOk;
        }
    }
    return Status::kWouldBlock;
}

Status Offer::wait(const WaitFor& wait) noexcept {
    Channel& c = channel_;
    const bool rendezvous = c.capacity_ == 0;
    const Nanos slice_end = end_of_slice(wait);
    if (!until_taken_ && !std::exchange(waited_, true)) {
        c.send_spin_.spin(
            [&] {
                return (c.offers_count_.load(std::memory_order_relaxed) == 0 && c.has_place()) ||
                       (c.bits_.load(std::memory_order_relaxed) & Channel::kSendsClosed) ||
                       must_leave(wait) != Status::kOk;
            },
            wait.deadline);
    }
    InGroup in_group(wait.group, *this);
    Status woken = Status::kOk;
    for (;;) {
        WakeList wakes;
        if (rendezvous) c.queue_.recv_lock.lock();
        c.queue_.send_lock.lock();
        const bool was_sent = sent_;
        Status status = look_locked(wakes);
        if (status == Status::kWouldBlock && !linked && woken == Status::kOk &&
            must_leave(wait) == Status::kOk) {
            position_ = c.queue_.published();
            c.offers_.push_back(*this);
            c.offers_count_.store(c.offers_count_.load(std::memory_order_relaxed) + 1,
                                  std::memory_order_relaxed);
            // Linked, then look for a place: pairs with the fence in recv_locked(), which makes a place,
            // then looks for offers.
            std::atomic_thread_fence(std::memory_order_seq_cst);
            status = look_locked(wakes);
        }
        if (status == Status::kWouldBlock) {
            const Status leave = woken != Status::kOk ? woken : must_leave(wait);
            if (leave != Status::kOk) {
                if (linked && leave != Status::kInterrupted) c.unlink_locked(*this);
                status = leave;
            } else {
                // Relaxed: the lock orders it against the wakers, who hold it too.
                word.store(kWaiting, std::memory_order_relaxed);
            }
        }
        c.queue_.send_lock.unlock();
        if (rendezvous) c.queue_.recv_lock.unlock();
        wakes.deliver();
        if (status == Status::kOk && !until_taken_ && !was_sent) {
            std::atomic_thread_fence(std::memory_order_seq_cst);  // as in try_send()
            if (c.receivers_count_.load(std::memory_order_relaxed) != 0) c.wake_receiver<false>();
        }
        if (status != Status::kWouldBlock) return status;

        if (until_taken_ && !rendezvous) {
            std::atomic_thread_fence(std::memory_order_seq_cst);  // linked, then look for receivers
            if (c.receivers_count_.load(std::memory_order_relaxed) != 0) c.wake_receiver<false>();
        }
        // Re-armed, then look: pairs with the fence in WaitGroup::wake_all(), which marks without our lock.
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (!in_group.enter() || must_leave(wait) != Status::kOk) continue;  // the next look says why
        const bool soon = until_taken_ &&
                          c.send_spin_.spin([&] { return word.load(std::memory_order_acquire) == kWoken; },
                                            wait.deadline);
        woken = soon ? Status::kOk : sleep_until_woken(*this, wait, slice_end);
    }
}

bool Offer::withdraw() noexcept {
    Channel& c = channel_;
    c.queue_.send_lock.lock();  // whoever takes an offer holds it
    if (linked) c.unlink_locked(*this);
    const bool sent = sent_;
    c.queue_.send_lock.unlock();
    return !sent;
}

// --- receiving ---

// Both locks: the front offer is its receiver's.
void Channel::take_offer_locked(Parcel& out, Scratch& scratch, WakeList& wakes) noexcept {
    auto& offer = static_cast<Offer&>(*offers_.front());
    unlink_locked(offer);
    note_sender(offer.sender_);
    const std::uint64_t bytes = offer.parcel_.size + offer.parcel_.attached;
    deliver(offer.parcel_, out, scratch);
    offer.sent_ = true;
    direct_.store(direct_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    direct_bytes_.store(direct_bytes_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
    wakes.add(offer);
}

// Both locks: moves offers into the places that are free. Where memory fails the offer stands, and is
// taken from its sender's memory when its turn comes. Each one that moved in wakes a receiver, as a send
// does: its sender may be away (interrupted) and never look. Not `self`, which is awake and leaving.
void Channel::promote_locked(WakeList& wakes, const Waiter* self) noexcept {
    while (!offers_.empty() && offers_stand() && !wakes.full() && has_place()) {
        auto& offer = static_cast<Offer&>(*offers_.front());
        if (offer.until_taken_ || !append_locked(offer.parcel_, offer.sender_)) return;
        unlink_locked(offer);
        offer.sent_ = true;
        wakes.add(offer);
        Waiter* waiting = receivers_.front();
        if (waiting && waiting == self) waiting = waiting->next;
        if (!waiting) continue;
        unlink_locked(static_cast<Receiver&>(*waiting));
        wakes.add(*waiting);
    }
}

// recv_lock (at capacity 0 both).
template <bool kBounded>
Status Channel::recv_locked(Parcel& out, Scratch& scratch, WakeList& wakes, const Waiter* self) noexcept {
    // Read before the queue is: acquire pairs with the release in close_sends(), so that what was sent
    // before the close is seen by whoever sees the close.
    const std::uint32_t bits = bits_.load(std::memory_order_acquire);
    if (bits & kClosedNow) return Status::kClosed;
    if (capacity_ == 0) {
        if (offers_.empty() || !offers_stand()) {
            return (bits & kSendsClosed) ? Status::kClosed : Status::kWouldBlock;
        }
        take_offer_locked(out, scratch, wakes);
        return Status::kOk;
    }

    // Acquire pairs with nothing but the fences: a standing offer that is missed here has linked after
    // this look, and looks itself.
    if (offers_count_.load(std::memory_order_acquire) != 0) {
        if (!acquire<kBounded>(queue_.send_lock)) return Status::kContended;
        const bool empty = !queue_.has_next();
        const auto* first = offers_stand() ? static_cast<const Offer*>(offers_.front()) : nullptr;
        bool took = true;
        // Where there is a capacity nothing is published past a standing offer, but by those before it
        // in line (which positions don't tell): its turn comes when the queue is empty.
        if (first && (empty || (capacity_ == kUnbounded && first->position_ <= queue_.skip_to_next()))) {
            take_offer_locked(out, scratch, wakes);
        } else {
            took = queue_.take(out, scratch);
        }
        if (capacity_ != kUnbounded) promote_locked(wakes, self);
        queue_.send_lock.unlock();
        if (took) return Status::kOk;
    } else if (queue_.take(out, scratch)) {
        if (capacity_ == kUnbounded) return Status::kOk;
        // A place was made, then look for offers: pairs with the fence in Offer::wait().
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (offers_count_.load(std::memory_order_relaxed) == 0) return Status::kOk;
        if (!acquire<kBounded>(queue_.send_lock)) return Status::kOkOwing;
        promote_locked(wakes, self);
        queue_.send_lock.unlock();
        return Status::kOk;
    }
    return (bits & kSendsClosed) ? Status::kClosed : Status::kWouldBlock;
}

Status Channel::try_recv(Parcel& out, Scratch& scratch) noexcept {
    if (!queue_.recv_lock.try_lock_briefly()) return Status::kContended;
    if (capacity_ == 0 && !queue_.send_lock.try_lock_briefly()) {
        queue_.recv_lock.unlock();
        return Status::kContended;
    }
    WakeList wakes;
    const Status status = recv_locked<true>(out, scratch, wakes, nullptr);
    if (capacity_ == 0) queue_.send_lock.unlock();
    queue_.recv_lock.unlock();
    wakes.deliver();
    return status;
}

Status Channel::recv(Parcel& out, Scratch& scratch, const WaitFor& wait) noexcept {
    const Nanos slice_end = end_of_slice(wait);
    recv_spin_.spin([&] { return maybe_ready() || must_leave(wait) != Status::kOk; }, wait.deadline);
    Receiver me;
    me.out = &out;
    me.scratch = &scratch;
    InGroup in_group(wait.group, me);
    Status woken = Status::kOk;
    for (;;) {
        WakeList wakes;
        queue_.recv_lock.lock();
        if (capacity_ == 0) queue_.send_lock.lock();
        Status status = me.delivered ? Status::kOk : recv_locked<false>(out, scratch, wakes, &me);
        if (status == Status::kWouldBlock && !me.linked && woken == Status::kOk &&
            must_leave(wait) == Status::kOk) {
            receivers_.push_back(me);
            receivers_count_.store(receivers_count_.load(std::memory_order_relaxed) + 1,
                                   std::memory_order_relaxed);
            // Linked, then look again: pairs with the fence in try_send() and Offer::wait().
            std::atomic_thread_fence(std::memory_order_seq_cst);
            status = recv_locked<false>(out, scratch, wakes, &me);
        }
        if (status == Status::kWouldBlock) {
            const Status leave = woken != Status::kOk ? woken : must_leave(wait);
            if (leave != Status::kOk) {
                status = leave;
            } else {
                me.word.store(Waiter::kWaiting, std::memory_order_relaxed);  // the lock orders it
            }
        }
        if (status != Status::kWouldBlock && me.linked) unlink_locked(me);
        if (capacity_ == 0) queue_.send_lock.unlock();
        queue_.recv_lock.unlock();
        wakes.deliver();
        if (status != Status::kWouldBlock) return status;
        std::atomic_thread_fence(std::memory_order_seq_cst);  // as in Offer::wait(), for the group
        if (!in_group.enter() || must_leave(wait) != Status::kOk) continue;  // the next look says why
        woken = sleep_until_woken(me, wait, slice_end);
    }
}

void Channel::settle() noexcept {
    WakeList wakes;
    {
        SpinGuard receive(queue_.recv_lock);
        if (!receivers_.empty() && queue_.has_next()) {
            auto& receiver = static_cast<Receiver&>(*receivers_.front());
            unlink_locked(receiver);
            wakes.add(receiver);
        }
    }
    wakes.deliver();
    promote_all();
}

void Channel::promote_all() noexcept {
    if (capacity_ <= 0) return;
    for (bool more = true; more;) {
        WakeList wakes;
        {
            SpinGuard receive(queue_.recv_lock);
            SpinGuard send(queue_.send_lock);
            promote_locked(wakes, nullptr);
        }
        more = wakes.full();
        wakes.deliver();
    }
}

bool Channel::maybe_ready() const noexcept {
    // Hints only: the call that acts on them looks again under the lock.
    return queue_.live() != 0 || offers_count_.load(std::memory_order_relaxed) != 0 ||
           (bits_.load(std::memory_order_relaxed) & kSendsClosed) != 0;
}

bool Channel::spin_attached(std::int64_t receiver, Nanos nanos) const noexcept {
    if (!SpinBudget::useful() || last_sender_.load(std::memory_order_relaxed) == receiver) return false;
    const Nanos until = now() + nanos;
    do {
        for (int i = 0; i < 16; ++i) {
            if (maybe_ready()) return true;
            cpu_relax();
        }
    } while (now() < until);
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
    {
        SpinGuard receive(queue_.recv_lock);
        SpinGuard send(queue_.send_lock);
        const std::uint32_t bits = bits_.load(std::memory_order_relaxed);
        if (bits & kClosedNow) return;
        bits_.store(bits | kSendsClosed | kClosedNow, std::memory_order_release);  // as in close_sends()
        contents = queue_.detach_all();
    }
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
        if (queue_.live() != 0 || !offers_.empty()) return false;
        const std::uint32_t bits = bits_.load(std::memory_order_relaxed);
        bits_.store(bits | kSendsClosed | kClosedNow, std::memory_order_release);  // as in close_sends()
    }
    wake_all();
    return true;
}

void Channel::mark_some(WaiterList& list, WakeList& wakes) noexcept {
    for (Waiter* w = list.front(); w && !wakes.full(); w = w->next) {
        // Relaxed: re-armed only under the lock that the caller holds.
        if (w->word.load(std::memory_order_relaxed) != Waiter::kWoken) wakes.add(*w);
    }
}

void Channel::wake_all() noexcept {
    // Whoever blocks later sees the flag that was set before this, since it looks after linking.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    for (bool more = true; more;) {
        WakeList wakes;
        {
            SpinGuard guard(queue_.recv_lock);
            mark_some(receivers_, wakes);
        }
        more = wakes.full();
        wakes.deliver();
    }
    for (bool more = true; more;) {
        WakeList wakes;
        {
            SpinGuard guard(queue_.send_lock);
            mark_some(offers_, wakes);
        }
        more = wakes.full();
        wakes.deliver();
    }
}

State Channel::state() const noexcept {
    const std::uint32_t bits = bits_.load(std::memory_order_acquire);  // as in recv_locked()
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
    const std::uint64_t direct = direct_.load(std::memory_order_relaxed);
    s.queued = queue_.live();
    s.sent = queue_.published() + direct;
    s.received = s.sent - s.queued;
    s.bytes = queue_.bytes_sent() + direct_bytes_.load(std::memory_order_relaxed);
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
    bits_.store(kSendsClosed | kClosedNow, std::memory_order_seq_cst);
    queue_.abandon();
    queue_.send_lock.unlock();
    queue_.recv_lock.unlock();
    receivers_.clear_after_fork();
    offers_.clear_after_fork();
    receivers_count_.store(0, std::memory_order_seq_cst);
    offers_count_.store(0, std::memory_order_seq_cst);
}

}  // namespace interpchannels
