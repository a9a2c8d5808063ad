#include "channel/counted_ends.hpp"

#include "channel/tables.hpp"

namespace interpchannels {

namespace {

constinit Slabs slabs(sizeof(CountedChannel));

}  // namespace

Slabs& CountedChannel::memory() noexcept { return slabs; }

Ref<CountedChannel> CountedChannel::create(std::int64_t capacity, std::uint8_t unbound_op,
                                           bool pickle) noexcept {
    const Slabs::Block block = slabs.take();
    if (!block.memory) return {};
    auto channel = Ref<CountedChannel>::adopt(new (block.memory)
                                                  CountedChannel(block.slab, capacity, unbound_op, pickle));
    if (!package_table().add(*channel)) return {};
    return channel;
}

void CountedChannel::operator delete(CountedChannel* channel, std::destroying_delete_t) noexcept {
    Slabs::Slab* const slab = channel->slab_;
    channel->~CountedChannel();
    slabs.give_back({channel, slab});
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
