// One of several operations: whichever can happen first, and no other.
//
// The method is that of Go's select (runtime/select.go): lock every channel, in the order of their addresses;
// where an operation can be done now, do it; otherwise stand in line at all of them, unlock and sleep. Whoever
// comes to one of those channels claims the link that it finds there (waiter.hpp), so that one alone is done.
// Unlike Go's, an item of a buffered channel is not handed over: its sender only says "look again", and the
// select, with all its locks held, looks. A wake-up that came for an operation that was not chosen is passed on.
//
// Invariants:
//  1. While the select holds the locks of all its channels nobody can claim a link of it: what it sees in
//     `chosen_` then is final, and what it decides itself is alone.
//  2. It never pairs with itself: where a channel occurs in both directions, its own links are out of line while
//     it looks.
//  3. Fair: every look goes through the operations in an order drawn at random.
//  4. An offer of it stands in line while its thread looks at a signal; a receive does not, and gets its place back.
#pragma once

#include <memory>
#include <optional>

#include "channel/channel.hpp"
#include "channel/offer.hpp"

namespace interpchannels {

// One operation, as the caller has it.
struct SelectOp {
    Channel* channel = nullptr;
    Parcel* parcel = nullptr;                      // what to send; it stays put. nullptr: receive
    const std::atomic<bool>* cancelled = nullptr;  // the handle was closed
};

class Select {
public:
    // `out` and `scratch` get what a receive takes. `ops` stay put. `seed` draws the order.
    Select(const SelectOp* ops, std::size_t count, std::int64_t interpreter, Parcel& out, Scratch& scratch,
           std::uint64_t seed) noexcept
        : ops_(ops),
          count_(count),
          interpreter_(interpreter),
          out_(out),
          scratch_(scratch),
          random_(seed | 1) {}
    ~Select() { withdraw(); }
    Select(const Select&) = delete;
    Select& operator=(const Select&) = delete;

    // Every answer but kWouldBlock, kContended, kTimeout, kInterrupted, kEnding and kNoMemory without
    // an operation is that of operation index(); kOk is that it was done.

    // May be called attached: one bounded try of each, one after the other. kOkOwing: settle() that channel, detached.
    Status try_once() noexcept;
    // The same of all at one moment: where something was ready all the time, kWouldBlock is not the answer. Dearer.
    Status try_together() noexcept;
    // Blocks, detached. kInterrupted: call it again, or withdraw().
    Status wait(const WaitFor& wait) noexcept;
    // Detached. True: nothing happened. False: operation index(), a send, was done.
    bool withdraw() noexcept;

    static constexpr std::size_t kNone = ~std::size_t{0};
    std::size_t index() const noexcept { return index_; }

private:
    struct Case {
        Receiver receiver;
        std::optional<Offer> offer;
        bool stood = false;     // the receiver was linked, and nobody has looked for it since
        bool stood_up = false;  // the offer stands for the first time, and who waits may not know
    };

    bool prepare() noexcept;
    bool mixed() const noexcept;
    void shuffle() noexcept;
    void lock_all() noexcept;
    bool try_lock_all() noexcept;
    void unlock_first(std::size_t count) noexcept;
    Status look(WakeList& wakes, int& moved_in) noexcept;
    void link_all() noexcept;
    void unlink(bool offers_too) noexcept;
    void pass_on(Status status) noexcept;
    void tell_of_offers() noexcept;
    bool maybe_ready(const WaitFor& wait) const noexcept;
    bool any_cancelled() const noexcept;

    const SelectOp* const ops_;
    const std::size_t count_;
    const std::int64_t interpreter_;
    Parcel& out_;
    Scratch& scratch_;
    std::uint64_t random_;
    std::size_t index_ = kNone;

    Waiter me_;
    std::atomic<Link*> chosen_{nullptr};
    // From prepare() on.
    std::unique_ptr<Case[]> cases_;
    std::unique_ptr<std::size_t[]> order_;  // drawn anew for every look
    std::unique_ptr<Channel*[]> channels_;  // each once, by address
    std::size_t channel_count_ = 0;
    bool mixed_ = false;
};

}  // namespace interpchannels
