// How long to spin before parking: a budget that learns.
//
// Spinning helps where the other side answers sooner than a futex round trip takes (50 us here), and hurts
// everywhere else: a fixed budget slows the very peer that it waits for when cores are scarce. So the
// budget grows when spinning was rewarded and shrinks when it was not; while it is small, every sixteenth
// wait tries the full length again, since a peer that has become quick would otherwise never be noticed.
// With one core there is nobody to wait for: no spinning at all. Nothing is written while the budget fits: it lies among
// what both sides read.
#pragma once

#include <atomic>
#include <thread>

#include "channel/spin_lock.hpp"
#include "channel/status.hpp"

namespace interpchannels {

class SpinBudget {
public:
    static constexpr std::uint32_t kMaxNanos = 30'000;
    static constexpr std::uint32_t kMinNanos = 6'000;  // less than sleeping and waking take
    static constexpr Nanos kAloneNanos = 4'000;        // then whoever else wants the core may have it

    static bool useful() noexcept {
        static const bool several = std::thread::hardware_concurrency() > 1;
        return several;
    }

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
        const std::uint32_t half =
            nanos_.load(std::memory_order_relaxed) / 2;  // not that of a try at full length
        if (half * 2 > kMinNanos)
            nanos_.store(half > kMinNanos ? half : kMinNanos, std::memory_order_relaxed);
        return false;
    }

private:
    std::atomic<std::uint32_t> nanos_{kMaxNanos};
};

}  // namespace interpchannels
