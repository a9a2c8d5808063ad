// Sending and receiving one item through an end: where nobody has to wait, one lock and no detaching.
//
// Each call begins with the short way of a small value (send_short(), receive_short()), which makes no parcel. Where
// that does not do, nothing has happened, and the long way does it, waits, or says what is wrong.
#include <optional>

#include "crossing/attachments.hpp"
#include "crossing/decoder.hpp"
#include "module/blocking.hpp"
#include "module/ends.hpp"

namespace interpchannels {

PyObject* raise_status(EndObject& self, Status status, PyObject* timeout) {
    ModuleState& state = *self.state;
    const bool send = self.handle.direction() == Direction::kSend;
    const long long id = id_of(self);
    switch (status) {
    case Status::kClosed:
        PyErr_Format(
            state.channel_closed_error,
            send ? "cannot send to channel %lld: it was shut down, or every RecvChannel of it is closed; "
                   "create() a new channel"
                 : "cannot recv from channel %lld: it is closed and drained; stop receiving",
            id);
        break;
    case Status::kCancelled:
        PyErr_Format(state.channel_closed_error,
                     "this %s of channel %lld is closed; use another handle of it (clone() one before "
                     "closing)",
                     name_of(self.handle.direction()), id);
        break;
    case Status::kEnding:
        PyErr_Format(state.channel_closed_error,
                     "this interpreter is ending, so %s on channel %lld does not wait any more",
                     send ? "send" : "recv", id);
        break;
    case Status::kTimeout:
        PyErr_Format(
            PyExc_TimeoutError,
            send ? "send to channel %lld timed out: no place within %R seconds; receive from it, or "
                   "wait longer"
                 : "recv from channel %lld timed out: no item within %R seconds; send to it, or "
                   "wait longer",
            id, timeout ? timeout : Py_None);
        break;
    case Status::kNoMemory:
        PyErr_NoMemory();
        break;
    default:
        PyErr_SetString(PyExc_SystemError, "unexpected status");
    }
    return nullptr;
}

bool check_open(EndObject& self) {
    if (!self.handle.closed()) return true;
    raise_status(self, Status::kCancelled, nullptr);
    return false;
}

// --- sending ---

namespace {

// Receiving ends of this very channel do not count while they lie in it (counted_ends.hpp).
void suspend_own(Parcel& parcel, const CountedChannel& channel) noexcept {
    for (Attachment* a = parcel.attachments; a; a = a->next) {
        auto* const ticket = dynamic_cast<EndTicket*>(a);
        if (ticket && &ticket->channel() == &channel && ticket->direction() == Direction::kRecv) {
            ticket->suspend();
        }
    }
}

CrossingMode mode_of(const EndObject& self) noexcept {
    CrossingMode mode;
    mode.pickle = self.handle.channel().pickle();
    return mode;
}

// What encoding left to do. It may have run Python code that closed this end, or dropped the last reference to it but the
// caller's; the channel stays, since the object does.
Status encoded(EndObject& self, Parcel& parcel) {
    if (self.handle.closed()) return Status::kCancelled;
    CountedChannel& channel = self.handle.channel();
    if (parcel.attachments) suspend_own(parcel, channel);
    parcel.sender = self.state->interpreter->id();
    parcel.unbound_op = channel.unbound_op();
    return Status::kOk;
}

}  // namespace

Status encode_for(EndObject& self, PyObject* obj, Outgoing& out, Scratch& scratch) {
    // Trees are what comes here most.
    if ((is_tree(obj) || !encode_small(obj, out.parcel, scratch)) &&
        encode_other(*self.state, obj, mode_of(self), out, scratch) < 0) {
        return Status::kInterrupted;
    }
    return encoded(self, out.parcel);
}

namespace {

// True where obj was sent.
[[gnu::always_inline]] inline bool send_short(EndObject& self, PyObject* obj) {
    if (self.handle.closed()) return false;
    alignas(8) std::byte bytes[kSmallRoom];
    const std::size_t size = put_small<false>(obj, bytes);
    if (size == 0) return false;
    CountedChannel& channel = self.handle.channel();
    const Status status = channel.try_send_short(bytes, static_cast<std::uint32_t>(size),
                                                 channel.unbound_op(), self.state->interpreter->id());
    if (status == Status::kOkOwing) detached([&] { channel.settle(); });
    return status != Status::kContended;
}

// Bytes of an item that are copied word by word.
constexpr std::size_t kShortMost = 128;

Status send_parcel(EndObject& self, Parcel& parcel, Nanos deadline) {
    return blocking_send(*self.state, self.handle.channel(), parcel, false, deadline,
                         &self.handle.closed_flag());
}

[[gnu::noinline]] Status send_encoded(EndObject& self, Outgoing& out, Nanos deadline) {
    const Status status = encoded(self, out.parcel);
    return status == Status::kOk ? send_parcel(self, out.parcel, deadline) : status;
}

[[gnu::noinline]] Status send_foreign(EndObject& self, PyObject* obj, bool registry_failed,
                                      Scratch& scratch, Nanos deadline) {
    Outgoing out;
    if (encode_foreign(*self.state, obj, mode_of(self), registry_failed, out, scratch) < 0) {
        return Status::kInterrupted;
    }
    return send_encoded(self, out, deadline);
}

// `size` bytes in the scratch, which own nothing.
Status send_bytes(EndObject& self, const Scratch& scratch, std::size_t size, Nanos deadline) {
    Parcel parcel;
    parcel.data = scratch.bytes;
    parcel.size = size;
    const Status status = encoded(self, parcel);
    return status == Status::kOk ? send_parcel(self, parcel, deadline) : status;
}

// The same, without a parcel where that will do.
[[gnu::always_inline]] inline Status send_short_tree(EndObject& self, const Scratch& scratch,
                                                     std::size_t size, Nanos deadline) {
    if (self.handle.closed()) return Status::kCancelled;
    CountedChannel& channel = self.handle.channel();
    const Status status = channel.try_send_short(scratch.bytes, static_cast<std::uint32_t>(size),
                                                 channel.unbound_op(), self.state->interpreter->id());
    if (status == Status::kOk) return status;
    if (status == Status::kOkOwing) {
        detached([&] { channel.settle(); });
        return Status::kOk;
    }
    return send_bytes(self, scratch, size, deadline);
}

// What send_short() did not do: a small value that has to wait, or what is no small value; mostly that is a tree. The
// encoder holds references, so it is gone before anybody waits.
Status send_object(EndObject& self, PyObject* obj, Nanos deadline) {
    Scratch scratch;
    if (!is_tree(obj)) {
        const std::size_t small = put_small<false>(obj, scratch.bytes);
        if (small != 0) return send_bytes(self, scratch, small, deadline);
    }
    std::size_t size = 0;
    bool registry_failed = false;
    std::optional<Outgoing> out;
    {
        Encoder encoder(*self.state, mode_of(self), scratch);
        const Encoder::Result result = encoder.run(obj);
        if (result == Encoder::Result::kError) return Status::kInterrupted;
        registry_failed = encoder.registry_failed();
        if (result == Encoder::Result::kDone) {
            size = encoder.short_size(kShortMost);
            if (size == 0) encoder.move_into(out.emplace());
        }
    }
    if (out) return send_encoded(self, *out, deadline);
    if (size == 0) return send_foreign(self, obj, registry_failed, scratch, deadline);
    return send_short_tree(self, scratch, size, deadline);
}

}  // namespace

bool named(const char* function, std::initializer_list<const char*> names, PyObject* const* args,
           Py_ssize_t nargs, PyObject* kwnames, Py_ssize_t required,
           std::initializer_list<PyObject**> values) {
    const auto count = static_cast<Py_ssize_t>(names.size());
    const auto name = [&](Py_ssize_t i) { return names.begin()[i]; };
    const auto value = [&](Py_ssize_t i) -> PyObject*& { return *values.begin()[i]; };
    if (nargs > count) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %zd arguments (%zd given)", function, count,
                     nargs);
        return false;
    }
    for (Py_ssize_t i = 0; i < nargs; ++i) value(i) = args[i];
    for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); ++k) {
        PyObject* const key = PyTuple_GET_ITEM(kwnames, k);
        Py_ssize_t i = 0;
        while (i < count && PyUnicode_CompareWithASCIIString(key, name(i)) != 0) ++i;
        if (i == count) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument %R", function, key);
            return false;
        }
        if (value(i)) {
            PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument %R", function, key);
            return false;
        }
        value(i) = args[nargs + k];
    }
    for (Py_ssize_t i = 0; i < required; ++i) {
        if (value(i)) continue;
        PyErr_Format(PyExc_TypeError, "%s() missing required argument '%s' (pos %zd)", function, name(i),
                     i + 1);
        return false;
    }
    return true;
}

namespace {

[[gnu::noinline]] PyObject* send_by_parcel(PyObject* self, PyObject* const* args, Py_ssize_t nargs,
                                           PyObject* kwnames) {
    PyObject* obj = nullptr;
    PyObject* timeout = nullptr;
    Nanos deadline = kNever;
    if (nargs == 1 && !kwnames) {
        obj = args[0];
    } else if (!named("send", {"obj", "timeout"}, args, nargs, kwnames, 1, {&obj, &timeout}) || !obj) {
        return nullptr;  // named() requires it; the analyser does not see that
    }
    if (timeout && !parse_timeout(timeout, deadline)) return nullptr;
    if (!check_open(self_of(self))) return nullptr;
    const Status status = send_object(self_of(self), obj, deadline);
    if (status == Status::kOk) Py_RETURN_NONE;
    return status == Status::kInterrupted ? nullptr : raise_status(self_of(self), status, timeout);
}

}  // namespace

PyObject* send_send(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    if (nargs == 1 && !kwnames && send_short(self_of(self), args[0])) Py_RETURN_NONE;
    return send_by_parcel(self, args, nargs, kwnames);
}

PyObject* raise_full(EndObject& self) {
    const auto capacity = static_cast<long long>(self.handle.channel().capacity());
    if (capacity == 0) {
        PyErr_Format(self.state->full_error,
                     "no receiver is waiting on channel %lld (capacity 0): use send(), which waits for one",
                     id_of(self));
    } else {
        PyErr_Format(self.state->full_error,
                     "channel %lld is full (capacity %lld): use send(), which waits", id_of(self),
                     capacity);
    }
    return nullptr;
}

namespace {

[[gnu::noinline]] PyObject* send_nowait_by_parcel(PyObject* self, PyObject* obj) {
    if (!check_open(self_of(self))) return nullptr;
    const Status status = send_object(self_of(self), obj, 0);
    if (status == Status::kOk) Py_RETURN_NONE;
    if (status == Status::kInterrupted) return nullptr;
    if (status == Status::kTimeout) return raise_full(self_of(self));
    return raise_status(self_of(self), status, nullptr);
}

}  // namespace

PyObject* send_send_nowait(PyObject* self, PyObject* obj) {
    if (send_short(self_of(self), obj)) Py_RETURN_NONE;
    return send_nowait_by_parcel(self, obj);
}

// --- receiving ---

PyObject* value_of(EndObject& self, Parcel& parcel) {
    ModuleState& state = *self.state;
    if (!parcel.unbound) return decode(state, parcel);
    if (parcel.unbound_op != AssociatedChannel::kUnboundError) {
        if (PyRef unbound = state.shared(state.unbound)) return unbound.release();
        PyErr_SetString(PyExc_RuntimeError, "the interpchannels package is not imported");
        return nullptr;
    }
    PyErr_Format(state.item_destroyed_error,
                 "the interpreter that sent this item to channel %lld has ended, and the item with it",
                 id_of(self));
    return nullptr;
}

Status receive_parcel(EndObject& self, Parcel& parcel, Scratch& scratch, Nanos deadline) {
    const Status status = blocking_recv(*self.state, self.handle.channel(), parcel, scratch, deadline,
                                        &self.handle.closed_flag());
    self.handle.refresh_hint();
    // Where this was the last handle, closing it closed the channel too; but what was left was dropped, not
    // drained.
    return status == Status::kClosed && self.handle.closed() ? Status::kCancelled : status;
}

namespace {

// True where an item was received, and its value is `value`: a new reference, or nullptr with an exception set.
[[gnu::always_inline]] inline bool receive_short(EndObject& self, PyObject*& value) {
    ShortItem item;
    if (self.handle.closed() || self.handle.channel().try_recv_short(item) != Status::kOk) return false;
    self.handle.refresh_hint();
    value = decode_short(*self.state, item);
    return true;
}

PyObject* receive(EndObject& self, Nanos deadline, Status& status) {
    Scratch scratch;
    Parcel parcel;
    status = receive_parcel(self, parcel, scratch, deadline);
    if (status != Status::kOk) return nullptr;
    return value_of(self, parcel);
}

[[gnu::noinline]] PyObject* recv_by_parcel(PyObject* self, PyObject* const* args, Py_ssize_t nargs,
                                           PyObject* kwnames) {
    PyObject* timeout = nullptr;
    Nanos deadline = kNever;
    if (nargs != 0 || kwnames) {
        if (!named("recv", {"timeout"}, args, nargs, kwnames, 0, {&timeout})) return nullptr;
        if (timeout && !parse_timeout(timeout, deadline)) return nullptr;
    }
    if (!check_open(self_of(self))) return nullptr;
    Status status = Status::kOk;
    PyObject* const value = receive(self_of(self), deadline, status);
    if (status == Status::kOk || status == Status::kInterrupted) return value;
    return raise_status(self_of(self), status, timeout);
}

[[gnu::noinline]] PyObject* recv_nowait_by_parcel(PyObject* self, PyObject* const* args, Py_ssize_t nargs,
                                                  PyObject* kwnames) {
    PyObject* fallback = nullptr;
    if ((nargs != 0 || kwnames) &&
        !named("recv_nowait", {"default"}, args, nargs, kwnames, 0, {&fallback})) {
        return nullptr;
    }
    if (!check_open(self_of(self))) return nullptr;
    Status status = Status::kOk;
    PyObject* const value = receive(self_of(self), 0, status);
    if (status == Status::kOk || status == Status::kInterrupted) return value;
    if (status != Status::kTimeout) return raise_status(self_of(self), status, nullptr);
    if (fallback) return Py_NewRef(fallback);
    PyErr_Format(self_of(self).state->empty_error,
                 "channel %lld is empty: use recv(), which waits, or pass a default", id_of(self_of(self)));
    return nullptr;
}

[[gnu::noinline]] PyObject* next_by_parcel(PyObject* self) {
    // A handle that is closed, or an interpreter that ends, is no end of the iteration: what is still queued
    // would be lost without a word.
    Status status = Status::kCancelled;
    PyObject* value = nullptr;
    if (!self_of(self).handle.closed()) value = receive(self_of(self), kNever, status);
    if (status == Status::kClosed) return nullptr;  // closed and drained: the end of the iteration
    if (status == Status::kOk || status == Status::kInterrupted) return value;
    return raise_status(self_of(self), status, nullptr);
}

}  // namespace

PyObject* recv_recv(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    PyObject* value = nullptr;
    if (nargs == 0 && !kwnames && receive_short(self_of(self), value)) return value;
    return recv_by_parcel(self, args, nargs, kwnames);
}

PyObject* recv_recv_nowait(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    PyObject* value = nullptr;
    if (nargs <= 1 && !kwnames && receive_short(self_of(self), value)) return value;
    return recv_nowait_by_parcel(self, args, nargs, kwnames);
}

PyObject* recv_next(PyObject* self) {
    PyObject* value = nullptr;
    if (receive_short(self_of(self), value)) return value;
    return next_by_parcel(self);
}

}  // namespace interpchannels
