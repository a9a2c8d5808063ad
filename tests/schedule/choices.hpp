// The choices of a play, and the search through all of them: depth first, without states.
#pragma once

#include <cstdint>

namespace schedule::choices {

// Nothing was tried yet.
void forget() noexcept;
// A play begins. It makes the choices of the last one, up to the one that next() has changed.
void begin() noexcept;
// Any of 0 to options - 1; -1 where there were too many in one play.
int pick(int options) noexcept;
// The last choice that has something left, changed. False where there is none.
bool next() noexcept;

// --- what plays saw, as hashes ---

inline std::uint64_t mix(std::uint64_t hash, std::uint64_t bits) noexcept {
    hash = (hash ^ bits) * 0x9E3779B97F4A7C15;
    return hash ^ (hash >> 29);
}
void forget_seen() noexcept;
// Whether it was not there; then it is added, where that is wanted.
bool is_new(std::uint64_t hash, bool add) noexcept;

}  // namespace schedule::choices
