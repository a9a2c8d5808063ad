// How long to spin before parking: a budget that learns.
//
// Spinning helps where the other side answers sooner than a futex round trip takes (50 us here), and hurts
// everywhere else: a fixed budget slows the very peer that it waits for when cores are scarce. So the
// budget grows when spinning was rewarded and shrinks when it was not; while it is small, every sixteenth
// wait tries the full length again, since a peer that has become quick would otherwise never be noticed.
// With one core there is nobody to wait for: no spinning at all. Nothing is written while the budget fits: it lies among
// what both sides read.
#pragma once

#include <algorithm>
#include <atomic>
#include <thread>

#include "channel/spin_lock.hpp"
#include "channel/status.hpp"

namespace interpchannels {

class SpinBudget {
public:
    static constexpr std::uint32_t kMaxNanos = 30'000;
    // Less than sleeping and waking take. One hit restores it, and a few waits in vain do not take it away.
    static constexpr std::uint32_t kMinNanos = 6'000;
    static constexpr std::uint32_t kStepNanos = kMinNanos / 16;
    static constexpr Nanos kAloneNanos = 4'000;  // then whoever else wants the core may have it

    static bool useful() noexcept { return kSeveralCores; }

    // Spins until ready() or the budget or `deadline` is used up. True where ready() was.
    template <class Ready>
    bool spin(Ready ready, Nanos deadline) noexcept {
        if (!useful()) return ready();
        std::uint32_t limit = nanos_.load(std::memory_order_relaxed);  // a hint; lost updates do no harm
        const Nanos start = now();
        if (limit < kMaxNanos && start / 64 % 16 == 0) limit = kMaxNanos;  // the clock is dice enough
        Nanos until = start + limit;
        if (deadline < until) until = deadline;
        for (;;) {
            for (int i = 0; i < 16; ++i) {
                if (ready()) {
                    const auto took = static_cast<std::uint32_t>(now() - start);
                    const std::uint32_t want = took * 4 < kMinNanos ? kMinNanos : took * 4;
                    if (want > limit || limit == kMaxNanos) {
                        nanos_.store(want < kMaxNanos ? want : kMaxNanos, std::memory_order_relaxed);
                    }
                    return true;
                }
                cpu_relax();
            }
            const Nanos at = now();
            if (at >= until) break;
            if (at >= start + kAloneNanos) std::this_thread::yield();
        }
        const std::uint32_t had =
            nanos_.load(std::memory_order_relaxed);  // not that of a try at full length
        if (had != 0) nanos_.store(less(had), std::memory_order_relaxed);
        return false;
    }

    std::uint32_t nanos() const noexcept { return nanos_.load(std::memory_order_relaxed); }

private:
    // Found out when the library is loaded: at first use, a fork could fall into it (park.cpp has the same).
    inline static const bool kSeveralCores = std::thread::hardware_concurrency() > 1;

    // Halved down to the least; then, where a peer thinks for long each time, to nothing by and by.
    static std::uint32_t less(std::uint32_t had) noexcept {
        if (had > kMinNanos) return std::max(had / 2, kMinNanos);
        return had - std::min(had, kStepNanos);
    }

    std::atomic<std::uint32_t> nanos_{kMaxNanos};
};

}  // namespace interpchannels
