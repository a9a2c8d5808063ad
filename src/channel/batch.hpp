// A batch: small items side by side, framed as the queue frames them, so that they go in or come out in one
// copy and under one lock.
//
// Only plain items are in one: bytes in place, nothing owned. Whoever has anything else sends or takes that by
// itself. A batch has one user, who fills it at the back and empties it at the front.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "channel/parcel.hpp"

namespace interpchannels {

// What stands before every record of the queue.
struct RecordHeader {
    std::uint32_t length;   // of the whole record, this included; a multiple of 8
    std::uint16_t payload;  // bytes in place; 0 where they are on the heap
    std::uint8_t flags;     // 0: a plain item, whose payload follows at once
    std::uint8_t unbound_op;
};
static_assert(sizeof(RecordHeader) == 8, "a record of one int is 16 bytes");

constexpr std::uint32_t record_length(std::size_t body) noexcept {
    return (static_cast<std::uint32_t>(sizeof(RecordHeader) + body) + 7u) & ~7u;
}

class Batch {
public:
    static constexpr std::size_t kItemMax = 136;  // what add() takes: encode_small() makes no more
    static constexpr std::size_t kBytes = 4096;

    Batch() noexcept {}  // NOLINT(modernize-use-equals-default): `= default` would zero bytes_ in Batch{}
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;

    bool empty() const noexcept { return whole_.records == 0; }
    std::uint64_t count() const noexcept { return whole_.records; }

    // Where the next item may be written, kItemMax bytes; nullptr where the batch is full.
    std::byte* room() noexcept {
        constexpr std::size_t most = record_length(kItemMax);
        return room_left() < most ? nullptr : bytes_ + end() + sizeof(RecordHeader);
    }
    // `n` bytes were written there.
    void add(std::size_t n) noexcept {
        const RecordHeader header{record_length(n), static_cast<std::uint16_t>(n), 0, 0};
        std::memcpy(bytes_ + end(), &header, sizeof header);
        whole_.bytes += header.length;
        whole_.payload += n;
        ++whole_.records;
    }
    // The oldest item, which stays where it is: `parcel` points to it.
    const std::byte* front(std::size_t& size) const noexcept {
        size = header_at(first_).payload;
        return bytes_ + first_ + sizeof(RecordHeader);
    }
    void front(Parcel& parcel) const noexcept { parcel.data = front(parcel.size); }
    void pop_front() noexcept {
        const RecordHeader header = header_at(first_);
        pop({1, header.length, header.payload});
    }

    // f(bytes, size) of each item, from the oldest on.
    template <class F>
    void each(F f) const {
        const std::byte* at = bytes_ + first_;
        for (std::uint64_t left = whole_.records; left != 0; --left) {
            RecordHeader header;
            std::memcpy(&header, at, sizeof header);
            f(at + sizeof header, static_cast<std::size_t>(header.payload));
            at += header.length;
        }
    }

    // --- the queue's: whole records at once ---

    struct Part {
        std::uint64_t records = 0;
        std::size_t bytes = 0;    // frames included
        std::size_t payload = 0;  // the items' own
    };
    const std::byte* data() const noexcept { return bytes_ + first_; }
    // The longest part from the front with at most so many records and bytes.
    Part fit(std::uint64_t records, std::size_t bytes) const noexcept {
        if (records >= whole_.records && bytes >= whole_.bytes) return whole_;
        Part part;
        while (part.records < records && part.records < whole_.records) {
            const RecordHeader header = header_at(first_ + part.bytes);
            if (part.bytes + header.length > bytes) break;
            part.bytes += header.length;
            part.payload += header.payload;
            ++part.records;
        }
        return part;
    }
    void pop(const Part& part) noexcept {
        first_ += part.bytes;
        whole_.records -= part.records;
        whole_.bytes -= part.bytes;
        whole_.payload -= part.payload;
        if (whole_.records == 0) first_ = 0;
    }
    std::size_t room_left() const noexcept { return kBytes - end(); }
    void put(const void* records, const Part& part) noexcept {
        std::memcpy(bytes_ + end(), records, part.bytes);
        whole_.records += part.records;
        whole_.bytes += part.bytes;
        whole_.payload += part.payload;
    }

private:
    RecordHeader header_at(std::size_t at) const noexcept {
        RecordHeader header;
        std::memcpy(&header, bytes_ + at, sizeof header);
        return header;
    }
    std::size_t end() const noexcept { return first_ + whole_.bytes; }

    std::size_t first_ = 0;  // where the oldest begins
    Part whole_;
    alignas(16) std::byte bytes_[kBytes];
};

}  // namespace interpchannels
