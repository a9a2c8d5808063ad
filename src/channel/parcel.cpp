#include "channel/parcel.hpp"

#include <atomic>

namespace interpchannels {
namespace {

// The block that is kept begins with its size. Smaller ones malloc has at hand by itself, and larger ones are too much to
// keep.
constexpr std::size_t kSpareLeast = std::size_t{64} << 10, kSpareMost = std::size_t{4} << 20;
std::atomic<std::byte*> spare{nullptr};

thread_local Attachment* put_off = nullptr;
thread_local bool releasing = false;

}  // namespace

std::byte* new_heap(std::size_t& size) noexcept {
    if (size >= kSpareLeast && size <= kSpareMost) {
        // Acquire pairs with the release in free_heap(): what was written into the block has been.
        std::byte* const block = spare.exchange(nullptr, std::memory_order_acquire);
        if (block) {
            std::size_t has = 0;
            std::memcpy(&has, block, sizeof has);
            if (has >= size && has / 4 <= size) {
                size = has;
                return block;
            }
            std::free(block);
        }
    }
    return static_cast<std::byte*>(std::malloc(size));
}

void free_heap(std::byte* heap, std::size_t size) noexcept {
    if (size >= kSpareLeast && size <= kSpareMost) {
        std::memcpy(heap, &size, sizeof size);
        // Release pairs with the acquire in new_heap(); acquire with an earlier release here.
        heap = spare.exchange(heap, std::memory_order_acq_rel);
    }
    std::free(heap);
}

void release_chain(Attachment* first) noexcept {
    if (!first) return;
    if (releasing) {
        Attachment* last = first;
        while (last->next) last = last->next;
        last->next = put_off;
        put_off = first;
        return;
    }
    releasing = true;
    while (first) {
        Attachment* const next = first->next;
        first->next = nullptr;
        first->release();
        first = next ? next : std::exchange(put_off, nullptr);
    }
    releasing = false;
}

}  // namespace interpchannels
