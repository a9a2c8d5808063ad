// What the engine's `std::` means under the scheduler: included before everything else of each of its files.
//
// Inside of the engine's namespace the name `std` is looked up there first. So it finds this namespace: the names that
// are declared here are the scheduler's, all others those of the standard library. No macro is needed, and the engine
// does not know of it.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <type_traits>

#include "schedule/scheduler.hpp"

namespace interpchannels::std {

using namespace ::std;

template <class T>
class atomic {
    static_assert(sizeof(T) <= 8 && ::std::is_trivially_copyable_v<T>);
    using Where = ::schedule::Where;

public:
    constexpr atomic() noexcept : atomic(T{}) {}
    constexpr atomic(T value) noexcept : value_(value) {
        if (!::std::is_constant_evaluated()) ::schedule::born(&value_);
    }
    ~atomic() { ::schedule::died(&value_); }
    atomic(const atomic&) = delete;
    atomic& operator=(const atomic&) = delete;

    T load(memory_order = memory_order_seq_cst, Where where = Where::current()) const noexcept {
        ::schedule::point(&value_, false, "loads", where);
        return value_of(::schedule::load(&value_, sizeof value_));
    }
    void store(T value, memory_order order = memory_order_seq_cst,
               Where where = Where::current()) noexcept {
        ::schedule::point(&value_, true, "stores", where);
        ::schedule::store(&value_, sizeof value_, bits_of(value));
        if (order == memory_order_seq_cst) ::schedule::drain();
    }
    T exchange(T value, memory_order = memory_order_seq_cst, Where where = Where::current()) noexcept {
        return change([value](T) { return value; }, "exchanges", where);
    }
    T fetch_add(T by, memory_order = memory_order_seq_cst, Where where = Where::current()) noexcept {
        return change([by](T was) { return static_cast<T>(was + by); }, "adds", where);
    }
    T fetch_sub(T by, memory_order = memory_order_seq_cst, Where where = Where::current()) noexcept {
        return change([by](T was) { return static_cast<T>(was - by); }, "subtracts", where);
    }
    bool compare_exchange_strong(T& expected, T value, memory_order = memory_order_seq_cst,
                                 memory_order = memory_order_seq_cst,
                                 Where where = Where::current()) noexcept {
        const T was =
            change([&](T now) { return now == expected ? value : now; }, "compares and exchanges", where);
        if (was == expected) return true;
        expected = was;
        return false;
    }
    bool compare_exchange_weak(T& expected, T value, memory_order = memory_order_seq_cst,
                               memory_order = memory_order_seq_cst,
                               Where where = Where::current()) noexcept {
        return compare_exchange_strong(expected, value, memory_order_seq_cst, memory_order_seq_cst, where);
    }

private:
    template <class Change>
    T change(Change to, const char* what, Where where) noexcept {
        ::schedule::point(&value_, true, what, where);
        ::schedule::drain();
        const T was = value_;
        ::schedule::found(bits_of(was));
        value_ = to(was);
        ::schedule::fine_point("goes on", where);
        return was;
    }
    static ::std::uint64_t bits_of(T value) noexcept {
        ::std::uint64_t bits = 0;
        ::std::memcpy(&bits, &value, sizeof value);
        return bits;
    }
    static T value_of(::std::uint64_t bits) noexcept {
        T value;
        ::std::memcpy(&value, &bits, sizeof value);
        return value;
    }

    T value_;
};

// All of the engine's are full ones.
inline void atomic_thread_fence(memory_order) noexcept { ::schedule::drain(); }

inline void* malloc(size_t size) noexcept { return ::schedule::allocate(size); }
inline void free(void* memory) noexcept {
    if (memory) ::schedule::release(memory);
}
inline void* memcpy(void* to, const void* from, size_t size,
                    ::schedule::Where where = ::schedule::Where::current()) noexcept {
    if (size > 16) ::schedule::fine_point("copies", where);
    return ::std::memcpy(to, from, size);
}

namespace chrono {
using namespace ::std::chrono;
// It stands still: a limit is reached when the scheduler says so.
struct steady_clock {
    static ::std::chrono::steady_clock::time_point now() noexcept {
        return ::std::chrono::steady_clock::time_point(::std::chrono::nanoseconds(1'000'000'000));
    }
    using time_point = ::std::chrono::steady_clock::time_point;
};
}  // namespace chrono

}  // namespace interpchannels::std

namespace interpchannels {

// The notifier's descriptor, found in the same way. Nobody waits for one here.
inline int eventfd(unsigned, int) noexcept { return 0; }
inline long write(int, const void*, ::std::size_t size) noexcept { return static_cast<long>(size); }
inline long read(int, void*, ::std::size_t size) noexcept { return static_cast<long>(size); }
inline int close(int) noexcept { return 0; }

}  // namespace interpchannels
