// A spin is one look, as on one core: that it came a little later is another order.
#pragma once

#include "channel/status.hpp"

namespace interpchannels {

class SpinBudget {
public:
    static constexpr Nanos kAloneNanos = 0;
    static bool useful() noexcept { return false; }
    template <class Ready>
    bool spin(Ready ready, Nanos) noexcept {
        return ready();
    }
};

}  // namespace interpchannels
