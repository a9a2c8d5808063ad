// The engine's lock, as the scheduler has it: who waits for it does not run. (Its own code is not looked at here.)
#pragma once

#include <cstdint>

#include "schedule/scheduler.hpp"

namespace interpchannels {

inline void cpu_relax() noexcept {}

class SpinLock {
    using Where = ::schedule::Where;

public:
    SpinLock() noexcept { ::schedule::born(&word_); }
    ~SpinLock() { ::schedule::died(&word_); }
    SpinLock(const SpinLock&) = delete;
    SpinLock& operator=(const SpinLock&) = delete;

    bool try_lock(Where where = Where::current()) noexcept { return ::schedule::try_lock(&word_, where); }
    bool try_lock_briefly(Where where = Where::current()) noexcept {
        return ::schedule::try_lock_briefly(&word_, where);
    }
    void lock(Where where = Where::current()) noexcept { ::schedule::lock(&word_, where); }
    void unlock(Where where = Where::current()) noexcept { ::schedule::unlock(&word_, where); }

private:
    ::std::uint64_t word_ = 0;
};

class SpinGuard {
    using Where = ::schedule::Where;

public:
    explicit SpinGuard(SpinLock& lock, Where where = Where::current()) noexcept : lock_(lock) {
        lock_.lock(where);
    }
    ~SpinGuard() { lock_.unlock(); }
    SpinGuard(const SpinGuard&) = delete;
    SpinGuard& operator=(const SpinGuard&) = delete;

private:
    SpinLock& lock_;
};

}  // namespace interpchannels
