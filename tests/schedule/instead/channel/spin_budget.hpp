// Nobody spins: what a spin would find, the look that comes after it finds too.
#pragma once

#include "channel/status.hpp"

namespace interpchannels {

class SpinBudget {
public:
    static bool useful() noexcept { return false; }
    template <class Ready>
    bool spin(Ready, Nanos) noexcept {
        return false;
    }
};

}  // namespace interpchannels
