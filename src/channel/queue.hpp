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
#include "channel/parcel.hpp"
#include "channel/spin_lock.hpp"

namespace interpchannels {

class Queue {
public:
    Queue() = default;
    ~Queue();
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;

    // Send lock. Takes over the parcel's contents; false where memory failed, and nothing happened.
    bool append(Parcel& parcel) noexcept;
    // Send lock. The oldest items of a batch, at most `max`, out of it; how many: fewer where memory failed.
    std::uint64_t append_batch(Batch& batch, std::uint64_t max) noexcept;

    // Receive lock. Moves the oldest live item into `out` (bytes into `scratch` unless heap). False where
    // there is none.
    bool take(Parcel& out, Scratch& scratch) noexcept;

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

    // Receive lock. It is used up, and its memory is more than a channel needs that never holds much. Relaxed: a hint;
    // but a receiver that is close behind a sender must not be after its lock for nothing.
    bool oversized() const noexcept {
        return passed_ == published_seen_ && head_ && head_is_large() &&
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
    struct Segment;
    struct Header;

    bool head_is_large() const noexcept;
    bool make_room(std::uint32_t length) noexcept;
    Header* next_header() noexcept;
    void retire(Segment* segment) noexcept;
    static void drop(Header* header, Attachment*& dropped) noexcept;

public:
    // The channel's two locks, each on the line of what it protects. When both are needed, the receive
    // lock comes first. While one is held: no Python code, no wait, no wake-up, no release of a parcel.
    //
    // send_lock: the producer's side, the channel's standing offers, and its states' transitions.
    alignas(64) SpinLock send_lock;

private:
    Segment* tail_ = nullptr;
    std::uint32_t tail_offset_ = 0;
    std::atomic<std::uint64_t> published_{0};
    std::atomic<std::uint64_t> bytes_in_{0};     // in segments or on the heap
    std::atomic<std::uint64_t> attached_in_{0};  // a statistic

public:
    // recv_lock: the consumer's side, and the channel's waiting receivers.
    alignas(64) SpinLock recv_lock;

private:
    Segment* head_ = nullptr;
    std::uint32_t head_offset_ = 0;
    bool abandoned_ = false;
    std::uint64_t passed_ = 0;          // records taken or passed over
    std::uint64_t published_seen_ = 0;  // the consumer's copy of published_, refreshed when used up
    std::atomic<std::uint64_t> gone_{0};
    std::atomic<std::uint64_t> bytes_out_{0};
    std::atomic<std::uint64_t> attached_out_{0};  // a statistic

    // Shared, touched once a segment.
    alignas(64) std::atomic<Segment*> spare_{nullptr};
    std::atomic<Segment*> first_{nullptr};  // where the consumer starts, after nothing
};

}  // namespace interpchannels
