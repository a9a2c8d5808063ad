// How long a receiver looks for an item while it is still attached.
//
// To detach and attach again takes 30 ns, so a peer that answers at once is waited for attached, a little while. Where a
// busy Python thread takes the interpreter's lock meanwhile it is 5 ms (the switch interval), and worse comes of it: in that
// time the peer falls asleep, to wake it takes 15 to 50 us, the little while is over before it answers, and the lock is lost
// again. So when attaching took long, the next waits stay attached long enough for a sleeper to answer: it is a fiftieth at
// most of what the other threads of the interpreter just had. Where it was in vain the time halves.
//
// One for each interpreter. Its users are attached, one at a time; where there is no lock, a lost update is a hint lost.
#pragma once

#include <atomic>

#include "channel/status.hpp"

namespace interpchannels {

class AttachedSpin {
public:
    Nanos limit() const noexcept { return limit_.load(std::memory_order_relaxed); }
    void in_vain() noexcept {
        const Nanos half = limit() / 2;
        limit_.store(half > kUsual ? half : kUsual, std::memory_order_relaxed);
    }
    // Attaching took so long.
    void attached_after(Nanos took) noexcept {
        if (took >= kLate) limit_.store(kLong, std::memory_order_relaxed);
    }

private:
    static constexpr Nanos kUsual = 2'000;
    static constexpr Nanos kLong = 100'000;
    static constexpr Nanos kLate = 500'000;

    std::atomic<Nanos> limit_{kUsual};
};

}  // namespace interpchannels
