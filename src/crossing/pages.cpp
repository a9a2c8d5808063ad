#include "crossing/pages.hpp"

#include <cstdint>
#include <cstdlib>

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace interpchannels {

#if defined(__linux__)

void advise_huge(void* data, std::size_t size) noexcept {
    if (size < kHugeFrom) return;
    static const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    // Whole pages, at both ends beyond the memory: it is advice, and the kernel itself finds the ranges on which
    // a huge page can lie. Where it has none to offer it says so, and nothing is lost.
    const auto from = reinterpret_cast<std::uintptr_t>(data) & ~(page - 1);
    const auto to = (reinterpret_cast<std::uintptr_t>(data) + size + page - 1) & ~(page - 1);
    (void)::madvise(reinterpret_cast<void*>(from), to - from, MADV_HUGEPAGE);
}

// Not from calloc, which fills what it reuses.
void* allocate_zeroed(std::size_t size) noexcept {
    if (size < kHugeFrom) return std::calloc(size ? size : 1, 1);
    void* const data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) return nullptr;
    advise_huge(data, size);
    return data;
}

void free_zeroed(void* data, std::size_t size) noexcept {
    if (size < kHugeFrom) {
        std::free(data);
    } else {
        ::munmap(data, size);
    }
}

#else

void advise_huge(void*, std::size_t) noexcept {}

void* allocate_zeroed(std::size_t size) noexcept { return std::calloc(size ? size : 1, 1); }

void free_zeroed(void* data, std::size_t) noexcept { std::free(data); }

#endif

}  // namespace interpchannels
