#include "channel/queue.hpp"

#include <algorithm>
#include <cstring>

namespace interpchannels {
namespace {

struct HeapPayload {
    std::byte* data;
    std::uint64_t size;
};

}  // namespace

struct Queue::Header : RecordHeader {
    // Behind the header, in this order, where the flags say so: sender id, attachment chain and the bytes that it
    // holds, heap payload;
    // then the bytes.
    std::byte* body() noexcept { return reinterpret_cast<std::byte*>(this + 1); }
    std::uint32_t sender_at() const noexcept { return 0; }
    std::uint32_t attachments_at() const noexcept { return (flags & kHasSender) ? 8 : 0; }
    std::uint32_t attached_at() const noexcept { return attachments_at() + 8; }
    std::uint32_t heap_at() const noexcept {
        return attachments_at() + ((flags & kHasAttachments) ? 16u : 0u);
    }
    std::uint32_t bytes_at() const noexcept { return heap_at() + ((flags & kHasHeap) ? 16u : 0u); }

    template <class T>
    T get(std::uint32_t at) noexcept {
        T value;
        std::memcpy(&value, body() + at, sizeof value);
        return value;
    }
    template <class T>
    void put(std::uint32_t at, T value) noexcept {
        std::memcpy(body() + at, &value, sizeof value);
    }
};

Queue::Header* Queue::header_at(Segment& segment, std::uint32_t offset) noexcept {
    return reinterpret_cast<Header*>(segment.bytes() + offset);
}

Queue::~Queue() {
    if (abandoned_) return;  // a forked child: leaked on purpose
    release(detach_all());
    std::free(spare_.load(std::memory_order_relaxed));  // nobody else is left
}

bool Queue::make_room(std::uint32_t length) noexcept {
    // A channel that never holds much keeps small segments; a backlog grows them.
    const std::uint64_t backlog =
        bytes_in_.load(std::memory_order_relaxed) - bytes_out_.load(std::memory_order_relaxed);
    std::uint32_t want = kSegmentMin;
    while (want < kSegmentMax && (want < backlog || want < length)) want *= 2;
    if (want < length) want = record_length(length);

    // Acquire pairs with the release in retire(): the consumer is done with it.
    Segment* segment = spare_.exchange(nullptr, std::memory_order_acquire);
    if (segment && segment->capacity < want) {
        std::free(segment);
        segment = nullptr;
    }
    if (!segment) {
        segment = static_cast<Segment*>(std::malloc(sizeof(Segment) + want));
        if (!segment) return false;
        segment->capacity = want;
    }
    segment->next = nullptr;
    segment->end.store(kOpenEnd, std::memory_order_relaxed);  // published with the first record in it
    if (tail_) {
        tail_->next = segment;
        // Relaxed: the consumer needs it only for a record that is published later, with release.
        tail_->end.store(tail_offset_, std::memory_order_relaxed);
    } else {
        first_.store(segment, std::memory_order_relaxed);  // likewise
    }
    tail_ = segment;
    tail_offset_ = 0;
    return true;
}

bool Queue::append(Parcel& parcel) noexcept {
    std::uint8_t flags = 0;
    std::uint32_t extra = 0;
    if (parcel.unbound_op) flags |= kHasSender, extra += 8;
    if (parcel.attachments) flags |= kHasAttachments, extra += 16;
    if (parcel.heap) flags |= kHasHeap, extra += 16;
    const std::uint32_t payload = parcel.heap ? 0 : static_cast<std::uint32_t>(parcel.size);
    const std::uint32_t length = record_length(extra + payload);

    if (!tail_ || tail_->capacity - tail_offset_ < length) {
        if (!make_room(length)) return false;
    }
    Header* const header = header_at(*tail_, tail_offset_);
    header->length = length;
    header->payload = static_cast<std::uint16_t>(payload);
    header->flags = flags;
    header->unbound_op = parcel.unbound_op;
    if (flags) {
        if (flags & kHasSender) header->put(header->sender_at(), parcel.sender);
        if (flags & kHasAttachments) {
            header->put(header->attachments_at(), parcel.attachments);
            header->put(header->attached_at(), static_cast<std::uint64_t>(parcel.attached));
        }
        if (flags & kHasHeap) header->put(header->heap_at(), HeapPayload{parcel.heap, parcel.size});
    }
    copy_payload(header->body() + (flags ? header->bytes_at() : 0), parcel.data, payload);
    tail_offset_ += length;
    parcel.disown();

    // Counters of one writer (the send lock's holder): plain stores, no read-modify-write.
    bytes_in_.store(bytes_in_.load(std::memory_order_relaxed) + parcel.size, std::memory_order_relaxed);
    if (parcel.attached) {
        attached_in_.store(attached_in_.load(std::memory_order_relaxed) + parcel.attached,
                           std::memory_order_relaxed);
    }
    // Release pairs with the acquire in published(), live() and skip_to_next().
    published_.store(published_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    return true;
}

std::uint64_t Queue::append_batch(Batch& batch, std::uint64_t max) noexcept {
    std::uint64_t appended = 0;
    std::size_t payload = 0;
    while (appended < max && !batch.empty()) {
        Batch::Part part = batch.fit(max - appended, tail_ ? tail_->capacity - tail_offset_ : 0);
        if (!tail_ || part.records == 0) {
            part = batch.fit(max - appended, Batch::kBytes);
            if (!make_room(static_cast<std::uint32_t>(part.bytes))) break;
        }
        std::memcpy(tail_->bytes() + tail_offset_, batch.data(), part.bytes);
        tail_offset_ += static_cast<std::uint32_t>(part.bytes);
        batch.pop(part);
        appended += part.records;
        payload += part.payload;
    }
    if (appended == 0) return 0;
    // As in append(), once for all.
    bytes_in_.store(bytes_in_.load(std::memory_order_relaxed) + payload, std::memory_order_relaxed);
    published_.store(published_.load(std::memory_order_relaxed) + appended, std::memory_order_release);
    return appended;
}

// The record at passed_, which must be published.
Queue::Header* Queue::next_header() noexcept {
    if (!head_) {
        head_ = first_.load(std::memory_order_relaxed);  // stored before the record was published
        head_offset_ = 0;
    }
    // The loop is for a segment that was left empty: make_room() for a record larger than it.
    while (head_offset_ == head_->end.load(std::memory_order_relaxed)) {
        Segment* const left = head_;
        head_ = left->next;
        head_offset_ = 0;
        retire(left);
    }
    return header_at(*head_, head_offset_);
}

void Queue::retire(Segment* segment) noexcept {
    // Release pairs with the acquire in make_room(). One spare is enough: a second is freed.
    std::free(spare_.exchange(segment, std::memory_order_acq_rel));
}

std::uint64_t Queue::skip_to_next() noexcept {
    for (;;) {
        if (passed_ == published_seen_) {
            published_seen_ = published_.load(std::memory_order_acquire);
            if (passed_ == published_seen_) return passed_;
        }
        Header* const header = next_header();
        if (!(header->flags & kTombstone)) return passed_;
        head_offset_ += header->length;
        ++passed_;  // it was counted as gone when it was removed
    }
}

bool Queue::take(Parcel& out, Scratch& scratch) noexcept {
    if (!has_next()) return false;
    Header* const header = next_header();
    out.unbound = (header->flags & kUnbound) != 0;
    out.unbound_op = header->unbound_op;
    out.size = header->payload;
    if (header->flags == 0) {
        copy_payload(scratch.bytes, header->body(), header->payload);
        out.data = scratch.bytes;
    } else {
        out.sender = (header->flags & kHasSender) ? header->get<std::int64_t>(header->sender_at()) : -1;
        if (header->flags & kHasAttachments) {
            out.attachments = header->get<Attachment*>(header->attachments_at());
            out.attached = header->get<std::uint64_t>(header->attached_at());
            attached_out_.store(attached_out_.load(std::memory_order_relaxed) + out.attached,
                                std::memory_order_relaxed);
        }
        if (header->flags & kHasHeap) {
            const auto heap = header->get<HeapPayload>(header->heap_at());
            out.heap = heap.data;
            out.data = heap.data;
            out.size = heap.size;
        } else {
            std::memcpy(scratch.bytes, header->body() + header->bytes_at(), header->payload);
            out.data = scratch.bytes;
        }
    }
    head_offset_ += header->length;
    ++passed_;
    bytes_out_.store(bytes_out_.load(std::memory_order_relaxed) + out.size, std::memory_order_relaxed);
    // Release pairs with the acquire in live().
    gone_.store(gone_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    return true;
}

std::uint64_t Queue::take_batch(Batch& out, std::uint64_t max) noexcept {
    std::uint64_t taken = 0;
    std::size_t payload = 0;
    while (taken < max && has_next()) {
        const Header* const first = next_header();
        // As many plain records as lie behind one another in this segment.
        const std::uint64_t most = std::min(max - taken, published_seen_ - passed_);
        const std::uint32_t end = head_->end.load(std::memory_order_relaxed);
        Batch::Part part;
        std::uint32_t at = head_offset_;
        while (part.records < most && at != end) {
            const Header* const header = header_at(*head_, at);
            if (header->flags != 0 || part.bytes + header->length > out.room_left()) break;
            part.bytes += header->length;
            part.payload += header->payload;
            ++part.records;
            at += header->length;
        }
        if (part.records == 0) break;
        out.put(first, part);
        head_offset_ = at;
        passed_ += part.records;
        taken += part.records;
        payload += part.payload;
    }
    if (taken == 0) return 0;
    // As in take(), once for all.
    bytes_out_.store(bytes_out_.load(std::memory_order_relaxed) + payload, std::memory_order_relaxed);
    gone_.store(gone_.load(std::memory_order_relaxed) + taken, std::memory_order_release);
    return taken;
}

// Frees what the record owns and leaves its frame standing.
void Queue::drop(Header* header, Attachment*& dropped) noexcept {
    if (header->flags & kHasAttachments) {
        Attachment* const first = header->get<Attachment*>(header->attachments_at());
        Attachment* last = first;
        while (last->next) last = last->next;
        last->next = dropped;
        dropped = first;
    }
    if (header->flags & kHasHeap) std::free(header->get<HeapPayload>(header->heap_at()).data);
    header->flags &= static_cast<std::uint8_t>(~(kHasAttachments | kHasHeap | kHasSender));
    header->payload = 0;
}

std::uint64_t Queue::clear_sender(std::int64_t interp, std::uint8_t remove_op,
                                  Attachment*& dropped) noexcept {
    if (abandoned_) return 0;  // a forked child: may lie half written
    std::uint64_t removed = 0;
    std::uint64_t bytes = 0;
    std::uint64_t attached = 0;
    const std::uint64_t end = published_.load(std::memory_order_acquire);
    if (skip_to_next() == end) return 0;
    next_header();  // moves head_ past segments that are used up
    Segment* segment = head_;
    std::uint32_t offset = head_offset_;
    for (std::uint64_t i = passed_; i != end; ++i) {
        while (offset == segment->end.load(std::memory_order_relaxed)) {
            segment = segment->next;
            offset = 0;
        }
        Header* const header = header_at(*segment, offset);
        offset += header->length;
        if (!(header->flags & kHasSender) || header->get<std::int64_t>(header->sender_at()) != interp) {
            continue;
        }
        bytes +=
            (header->flags & kHasHeap) ? header->get<HeapPayload>(header->heap_at()).size : header->payload;
        if (header->flags & kHasAttachments) attached += header->get<std::uint64_t>(header->attached_at());
        drop(header, dropped);
        if (header->unbound_op == remove_op) {
            header->flags |= kTombstone;
            ++removed;
        } else {
            header->flags |= kUnbound;
        }
    }
    bytes_out_.store(bytes_out_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
    attached_out_.store(attached_out_.load(std::memory_order_relaxed) + attached,
                        std::memory_order_relaxed);
    gone_.store(gone_.load(std::memory_order_relaxed) + removed, std::memory_order_release);
    return removed;
}

Queue::Contents Queue::detach_all() noexcept {
    Segment* const head = head_ ? head_ : first_.load(std::memory_order_relaxed);
    const std::uint64_t end = published_.load(std::memory_order_acquire);
    const Contents contents{head, head_ ? head_offset_ : 0, end - passed_};
    passed_ = published_seen_ = end;
    gone_.store(end, std::memory_order_release);
    bytes_out_.store(bytes_in_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    attached_out_.store(attached_in_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    head_ = tail_ = nullptr;
    head_offset_ = tail_offset_ = 0;
    first_.store(nullptr, std::memory_order_relaxed);
    return contents;
}

Queue::Contents Queue::detach_memory() noexcept {
    if (abandoned_ || has_next()) return {};
    Contents contents = detach_all();
    // Relaxed: the locks order it.
    if (Segment* const spare = spare_.exchange(nullptr, std::memory_order_relaxed)) {
        spare->next = static_cast<Segment*>(contents.head);
        contents.head = spare;
    }
    return contents;
}

void Queue::release(const Contents& contents) noexcept {
    auto* segment = static_cast<Segment*>(contents.head);
    std::uint32_t offset = contents.offset;
    for (std::uint64_t i = 0; i != contents.records; ++i) {
        while (offset == segment->end.load(std::memory_order_relaxed)) {
            Segment* const left = segment;
            segment = segment->next;
            offset = 0;
            std::free(left);
        }
        Header* const header = header_at(*segment, offset);
        offset += header->length;
        Attachment* dropped = nullptr;
        if (!(header->flags & kTombstone)) drop(header, dropped);
        release_chain(dropped);
    }
    while (segment) {
        Segment* const next = segment->next;
        std::free(segment);
        segment = next;
    }
}

}  // namespace interpchannels
