// The channels of one face, by id: the upper of the two lock levels.
//
// Invariants:
//  1. Ids count up from 0 and are never used again.
//  2. The table's lock is taken before a channel's and never waited for while one is held. Under it there
//     is only looking up, linking and unlinking; nothing is released and nobody is woken.
//  3. It holds no reference by itself (a rule for ends may keep one for it): whoever adds a channel removes it before it goes, and find()
//     refuses one whose last reference has gone already.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <limits>

#include "channel/channel.hpp"
#include "channel/spin_lock.hpp"

namespace interpchannels {

template <class T>
class Table {
public:
    Table() = default;
    Table(const Table&) = delete;
    Table& operator=(const Table&) = delete;

    // Gives the channel its id. False where memory failed (or, in 300 years, the ids).
    bool add(T& channel) noexcept {
        SpinGuard guard(lock_);
        if (next_id_ == std::numeric_limits<std::int64_t>::max()) return false;
        if ((used_ + 1) * 4 > slots() * 3 && !grow()) return false;
        channel.set_id(next_id_++);
        place(table_, mask_, &channel);
        ++used_;
        return true;
    }

    // Idempotent. True where it was there.
    bool remove(const T& channel) noexcept {
        SpinGuard guard(lock_);
        return remove_locked(channel);
    }

    // Empty where there is no such id.
    Ref<T> find(std::int64_t id) noexcept {
        SpinGuard guard(lock_);
        return find_locked(id);
    }
    // The same for an attached thread: false where the lock was not had within a bounded try.
    bool try_find(std::int64_t id, Ref<T>& found) noexcept {
        if (!lock_.try_lock_briefly()) return false;
        Ref<T> ref = find_locked(id);
        lock_.unlock();
        found = std::move(ref);
        return true;
    }

    std::size_t size() noexcept {
        SpinGuard guard(lock_);
        return used_;
    }

    // References to all channels, in no order, in an array from std::malloc; nullptr and count 0 where
    // there is none, nullptr and count -1 where memory failed. The caller frees it with free_list().
    Ref<T>* list(std::ptrdiff_t& count) noexcept {
        for (std::size_t room = 64;; room *= 2) {
            const std::size_t have = size();
            count = 0;
            if (have == 0) return nullptr;
            if (room < have) room = have + have / 4;
            auto* list = static_cast<Ref<T>*>(std::malloc(room * sizeof(Ref<T>)));
            if (!list) {
                count = -1;
                return nullptr;
            }
            std::size_t n = 0;
            bool fits = true;
            {
                SpinGuard guard(lock_);
                for (std::size_t i = 0; i < slots() && fits; ++i) {
                    if (!table_[i]) continue;
                    if (n == room) {
                        fits = false;  // no reference is taken here: letting go of it could end the channel
                    } else if (table_[i]->try_ref()) {
                        new (&list[n++]) Ref<T>(Ref<T>::adopt(table_[i]));
                    }
                }
            }
            count = static_cast<std::ptrdiff_t>(n);
            if (fits) return list;
            free_list(list, count);
        }
    }
    static void free_list(Ref<T>* list, std::ptrdiff_t count) noexcept {
        for (std::ptrdiff_t i = 0; i < count; ++i) list[i].~Ref<T>();
        std::free(list);
    }

    // The channel with the least id above `id`; empty where there is none.
    Ref<T> first_above(std::int64_t id) noexcept {
        SpinGuard guard(lock_);
        for (;;) {
            T* first = nullptr;
            for (std::size_t i = 0; i < slots(); ++i) {
                if (table_[i] && table_[i]->id() > id && (!first || table_[i]->id() < first->id())) {
                    first = table_[i];
                }
            }
            if (!first || first->try_ref()) return Ref<T>::adopt(first);
            id = first->id();  // its last reference has gone
        }
    }

    // f(channel) for all of them, holding no lock. Where there is no memory for a list it goes from one to the next,
    // which takes longer and leaves out none.
    template <class F>
    void for_each(F f) noexcept {
        std::ptrdiff_t count = 0;
        Ref<T>* const all = list(count);
        for (std::ptrdiff_t i = 0; i < count; ++i) f(*all[i]);
        free_list(all, count);
        if (count >= 0) return;
        for (Ref<T> next = first_above(-1); next; next = first_above(next->id())) f(*next);
    }

    // Around a fork, so that the child finds the table whole.
    void lock_for_fork() noexcept { lock_.lock(); }
    void unlock_after_fork() noexcept { lock_.unlock(); }
    // In the child, between the two: none of them is the child's.
    void abandon_all_in_child() noexcept {
        for (std::size_t i = 0; i < slots(); ++i) {
            if (T* const channel = std::exchange(table_[i], nullptr)) channel->abandon_in_child();
        }
        used_ = 0;
    }

private:
    std::size_t slots() const noexcept { return table_ ? mask_ + 1 : 0; }

    Ref<T> find_locked(std::int64_t id) noexcept {
        if (!table_ || id < 0) return {};
        for (std::size_t i = static_cast<std::size_t>(id) & mask_; table_[i]; i = (i + 1) & mask_) {
            if (table_[i]->id() == id) {
                return table_[i]->try_ref() ? Ref<T>::adopt(table_[i]) : Ref<T>{};
            }
        }
        return {};
    }

    bool remove_locked(const T& channel) noexcept {
        if (!table_ || channel.id() < 0) return false;
        std::size_t i = static_cast<std::size_t>(channel.id()) & mask_;
        for (; table_[i] != &channel; i = (i + 1) & mask_) {
            if (!table_[i]) return false;
        }
        // Close the gap, so that every chain of probes stays unbroken (Knuth, TAOCP 3, 6.4, algorithm R).
        for (std::size_t j = (i + 1) & mask_; table_[j]; j = (j + 1) & mask_) {
            const std::size_t home = static_cast<std::size_t>(table_[j]->id()) & mask_;
            if (((j - home) & mask_) >= ((j - i) & mask_)) {
                table_[i] = table_[j];
                i = j;
            }
        }
        table_[i] = nullptr;
        --used_;
        return true;
    }

    static void place(T** table, std::size_t mask, T* channel) noexcept {
        std::size_t i = static_cast<std::size_t>(channel->id()) & mask;
        while (table[i]) i = (i + 1) & mask;
        table[i] = channel;
    }

    bool grow() noexcept {
        const std::size_t wider = table_ ? slots() * 2 : 64;
        auto** next = static_cast<T**>(std::calloc(wider, sizeof(T*)));
        if (!next) return false;
        for (std::size_t i = 0; i < slots(); ++i) {
            if (table_[i]) place(next, wider - 1, table_[i]);
        }
        std::free(table_);
        table_ = next;
        mask_ = wider - 1;
        return true;
    }

    SpinLock lock_;  // protects everything below
    T** table_ = nullptr;
    std::size_t mask_ = 0;
    std::size_t used_ = 0;
    std::int64_t next_id_ = 0;
};

}  // namespace interpchannels
