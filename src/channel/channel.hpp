// A channel: the FIFO, its states, and who waits at its two sides.
//
// What it does, for every capacity:
//   None  append; a sender never waits.
//   n     append while fewer than n items are live and nobody is waiting for a place; otherwise stand in
//         line with an *offer*, which the receiver that makes the place moves into the queue.
//   0     hand the parcel to a waiting receiver; otherwise offer it, and a receiver takes it straight from
//         the sender's memory. A receiver that waits by a Watch takes offers only.
// A drop-in's blocking send is an offer as well, one that is done when it is *taken*, at its position in
// the order of the whole channel.
//
// States: open -> closing (no more sends; receivers drain) -> closed. closing turns into closed by itself
// when nothing is left. An immediate close goes straight to closed.
//
// Invariants:
//  1. Order: an item comes out after everything that was sent, or offered, before it. A new send never
//     overtakes a standing offer for a place.
//  2. A waiting receiver is linked, holding both locks, before it looks at the queue for the last time; a sender
//     publishes under the send lock, then looks for waiting receivers. An offer is linked, holding both locks, before
//     it looks for a place for the last time; a receiver makes places under the receive lock, and looks for offers
//     while it holds it. The lock that both sides have puts one before the other, and the later sees the earlier: so
//     neither a send nor a receive needs a fence. Leaving a line takes one lock only, that of the list.
//  3. Whatever ends a wait, the call looks once more before it gives up: an item that was already meant
//     for it is received, not lost.
//  4. Wake-ups and the release of parcels happen after unlocking.
//  5. No function here touches Python. Blocking ones are called detached. try_* ones may be called attached:
//     they make a bounded try for the lock and say kContended.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "channel/parcel.hpp"
#include "channel/queue.hpp"
#include "channel/spin_budget.hpp"
#include "channel/status.hpp"
#include "channel/tally.hpp"
#include "channel/waiter.hpp"

namespace interpchannels {

enum class State : std::uint8_t { kOpen, kClosing, kClosed };
enum class Direction : std::uint8_t { kRecv = 0, kSend = 1 };

class Offer;
class Select;
class Watch;

inline constexpr std::int64_t kUnbounded = -1;

// A receive that waits in line.
struct Receiver : Link {
    Parcel* out = nullptr;  // where an item may be handed to it; nullptr: it is only told to look (a Watch)
    Scratch* scratch = nullptr;
    // Stored last by whoever hands something over, under the locks: its receiver may go as soon as it is seen.
    std::atomic<bool> delivered{false};
    // It looks when it is woken, or passes the wake-up on. One that does not (a descriptor that somebody may
    // watch) is told besides.
    bool promises = true;
};

struct ChannelStats {
    std::uint64_t sent = 0;          // items that a send delivered, ever
    std::uint64_t received = 0;      // items that a receive took, ever (dropped ones included)
    std::uint64_t queued = 0;        // live now, standing offers not included
    std::uint64_t bytes = 0;         // payload bytes of the items sent, ever; loans and buffers included
    std::uint64_t queued_bytes = 0;  // of these, those that are queued now
    std::uint32_t waiting_senders = 0;
    std::uint32_t waiting_receivers = 0;
};

class Channel {
public:
    explicit Channel(std::int64_t capacity) noexcept : capacity_(capacity) {}
    virtual ~Channel();
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

    // --- life: an intrusive count; the last one to let go frees it, holding no lock ---
    void ref() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
    // For tables, which hold no reference: false where the last one has gone already.
    bool try_ref() noexcept;
    void unref() noexcept;
    // The same in two steps. True where it was the last: the caller deletes it, which takes the lock of its table.
    [[nodiscard]] bool drop_ref() noexcept;

    std::int64_t capacity() const noexcept { return capacity_; }
    std::int64_t id() const noexcept { return id_; }
    void set_id(std::int64_t id) noexcept { id_ = id; }  // by the table, before anybody else sees it

    // --- sending; `parcel` is emptied only by kOk and kOkOwing. A send that has to wait is an Offer. ---
    // `sender` is the id of the caller's interpreter. At capacity 0: kOk where a receiver stood waiting.
    Status try_send(Parcel& parcel, std::int64_t sender) noexcept;
    // The oldest of a batch, out of it, as many as there are places for: kOk or kOkOwing, and `sent` says how many;
    // kWouldBlock for none. At capacity 0 always kWouldBlock: what is handed over goes one by one.
    Status try_send_batch(Batch& batch, std::int64_t sender, std::uint64_t& sent) noexcept;

    // try_send() for what most items are: `size` bytes that own nothing (see Queue::append_short). kContended also where it takes more than that,
    // and try_send() can do it.
    Status try_send_short(const std::byte* data, std::uint32_t size, std::uint8_t unbound_op,
                          std::int64_t sender) noexcept;

    // --- receiving; `out` is written only by kOk and kOkOwing ---
    Status try_recv(Parcel& out, Scratch& scratch) noexcept;
    // Likewise: kOk, or kContended.
    Status try_recv_short(ShortItem& out) noexcept;
    // As many plain items as are next, at most `max`, into an empty batch. kWouldBlock where the next is none:
    // then try_recv() knows better.
    Status try_recv_batch(Batch& out, std::uint64_t max) noexcept;
    // Blocks, detached. After kInterrupted it is not in line, and is handed nothing; who calls again with the same
    // `place` (0 at first) gets its place in line back.
    Status recv(Parcel& out, Scratch& scratch, const WaitFor& wait,
                std::uint64_t* place = nullptr) noexcept;

    // Detached: wakes as many receivers as there are items for, and moves offers into free places. For what a
    // bounded try could not do (kOkOwing), and for a wake-up that its receiver has no use for.
    void settle() noexcept;

    // A hint, without a lock: there may be something to receive, or an end to report.
    bool maybe_ready() const noexcept;
    // Spins for at most about `nanos` until maybe_ready(); false at once where that is useless: one core,
    // or the last sender was `receiver`'s own interpreter. For callers that are still attached.
    bool spin_attached(std::int64_t receiver, Nanos nanos) const noexcept;

    // --- closing; all idempotent ---
    // No more sends. With keep_offers, senders that are blocked may still be received from.
    void close_sends(bool keep_offers) noexcept;
    // Nothing any more: who waits is woken, what is queued is released and done with; or, with `left`, handed to the
    // caller, who releases it with Queue::release() where it is best done.
    void close_now(Queue::Contents* left = nullptr) noexcept;
    // The same where there is neither an item nor an offer; false otherwise, and nothing happened.
    bool close_if_empty() noexcept;
    // Wakes everybody to look again, after a handle's `cancelled` flag was set.
    void wake_all() noexcept;

    [[gnu::always_inline]] State state() const noexcept {
        const std::uint32_t bits = bits_.load(std::memory_order_acquire);  // as in recv_locked()
        return bits == 0 ? State::kOpen : state_of(bits);
    }
    std::uint64_t count() const noexcept {
        const std::uint64_t live = queue_.live();
        // In motion, what came may be seen and what went not yet; but there are never more than may be.
        return capacity_ > 0 ? std::min(live, static_cast<std::uint64_t>(capacity_)) : live;
    }
    std::uint64_t count_with_offers() const noexcept {
        return queue_.live() + offers_count_.load(std::memory_order_relaxed);
    }
    ChannelStats stats() const noexcept;

    // Which items are done with (see tally.hpp). What a close drops is.
    bool add_done() noexcept { return queue_.tally.add_done(queue_); }
    std::uint64_t unfinished() noexcept { return queue_.tally.unfinished(queue_); }
    Status wait_until_done(const WaitFor& wait) noexcept { return queue_.tally.wait(queue_, wait); }

    // The interpreter ended: its items become unbound, or are removed where their op is `remove_op`.
    void clear_sender(std::int64_t interp, std::uint8_t remove_op) noexcept;

    // In the child of a fork, single-threaded: closed, with whatever lies in it left alone.
    void abandon_in_child() noexcept;

private:
    friend class Offer;
    friend class Select;
    friend class Watch;
    // kAbandoned: the parent's, in the child of a fork. Its lists are empty there, whatever a link says of itself.
    enum Bit : std::uint32_t { kSendsClosed = 1, kClosedNow = 2, kOffersKept = 4, kAbandoned = 8 };
    // How recv_locked() comes by the send lock where it needs it.
    enum class SendLock : std::uint8_t { kTry, kTake, kHeld };

    template <bool kBounded>
    static bool acquire(SpinLock& lock) noexcept;
    bool append_locked(Parcel& parcel, std::int64_t sender) noexcept;
    bool hand_over_locked(Parcel& parcel, std::int64_t sender, WakeList& wakes) noexcept;
    template <SendLock kSendLock>
    Status recv_locked(Parcel& out, Scratch& scratch, WakeList& wakes, int& moved_in) noexcept;
    bool take_offer_locked(Parcel& out, Scratch& scratch, WakeList& wakes) noexcept;
    int promote_locked(WakeList& wakes) noexcept;
    void promote_all() noexcept;
    State state_of(std::uint32_t bits) const noexcept;
    Queue::Contents unused_memory_locked() noexcept;
    void unlock_and_give_back() noexcept;
    void link_locked(Receiver& receiver) noexcept;
    void link_locked(Offer& offer) noexcept;
    void unlink_locked(Receiver& receiver) noexcept;
    void unlink_locked(Offer& offer) noexcept;
    bool abandoned() const noexcept {
        return (bits_.load(std::memory_order_relaxed) & kAbandoned) !=
               0;  // set while there is but one thread
    }
    void note_sender(std::int64_t sender) noexcept;
    bool wake_one_locked(WakeList& wakes) noexcept;
    template <bool kBounded>
    bool wake_receivers(std::uint64_t count) noexcept;
    // Published, or offered, `count` under the send lock; then look for receivers.
    // Detached.
    void tell_receivers(std::uint64_t count) noexcept;
    void mark_receivers(std::uint64_t wave, WakeList& wakes) noexcept;
    bool sends_closed() const noexcept {
        // Relaxed: written under send_lock, which the caller holds.
        return (bits_.load(std::memory_order_relaxed) & kSendsClosed) != 0;
    }
    // False once they were all refused, though their senders may not have noticed yet.
    bool offers_stand() const noexcept {
        const std::uint32_t bits = bits_.load(std::memory_order_relaxed);  // as in sends_closed()
        return !(bits & kSendsClosed) || ((bits & kOffersKept) && !(bits & kClosedNow));
    }
    // Send lock.
    bool has_place_locked() noexcept {
        return capacity_ == kUnbounded || queue_.fewer_than(static_cast<std::uint64_t>(capacity_));
    }
    bool has_place() const noexcept {
        return capacity_ == kUnbounded || queue_.live() < static_cast<std::uint64_t>(capacity_);
    }

    // On one line, before the queue's: all who send or receive read it, but it changes only when somebody blocks or closes.
    const std::int64_t capacity_;
    std::int64_t id_ = -1;
    std::atomic<std::uint32_t> refs_{1};
    std::atomic<std::uint32_t> bits_{0};             // written under send_lock
    std::atomic<std::uint32_t> offers_count_{0};     // written under send_lock; raised under both
    std::atomic<std::uint32_t> receivers_count_{0};  // written under recv_lock; raised under both
    std::atomic<std::int64_t> last_sender_{-1};      // a hint
    SpinBudget recv_spin_;
    SpinBudget send_spin_;

    // Its last line has room for what a kind of channel has besides.
    [[no_unique_address]] Queue queue_;
};

inline void Channel::note_sender(std::int64_t sender) noexcept {
    // A hint for spin_attached(). Stored only where it changes: the line is shared with the receivers.
    if (last_sender_.load(std::memory_order_relaxed) != sender) {
        last_sender_.store(sender, std::memory_order_relaxed);
    }
}

// Inline, since it is called for nearly every item: a pair of a send and a receive of an int takes less than half of the
// instructions that it takes by way of a Parcel (`make counts`).
[[gnu::always_inline]] inline Status Channel::try_send_short(const std::byte* data, std::uint32_t size,
                                                             std::uint8_t unbound_op,
                                                             std::int64_t sender) noexcept {
    if (!queue_.send_lock.try_lock()) return Status::kContended;
    bool sent = false;
    if (!sends_closed() &&
        (capacity_ == kUnbounded ||
         (offers_count_.load(std::memory_order_relaxed) == 0 && has_place_locked()))) {  // as in try_send()
        note_sender(sender);
        sent = queue_.append_short(data, size, unbound_op, sender);
    }
    queue_.send_lock.unlock();
    if (!sent) return Status::kContended;
    // Relaxed: as in try_send().
    if (receivers_count_.load(std::memory_order_relaxed) == 0) return Status::kOk;
    return wake_receivers<true>(1) ? Status::kOk : Status::kOkOwing;
}

[[gnu::always_inline]] inline Status Channel::try_recv_short(ShortItem& out) noexcept {
    if (!queue_.recv_lock.try_lock()) return Status::kContended;
    // Acquire and relaxed: as in recv_locked(). Where no offer stands the place that this makes is nobody's.
    const bool taken = !(bits_.load(std::memory_order_acquire) & kClosedNow) &&
                       offers_count_.load(std::memory_order_relaxed) == 0 && queue_.take_short(out);
    if (taken && queue_.oversized()) {
        unlock_and_give_back();
    } else {
        queue_.recv_lock.unlock();
    }
    return taken ? Status::kOk : Status::kContended;
}

// A counted reference to a channel of type T.
template <class T>
class Ref {
public:
    Ref() = default;
    // Takes over one count that the caller owns.
    static Ref adopt(T* channel) noexcept {
        Ref r;
        r.p_ = channel;
        return r;
    }
    Ref(const Ref& other) noexcept : p_(other.p_) {
        if (p_) p_->ref();
    }
    Ref(Ref&& other) noexcept : p_(std::exchange(other.p_, nullptr)) {}
    Ref& operator=(Ref other) noexcept {
        std::swap(p_, other.p_);
        return *this;
    }
    ~Ref() {
        if (p_) p_->unref();
    }
    T* get() const noexcept { return p_; }
    // The count is the caller's from here on.
    [[nodiscard]] T* release() noexcept { return std::exchange(p_, nullptr); }
    T* operator->() const noexcept { return p_; }
    T& operator*() const noexcept { return *p_; }
    explicit operator bool() const noexcept { return p_ != nullptr; }

private:
    T* p_ = nullptr;
};

}  // namespace interpchannels
