// The bridge between a Python call and the engine: fast while attached, then detached until it is done.
//
// Everything here is called attached and returns attached. A call that blocks ends at an item or a place,
// its deadline, the close of the channel or the handle, the end of the interpreter, or a signal; it never
// polls for items. Only the main thread of the main interpreter handles signals: it is interrupted by one
// that it takes itself, and wakes ten times a second for one that another thread took. Without a GIL every
// thread does, for what it has to free (catch_up()).
#pragma once

#include <atomic>

#include "channel/channel.hpp"
#include "channel/select.hpp"
#include "crossing/context.hpp"

namespace interpchannels {

// kOk; kClosed, kTimeout, kCancelled, kEnding, kNoMemory: nothing was sent and no exception is set;
// kInterrupted: nothing was sent and a signal handler's exception is set. `deadline` 0 tries once. The first try is
// inline, the rest for when it has failed with `tried` (kWouldBlock where there was none).
Status blocking_send_rest(Context& context, Channel& channel, Parcel& parcel, Status tried,
                          bool until_taken, Nanos deadline, const std::atomic<bool>* cancelled);
inline Status blocking_send(Context& context, Channel& channel, Parcel& parcel, bool until_taken,
                            Nanos deadline, const std::atomic<bool>* cancelled) {
    const Status tried =
        until_taken ? Status::kWouldBlock : channel.try_send(parcel, context.interpreter->id());
    if (tried == Status::kOk) return tried;
    return blocking_send_rest(context, channel, parcel, tried, until_taken, deadline, cancelled);
}

// kOk and the parcel; kClosed, kTimeout, kCancelled, kEnding; kInterrupted with an exception set. Likewise.
Status blocking_recv_rest(Context& context, Channel& channel, Parcel& parcel, Scratch& scratch,
                          Status tried, Nanos deadline, const std::atomic<bool>* cancelled);
inline Status blocking_recv(Context& context, Channel& channel, Parcel& parcel, Scratch& scratch,
                            Nanos deadline, const std::atomic<bool>* cancelled) {
    const Status tried = channel.try_recv(parcel, scratch);
    if (tried == Status::kOk) return tried;
    return blocking_recv_rest(context, channel, parcel, scratch, tried, deadline, cancelled);
}

// kOk: operation select.index() was done; kClosed, kCancelled: that it cannot be; kTimeout, kEnding, kNoMemory;
// kInterrupted with an exception set, and nothing was done.
Status blocking_select(Context& context, Select& select, const SelectOp* ops, Nanos deadline);

// kOk: all items that were sent are done with; kEnding; kInterrupted with an exception set.
Status blocking_join(Context& context, Channel& channel);

// The deadline that a Python timeout means: None or infinity is kNever, 0 is 0 ("try once"). False with
// TypeError or ValueError set.
bool parse_timeout(PyObject* timeout, Nanos& deadline);

// Remembers which thread handles signals. In the main interpreter, once.
void set_signal_thread(unsigned long ident) noexcept;

}  // namespace interpchannels
