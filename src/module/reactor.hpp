// How an asyncio event loop waits for channels: one descriptor for all the waits of a loop, and no thread.
//
// A Reactor is made for a loop when something on it has to wait for the first time (python/interpchannels/_async.py),
// and its descriptor is given to the loop's add_reader(). A Standing is one wait: a watch or an offer in a channel's
// line, and the asyncio future that its task sleeps on. What happens at the channel puts the waiter into the
// notifier's ready list and signals the descriptor; the loop calls wake(), which completes the futures.
//
// A future that is completed only says "look again": an item is taken, and a send found done, in the step in
// which the task runs (async.cpp). So a task that is cancelled between the two has taken nothing.
//
// Invariants:
//  1. The GIL protects all of it but what the engine's locks protect; or a section of the reactor, where there is none:
//     its waits among it, once they joined. The notifier's reader is whoever holds that, and does not let go of it within a
//     call of the notifier's.
//  2. A Standing lies on the C heap and counts its channel and its notifier: where its interpreter ends without
//     having freed it, wakers find it whole.
//  3. It leaves the channel's line, then the ready list, then it goes.
#pragma once

#include <memory>
#include <optional>

#include "channel/offer.hpp"
#include "channel/watch.hpp"
#include "crossing/buffer.hpp"
#include "interpreter/without_gil.hpp"
#include "module/state.hpp"

namespace interpchannels {

struct ReactorObject;
inline PyObject* object_of(ReactorObject* reactor) noexcept { return reinterpret_cast<PyObject*>(reactor); }

struct Standing {
    // Attached. nullptr with an exception set.
    static std::unique_ptr<Standing> make(const Ref<CountedChannel>& channel, Outgoing* out);
    ~Standing();
    Standing(const Standing&) = delete;
    Standing& operator=(const Standing&) = delete;

    Waiter& waiter() noexcept { return offer ? offer->waiter() : watch->waiter(); }

    Ref<CountedChannel> channel;
    // A send's parcel and its bytes; before the offer, which leaves the line before they go.
    Outgoing out;
    std::unique_ptr<std::byte[]> bytes;
    std::optional<Watch> watch;  // one of the two, once it joined a reactor
    std::optional<Offer> offer;

    ReactorObject* reactor = nullptr;  // strong
    Standing* prev = nullptr;          // among the reactor's
    Standing* next = nullptr;
    PyObject* future = nullptr;  // strong; nullptr: its task does not sleep
    bool told = false;           // popped from the ready list since it was armed
    bool again = false;          // there was no memory to complete the future with
    bool ending = false;         // the interpreter ends

private:
    Standing() = default;
};

// --- attached, all of them ---

// After a Notifier could not be made: MemoryError, or OSError where the process has no descriptor left. Returns nullptr.
PyObject* raise_no_descriptor();

// Joins the reactor of the running loop, as a send where `sender` is not -1, and gets a future of that loop's.
// Called anew it gets a new future. False with an exception set.
bool join_loop(ModuleState& state, Standing& standing, std::int64_t sender);
// Out of the channel's line and the ready list; its task sleeps no more. Detaches where it stands there. False: it is
// an offer that was taken, and nobody has seen it yet.
bool leave_line(Standing& standing);
// leave_line(), and the Standing goes. Any exception that is set stays. False as there.
bool let_go(std::unique_ptr<Standing>& standing);

}  // namespace interpchannels
