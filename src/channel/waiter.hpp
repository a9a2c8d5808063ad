// Who waits, where it stands in line, and the group of waits that end together.
//
// A Waiter is one wait: of a thread that sleeps, or of somebody who is told by a descriptor (notifier.hpp).
// A Link is its place in one list of one channel; a select has one Waiter and a Link for each operation.
//
// Invariants:
//  1. A waiter's word only says "look again". Why it was woken is not in it: the truth (an item, a place,
//     closed, cancelled, ending) is read under the channel's lock, or from the flag that was set before
//     the wake-up. So a wake-up may come early, twice, or for a reason that is gone, and does no harm.
//  2. A link is in a list of its channel before its owner re-checks the condition, and whoever makes the
//     condition true looks at the list afterwards: no wake-up is lost.
//  3. It leaves every list before its memory goes. Wakers set the word while they hold the lock that
//     protects the list, and unpark() by address after unlocking.
//  4. Whoever completes another's operation (hands it an item, takes its offer) claims its link first,
//     holding the lock of the link's list: of a select's links one alone can be claimed.
#pragma once

#include <atomic>
#include <cstdint>

#include "channel/notifier.hpp"
#include "channel/park.hpp"
#include "channel/spin_lock.hpp"

namespace interpchannels {

class WaitGroup;

struct Waiter {
    static constexpr std::uint32_t kWaiting = 0;  // linked, not asleep: no system call is needed
    static constexpr std::uint32_t kParked = 1;   // asleep, or about to be
    static constexpr std::uint32_t kWoken = 2;

    Waiter() = default;
    Waiter(Notifier* told, bool in_line) noexcept : notifier(told), listed(in_line) {}

    std::atomic<std::uint32_t> word{kWaiting};
    // Set: no thread sleeps; the notifier is signalled instead, and where `listed`, has it in its ready list.
    Notifier* const notifier = nullptr;
    const bool listed = false;
    Waiter* next_ready = nullptr;  // the notifier's
    void* owner = nullptr;         // for the notifier's reader
    Waiter* group_prev = nullptr;  // these four: in the WaitGroup; protected by the group's lock
    Waiter* group_next = nullptr;
    std::uint64_t group_wave = 0;
    std::uint32_t group_fork = 0;

    // Marks it woken. True where somebody has to be told of it once the caller holds no lock.
    [[nodiscard]] bool mark_woken() noexcept {
        // Release pairs with the acquire in sleep_until_woken(): the woken thread sees what the waker wrote, though
        // it takes the channel's lock before it relies on any of it.
        const std::uint32_t was = word.exchange(kWoken, std::memory_order_acq_rel);
        return notifier ? was != kWoken : was == kParked;
    }
};

struct Link {
    Waiter* who = nullptr;
    Link* prev = nullptr;  // these five are protected by the list's lock
    Link* next = nullptr;
    bool linked = false;
    std::uint64_t wave = 0;   // the last one that it was marked in, or has seen the reason of
    std::uint64_t place = 0;  // 0: it draws one
    // A select's: which of its links was claimed. nullptr where there is but one.
    std::atomic<Link*>* chosen = nullptr;

    // False where another link of the same select was claimed already.
    [[nodiscard]] bool claim() noexcept {
        if (!chosen) return true;
        Link* nobody = nullptr;
        // Release pairs with the acquire of the select, which reads what is chosen. Only one can win; the
        // locks of the links that lose are other locks, hence the exchange.
        return chosen->compare_exchange_strong(nobody, this, std::memory_order_acq_rel);
    }
    // What was claimed could not be done. The caller wakes its select, whose other links may have been
    // passed over meanwhile.
    void unclaim() noexcept {
        if (chosen) chosen->store(nullptr, std::memory_order_release);  // pairs as in claim()
    }
};

// Intrusive, first come, first in line. Protected by whatever lock its owner says.
//
// A link draws its *place* when it is first inserted, and has it again when it comes back: who was woken in vain,
// or looked at a signal meanwhile, is not behind those who came later.
//
// All of a list are woken in a *wave*: a few at a time, each at most once. Whoever is marked may be back in line
// before the wave is over, and must not be marked again: the wave would never come to those at the end. Who
// is inserted after the wave began looks afterwards, and sees what the wave is about: it was made so before.
//
// One count serves both: it only ever has to tell what came before what.
class LinkList {
public:
    std::uint64_t begin_wave() noexcept { return ++count_; }
    bool empty() const noexcept { return head_ == nullptr; }
    Link* front() const noexcept { return head_; }

    void insert(Link& w) noexcept {
        Link* next = nullptr;
        if (w.place == 0) {
            w.place = ++count_;
        } else if (tail_ && tail_->place > w.place) {
            // From the front: who comes back was mostly there.
            for (next = head_; next->place < w.place;) next = next->next;
        }
        w.prev = next ? next->prev : tail_;
        w.next = next;
        w.linked = true;
        w.wave = count_;
        (w.prev ? w.prev->next : head_) = &w;
        (next ? next->prev : tail_) = &w;
    }

    void remove(Link& w) noexcept {
        (w.prev ? w.prev->next : head_) = w.next;
        (w.next ? w.next->prev : tail_) = w.prev;
        w.prev = w.next = nullptr;
        w.linked = false;
    }

    void clear_after_fork() noexcept { head_ = tail_ = nullptr; }

private:
    Link* head_ = nullptr;
    Link* tail_ = nullptr;
    std::uint64_t count_ = 0;
};

// Wake-ups collected under a lock, delivered after it. Holds addresses only (see park.hpp), and counts of
// notifiers.
class WakeList {
public:
    static constexpr int kMax = 8;
    WakeList() = default;
    WakeList(const WakeList&) = delete;
    WakeList& operator=(const WakeList&) = delete;

    // Room for two more is always left: an offer that moves in, and the receiver of its item.
    bool full() const noexcept { return count_ > kMax - 2; }
    // The caller holds the lock of the list that `w` is, or was just, linked into.
    void add(Waiter& w) noexcept {
        if (!w.mark_woken()) return;
        if (w.notifier) {
            if (w.listed) w.notifier->push(w);
            w.notifier->ref();
        }
        wakes_[count_++] = {&w.word, w.notifier};
    }
    // Holding no lock.
    void deliver() noexcept {
        for (int i = 0; i < count_; ++i) {
            if (Notifier* const notifier = wakes_[i].notifier) {
                notifier->signal();
                notifier->unref();
            } else {
                unpark(wakes_[i].word);
            }
        }
        count_ = 0;
    }

private:
    struct Wake {
        const void* word;
        Notifier* notifier;
    };
    Wake wakes_[kMax];
    int count_ = 0;
};

// Collects those of the list whom the wave has not reached yet, as many as there is room for. The list's lock.
inline void mark_wave(const LinkList& list, std::uint64_t wave, WakeList& wakes) noexcept {
    for (Link* link = list.front(); link && !wakes.full(); link = link->next) {
        if (link->wave >= wave) continue;
        link->wave = wave;
        wakes.add(*link->who);
    }
}

// The waits of one interpreter: they end with it. Its blocked threads are counted.
class WaitGroup {
public:
    // False where the group has ended; the waiter is then not entered.
    bool enter(Waiter& w) noexcept {
        SpinGuard guard(lock_);
        if (ended_.load(std::memory_order_relaxed)) return false;  // written under lock_
        w.group_fork = forks_;
        w.group_prev = nullptr;
        w.group_next = first_;
        if (first_) first_->group_prev = &w;
        first_ = &w;
        w.group_wave = wave_;  // it looks after this, as those of a list do
        ++ever_;
        return true;
    }

    void leave(Waiter& w) noexcept {
        SpinGuard guard(lock_);
        if (w.group_fork != forks_) return;  // it was the parent's, and is in no list here
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
        // A wave, as those of a LinkList. What it is about (ended, a poke) is set, then it begins, then marks:
        // the fence pairs with that of a waiter that re-arms, then looks.
        std::atomic_thread_fence(std::memory_order_seq_cst);
        std::uint64_t wave = 0;
        for (bool more = true; more;) {
            WakeList wakes;
            {
                SpinGuard guard(lock_);
                if (wave == 0) wave = ++wave_;
                for (Waiter* w = first_; w && !wakes.full(); w = w->group_next) {
                    if (w->group_wave >= wave) continue;
                    w->group_wave = wave;
                    wakes.add(*w);
                }
            }
            more = wakes.full();
            wakes.deliver();
        }
    }

    bool ended() const noexcept { return ended_.load(std::memory_order_acquire); }

    // Has every blocked call return kInterrupted once, so that its caller can look around and come back.
    void poke() noexcept {
        pokes_.fetch_add(1, std::memory_order_acq_rel);  // pairs with the acquire in pokes()
        wake_all();
    }
    std::uint32_t pokes() const noexcept { return pokes_.load(std::memory_order_acquire); }

    // How many threads are blocked and not yet woken, and how many waits ever were: no change in the second
    // between two looks means that the same ones are.
    struct Count {
        int blocked = 0;
        std::uint64_t ever = 0;
    };
    Count count() noexcept {
        Count count;
        SpinGuard guard(lock_);
        for (Waiter* w = first_; w; w = w->group_next) {
            if (!w->notifier && w->word.load(std::memory_order_relaxed) != Waiter::kWoken) ++count.blocked;
        }
        count.ever = ever_;
        return count;
    }

    void clear_after_fork() noexcept {
        lock_.unlock();
        first_ = nullptr;
        ++forks_;
    }

private:
    // Protects first_, the group's fields of what it leads to, wave_, ever_ and forks_. A leaf: nothing is locked and
    // nothing is woken while it is held.
    SpinLock lock_;
    Waiter* first_ = nullptr;
    std::uint64_t wave_ = 0;
    std::uint64_t ever_ = 0;
    std::uint32_t forks_ = 0;  // how many forks lie between this process and the group's first
    std::atomic<bool> ended_{false};
    std::atomic<std::uint32_t> pokes_{0};
};

// How long and under which conditions a call may block.
struct WaitFor {
    Nanos deadline = kNever;
    // Wake up with kInterrupted at the latest after this long (0: no limit). The main thread of the
    // main interpreter sets it, to see a signal that another thread took; and without a GIL every thread.
    Nanos slice = 0;
    // A word that others set: while it is 0 the end of a slice is slept through, and no place in a line is left for it.
    const std::uintptr_t* asked = nullptr;
    bool interruptible = false;                    // return kInterrupted on EINTR
    const std::atomic<bool>* cancelled = nullptr;  // the handle was closed
    WaitGroup* group = nullptr;                    // the caller's interpreter
    std::uint32_t pokes = 0;                       // group->pokes() when the caller last looked around
};

}  // namespace interpchannels
