// A descriptor that becomes readable when something that it stands for is worth a look: how an event loop,
// or epoll, waits for channels without a thread.
//
// One side signals, from any thread; the other, its *reader*, clears it and looks. For an event loop it
// also keeps the line of waiters that were woken (the ready list), so that the loop need not ask them all.
//
// An eventfd on Linux, a pipe elsewhere (INTERPCHANNELS_PORTABLE_PARK builds test the pipe on Linux).
//
// Invariants:
//  1. It is counted: whoever is about to signal it holds a count, so the descriptor is never another's.
//  2. The reader clears, then looks; who signals has made true what the reader will find. However the two
//     meet, the reader finds it, or the descriptor is readable again.
//  3. A waiter is in the ready list from its being woken until the reader pops or removes it, and is not
//     woken again meanwhile: the word says so.
#pragma once

#include <atomic>
#include <cstdint>

namespace interpchannels {

struct Waiter;

class Notifier {
public:
    // One count is the caller's. nullptr where the system has no descriptor left, or no memory.
    static Notifier* make() noexcept;
    void ref() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
    void unref() noexcept;
    Notifier(const Notifier&) = delete;
    Notifier& operator=(const Notifier&) = delete;

    int descriptor() const noexcept { return read_; }

    // Any thread, holding no lock. A system call where it was clear, none otherwise.
    void signal() noexcept;
    // Into the ready list. The caller holds the lock of the list that `w` was woken from, and signals after.
    void push(Waiter& w) noexcept;

    // --- the reader: one thread at a time ---
    void clear() noexcept;
    // The next of the ready list, in the order in which they were woken; nullptr where there is none.
    Waiter* pop() noexcept;
    // Takes one out, wherever it is. It cannot be woken meanwhile (it is linked nowhere, in no group).
    void remove(Waiter& w) noexcept;

private:
    Notifier(int read, int write) noexcept : read_(read), write_(write) {}
    ~Notifier();
    void gather() noexcept;

    const int read_;
    const int write_;  // the same where it is an eventfd
    std::atomic<std::uint32_t> refs_{1};
    std::atomic<bool> signalled_{false};
    std::atomic<Waiter*> pushed_{nullptr};  // a stack
    Waiter* first_ = nullptr;               // the reader's: taken from the stack, in order
    Waiter** last_ = &first_;
};

}  // namespace interpchannels
