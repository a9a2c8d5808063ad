#include "channel/associated_ends.hpp"

#include <new>

#include "channel/tables.hpp"

namespace interpchannels {

Ref<AssociatedChannel> AssociatedChannel::create(int unbound_op, int fallback) noexcept {
    auto channel =
        Ref<AssociatedChannel>::adopt(new (std::nothrow) AssociatedChannel(unbound_op, fallback));
    if (!channel) return {};
    channel->ref();  // the table's, until destroy()
    if (!drop_in_table().add(*channel)) {
        channel->unref();
        return {};
    }
    return channel;
}

AssociatedChannel::~AssociatedChannel() {
    for (Association* list : first_) {
        while (list) {
            Association* const next = list->next;
            delete list;
            list = next;
        }
    }
}

Association* AssociatedChannel::find_locked(std::int64_t interp, Direction d) noexcept {
    for (Association* a = first_[static_cast<int>(d)]; a; a = a->next) {
        if (a->interp == interp) return a;
    }
    return nullptr;
}

Status AssociatedChannel::associate(std::int64_t interp, Direction d, Association*& association) noexcept {
    const int i = static_cast<int>(d);
    // Acquire pairs with the release below: the association is whole. It is never freed before the
    // channel, so a stale one is merely another interpreter's.
    Association* a = recent_[i].load(std::memory_order_acquire);
    if (!a || a->interp != interp) {
        SpinGuard guard(ends_lock_);
        a = find_locked(interp, d);
        if (!a) {
            a = new (std::nothrow) Association;
            if (!a) return Status::kNoMemory;
            a->interp = interp;
            a->next = first_[i];
            first_[i] = a;
        }
        recent_[i].store(a, std::memory_order_release);
    }
    association = a;
    // Acquire pairs with the release in release().
    return a->released.load(std::memory_order_acquire) ? Status::kClosed : Status::kOk;
}

bool AssociatedChannel::all_released_locked() noexcept {
    for (Association* list : first_) {
        for (Association* a = list; a; a = a->next) {
            if (!a->released.load(std::memory_order_relaxed)) return false;
        }
    }
    return first_[0] || first_[1];  // never associated: open
}

Status AssociatedChannel::release(std::int64_t interp, bool send, bool recv,
                                  Queue::Contents* left) noexcept {
    if (state() == State::kClosed) return Status::kClosed;
    const bool wanted[2] = {recv, send};
    bool closed = false;
    for (int i = 0; i < 2; ++i) {
        if (wanted[i] && associate(interp, static_cast<Direction>(i)) == Status::kNoMemory) {
            return Status::kNoMemory;
        }
    }
    {
        SpinGuard guard(ends_lock_);
        for (int i = 0; i < 2; ++i) {
            if (!wanted[i]) continue;
            // Release pairs with the acquire in associate().
            find_locked(interp, static_cast<Direction>(i))->released.store(true, std::memory_order_release);
        }
        closed = all_released_locked();
    }
    if (closed) close_now(left);
    return Status::kOk;
}

AssociatedChannel::Closed AssociatedChannel::close(int direction, bool force,
                                                   Queue::Contents* left) noexcept {
    const State before = state();
    if (before == State::kClosed) return Closed::kAlready;
    if (!force && direction > 0 && before == State::kClosing) return Closed::kAlready;
    closed_by_name_.store(true, std::memory_order_relaxed);  // for listed(), a snapshot anyway
    if (force) {
        close_now(left);
        return Closed::kDone;
    }
    if (close_if_empty()) return Closed::kDone;
    if (direction > 0) {
        close_sends(true);  // closes by itself once it is drained
        return Closed::kDone;
    }
    closed_by_name_.store(before == State::kClosing, std::memory_order_relaxed);
    return Closed::kNotEmpty;
}

void AssociatedChannel::forget_interpreter(std::int64_t interp) noexcept {
    clear_sender(interp, kUnboundRemove);
    bool closed = false;
    {
        SpinGuard guard(ends_lock_);
        for (int i = 0; i < 2; ++i) {
            if (Association* a = find_locked(interp, static_cast<Direction>(i))) {
                a->released.store(true, std::memory_order_release);  // as in release()
            }
        }
        closed = all_released_locked();
    }
    if (closed) close_now();
}

bool AssociatedChannel::destroy(Queue::Contents* left) noexcept {
    if (!drop_in_table().remove(*this)) return false;
    destroyed_.store(true, std::memory_order_release);
    close_now(left);
    unref();  // the table's; the caller holds another
    return true;
}

}  // namespace interpchannels
