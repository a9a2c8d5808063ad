#include "schedule/arena.hpp"

#include <cstring>
#include <new>

#include "schedule/scheduler.hpp"

namespace schedule::arena {
namespace {

constexpr std::size_t kSize = 1024 * 1024;
constexpr int kMostBlocks = 512;
constexpr int kMostDead = 512;  // what dies after so many is not looked for

struct Block {
    std::byte* begin;
    std::size_t size;
    bool freed;
};

alignas(64) std::byte all[kSize];
std::size_t used = 0;
Block blocks[kMostBlocks];
int block_count = 0;
const void* dead[kMostDead];
int dead_count = 0;

Block* block_at(const void* memory) noexcept {
    for (int i = 0; i < block_count; ++i) {
        if (blocks[i].begin == memory) return &blocks[i];
    }
    return nullptr;
}

}  // namespace

void begin() noexcept {
    used = 0;
    block_count = dead_count = 0;
}

void* take(std::size_t size) noexcept {
    const std::size_t room = (size + 63) & ~std::size_t{63};
    if (block_count == kMostBlocks || used + room > kSize) return nullptr;
    std::byte* const at = all + used;
    used += room;
    blocks[block_count++] = {at, size, false};
    return at;
}

bool owns(const void* memory) noexcept { return memory >= all && memory < all + kSize; }

std::size_t size_of(const void* memory) noexcept {
    const Block* const block = block_at(memory);
    return block ? block->size : 0;
}

const void* block_of(const void* at) noexcept {
    if (!owns(at)) return at;
    const auto* const byte = static_cast<const std::byte*>(at);
    for (int i = block_count; i-- > 0;) {
        if (byte >= blocks[i].begin) return blocks[i].begin;
    }
    return at;
}

const char* give_back(void* memory) noexcept {
    Block* const block = block_at(memory);
    if (!block) return "frees what was never allocated";
    if (block->freed) return "frees memory twice";
    block->freed = true;
    std::memset(memory, 0xDD, block->size);
    return nullptr;
}

bool is_empty() noexcept {
    for (int i = 0; i < block_count; ++i) {
        if (!blocks[i].freed) return false;
    }
    return true;
}

void born(const void* at) noexcept {
    for (int i = 0; i < dead_count; ++i) {
        if (dead[i] == at) dead[i--] = dead[--dead_count];
    }
}

void died(const void* at) noexcept {
    if (dead_count < kMostDead) dead[dead_count++] = at;
}

const char* trouble(const void* at) noexcept {
    for (int i = 0; i < dead_count; ++i) {
        if (dead[i] == at) return "touches an atomic whose life is over";
    }
    if (!owns(at)) return nullptr;
    const auto* const byte = static_cast<const std::byte*>(at);
    for (int i = 0; i < block_count; ++i) {
        const Block& block = blocks[i];
        if (block.freed && byte >= block.begin && byte < block.begin + block.size) {
            return "touches memory that was freed";
        }
    }
    return nullptr;
}

}  // namespace schedule::arena

void* operator new(std::size_t size) {
    if (void* const memory = schedule::allocate(size)) return memory;
    throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return schedule::allocate(size); }
void* operator new[](std::size_t size) { return operator new(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return schedule::allocate(size); }
void operator delete(void* memory) noexcept {
    if (memory) schedule::release(memory);
}
void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }
void operator delete[](void* memory) noexcept { operator delete(memory); }
void operator delete[](void* memory, std::size_t) noexcept { operator delete(memory); }
