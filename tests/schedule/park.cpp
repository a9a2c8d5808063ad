// park.hpp under the scheduler.
#include "channel/park.hpp"

namespace interpchannels {

Parked park(const std::atomic<std::uint32_t>& word, std::uint32_t expected, Nanos deadline) noexcept {
    switch (::schedule::park(&word, expected, deadline != kNever)) {
    case ::schedule::Wake::kTimeout:
        return Parked::kTimeout;
    case ::schedule::Wake::kSignal:
        return Parked::kInterrupted;
    default:
        return Parked::kWoken;
    }
}

void unpark(const void* address) noexcept { ::schedule::unpark(address); }

void park_after_fork_in_child() noexcept {}

}  // namespace interpchannels
