// Instead of the engine's: a small segment is kept from the first item on, so that a few of them come to where it is used
// again. What is given back is a large one, on the same way.
#pragma once

#include <cstdint>

namespace interpchannels {

inline constexpr std::uint64_t kFewItems = 0;

}  // namespace interpchannels
