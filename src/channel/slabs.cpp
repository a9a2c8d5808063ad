#include "channel/slabs.hpp"

#include <cstdlib>
#include <new>

// A sanitizer is to see each block made and freed.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define INTERPCHANNELS_SINGLE_BLOCKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define INTERPCHANNELS_SINGLE_BLOCKS 1
#endif
#endif

namespace interpchannels {

struct Slabs::Slab {
    Slab* prev;  // these two: in the list
    Slab* next;
    void** free;  // blocks that were given back, each with the address of the next one
    std::byte*
        fresh;  // where the blocks start that nobody has had yet, so that no page is touched for them
    std::uint32_t unused;  // how many of these there are
    std::uint32_t used;    // how many blocks are somebody's
};

namespace {

constexpr std::size_t kSlabBytes = 16 * 1024 - 16;  // with malloc's own

}  // namespace

#ifdef INTERPCHANNELS_SINGLE_BLOCKS

Slabs::Block Slabs::take() noexcept {
    return {::operator new(size_, std::align_val_t{kAlignment}, std::nothrow), nullptr};
}
void Slabs::give_back(Block block) noexcept {
    ::operator delete(block.memory, std::align_val_t{kAlignment}, std::nothrow);
}

#else

Slabs::Slab* Slabs::make() const noexcept {
    auto* const memory = static_cast<std::byte*>(std::malloc(kSlabBytes));
    if (!memory) return nullptr;
    const auto begin = reinterpret_cast<std::uintptr_t>(memory) + sizeof(Slab);
    const std::size_t skipped = (kAlignment - begin % kAlignment) % kAlignment;
    const std::size_t room = kSlabBytes - sizeof(Slab) - skipped;
    return new (memory) Slab{nullptr,
                             nullptr,
                             nullptr,
                             memory + sizeof(Slab) + skipped,
                             static_cast<std::uint32_t>(room / size_),
                             0};
}

Slabs::Block Slabs::take() noexcept {
    {
        SpinGuard guard(lock_);
        if (first_) return take_locked();
    }
    Slab* const made = make();
    if (!made) return {};
    SpinGuard guard(lock_);
    link(*made);
    return take_locked();
}

Slabs::Block Slabs::take_locked() noexcept {
    Slab& slab = *first_;
    Block block{slab.free, &slab};
    if (slab.free) {
        slab.free = static_cast<void**>(*slab.free);
    } else {
        block.memory = slab.fresh;
        slab.fresh += size_;
        --slab.unused;
    }
    ++slab.used;
    if (!slab.free && slab.unused == 0) unlink(slab);
    return block;
}

void Slabs::give_back(Block block) noexcept {
    Slab& slab = *block.slab;
    bool unneeded = false;
    {
        SpinGuard guard(lock_);
        if (!slab.free && slab.unused == 0) link(slab);
        slab.free = new (block.memory) void* {slab.free};
        unneeded = --slab.used == 0 && (slab.prev || slab.next);
        if (unneeded) unlink(slab);
    }
    if (unneeded) std::free(&slab);
}

void Slabs::link(Slab& slab) noexcept {
    slab.prev = nullptr;
    slab.next = first_;
    if (first_) first_->prev = &slab;
    first_ = &slab;
}

void Slabs::unlink(Slab& slab) noexcept {
    (slab.prev ? slab.prev->next : first_) = slab.next;
    if (slab.next) slab.next->prev = slab.prev;
}

#endif

}  // namespace interpchannels
