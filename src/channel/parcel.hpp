// A value on its way: bytes, and what they own.
//
// Invariants:
//  1. A parcel has one owner at a time: the sender, the queue, or the receiver. Whoever owns it last
//     releases its attachments, once, holding no lock.
//  2. It holds no pointer into any interpreter's objects but through an attachment, which knows whose
//     memory that is and how to give it back.
//  3. The bytes are opaque to the engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>

namespace interpchannels {

// Something that a parcel owns besides its bytes: a loan, a block of memory, a counted end. Attachments
// form a chain in the order in which the encoder met them, and the decoder takes them in that order.
class Attachment {
public:
    Attachment* next = nullptr;  // belongs to the owner of the chain

    // Called exactly once, by the chain's last owner, on any thread, attached to an interpreter or not,
    // with no lock held. Must not throw and must not run Python code of another interpreter than its own.
    virtual void release() noexcept = 0;

protected:
    Attachment() = default;
    ~Attachment() = default;
    Attachment(const Attachment&) = delete;
    Attachment& operator=(const Attachment&) = delete;
};

// Releases a chain. Not nested: a release that leads to another (a channel that lay in a channel that lay in
// a channel) is put off until the one that is running is done, so depth costs no stack.
void release_chain(Attachment* first) noexcept;

// Payloads up to this many bytes are written in place into the queue's segments; larger ones are
// allocated by the encoder and travel as a pointer.
inline constexpr std::size_t kInlineMax = 8192;

// Where a received inline payload is put; lives on the receiver's stack and is deliberately left
// uninitialised: never write Scratch{}, which would zero it.
//
// It has no constructor, not even an empty one: g++ 12 takes the start of a constructor for the start of the object's
// life, and where the address was computed before that, it gave the object and a neighbour the same place on
// the stack (select() crashed by it, with link-time optimisation only).
struct Scratch {
    alignas(16) std::byte bytes[kInlineMax];
};
static_assert(std::is_trivially_default_constructible_v<Scratch>);

// memcpy for payloads: most are a few bytes, for which the call is longer than the copy, and a small item is copied
// three times on its way.
[[gnu::always_inline]] inline void copy_payload(std::byte* to, const std::byte* from,
                                                std::size_t size) noexcept {
    if (size > 16) {
        std::memcpy(to, from, size);
    } else if (size >= 8) {  // two words that may overlap, likewise below
        std::uint64_t first, last;
        std::memcpy(&first, from, 8);
        std::memcpy(&last, from + size - 8, 8);
        std::memcpy(to, &first, 8);
        std::memcpy(to + size - 8, &last, 8);
    } else if (size >= 4) {
        std::uint32_t first, last;
        std::memcpy(&first, from, 4);
        std::memcpy(&last, from + size - 4, 4);
        std::memcpy(to, &first, 4);
        std::memcpy(to + size - 4, &last, 4);
    } else {
        for (std::size_t i = 0; i < size; ++i) to[i] = from[i];
    }
}

// The same in whole words: both sides have room for `size` rounded up to 8 bytes, as records of the queue have.
[[gnu::always_inline]] inline void copy_words(std::byte* to, const std::byte* from,
                                              std::size_t size) noexcept {
    for (std::size_t at = 0; at < size; at += sizeof(std::uint64_t)) {
        std::uint64_t word;
        std::memcpy(&word, from + at, sizeof word);
        std::memcpy(to + at, &word, sizeof word);
    }
}

// Memory for a parcel's heap, of at least `size` bytes; `size` becomes what there is. nullptr where there is none. It is
// std::malloc's; but a large block that was freed last, of 4 MiB at most, is kept for the next: fresh memory of the
// system costs a page fault for each 4 KiB, which takes longer than to fill them.
std::byte* new_heap(std::size_t& size) noexcept;
// `size` is no more than there is.
void free_heap(std::byte* heap, std::size_t size) noexcept;

struct Parcel {
    const std::byte* data = nullptr;    // in a scratch of the owner's, or == heap
    std::size_t size = 0;               // bytes at `data`
    std::byte* heap = nullptr;          // from std::malloc, owned; set where size > kInlineMax
    Attachment* attachments = nullptr;  // owned chain
    std::size_t attached = 0;           // bytes that the attachments hold; a statistic
    std::int64_t sender = -1;           // id of the sending interpreter; meaningful where unbound_op != 0
    std::uint8_t unbound_op = 0;        // what happens when that interpreter ends; 0 keeps the item
    bool unbound = false;               // received only: the sender has ended, there is no value

    Parcel() = default;
    Parcel(Parcel&& other) noexcept { *this = std::move(other); }
    Parcel& operator=(Parcel&& other) noexcept {
        if (this != &other) {
            reset();
            data = std::exchange(other.data, nullptr);
            size = std::exchange(other.size, 0);
            heap = std::exchange(other.heap, nullptr);
            attachments = std::exchange(other.attachments, nullptr);
            attached = other.attached;
            sender = other.sender;
            unbound_op = other.unbound_op;
            unbound = other.unbound;
        }
        return *this;
    }
    ~Parcel() { reset(); }

    void reset() noexcept {
        if (attachments) release_chain(std::exchange(attachments, nullptr));
        if (heap) free_heap(std::exchange(heap, nullptr), size);
        data = nullptr;
        size = 0;
    }
    // The queue owns the contents now.
    void disown() noexcept {
        heap = nullptr;
        attachments = nullptr;
    }
};

}  // namespace interpchannels
