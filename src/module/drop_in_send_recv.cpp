// The drop-in's send, send_buffer and recv, with CPython's signatures, results, errors and order of checks.
//
// What most calls are, a small value without options, is tried first: it makes no parcel, and touches neither the table
// nor a count where the channel is given by a ChannelID, or is that of the call before. All else goes the long way, which
// says what was wrong.
#include <cmath>
#include <cstring>
#include <string_view>

#include "crossing/decoder.hpp"
#include "crossing/encoder.hpp"
#include "module/blocking.hpp"
#include "module/drop_in.hpp"

namespace interpchannels {
namespace {

// --- send ---

// PyThread_ParseTimeoutArg, which is not public.
bool parse_drop_in_timeout(PyObject* arg, bool blocking, Nanos& deadline) {
    if (!arg || arg == Py_None) {
        deadline = blocking ? kNever : 0;
        return true;
    }
    if (!blocking) {
        PyErr_SetString(PyExc_ValueError, "can't specify a timeout for a non-blocking call");
        return false;
    }
    const double seconds = PyFloat_AsDouble(arg);
    if (seconds == -1.0 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_SetString(PyExc_OverflowError, "timestamp too large to convert to C PyTime_t");
        }
        return false;
    }
    if (std::isnan(seconds)) {
        PyErr_SetString(PyExc_ValueError, "Invalid value NaN (not a number)");
        return false;
    }
    if (seconds * 1e9 >= 9223372036854775808.0 || seconds * 1e9 < -9223372036854775808.0) {
        PyErr_SetString(PyExc_OverflowError, "timestamp too large to convert to C PyTime_t");
        return false;
    }
    if (seconds < 0) {
        PyErr_SetString(PyExc_ValueError, "timeout value must be a non-negative number");
        return false;
    }
    deadline = deadline_after(seconds);
    return true;
}

bool is_named(PyObject* key, std::string_view name) noexcept {
    return PyUnicode_IS_COMPACT_ASCII(key) &&
           static_cast<std::size_t>(PyUnicode_GET_LENGTH(key)) == name.size() &&
           std::memcmp(PyUnicode_1BYTE_DATA(key), name.data(), name.size()) == 0;
}

// A ChannelID's channel, or the one that was looked up last, where `cid` is its number: it saves the table's lock and the
// count, three atomic operations. Borrowed, for as long as no Python code runs and nothing detaches. nullptr: look it up.
AssociatedChannel* known_channel(ModuleState& state, PyObject* cid) noexcept {
    AssociatedChannel* channel = nullptr;
    if (Py_TYPE(cid) == state.channel_id_type) {
        channel = channel_of_id(cid);
    } else if (kHasGil && PyLong_CheckExact(cid)) {
        channel = state.recent.get();
        auto* const number = reinterpret_cast<PyLongObject*>(cid);
        if (channel &&
            (!PyUnstable_Long_IsCompact(number) || PyUnstable_Long_CompactValue(number) != channel->id())) {
            return nullptr;
        }
    }
    return channel && !channel->destroyed() ? channel : nullptr;
}

struct SendArguments {
    PyObject* cid = nullptr;
    PyObject* obj = nullptr;
    PyObject* unbound_op = nullptr;
    PyObject* fallback = nullptr;
    PyObject* blocking = nullptr;
    PyObject* timeout = nullptr;
};

// A fast call's arguments; PyArg_ParseTupleAndKeywords costs more than the send.
bool parse_send(const char* function, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames,
                SendArguments& out) {
    static constexpr std::string_view names[] = {"cid",      "obj",      "unboundop",
                                                 "fallback", "blocking", "timeout"};
    PyObject** const slots[] = {&out.cid,      &out.obj,      &out.unbound_op,
                                &out.fallback, &out.blocking, &out.timeout};
    const Py_ssize_t positional = kHasFallback ? 4 : 3;
    if (nargs > positional) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %zd positional arguments (%zd given)", function,
                     positional, nargs);
        return false;
    }
    for (Py_ssize_t i = 0; i < nargs; ++i) *slots[i] = args[i];
    const Py_ssize_t keywords = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    for (Py_ssize_t k = 0; k < keywords; ++k) {
        PyObject* const key = PyTuple_GET_ITEM(kwnames, k);
        int found = -1;
        for (int i = 0; i < 6 && found < 0; ++i) {
            if (i == 3 && !kHasFallback) continue;
            if (is_named(key, names[i])) found = i;
        }
        if (found < 0) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument %R", function, key);
            return false;
        }
        if (*slots[found]) {
            PyErr_Format(PyExc_TypeError, "argument for %s() given by name (%R) and position", function,
                         key);
            return false;
        }
        *slots[found] = args[nargs + k];
    }
    if (!out.cid || !out.obj) {
        PyErr_Format(PyExc_TypeError, "%s() missing required argument '%s' (pos %d)", function,
                     out.cid ? "obj" : "cid", out.cid ? 2 : 1);
        return false;
    }
    return true;
}

bool int_argument(PyObject* arg, int fallback, int& out) {
    out = fallback;
    if (!arg) return true;
    const long value = PyLong_AsLong(arg);
    if (value == -1 && PyErr_Occurred()) return false;
    if (value < -0x7FFFFFFF - 1 || value > 0x7FFFFFFF) {
        PyErr_SetString(PyExc_OverflowError, "signed integer is greater than maximum");
        return false;
    }
    out = static_cast<int>(value);
    return true;
}

PyObject* send_value(ModuleState& state, const SendArguments& a, bool as_buffer) {
    ChannelIdParts parts;
    if (!channel_argument(state, a.cid, parts)) return nullptr;
    int op = 0, fallback = 0;
    if (!int_argument(a.unbound_op, kHasFallback ? -1 : AssociatedChannel::kUnboundReplace, op) ||
        !int_argument(a.fallback, -1, fallback)) {
        return nullptr;
    }
    const int blocking = a.blocking ? PyObject_IsTrue(a.blocking) : 1;
    if (blocking < 0) return nullptr;
    if (!kHasFallback && !valid_unbound_op(op)) return nullptr;
    Nanos deadline = kNever;
    if (!parse_drop_in_timeout(a.timeout, blocking != 0, deadline)) return nullptr;

    PyRef view;
    PyObject* obj = a.obj;
    if (as_buffer) {
        view = PyRef(PyMemoryView_FromObject(obj));
        if (!view) return nullptr;
        obj = view.get();
    }
    if (!parts.channel) {
        raise_not_found(state, parts.cid);
        return nullptr;
    }
    AssociatedChannel& channel = *parts.channel;
    if (channel.state() != State::kOpen) return raise_closed(state, parts.cid, kIsClosed);
    // Only now, as in 3.14: the channel has the defaults.
    if (op < 0) op = channel.unbound_op();
    if (fallback < 0) fallback = channel.fallback();
    if (!valid_unbound_op(op) || !valid_fallback(fallback)) return nullptr;

    Scratch scratch;
    Outgoing out;
    Parcel& parcel = out.parcel;
    CrossingMode mode;
    mode.views = true;
    mode.native = mode.pickle = fallback == kFullFallback;
    if (encode(state, obj, mode, out, scratch) < 0) return nullptr;
    view = PyRef();  // no reference is held while detached: the parcel holds what it needs
    parcel.sender = state.interpreter->id();
    parcel.unbound_op = static_cast<std::uint8_t>(op);

    Status status = channel.associate(parcel.sender, Direction::kSend);
    if (status == Status::kClosed) return raise_closed(state, parts.cid, kAlreadyClosed);
    if (status == Status::kOk) {
        // Not ended by this interpreter's own release(): what was sent before it is still received, and
        // where that release closes the channel, the close ends it.
        status = blocking_send(state, channel, parcel, blocking != 0, deadline, nullptr);
    }
    switch (status) {
    case Status::kOk:
        Py_RETURN_NONE;
    case Status::kInterrupted:
        return nullptr;
    case Status::kTimeout:
        PyErr_SetString(PyExc_TimeoutError, "timed out");
        return nullptr;
    case Status::kClosed:
        if (channel.destroyed() && !blocking) {
            raise_not_found(state, parts.cid);
            return nullptr;
        }
        return raise_closed(state, parts.cid, blocking ? kHasClosed : kIsClosed);
    case Status::kCancelled:
    case Status::kEnding:
        return raise_closed(state, parts.cid, kHasClosed);
    default:
        return PyErr_NoMemory();
    }
}

// What a bounded try could not do; `channel` is borrowed.
void settle(AssociatedChannel& channel) {
    channel.ref();
    const auto keep = Ref<AssociatedChannel>::adopt(&channel);
    detached([&] { keep->settle(); });
}

// Where the call is send(cid, obj, blocking=False), and obj small. True where it went; false where nothing happened, and
// send_value() says why or waits.
[[gnu::always_inline]] inline bool send_at_once(ModuleState& state, PyObject* const* args, Py_ssize_t nargs,
                                                PyObject* kwnames) {
    if (nargs != 2 || !kwnames || PyTuple_GET_SIZE(kwnames) != 1 || args[2] != Py_False ||
        !is_named(PyTuple_GET_ITEM(kwnames, 0), "blocking")) {
        return false;
    }
    AssociatedChannel* const channel = known_channel(state, args[0]);
    if (!channel || channel->state() != State::kOpen) return false;
    alignas(8) std::byte bytes[kSmallRoom];
    const std::size_t size = put_small<false>(args[1], bytes);
    if (size == 0) return false;
    const std::int64_t interp = state.interpreter->id();
    if (channel->associate(interp, Direction::kSend) != Status::kOk) return false;
    const Status status = channel->try_send_short(bytes, static_cast<std::uint32_t>(size),
                                                  static_cast<std::uint8_t>(channel->unbound_op()), interp);
    if (status == Status::kOkOwing) settle(*channel);
    return status != Status::kContended;
}

[[gnu::noinline]] PyObject* send_by_parcel(PyObject* module, PyObject* const* args, Py_ssize_t nargs,
                                           PyObject* kwnames) {
    SendArguments a;
    return parse_send("channel_send", args, nargs, kwnames, a) ? send_value(*state_of(module), a, false)
                                                               : nullptr;
}

}  // namespace

PyObject* drop_in_send(PyObject* module, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    if (send_at_once(*state_of(module), args, nargs, kwnames)) Py_RETURN_NONE;
    return send_by_parcel(module, args, nargs, kwnames);
}

PyObject* drop_in_send_buffer(PyObject* module, PyObject* const* args, Py_ssize_t nargs,
                              PyObject* kwnames) {
    SendArguments a;
    return parse_send("channel_send_buffer", args, nargs, kwnames, a)
               ? send_value(*state_of(module), a, true)
               : nullptr;
}

// --- recv ---

namespace {

// Takes over both references, either of which may be nullptr with an exception set. A new reference, or likewise.
inline PyObject* pair(PyObject* value, PyObject* unbound_op) {
    PyObject* const both = value && unbound_op ? PyTuple_New(2) : nullptr;
    if (both) {
        PyTuple_SET_ITEM(both, 0, value);
        PyTuple_SET_ITEM(both, 1, unbound_op);
    } else {
        Py_XDECREF(value);
        Py_XDECREF(unbound_op);
    }
    return both;
}

// pair(), of a scalar and None. The tuple of the last time serves again where nobody has kept it, as those of CPython's
// zip() and enumerate() do: to make one and free it takes as long as all else that a receive does which finds its item.
// Scalars alone: whoever waits for the end of something must not have to wait for the next receive.
inline PyObject* scalar_pair(ModuleState& state, PyObject* value) {
    PyObject* const again = state.last_pair;
    if (value && again && Py_REFCNT(again) == 1) {
        Py_DECREF(PyTuple_GET_ITEM(again, 0));  // a scalar: no code runs
        PyTuple_SET_ITEM(again, 0, value);
#if PY_VERSION_HEX >= 0x030E0000
        // Whoever asked for the last one's hash has left it there.
        reinterpret_cast<PyTupleObject*>(again)->ob_hash = -1;
#endif
        return Py_NewRef(again);
    }
    PyObject* const both = pair(value, Py_NewRef(Py_None));
    if (kHasGil && both) Py_XSETREF(state.last_pair, Py_NewRef(both));
    return both;
}

// What recv() returns: the value, and None or what became of it. A new reference, or nullptr with an exception set.
PyObject* received(ModuleState& state, Parcel& parcel) {
    return parcel.unbound ? pair(Py_NewRef(Py_None), PyLong_FromLong(parcel.unbound_op))
                          : pair(decode(state, parcel), Py_NewRef(Py_None));
}

// A small item that is there. True where it was received, and `result` is a new reference, or nullptr with an exception
// set; false where nothing happened.
[[gnu::always_inline]] inline bool recv_at_once(ModuleState& state, PyObject* cid, PyObject*& result) {
    AssociatedChannel* const channel = known_channel(state, cid);
    if (!channel || channel->state() != State::kOpen ||
        channel->associate(state.interpreter->id(), Direction::kRecv) != Status::kOk) {
        return false;
    }
    ShortItem item;
    if (channel->try_recv_short(item) != Status::kOk) return false;
    PyObject* value = nullptr;
    std::size_t size = 0;
    result = small_value(item.bytes, item.size, value, size)
                 ? scalar_pair(state, value)
                 : pair(decode_other(state, item), Py_NewRef(Py_None));
    return true;
}

[[gnu::noinline]] PyObject* recv_by_parcel(PyObject* module, PyObject* const* args, Py_ssize_t nargs,
                                           PyObject* kwnames) {
    ModuleState& state = *state_of(module);
    PyObject* cid = nargs > 0 ? args[0] : nullptr;
    PyObject* fallback_value = nargs > 1 ? args[1] : nullptr;
    if (nargs > 2) {
        PyErr_Format(PyExc_TypeError, "channel_recv() takes at most 2 arguments (%zd given)", nargs);
        return nullptr;
    }
    for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); ++k) {
        PyObject* const key = PyTuple_GET_ITEM(kwnames, k);
        const bool is_cid = is_named(key, "cid");
        PyObject*& slot = is_cid ? cid : fallback_value;
        if (!is_cid && !is_named(key, "default")) {
            PyErr_Format(PyExc_TypeError, "channel_recv() got an unexpected keyword argument %R", key);
            return nullptr;
        }
        if (slot) {
            PyErr_Format(PyExc_TypeError, "argument for channel_recv() given by name (%R) and position",
                         key);
            return nullptr;
        }
        slot = args[nargs + k];
    }
    if (!cid) {
        PyErr_SetString(PyExc_TypeError, "channel_recv() missing required argument 'cid' (pos 1)");
        return nullptr;
    }
    ChannelIdParts parts;
    if (!channel_argument(state, cid, parts)) return nullptr;
    if (!parts.channel) {
        raise_not_found(state, parts.cid);
        return nullptr;
    }
    AssociatedChannel& channel = *parts.channel;
    if (channel.state() == State::kClosed) return raise_closed(state, parts.cid, kIsClosed);
    Status status = channel.associate(state.interpreter->id(), Direction::kRecv);
    if (status == Status::kClosed) return raise_closed(state, parts.cid, kAlreadyClosed);
    if (status == Status::kNoMemory) return PyErr_NoMemory();

    Scratch scratch;
    Parcel parcel;
    status = blocking_recv(state, channel, parcel, scratch, 0, nullptr);
    switch (status) {
    case Status::kOk:
        return received(state, parcel);
    case Status::kInterrupted:
        return nullptr;
    case Status::kClosed:
        return raise_closed(state, parts.cid, kIsClosed);
    default:
        if (fallback_value) return PyTuple_Pack(2, fallback_value, Py_None);
        PyErr_Format(state.empty_error, "channel %lld is empty", static_cast<long long>(parts.cid));
        return nullptr;
    }
}

}  // namespace

PyObject* drop_in_recv(PyObject* module, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    PyObject* result = nullptr;
    if (nargs == 1 && !kwnames && recv_at_once(*state_of(module), args[0], result)) return result;
    return recv_by_parcel(module, args, nargs, kwnames);
}

}  // namespace interpchannels
