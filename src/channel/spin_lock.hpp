// The lock of the engine: test-and-set, released with a plain store.
//
// Why not a mutex: every critical section here is a few dozen instructions and never waits, allocates at
// most one block, and never runs Python code. Taking the lock is then one atomic read-modify-write (5 ns)
// and releasing it none, where a futex mutex needs one for each; the pair of a send and a receive pays
// for two locks, so it is a tenth of the whole.
//
// The price: a waiter cannot sleep until it is woken. It spins, then yields, then naps; the holder can
// only be late because the kernel took its core away, and then a nap is what the holder needs.
//
// A thread that is attached to an interpreter never calls lock(): it makes a bounded try
// (try_lock_briefly) and, failing that, detaches before it waits (invariant 2 of the design).
#pragma once

#include <atomic>
#include <chrono>
#include <thread>

namespace interpchannels {

inline void cpu_relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    asm volatile("yield");
#endif
}

class SpinLock {
public:
    [[gnu::always_inline]] bool try_lock() noexcept {
        // Acquire pairs with the release in unlock(): what the last holder wrote is seen. The relaxed
        // look first keeps waiters from bouncing the line; it decides nothing.
        return !held_.load(std::memory_order_relaxed) && !held_.exchange(true, std::memory_order_acquire);
    }

    // About 2 us at most: several critical sections' worth.
    bool try_lock_briefly() noexcept {
        for (int i = 0; i < 64; ++i) {
            if (try_lock()) return true;
            cpu_relax();
        }
        return false;
    }

    void lock() noexcept {
        if (!try_lock_briefly()) lock_slow();
    }

    void unlock() noexcept {
        // Release pairs with the acquire in try_lock().
        held_.store(false, std::memory_order_release);
    }

private:
    void lock_slow() noexcept {
        for (int round = 0;; ++round) {
            for (int i = 0; i < 32; ++i) {
                if (try_lock()) return;
                cpu_relax();
            }
            if (round < 16) {
                std::this_thread::yield();
            } else {
                std::this_thread::sleep_for(std::chrono::microseconds(50));
            }
        }
    }

    std::atomic<bool> held_{false};
};

class SpinGuard {
public:
    explicit SpinGuard(SpinLock& lock) noexcept : lock_(lock) { lock_.lock(); }
    ~SpinGuard() { lock_.unlock(); }
    SpinGuard(const SpinGuard&) = delete;
    SpinGuard& operator=(const SpinGuard&) = delete;

private:
    SpinLock& lock_;
};

}  // namespace interpchannels
