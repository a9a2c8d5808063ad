#include "channel/park.hpp"

#if defined(__linux__) && !defined(INTERPCHANNELS_PORTABLE_PARK)

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <ctime>

namespace interpchannels {

static_assert(sizeof(std::atomic<std::uint32_t>) == 4, "the futex is the atomic's own memory");

bool park_reports_signals() noexcept { return true; }

Parked park(const std::atomic<std::uint32_t>& word, std::uint32_t expected, Nanos deadline) noexcept {
    // FUTEX_WAIT_BITSET takes an absolute time on CLOCK_MONOTONIC, which is what steady_clock reads
    // here, so an interrupted sleep resumes without drift.
    timespec until{};
    timespec* until_ptr = nullptr;
    if (deadline != kNever) {
        if (deadline <= 0) return Parked::kTimeout;
        until.tv_sec = static_cast<time_t>(deadline / 1'000'000'000);
        until.tv_nsec = static_cast<long>(deadline % 1'000'000'000);
        until_ptr = &until;
    }
    const long rc = syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, expected, until_ptr, nullptr,
                            FUTEX_BITSET_MATCH_ANY);
    if (rc == 0) return Parked::kWoken;
    switch (errno) {
    case ETIMEDOUT:
        return Parked::kTimeout;
    case EINTR:
        return Parked::kInterrupted;
    default:
        return Parked::kWoken;  // EAGAIN: the word had changed
    }
}

void unpark(const void* address) noexcept {
    syscall(SYS_futex, address, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

void park_after_fork_in_child() noexcept {}

}  // namespace interpchannels

#else

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <new>

namespace interpchannels {
namespace {

// Sleepers hash by address into buckets that are never freed, so that waking needs no life-time of
// theirs. A bucket's mutex protects nothing but the order of "check the word, then sleep" against
// "change the word, then notify".
struct alignas(64) Bucket {
    std::mutex mutex;
    std::condition_variable changed;
};
constexpr std::size_t kBuckets = 64;
alignas(Bucket) unsigned char storage[sizeof(Bucket) * kBuckets];

// Made when the library is loaded and not at first use: a fork in the midst of somebody's first use would leave the child
// a static object that is for ever about to be made, and whoever asks for it would wait for that.
Bucket* const buckets = [] {
    auto* first = reinterpret_cast<Bucket*>(storage);
    for (std::size_t i = 0; i < kBuckets; ++i) new (first + i) Bucket;
    return first;
}();

Bucket& bucket_of(const void* address) noexcept {
    const auto bits = reinterpret_cast<std::uintptr_t>(address) >> 4;
    return buckets[(bits ^ (bits >> 8)) % kBuckets];
}

}  // namespace

bool park_reports_signals() noexcept { return false; }

Parked park(const std::atomic<std::uint32_t>& word, std::uint32_t expected, Nanos deadline) noexcept {
    Bucket& bucket = bucket_of(&word);
    std::unique_lock<std::mutex> guard(bucket.mutex);
    // Acquire pairs with the exchange in Waiter::mark_woken(): seeing the change shows what was written before it.
    if (word.load(std::memory_order_acquire) != expected) return Parked::kWoken;
    if (deadline == kNever) {
        bucket.changed.wait(guard);
        return Parked::kWoken;
    }
    const std::chrono::steady_clock::time_point until{std::chrono::nanoseconds(deadline)};
    return bucket.changed.wait_until(guard, until) == std::cv_status::timeout ? Parked::kTimeout
                                                                              : Parked::kWoken;
}

void unpark(const void* address) noexcept {
    Bucket& bucket = bucket_of(address);
    {
        std::lock_guard<std::mutex> guard(bucket.mutex);
    }
    bucket.changed.notify_all();
}

void park_after_fork_in_child() noexcept {
    // Another thread may have held a bucket's mutex at the fork: start anew in place.
    for (std::size_t i = 0; i < kBuckets; ++i) new (buckets + i) Bucket;
}

}  // namespace interpchannels

#endif
