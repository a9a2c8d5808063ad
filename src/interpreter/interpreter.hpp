// An interpreter, as the engine's users know it: a token that outlives it.
//
// What an interpreter lends (Owned) can come back to it from any thread, and only a thread that is attached
// to it may take it back. A foreign thread pushes it onto a lock-free stack and asks for a pending call;
// when the interpreter ends, what is still out is made independent of it first.
//
// Invariants:
//  1. Only the owner gives an object back: give_back() and outlive() run attached to the owner, one of them,
//     once.
//  2. `returned_` is closed (ended_mark()) before the loans that are out are outlived, so a late release finds
//     out that there is nobody to return to.
//  3. The token is counted; whoever keeps a pointer to it beyond a call holds a count.
//
// The end, in CPython's order: threading's exit callbacks (begin_ending: blocked calls are woken and nothing
// blocks any more), joined threads, atexit, modules, and then at_end (loans outlive, ends are closed).
#pragma once

#include <atomic>
#include <cstdint>

#include "channel/counted_ends.hpp"
#include "channel/hint.hpp"
#include "channel/parcel.hpp"
#include "channel/waiter.hpp"
#include "interpreter/attached_spin.hpp"
#include "interpreter/python.hpp"

namespace interpchannels {

class Interpreter;
class EndHandle;

// An attachment that holds something of an interpreter's.
class Owned : public Attachment {
public:
    // By the parcel's last owner. Any thread, attached or not.
    void release() noexcept final;

protected:
    // Attached to `owner`.
    explicit Owned(Interpreter& owner) noexcept;
    virtual ~Owned();
    // Attached to the owner: let go of its object.
    virtual void give_back() noexcept = 0;
    // Attached to the owner, which ends while the parcel is still under way.
    virtual void outlive() noexcept = 0;

    Interpreter& owner() const noexcept { return owner_; }

private:
    friend class Interpreter;
    void unref() noexcept;

    Interpreter& owner_;
    std::atomic<int> refs_{2};  // the parcel's, and the owner's list's
    Owned* prev_ = nullptr;     // in the owner's list; the owner's lock
    Owned* next_ = nullptr;
    Owned* next_returned_ = nullptr;
};

class Interpreter {
public:
    // The current one; made on the first call in it. Attached. nullptr with an exception set.
    static Interpreter* current();

    void ref() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
    void unref() noexcept;

    std::int64_t id() const noexcept { return id_; }
    bool is_main() const noexcept { return main_; }
    // Attached to it, in the thread that calls.
    bool is_attached_here() const noexcept {
        if (ended()) return false;
        PyThreadState* const state = attached_state();
        return state && PyThreadState_GetInterpreter(state) == state_;
    }
    bool ended() const noexcept { return ended_.load(std::memory_order_acquire); }

    WaitGroup& waits() noexcept { return waits_; }
    AttachedSpin& attached_spin() noexcept { return attached_spin_; }

    // The interpreter stops: blocked calls end, and none blocks any more. Attached; idempotent.
    void begin_ending() noexcept { waits_.end(); }
    // Closes every end handle of this interpreter. Attached to it; detaches in between.
    void close_handles();

    // Takes back what came back. Attached to it.
    void drain() noexcept;

    void link(EndHandle& handle) noexcept;
    // Marks it closed and takes it out of the list. False where that was done before.
    bool close_and_unlink(EndHandle& handle) noexcept;

    // Workers: interpreters that spawn() made.
    // Sequentially consistent, as the look at it in wake_workers(): whoever marks then asks whether all are
    // being woken, and the waker says so, then looks for marks.
    void mark_worker() noexcept { worker_.store(true); }
    // While the process ends, each blocked call of a Worker counts its interpreter's threads when it begins
    // to wait and when it is poked; so it is known when all of them are blocked. Attached to it.
    void look_around() noexcept;
    static void begin_census() noexcept;
    struct Census {
        int stuck = 0;           // Workers of which every thread is blocked on a channel
        std::uint64_t ever = 0;  // grows whenever one of them blocks anew
    };
    static Census count_workers() noexcept;
    // Any thread, holding no lock.
    static void poke_workers() noexcept;
    // Ends the blocked calls of all Workers.
    static void wake_workers() noexcept;

    static std::int64_t outstanding_loans() noexcept;
    static void forget_blocked_in_child() noexcept;

private:
    friend class Owned;
    Interpreter(PyInterpreterState* state, std::int64_t id) noexcept;
    ~Interpreter() = default;

    void adopt(Owned& thing) noexcept;
    void forget(Owned& thing) noexcept;
    bool push_returned(Owned& thing) noexcept;
    void give_back_all(Owned* first) noexcept;
    void ask_for_drain() noexcept;
    static int drain_pending(void* self);
    struct Closing;
    bool close_and_unlink_one(Closing& closing) noexcept;
    template <class Do>
    static void for_each_worker(Do what);
    static void at_end(void* self);
    void leave_registry() noexcept;
    void end() noexcept;

    PyInterpreterState* const state_;
    const std::int64_t id_;
    const bool main_;
    std::atomic<int> refs_{1};
    std::atomic<bool> ended_{false};
    std::atomic<bool> worker_{false};
    std::atomic<int> threads_{0};  // at the last look_around(); 0: none yet
    WaitGroup waits_;
    AttachedSpin attached_spin_;

    std::atomic<Owned*> returned_{nullptr};  // what foreign threads gave back, or ended_mark()
    std::atomic<bool> drain_asked_{false};
    std::atomic<int> asking_{0};  // threads inside ask_for_drain()

    // Protects the two lists, and closing what is in the second. Taken by threads of this interpreter only, so never
    // contended under a GIL. A leaf.
    SpinLock lock_;
    Owned* out_ = nullptr;
    EndHandle* handles_ = nullptr;
    Interpreter* next_ = nullptr;  // in the process's list
};

// One handle on one end of a package channel, as held by an end object.
class EndHandle {
public:
    EndHandle() = default;
    EndHandle(const EndHandle&) = delete;
    EndHandle& operator=(const EndHandle&) = delete;

    // Takes over one count of the channel's. Attached to `owner`, which outlives the handle, as in the next two.
    void open(Interpreter& owner, Ref<CountedChannel> channel, Direction direction) noexcept;
    // Idempotent; wakes what is blocked on this handle. Detaches where it must.
    void close(Interpreter& owner);
    // close(), and the channel reference goes too: for deallocation.
    void discard(Interpreter& owner);

    bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }
    const std::atomic<bool>& closed_flag() const noexcept { return closed_; }
    CountedChannel& channel() const noexcept { return *channel_; }
    const Ref<CountedChannel>& channel_ref() const noexcept { return channel_; }
    Direction direction() const noexcept { return direction_; }

    // A descriptor that is readable while there may be something to receive; it is closed with the handle, which is
    // open. -1 and errno where there is none. Attached to the owner, as the next.
    int descriptor() noexcept;
    // After a try to receive through this handle. Never waits.
    void refresh_hint() noexcept {
        // Acquire pairs with the release in descriptor().
        if (hint_.load(std::memory_order_acquire)) refresh_hint_there_is();
    }

private:
    friend class Interpreter;
    void refresh_hint_there_is() noexcept;
    std::unique_ptr<Hint> take_hint() noexcept;
    static void finish_closing(Ref<CountedChannel> channel, Direction direction,
                               std::unique_ptr<Hint> hint);

    Ref<CountedChannel> channel_;
    std::atomic<Hint*> hint_{nullptr};  // owned; once somebody asked for the descriptor
    EndHandle* prev_ = nullptr;
    EndHandle* next_ = nullptr;
    std::atomic<bool> closed_{true};
    // Protects making, using and taking the hint. Held attached, for a few system calls: who only refreshes it passes by
    // where another thread has it. The channel's locks may be tried under it.
    SpinLock hint_lock_;
    Direction direction_ = Direction::kRecv;
};

}  // namespace interpchannels
