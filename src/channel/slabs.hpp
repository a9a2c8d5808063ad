// Memory for many blocks of one size that each start on a cache line, with nothing lost between them.
//
// Why not aligned `new`: glibc takes more than the block from its heap, and what it gives back in front and behind is
// small pieces that few can use; a channel of 512 bytes took 624. The slabs are Bonwick's ("The Slab Allocator: An
// Object-Caching Kernel Memory Allocator", USENIX 1994), without his caches of objects.
//
// Invariants:
//  1. A slab is in the list where, and only where, one of its blocks is free.
//  2. A slab of which all blocks are free goes back to the system, but for the last one in the list: who makes and ends
//     channels one at a time needs no new one each time.
//  3. A block has no header: whoever has it keeps the address of its slab.
#pragma once

#include <cstddef>
#include <cstdint>

#include "channel/spin_lock.hpp"

namespace interpchannels {

class Slabs {
public:
    static constexpr std::size_t kAlignment = 64;
    struct Slab;
    struct Block {
        void* memory = nullptr;  // uninitialised
        Slab* slab = nullptr;
    };

    // Of so many bytes, a multiple of kAlignment.
    constexpr explicit Slabs(std::size_t size) noexcept : size_(size) {}
    Slabs(const Slabs&) = delete;
    Slabs& operator=(const Slabs&) = delete;

    // Any thread, detached. No memory where memory failed.
    Block take() noexcept;
    // Any thread, detached. What stood in the block has been destroyed.
    void give_back(Block block) noexcept;

    // Around a fork, so that the child finds them whole.
    void lock_for_fork() noexcept { lock_.lock(); }
    void unlock_after_fork() noexcept { lock_.unlock(); }

private:
    Slab* make() const noexcept;
    Block take_locked() noexcept;
    void link(Slab& slab) noexcept;
    void unlink(Slab& slab) noexcept;

    const std::size_t size_;
    SpinLock
        lock_;  // protects the list and what its slabs say; a leaf, and nothing is allocated or freed while it is held
    Slab* first_ = nullptr;
};

}  // namespace interpchannels
