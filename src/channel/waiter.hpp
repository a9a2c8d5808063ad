// One blocked call, and the group of blocked calls that end together.
//
// Invariants:
//  1. A waiter's word only says "look again". Why it was woken is not in it: the truth (an item, a place,
//     closed, cancelled, ending) is read under the channel's lock, or from the flag that was set before
//     the wake-up. So a wake-up may come early, twice, or for a reason that is gone, and does no harm.
//  2. A waiter is linked into a list of its channel before it re-checks the condition, and whoever makes
//     the condition true looks at the list afterwards: no wake-up is lost.
//  3. It leaves every list before its memory goes. Wakers set the word while they hold the lock that
//     protects the list, and unpark() by address after unlocking.
#pragma once

#include <atomic>
#include <cstdint>

#include "channel/park.hpp"
#include "channel/spin_lock.hpp"

namespace interpchannels {

class WaitGroup;

struct Waiter {
    static constexpr std::uint32_t kWaiting = 0;  // linked, not asleep: no system call is needed
    static constexpr std::uint32_t kParked = 1;   // asleep, or about to be
    static constexpr std::uint32_t kWoken = 2;

    std::atomic<std::uint32_t> word{kWaiting};
    Waiter* prev = nullptr;  // in the channel's list; protected by that list's lock
    Waiter* next = nullptr;
    bool linked = false;
    Waiter* group_prev = nullptr;  // in the WaitGroup; protected by the group's lock
    Waiter* group_next = nullptr;

    // Marks it woken. True where the caller must unpark(&word) once it holds no lock.
    [[nodiscard]] bool mark_woken() noexcept {
        // Release pairs with the acquire in sleep_until_woken(): the woken thread sees what the waker wrote, though
        // it takes the channel's lock before it relies on any of it.
        return word.exchange(kWoken, std::memory_order_acq_rel) == kParked;
    }
};

// Intrusive, first in, first out. Protected by whatever lock its owner says.
class WaiterList {
public:
    bool empty() const noexcept { return head_ == nullptr; }
    Waiter* front() const noexcept { return head_; }

    void push_back(Waiter& w) noexcept {
        w.prev = tail_;
        w.next = nullptr;
        w.linked = true;
        (tail_ ? tail_->next : head_) = &w;
        tail_ = &w;
    }

    void remove(Waiter& w) noexcept {
        (w.prev ? w.prev->next : head_) = w.next;
        (w.next ? w.next->prev : tail_) = w.prev;
        w.prev = w.next = nullptr;
        w.linked = false;
    }

    void clear_after_fork() noexcept { head_ = tail_ = nullptr; }

private:
    Waiter* head_ = nullptr;
    Waiter* tail_ = nullptr;
};

// Wake-ups collected under a lock, delivered after it. Holds addresses only (see park.hpp).
class WakeList {
public:
    static constexpr int kMax = 8;
    // Room for two more is always left: an offer that moves in, and the receiver of its item.
    bool full() const noexcept { return count_ > kMax - 2; }
    // The caller holds the lock of the list that `w` is, or was just, linked into.
    void add(Waiter& w) noexcept {
        if (w.mark_woken()) addresses_[count_++] = &w.word;
    }
    // Holding no lock.
    void deliver() noexcept {
        for (int i = 0; i < count_; ++i) unpark(addresses_[i]);
        count_ = 0;
    }

private:
    const void* addresses_[kMax];
    int count_ = 0;
};

// The blocked calls of one interpreter: they end with it, and are counted.
class WaitGroup {
public:
    // False where the group has ended; the waiter is then not entered.
    bool enter(Waiter& w) noexcept {
        SpinGuard guard(lock_);
        if (ended_.load(std::memory_order_relaxed)) return false;  // written under lock_
        w.group_prev = nullptr;
        w.group_next = first_;
        if (first_) first_->group_prev = &w;
        first_ = &w;
        ++ever_;
        return true;
    }

    void leave(Waiter& w) noexcept {
        SpinGuard guard(lock_);
        (w.group_prev ? w.group_prev->group_next : first_) = w.group_next;
        if (w.group_next) w.group_next->group_prev = w.group_prev;
    }

    // From now on nothing in this group blocks; what does is woken.
    void end() noexcept {
        {
            SpinGuard guard(lock_);
            // Release pairs with the acquire in ended().
            ended_.store(true, std::memory_order_release);
        }
        wake_all();
    }

    void wake_all() noexcept {
        // A few at a time, since unpark() is for after the unlock. A waiter that was marked stays in the
        // list until it leaves, so those marked already are passed over.
        // The flag (ended) is set, then look at the words: pairs with the fence of a waiter that re-arms.
        std::atomic_thread_fence(std::memory_order_seq_cst);
        for (;;) {
            WakeList wakes;
            {
                SpinGuard guard(lock_);
                for (Waiter* w = first_; w && !wakes.full(); w = w->group_next) {
                    // Relaxed: only this group's lock holders and the channel's wakers write kWoken, and
                    // a missed one is marked a second time at worst.
                    if (w->word.load(std::memory_order_relaxed) != Waiter::kWoken) wakes.add(*w);
                }
            }
            const bool more = wakes.full();
            wakes.deliver();
            if (!more) return;
        }
    }

    bool ended() const noexcept { return ended_.load(std::memory_order_acquire); }

    // Has every blocked call return kInterrupted once, so that its caller can look around and come back.
    void poke() noexcept {
        pokes_.fetch_add(1, std::memory_order_acq_rel);  // pairs with the acquire in pokes()
        wake_all();
    }
    std::uint32_t pokes() const noexcept { return pokes_.load(std::memory_order_acquire); }

    // How many calls are blocked and not yet woken, and how many ever were: no change in the second between
    // two looks means that the same ones are.
    struct Count {
        int blocked = 0;
        std::uint64_t ever = 0;
    };
    Count count() noexcept {
        Count count;
        SpinGuard guard(lock_);
        for (Waiter* w = first_; w; w = w->group_next) {
            if (w->word.load(std::memory_order_relaxed) != Waiter::kWoken) ++count.blocked;
        }
        count.ever = ever_;
        return count;
    }

    void clear_after_fork() noexcept {
        lock_.unlock();
        first_ = nullptr;
    }

private:
    // Protects first_, the group links of what it leads to, and ever_. A leaf: nothing is locked and nothing
    // is woken while it is held.
    SpinLock lock_;
    Waiter* first_ = nullptr;
    std::uint64_t ever_ = 0;
    std::atomic<bool> ended_{false};
    std::atomic<std::uint32_t> pokes_{0};
};

// How long and under which conditions a call may block.
struct WaitFor {
    Nanos deadline = kNever;
    // Wake up with kInterrupted at the latest after this long (0: no limit). Only the main thread of the
    // main interpreter sets it, to see a signal that another thread took.
    Nanos slice = 0;
    bool interruptible = false;                    // return kInterrupted on EINTR
    const std::atomic<bool>* cancelled = nullptr;  // the handle was closed
    WaitGroup* group = nullptr;                    // the caller's interpreter
    std::uint32_t pokes = 0;                       // group->pokes() when the caller last looked around
};

}  // namespace interpchannels
