// What an operation of the engine can end with, and the deadlines that bound it.
//
// Invariant: a Status is the whole answer. No engine function reports through errno, an exception or a
// global, so that a caller which must re-attach to an interpreter first can carry it along untouched.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>

namespace interpchannels {

enum class Status : std::uint8_t {
    kOk,           // it happened
    kOkOwing,      // it happened; the caller must detach and call Channel::settle()
    kWouldBlock,   // nothing happened: no item (receive), or no place (send)
    kContended,    // nothing happened: the channel's lock was not had within a bounded try
    kClosed,       // the channel can never do this again
    kTimeout,      // the deadline passed; nothing happened
    kInterrupted,  // a signal, or the end of the slice that was asked for; nothing happened
    kCancelled,    // the handle that the call was made on was closed meanwhile; nothing happened
    kEnding,       // the caller's interpreter is ending; nothing happened
    kNoMemory,     // nothing happened
};

// A point on the monotonic clock, in nanoseconds; kNever waits without bound.
using Nanos = std::int64_t;
inline constexpr Nanos kNever = std::numeric_limits<Nanos>::max();

inline Nanos now() noexcept {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

// The deadline `seconds` from now; saturates, so that every finite timeout is usable.
inline Nanos deadline_after(double seconds) noexcept {
    const Nanos start = now();
    if (!(seconds < 9.0e9)) return kNever;  // 285 years: more than the clock can hold beside `start`
    const Nanos span = static_cast<Nanos>(seconds * 1e9);
    return span > kNever - 1 - start ? kNever : start + span;
}

}  // namespace interpchannels
