#include "channel/counted_ends.hpp"

#include <new>

#include "channel/tables.hpp"

namespace interpchannels {

Ref<CountedChannel> CountedChannel::create(std::int64_t capacity, std::uint8_t unbound_op,
                                           bool pickle) noexcept {
    auto channel =
        Ref<CountedChannel>::adopt(new (std::nothrow) CountedChannel(capacity, unbound_op, pickle));
    if (channel && !package_table().add(*channel)) return {};
    return channel;
}

CountedChannel::~CountedChannel() { package_table().remove(*this); }

bool CountedChannel::mint(Direction d) noexcept {
    auto& open = open_[index(d)];
    std::int64_t n = open.load(std::memory_order_relaxed);
    while (n > 0) {
        // Relaxed: the count protects nothing but itself on the way up.
        if (open.compare_exchange_weak(n, n + 1, std::memory_order_relaxed)) return true;
    }
    return false;
}

}  // namespace interpchannels
