// How much memory a channel that is drained keeps for what comes next.
#pragma once

#include <cstdint>

namespace interpchannels {

// One segment of the least size; and that only after so many items: a channel that never had more keeps nothing. Who sends
// many keeps it, since having it anew for each item costs more than the item.
inline constexpr std::uint64_t kFewItems = 64;

}  // namespace interpchannels
