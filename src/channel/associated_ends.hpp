// The drop-in's rule for ends: interpreters are associated with them by use.
//
// The first send (or recv) of an interpreter associates it with that end; release() lets go of it for
// good; when every interpreter that was ever associated has let go, the channel is closed. The channel
// lives in its table until it is destroyed, by name or with the last ChannelID.
//
// Invariants:
//  1. An association, once made, stays (its address too) until the channel goes; releasing it twice counts
//     once.
//  2. ends_lock_ is a leaf: nothing else is locked, woken or released while it is held.
#pragma once

#include <atomic>
#include <cstdint>

#include "channel/channel.hpp"

namespace interpchannels {

struct Association {
    Association* next = nullptr;
    std::int64_t interp = -1;
    std::atomic<bool> released{false};
};

class AssociatedChannel final : public Channel {
public:
    // In its table, with one ChannelID, which is its maker's to make. Empty where memory failed.
    static Ref<AssociatedChannel> create(int unbound_op, int fallback) noexcept;

    int unbound_op() const noexcept { return unbound_op_; }
    int fallback() const noexcept { return fallback_; }

    // Associates the interpreter with the end. kOk; kClosed where it was released; kNoMemory.
    // The association stays valid as long as the channel.
    Status associate(std::int64_t interp, Direction d, Association*& association) noexcept;
    [[gnu::always_inline]] Status associate(std::int64_t interp, Direction d) noexcept {
        // Acquire, both: as in the other, whose first lines these are.
        Association* known = recent_[static_cast<int>(d)].load(std::memory_order_acquire);
        if (known && known->interp == interp) {
            return known->released.load(std::memory_order_acquire) ? Status::kClosed : Status::kOk;
        }
        return associate(interp, d, known);
    }

    // The interpreter lets go. Associates it first where it never was (CPython does, and then releases).
    // kClosed where the channel is closed. Detached.
    // `left`, here and below: see Channel::close_now().
    Status release(std::int64_t interp, bool send, bool recv, Queue::Contents* left = nullptr) noexcept;

    // close() of the drop-in: `direction` is +1 send, -1 recv, 0 both. Detached.
    enum class Closed : std::uint8_t { kDone, kAlready, kNotEmpty };
    Closed close(int direction, bool force, Queue::Contents* left = nullptr) noexcept;

    // The interpreter ended: its items, and its associations. Detached.
    void forget_interpreter(std::int64_t interp) noexcept;

    // Out of the table, closed; idempotent. True for the one call that did it. Detached.
    bool destroy(Queue::Contents* left = nullptr) noexcept;
    // Not listed any more once it was closed by name and has drained; one that was closed by its last
    // release still is, as CPython has it.
    bool listed() const noexcept {
        return !closed_by_name_.load(std::memory_order_relaxed) || state() != State::kClosed;
    }
    // Another thread may have been inside at the fork. Single-threaded.
    void abandon_in_child() noexcept {
        ends_lock_.unlock();
        Channel::abandon_in_child();
    }
    bool destroyed() const noexcept { return destroyed_.load(std::memory_order_acquire); }

    // ChannelIDs: objects, and those on their way. The last one destroys the channel.
    void add_id() noexcept { ids_.fetch_add(1, std::memory_order_relaxed); }
    [[nodiscard]] bool drop_id() noexcept { return ids_.fetch_sub(1, std::memory_order_acq_rel) == 1; }

    // Calls visit(interp, direction, open) for every association, under ends_lock_: visit only copies.
    template <class Visit>
    void for_each_association(Visit visit) noexcept {
        SpinGuard guard(ends_lock_);
        for (int d = 0; d < 2; ++d) {
            for (Association* a = first_[d]; a; a = a->next) {
                visit(a->interp, static_cast<Direction>(d),
                      !a->released.load(std::memory_order_relaxed));  // written under ends_lock_
            }
        }
    }

    static constexpr std::uint8_t kUnboundRemove = 1;
    static constexpr std::uint8_t kUnboundError = 2;
    static constexpr std::uint8_t kUnboundReplace = 3;

private:
    AssociatedChannel(int unbound_op, int fallback) noexcept
        : Channel(kUnbounded), unbound_op_(unbound_op), fallback_(fallback) {}
    ~AssociatedChannel() override;
    Association* find_locked(std::int64_t interp, Direction d) noexcept;
    bool all_released_locked() noexcept;

    SpinLock ends_lock_;  // protects the lists and writing `released`
    Association* first_[2] = {nullptr, nullptr};
    std::atomic<Association*> recent_[2] = {nullptr, nullptr};  // the last one asked for
    // The first is its maker's: whoever lists it before that has an object must not be the last.
    std::atomic<std::int64_t> ids_{1};
    std::atomic<bool> destroyed_{false};
    std::atomic<bool> closed_by_name_{false};
    const int unbound_op_;
    const int fallback_;
};

}  // namespace interpchannels
