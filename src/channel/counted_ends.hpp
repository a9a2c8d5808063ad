// The package's rule for ends: handles are counted, wherever they are.
//
// A handle is an end object in some interpreter, or an end inside a parcel. When the last sending handle
// goes, receivers drain the channel and then find it closed; when the last receiving handle goes, senders
// find it closed and what is queued is released.
//
// Invariants:
//  1. A count that has reached 0 never rises again: mint() refuses, so an end is not resurrected.
//  2. A receiving handle that lies queued in its own channel does not count (suspend / resume): it could
//     keep only itself alive.
//  3. Closing happens after the count fell, detached and holding no lock.
#pragma once

#include <atomic>
#include <cstdint>
#include <new>

#include "channel/channel.hpp"
#include "channel/slabs.hpp"

namespace interpchannels {

class CountedChannel final : public Channel {
public:
    // A new channel with one handle for each direction, entered into the package's table. Empty where
    // memory failed. Detached.
    static Ref<CountedChannel> create(std::int64_t capacity, std::uint8_t unbound_op, bool pickle) noexcept;
    // Destroys it and gives its block back.
    static void operator delete(CountedChannel* channel, std::destroying_delete_t) noexcept;
    // Where they lie. For the fork.
    static Slabs& memory() noexcept;

    // One handle more; the caller holds one already.
    void add(Direction d) noexcept { open_[index(d)].fetch_add(1, std::memory_order_relaxed); }
    // One handle more, where there is still one; for handles made from an id.
    bool mint(Direction d) noexcept;
    // One handle less. True where it was the last: the caller, detached, calls last_gone().
    [[nodiscard]] bool drop(Direction d) noexcept {
        // Release: what was done through this handle comes before the close; acquire for the closer.
        return open_[index(d)].fetch_sub(1, std::memory_order_acq_rel) == 1;
    }
    void last_gone(Direction d, Queue::Contents* left = nullptr) noexcept {
        if (d == Direction::kSend) {
            close_sends(false);
        } else {
            close_now(left);
        }
    }

    std::int64_t open(Direction d) const noexcept {
        return open_[index(d)].load(std::memory_order_relaxed);
    }
    // CPython's op for items whose interpreter has ended; 0: they are kept.
    std::uint8_t unbound_op() const noexcept { return unbound_op_; }
    bool pickle() const noexcept { return pickle_; }

private:
    CountedChannel(Slabs::Slab* slab, std::int64_t capacity, std::uint8_t unbound_op, bool pickle) noexcept
        : Channel(capacity), slab_(slab), unbound_op_(unbound_op), pickle_(pickle) {}
    ~CountedChannel() override;
    static int index(Direction d) noexcept { return static_cast<int>(d); }

    std::atomic<std::int64_t> open_[2] = {1, 1};
    Slabs::Slab* const slab_;
    const std::uint8_t unbound_op_;
    const bool pickle_;
};

#ifdef __GNUC__
// What an open channel takes, its end objects apart: five lines.
static_assert(sizeof(CountedChannel) == 5 * Slabs::kAlignment);
#endif

}  // namespace interpchannels
