// Putting a thread to sleep until a word changes, and waking it.
//
// Two back ends with one behaviour: the Linux futex, and a portable one of hashed mutexes and condition
// variables (INTERPCHANNELS_PORTABLE_PARK, for systems without a futex; compiled and tested on Linux
// too). Both take the address of the word only as a name when waking: by then the sleeper may have seen
// the change and left, and the word with it, so unpark() must not touch the word. A wake-up that hits
// nobody, or somebody else at a reused address, is harmless: every sleeper re-checks.
#pragma once

#include <atomic>
#include <cstdint>

#include "channel/status.hpp"

namespace interpchannels {

enum class Parked : std::uint8_t {
    kWoken,        // unparked, or the word had changed already, or for no reason
    kTimeout,      // the deadline passed
    kInterrupted,  // a signal handler ran in this thread (where park_reports_signals())
};

// The futex does. Any thread.
bool park_reports_signals() noexcept;

// Sleeps while `word` holds `expected`, until `deadline` (monotonic, or kNever). The caller holds no
// lock and is attached to no interpreter.
Parked park(const std::atomic<std::uint32_t>& word, std::uint32_t expected, Nanos deadline) noexcept;

// Wakes whoever sleeps on `address`. Never touches what it points to. Call it after every unlock.
void unpark(const void* address) noexcept;

// In the child of a fork: forgets sleepers of the parent.
void park_after_fork_in_child() noexcept;

}  // namespace interpchannels
