// The FIFO: a byte stream of length-prefixed records in linked segments.
//
// A record is written in place, so that an int costs 16 bytes and no allocation; a pointer stands in only
// for payloads above kInlineMax. One producer side and one consumer side work at once without sharing a
// lock: the two-lock queue of Michael and Scott ("Simple, Fast, and Practical Non-Blocking and Blocking
// Concurrent Queue Algorithms", PODC 1996), with records instead of nodes and one published count in
// place of their dummy node.
//
// Invariants:
//  1. append() and everything that it touches belongs to the holder of the channel's send lock; peeking
//     and taking to the holder of its receive lock; clear_sender() and detach_all() need both.
//  2. A record is complete before `published` counts it (release), and the consumer reads a record only
//     after it saw it counted (acquire).
//  3. live() = published - gone: a record is gone when it was taken, or removed where it stands
//     (a tombstone, which the consumer then passes over without counting it again).
//  4. A segment that the consumer has left is reused for the next one that the producer needs: memory that
//     is allocated in one thread and freed in the other costs ten times the rest. What a backlog has made large is
//     given back once it is gone (oversized()), and everything when the receiver goes to sleep.
#pragma once

#include <atomic>
#include <cstdint>

#include "channel/batch.hpp"
#include "channel/kept_memory.hpp"
#include "channel/parcel.hpp"
#include "channel/spin_lock.hpp"
#include "channel/tally.hpp"
#include "channel/waiter.hpp"

namespace interpchannels {

// An item of few bytes that owns nothing, as a receiver takes it.
struct ShortItem {
    static constexpr std::uint32_t kMax = 32;
    std::uint32_t size;
    alignas(8) std::byte bytes[kMax];  // uninitialised, as Scratch is
};

class Queue {
public:
    Queue() = default;
    ~Queue();
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;

    // Send lock. Takes over the parcel's contents; false where memory failed, and nothing happened.
    bool append(Parcel& parcel) noexcept;
    // Send lock. The same for `size` bytes that own nothing, which are many of all items; `data` can be read up to the
    // next multiple of 8. `sender` where there is an unbound_op.
    bool append_short(const std::byte* data, std::uint32_t size, std::uint8_t unbound_op,
                      std::int64_t sender) noexcept;
    // Send lock. The oldest items of a batch, at most `max`, out of it; how many: fewer where memory failed.
    std::uint64_t append_batch(Batch& batch, std::uint64_t max) noexcept;

    // Receive lock. Moves the oldest live item into `out` (bytes into `scratch` unless heap). False where
    // there is none.
    bool take(Parcel& out, Scratch& scratch) noexcept;

    // Receive lock. take() where the oldest item is a short one, without more ado; false: has_next() and take().
    bool take_short(ShortItem& out) noexcept;

    // Receive lock. Moves the oldest live items into an empty batch, at most `max`, as long as they are plain ones
    // and fit; how many.
    std::uint64_t take_batch(Batch& out, std::uint64_t max) noexcept;

    // Receive lock. Passes over tombstones; then says how many records were ever taken or passed over,
    // which is the position that the next live record has (see Offer::position_).
    std::uint64_t skip_to_next() noexcept;
    bool has_next() noexcept { return skip_to_next() != published_seen_; }

    // Both locks. What the item's interpreter asked for, for all of its items. Attachments of dropped
    // items are prepended to `dropped`, to be released after unlocking; heap payloads are freed.
    // Returns how many items were removed.
    std::uint64_t clear_sender(std::int64_t interp, std::uint8_t remove_op, Attachment*& dropped) noexcept;

    // Both locks. Takes everything out, live or not; the caller releases it after unlocking.
    struct Contents {
        void* head = nullptr;
        std::uint32_t offset = 0;
        std::uint64_t records = 0;
    };
    Contents detach_all() noexcept;
    static void release(const Contents& contents) noexcept;

    // Both locks. An item of so many bytes went from a sender to a receiver and was never in here.
    void count_direct(std::uint64_t bytes) noexcept {
        // One writer at a time: plain additions.
        direct_.store(direct_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        attached_in_.store(attached_in_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
        attached_out_.store(attached_out_.load(std::memory_order_relaxed) + bytes,
                            std::memory_order_relaxed);
    }

    // Receive lock. It is used up, and its memory is more than it needs: a segment that a backlog has made large, or any
    // where there were few items so far. Relaxed: a hint; but a receiver that is close behind a sender must not be after
    // its lock for nothing.
    [[gnu::always_inline]] bool oversized() const noexcept {
        return passed_ == published_seen_ && head_ && (head_is_large() || passed_ < kFewItems) &&
               passed_ == published_.load(std::memory_order_relaxed);
    }
    // Both locks. Its memory, where nothing is queued, to be released after unlocking.
    Contents detach_memory() noexcept;

    // Any thread, no lock.
    std::uint64_t published() const noexcept {
        // Acquire pairs with the release in append().
        return published_.load(std::memory_order_acquire);
    }
    std::uint64_t live() const noexcept {
        // Gone first: it never overtakes published. Acquire on it pairs with the release where it is
        // stored, so that the published count read after it is at least as new.
        const std::uint64_t gone = gone_.load(std::memory_order_acquire);
        return published_.load(std::memory_order_acquire) - gone;
    }
    // Send lock. live() < count, from the producer's own line where that says so.
    bool fewer_than(std::uint64_t count) noexcept {
        const std::uint64_t published =
            published_.load(std::memory_order_relaxed);  // the lock's holder writes it
        if (published - gone_seen_ < count) return true;
        gone_seen_ = gone_.load(std::memory_order_acquire);  // as in live()
        return published - gone_seen_ < count;
    }
    // How many went so. Any thread.
    std::uint64_t direct() const noexcept { return direct_.load(std::memory_order_relaxed); }
    // Payload bytes that went in and out by way of segments or the heap.
    std::uint64_t bytes_in() const noexcept { return bytes_in_.load(std::memory_order_relaxed); }
    std::uint64_t bytes_out() const noexcept { return bytes_out_.load(std::memory_order_relaxed); }
    // Payload bytes ever appended, those that attachments hold included.
    std::uint64_t bytes_sent() const noexcept {
        return bytes_in_.load(std::memory_order_relaxed) + attached_in_.load(std::memory_order_relaxed);
    }

    // Payload bytes that are queued now, those that attachments hold included. In motion, what went out may be seen
    // before what came in.
    std::uint64_t bytes_queued() const noexcept {
        const std::uint64_t out =
            bytes_out_.load(std::memory_order_relaxed) + attached_out_.load(std::memory_order_relaxed);
        const std::uint64_t in = bytes_sent();
        return in > out ? in - out : 0;
    }

    // In a forked child, where another thread may have been inside: the contents are left as they lie.
    void abandon() noexcept { abandoned_ = true; }

private:
    static constexpr std::uint32_t kSegmentMin = 256;
    static constexpr std::uint32_t kSegmentMax = 64 * 1024;
    static constexpr std::uint32_t kOpenEnd = ~std::uint32_t{0};

    enum Flag : std::uint8_t {
        kHasAttachments = 1,
        kHasHeap = 2,
        kHasSender = 4,
        kTombstone = 8,  // passed over by the consumer; owns nothing
        kUnbound = 16,   // arrives without its value; owns nothing
    };

    struct Segment {
        Segment* next;                   // written before `end`, read after it
        std::uint32_t capacity;          // bytes that follow this struct
        std::atomic<std::uint32_t> end;  // where its records stop, or kOpenEnd
        std::byte* bytes() noexcept { return reinterpret_cast<std::byte*>(this + 1); }
    };
    struct Header;

    static Header* header_at(Segment& segment, std::uint32_t offset) noexcept;
    bool head_is_large() const noexcept { return head_->capacity > kSegmentMin; }
    bool make_room(std::uint32_t length) noexcept;
    Header* next_header() noexcept;
    void retire(Segment* segment) noexcept;
    static void drop(Header* header, Attachment*& dropped) noexcept;

    // --- The layout: four lines, of which the last has room for its channel's own (pinned in counted_ends.hpp) ---
    //
    // Each of the channel's two locks is on the line of what it protects. What one side writes for each item and the other
    // reads while it waits is on a line of its own: who waits would else take the line away from whom it waits for. The
    // lists and the tally, which are touched when somebody blocks, fill up what is free. When both locks are needed, the
    // receive lock comes first. While one is held: no Python code, no wait, no wake-up, no release of a parcel.

    alignas(64) std::atomic<std::uint64_t> gone_{0};
    std::atomic<std::uint64_t> bytes_out_{0};
    std::atomic<std::uint64_t> attached_out_{0};  // a statistic

public:
    Tally tally;  // which items are done with; has a lock of its own

    // send_lock: the producer's side, the channel's standing offers, and its states' transitions.
    alignas(64) SpinLock send_lock;

private:
    std::uint32_t tail_offset_ = 0;
    Segment* tail_ = nullptr;
    std::uint64_t gone_seen_ = 0;  // the producer's copy of gone_, refreshed when there seems no place
    std::atomic<std::uint64_t> bytes_in_{0};     // in segments or on the heap
    std::atomic<std::uint64_t> attached_in_{0};  // a statistic

public:
    LinkList offers;  // send_lock

    // recv_lock: the consumer's side, and the channel's waiting receivers.
    alignas(64) SpinLock recv_lock;

private:
    bool abandoned_ = false;
    std::uint32_t head_offset_ = 0;
    Segment* head_ = nullptr;
    std::uint64_t passed_ = 0;          // records taken or passed over
    std::uint64_t published_seen_ = 0;  // the consumer's copy of published_, refreshed when used up

public:
    LinkList receivers;  // recv_lock

private:
    std::atomic<std::uint64_t> direct_{0};  // a statistic
    alignas(64) std::atomic<std::uint64_t> published_{0};
    // Touched once a segment.
    std::atomic<Segment*> spare_{nullptr};
    std::atomic<Segment*> first_{nullptr};  // where the consumer starts, after nothing
};

[[gnu::always_inline]] inline bool Queue::append_short(const std::byte* data, std::uint32_t size,
                                                       std::uint8_t unbound_op,
                                                       std::int64_t sender) noexcept {
    const std::uint32_t length = record_length(size + (unbound_op ? sizeof sender : 0));
    if ((!tail_ || tail_->capacity - tail_offset_ < length) && !make_room(length)) return false;
    std::byte* at = tail_->bytes() + tail_offset_;
    const RecordHeader header{length, static_cast<std::uint16_t>(size),
                              unbound_op ? std::uint8_t{kHasSender} : std::uint8_t{0}, unbound_op};
    std::memcpy(at, &header, sizeof header);
    at += sizeof header;
    if (unbound_op) {
        std::memcpy(at, &sender, sizeof sender);
        at += sizeof sender;
    }
    copy_words(at, data, size);
    tail_offset_ += length;
    // As in append().
    bytes_in_.store(bytes_in_.load(std::memory_order_relaxed) + size, std::memory_order_relaxed);
    published_.store(published_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    return true;
}

[[gnu::always_inline]] inline bool Queue::take_short(ShortItem& out) noexcept {
    if (passed_ == published_seen_) {
        published_seen_ = published_.load(std::memory_order_acquire);
        if (passed_ == published_seen_) return false;
    }
    if (!head_ || head_offset_ == head_->end.load(std::memory_order_relaxed)) next_header();
    const std::byte* at = head_->bytes() + head_offset_;
    RecordHeader header;
    std::memcpy(&header, at, sizeof header);
    if ((header.flags & ~std::uint32_t{kHasSender}) != 0 || header.payload > ShortItem::kMax) return false;
    at += sizeof header + (header.flags ? sizeof(std::int64_t) : 0);
    out.size = header.payload;
    copy_words(out.bytes, at, header.payload);
    head_offset_ += header.length;
    ++passed_;
    // As in take().
    bytes_out_.store(bytes_out_.load(std::memory_order_relaxed) + header.payload,
                     std::memory_order_relaxed);
    gone_.store(gone_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    return true;
}

}  // namespace interpchannels
