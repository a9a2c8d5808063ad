// The functions of CPython's _interpchannels, with its signatures, results, errors and order of checks; the
// differences between versions are those of the running CPython (3.12 gets 3.13's).
//
// What is done differently: a value is encoded before any lock is taken; nothing is released or pickled
// under one; a blocked sender waits with an offer of its own that leaves the channel before it goes; a
// sender is told "received" when its item is dequeued, whatever decoding does then.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>

#include "channel/tables.hpp"
#include "crossing/decoder.hpp"
#include "crossing/encoder.hpp"
#include "crossing/pod_vector.hpp"
#include "module/blocking.hpp"
#include "module/state.hpp"

namespace interpchannels {
namespace {

#if PY_VERSION_HEX >= 0x030E0000
constexpr bool kHasFallback = true;
#else
constexpr bool kHasFallback = false;
#endif
constexpr int kFullFallback = 1;  // CPython's _PyXIDATA_FULL_FALLBACK; 0 is _PyXIDATA_XIDATA_ONLY

// --- errors, in CPython's words ---

PyObject* raise_closed(ModuleState& state, std::int64_t cid, const char* how) {
    PyErr_Format(state.channel_closed_error, "channel %lld %s", static_cast<long long>(cid), how);
    return nullptr;
}

constexpr const char* kIsClosed = "is closed";
constexpr const char* kHasClosed = "has closed";             // while a sender waited
constexpr const char* kAlreadyClosed = "is already closed";  // released by this interpreter

bool valid_unbound_op(int op) {
    if (op >= 1 && op <= 3) return true;
    PyErr_Format(PyExc_ValueError, "unsupported unboundop %d", op);
    return false;
}

bool valid_fallback(int fallback) {
    if (fallback == 0 || fallback == kFullFallback) return true;
    PyErr_Format(PyExc_ValueError, "unsupported fallback %d", fallback);
    return false;
}

// Parses one channel argument and nothing else; the channel must be there.
bool only_channel(PyObject* module, PyObject* args, PyObject* kwargs, const char* format,
                  ChannelIdParts& parts, bool must_exist = true) {
    static const char* names[] = {"cid", nullptr};
    PyObject* arg = nullptr;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, format, const_cast<char**>(names), &arg)) return false;
    ModuleState& state = *state_of(module);
    if (!channel_argument(state, arg, parts)) return false;
    if (parts.channel || !must_exist) return true;
    raise_not_found(state, parts.cid);
    return false;
}

// --- create, destroy ---

PyObject* create(PyObject* module, PyObject* args, PyObject* kwargs) {
    ModuleState& state = *state_of(module);
    int op = kHasFallback ? -1 : 0;
    int fallback = -1;
    if constexpr (kHasFallback) {
        static const char* names[] = {"unboundop", "fallback", nullptr};
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|ii:create", const_cast<char**>(names), &op,
                                         &fallback)) {
            return nullptr;
        }
        if (op < 0) op = AssociatedChannel::kUnboundReplace;
        if (fallback < 0) fallback = kFullFallback;
        if (!valid_unbound_op(op) || !valid_fallback(fallback)) return nullptr;
    } else {
        static const char* names[] = {"unboundop", nullptr};
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "i:create", const_cast<char**>(names), &op)) {
            return nullptr;
        }
        if (!valid_unbound_op(op)) return nullptr;
        fallback = 0;
    }
    ChannelIdParts parts;
    parts.channel = detached([&] { return AssociatedChannel::create(op, fallback); });
    if (!parts.channel) return PyErr_NoMemory();
    parts.channel->add_id();
    parts.cid = parts.channel->id();
    return make_channel_id(state, std::move(parts));  // where it fails, the channel goes with its only id
}

PyObject* destroy(PyObject* module, PyObject* args, PyObject* kwargs) {
    ChannelIdParts parts;
    if (!only_channel(module, args, kwargs, "O:channel_destroy", parts)) return nullptr;
    Leftovers left;
    if (state_of(module)->recent.get() == parts.channel.get()) state_of(module)->recent = {};
    if (!detached([&] { return parts.channel->destroy(&left.contents); })) {
        raise_not_found(*state_of(module), parts.cid);
        return nullptr;
    }
    Py_RETURN_NONE;
}

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

// The channel that was looked up last, where `cid` is its number: the look-up in the table and the count take a third
// of a call. Borrowed, for as long as no Python code runs and nothing detaches. nullptr: look it up.
AssociatedChannel* recent_channel(ModuleState& state, PyObject* cid) noexcept {
    AssociatedChannel* const channel = state.recent.get();
    if (!channel || !PyLong_CheckExact(cid)) return nullptr;
    auto* const number = reinterpret_cast<PyLongObject*>(cid);
    if (!PyUnstable_Long_IsCompact(number) || PyUnstable_Long_CompactValue(number) != channel->id()) {
        return nullptr;
    }
    return channel->destroyed() ? nullptr : channel;
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

// What most sends are: a small value, with no option but blocking=False, to the channel of the last one. True where it
// went; false where nothing happened, and send_value() says why or waits.
bool send_at_once(ModuleState& state, const SendArguments& a) {
    if (a.blocking != Py_False || a.unbound_op || a.fallback || a.timeout) return false;
    AssociatedChannel* const channel = recent_channel(state, a.cid);
    if (!channel || channel->state() != State::kOpen) return false;
    std::byte bytes[kSmallMax];
    Parcel parcel;
    parcel.data = bytes;
    parcel.size = encode_small_at(a.obj, bytes);
    if (parcel.size == 0) return false;
    parcel.sender = state.interpreter->id();
    parcel.unbound_op = static_cast<std::uint8_t>(channel->unbound_op());
    if (channel->associate(parcel.sender, Direction::kSend) != Status::kOk) return false;
    const Status status = channel->try_send(parcel, parcel.sender);
    if (status == Status::kOkOwing) {
        detached([keep = state.recent] { keep->settle(); });
        return true;
    }
    return status == Status::kOk;
}

PyObject* send(PyObject* module, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    SendArguments a;
    if (!parse_send("channel_send", args, nargs, kwnames, a)) return nullptr;
    ModuleState& state = *state_of(module);
    if (send_at_once(state, a)) Py_RETURN_NONE;
    return send_value(state, a, false);
}

PyObject* send_buffer(PyObject* module, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    SendArguments a;
    return parse_send("channel_send_buffer", args, nargs, kwnames, a)
               ? send_value(*state_of(module), a, true)
               : nullptr;
}

// --- recv ---

// What recv() returns: the value, and None or what became of it. A new reference, or nullptr with an exception set.
PyObject* received(ModuleState& state, Parcel& parcel) {
    PyRef value;
    PyRef unbound_op = PyRef::borrow(Py_None);
    if (parcel.unbound) {
        value = PyRef::borrow(Py_None);
        unbound_op = PyRef(PyLong_FromLong(parcel.unbound_op));
    } else {
        value = PyRef(decode(state, parcel));
    }
    return value && unbound_op ? PyTuple_Pack(2, value.get(), unbound_op.get()) : nullptr;
}

// An item that is there, from the channel of the last call. False where nothing happened.
bool recv_at_once(ModuleState& state, PyObject* cid, Parcel& parcel, Scratch& scratch) {
    AssociatedChannel* const channel = recent_channel(state, cid);
    if (!channel || channel->state() == State::kClosed) return false;
    if (channel->associate(state.interpreter->id(), Direction::kRecv) != Status::kOk) return false;
    const Status status = channel->try_recv(parcel, scratch);
    if (status == Status::kOkOwing) {
        detached([keep = state.recent] { keep->settle(); });
        return true;
    }
    return status == Status::kOk;
}

PyObject* recv(PyObject* module, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    ModuleState& state = *state_of(module);
    Scratch scratch;
    Parcel parcel;
    if (nargs == 1 && !kwnames && recv_at_once(state, args[0], parcel, scratch)) {
        return received(state, parcel);
    }
    PyObject* cid = nargs > 0 ? args[0] : nullptr;
    PyObject* fallback_value = nargs > 1 ? args[1] : nullptr;
    if (nargs > 2) {
        PyErr_Format(PyExc_TypeError, "channel_recv() takes at most 2 arguments (%zd given)", nargs);
        return nullptr;
    }
    for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); ++k) {
        PyObject* const key = PyTuple_GET_ITEM(kwnames, k);
        const bool is_cid = PyUnicode_CompareWithASCIIString(key, "cid") == 0;
        PyObject*& slot = is_cid ? cid : fallback_value;
        if (!is_cid && PyUnicode_CompareWithASCIIString(key, "default") != 0) {
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

// --- close, release ---

PyObject* close(PyObject* module, PyObject* args, PyObject* kwargs) {
    static const char* names[] = {"cid", "send", "recv", "force", nullptr};
    PyObject* cid = nullptr;
    int send = 0, recv = 0, force = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$ppp:channel_close", const_cast<char**>(names), &cid,
                                     &send, &recv, &force)) {
        return nullptr;
    }
    ModuleState& state = *state_of(module);
    ChannelIdParts parts;
    if (!channel_argument(state, cid, parts)) return nullptr;
    if (!parts.channel) {
        raise_not_found(state, parts.cid);
        return nullptr;
    }
    Leftovers left;
    switch (detached([&] { return parts.channel->close(send - recv, force != 0, &left.contents); })) {
    case AssociatedChannel::Closed::kDone:
        Py_RETURN_NONE;
    case AssociatedChannel::Closed::kAlready:
        return raise_closed(state, parts.cid, kIsClosed);
    default:
        PyErr_Format(state.not_empty_error, "channel %lld may not be closed if not empty (try force=True)",
                     static_cast<long long>(parts.cid));
        return nullptr;
    }
}

PyObject* release(PyObject* module, PyObject* args, PyObject* kwargs) {
    static const char* names[] = {"cid", "send", "recv", "force", nullptr};
    PyObject* cid = nullptr;
    int send = 0, recv = 0, force = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$ppp:channel_release", const_cast<char**>(names),
                                     &cid, &send, &recv, &force)) {
        return nullptr;
    }
    ModuleState& state = *state_of(module);
    ChannelIdParts parts;
    if (!channel_argument(state, cid, parts)) return nullptr;
    if (!parts.channel) {
        raise_not_found(state, parts.cid);
        return nullptr;
    }
    if (!send && !recv) send = recv = 1;
    const std::int64_t interp = state.interpreter->id();
    Leftovers left;
    switch (
        detached([&] { return parts.channel->release(interp, send != 0, recv != 0, &left.contents); })) {
    case Status::kOk:
        Py_RETURN_NONE;
    case Status::kNoMemory:
        return PyErr_NoMemory();
    default:
        return raise_closed(state, parts.cid, kIsClosed);
    }
}

// --- looking ---

PyObject* list_all(PyObject* module, PyObject*) {
    ModuleState& state = *state_of(module);
    std::ptrdiff_t count = 0;
    Ref<AssociatedChannel>* const list = detached([&] { return drop_in_table().list(count); });
    if (count < 0) return PyErr_NoMemory();
    // The newest first, as CPython lists them.
    std::sort(list, list + count, [](const auto& a, const auto& b) { return a->id() > b->id(); });
    PyRef result(PyList_New(0));
    for (std::ptrdiff_t i = 0; i < count && result; ++i) {
        AssociatedChannel& channel = *list[i];
        if (!channel.listed()) continue;
        ChannelIdParts parts;
        parts.channel = list[i];
        parts.cid = channel.id();
        channel.add_id();
        const PyRef id(make_channel_id(state, std::move(parts)));
        PyRef row;
        if (id) {
            row = PyRef(kHasFallback
                            ? Py_BuildValue("Oii", id.get(), channel.unbound_op(), channel.fallback())
                            : Py_BuildValue("Oi", id.get(), channel.unbound_op()));
        }
        if (!row || PyList_Append(result.get(), row.get()) < 0) result = PyRef();
    }
    detached([&] { drop_in_table().free_list(list, count); });
    return result.release();
}

PyObject* list_interpreters(PyObject* module, PyObject* args, PyObject* kwargs) {
    static const char* names[] = {"cid", "send", nullptr};
    PyObject* cid = nullptr;
    int send = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O$p:channel_list_interpreters",
                                     const_cast<char**>(names), &cid, &send)) {
        return nullptr;
    }
    ModuleState& state = *state_of(module);
    ChannelIdParts parts;
    if (!channel_argument(state, cid, parts)) return nullptr;
    if (!parts.channel) {
        raise_not_found(state, parts.cid);
        return nullptr;
    }
    const State now = parts.channel->state();
    if (now == State::kClosed || (send && now == State::kClosing)) {
        return raise_closed(state, parts.cid, kIsClosed);
    }
    const Direction wanted = send ? Direction::kSend : Direction::kRecv;
    PodVector<std::int64_t, 32> ids;
    bool memory = true;
    parts.channel->for_each_association([&](std::int64_t interp, Direction d, bool open) {
        if (d == wanted && open) memory = memory && ids.push(interp);
    });
    if (!memory) return PyErr_NoMemory();
    if (!ids.empty()) std::sort(&ids[0], &ids[0] + ids.size());
    PyRef result(PyList_New(static_cast<Py_ssize_t>(ids.size())));
    for (std::size_t i = 0; i < ids.size() && result; ++i) {
        PyObject* const number = PyLong_FromLongLong(ids[i]);
        if (!number) return nullptr;
        PyList_SET_ITEM(result.get(), static_cast<Py_ssize_t>(i), number);
    }
    return result.release();
}

PyObject* get_count(PyObject* module, PyObject* args, PyObject* kwargs) {
    ChannelIdParts parts;
    if (!only_channel(module, args, kwargs, "O:get_count", parts)) return nullptr;
    if (parts.channel->state() == State::kClosed) {
        return raise_closed(*state_of(module), parts.cid, kIsClosed);
    }
    return PyLong_FromUnsignedLongLong(parts.channel->count_with_offers());
}

PyObject* get_channel_defaults(PyObject* module, PyObject* args, PyObject* kwargs) {
    ChannelIdParts parts;
    if (!only_channel(module, args, kwargs, "O:get_channel_defaults", parts)) return nullptr;
    if (parts.channel->state() == State::kClosed) {
        return raise_closed(*state_of(module), parts.cid, kIsClosed);
    }
    if constexpr (kHasFallback) {
        return Py_BuildValue("ii", parts.channel->unbound_op(), parts.channel->fallback());
    }
    return PyLong_FromLong(parts.channel->unbound_op());
}

PyStructSequence_Field info_fields[] = {
    {"open", "both ends are open"},
    {"closing", "send is closed, recv is non-empty"},
    {"closed", "both ends are closed"},
    {"count", "queued objects"},
    {"num_interp_send", "interpreters bound to the send end"},
    {"num_interp_send_released", "interpreters bound to the send end and released"},
    {"num_interp_recv", "interpreters bound to the recv end"},
    {"num_interp_recv_released", "interpreters bound to the recv end and released"},
    {"num_interp_both", "interpreters bound to both ends"},
    {"num_interp_both_released", "interpreters bound to both ends and released from both"},
    {"num_interp_both_send_released", "interpreters bound to both ends and released from the send end"},
    {"num_interp_both_recv_released", "interpreters bound to both ends and released from the recv end"},
    {"send_associated", "current interpreter is bound to the send end"},
    {"send_released", "current interpreter *was* bound to the send end"},
    {"recv_associated", "current interpreter is bound to the recv end"},
    {"recv_released", "current interpreter *was* bound to the recv end"},
    {nullptr, nullptr},
};
PyStructSequence_Desc info_desc = {"interpchannels._interpchannels.ChannelInfo",
                                   "A named tuple of a channel's state.", info_fields, 8};

struct Bound {
    std::int64_t interp;
    int send;  // 0 never, 1 associated, -1 released
    int recv;
};

PyObject* get_info(PyObject* module, PyObject* args, PyObject* kwargs) {
    ChannelIdParts parts;
    if (!only_channel(module, args, kwargs, "O:_get_info", parts)) return nullptr;
    ModuleState& state = *state_of(module);
    AssociatedChannel& channel = *parts.channel;
    const State now = channel.state();
    enum {
        kSend,
        kSendReleased,
        kRecv,
        kRecvReleased,
        kBoth,
        kBothReleased,
        kBothSendReleased,
        kBothRecvReleased
    };
    long long counts[8] = {};
    Bound mine{state.interpreter->id(), 0, 0};
    if (now != State::kClosed) {
        PodVector<Bound, 16> bounds;
        bool memory = true;
        channel.for_each_association([&](std::int64_t interp, Direction d, bool open) {
            std::size_t i = 0;
            while (i < bounds.size() && bounds[i].interp != interp) ++i;
            if (i == bounds.size() && !(memory = memory && bounds.push({interp, 0, 0}))) return;
            (d == Direction::kSend ? bounds[i].send : bounds[i].recv) = open ? 1 : -1;
        });
        if (!memory) return PyErr_NoMemory();
        for (std::size_t i = 0; i < bounds.size(); ++i) {
            const Bound& b = bounds[i];
            if (b.interp == mine.interp) mine = b;
            if (b.recv == 0) {
                ++counts[b.send > 0 ? kSend : kSendReleased];
            } else if (b.send == 0) {
                ++counts[b.recv > 0 ? kRecv : kRecvReleased];
            } else if (b.send > 0) {
                // CPython names these two by the end that is still open.
                ++counts[b.recv > 0 ? kBoth : kBothSendReleased];
            } else {
                ++counts[b.recv > 0 ? kBothRecvReleased : kBothReleased];
            }
        }
    }
    const PyRef info(PyStructSequence_New(state.channel_info_type));
    if (!info) return nullptr;
    Py_ssize_t at = 0;
    const auto put = [&](PyObject* value) {
        if (value) PyStructSequence_SetItem(info.get(), at++, value);
        return value != nullptr;
    };
    const long long count = now == State::kClosed ? 0 : static_cast<long long>(channel.count_with_offers());
    bool ok = put(PyBool_FromLong(now == State::kOpen)) && put(PyBool_FromLong(now == State::kClosing)) &&
              put(PyBool_FromLong(now == State::kClosed)) && put(PyLong_FromLongLong(count));
    for (const long long n : counts) ok = ok && put(PyLong_FromLongLong(n));
    ok = ok && put(PyBool_FromLong(mine.send > 0)) && put(PyBool_FromLong(mine.send < 0)) &&
         put(PyBool_FromLong(mine.recv > 0)) && put(PyBool_FromLong(mine.recv < 0));
    return ok ? Py_NewRef(info.get()) : nullptr;
}

PyObject* channel_id(PyObject* module, PyObject* args, PyObject* kwargs) {
    static const char* names[] = {"id", "send", "recv", "force", "_resolve", nullptr};
    PyObject* arg = nullptr;
    int send = -1, recv = -1, force = 0, resolve = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$pppp:ChannelID.__new__", const_cast<char**>(names),
                                     &arg, &send, &recv, &force, &resolve)) {
        return nullptr;
    }
    ModuleState& state = *state_of(module);
    ChannelIdParts parts;
    if (!channel_argument(state, arg, parts)) return nullptr;
    if (send == 0 && recv == 0) {
        PyErr_SetString(PyExc_ValueError, "'send' and 'recv' cannot both be False");
        return nullptr;
    }
    if (send == 1) {
        parts.end = recv == 1 ? 0 : 1;
    } else if (recv == 1) {
        parts.end = -1;
    }
    parts.resolve = resolve != 0;
    if (parts.channel) {
        parts.channel->add_id();
    } else if (!force) {
        raise_not_found(state, parts.cid);
        return nullptr;
    }
    return make_channel_id(state, std::move(parts));
}

#define FUNCTION(f) reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(f))

constexpr const char* kCreateDoc =
    "Create a new cross-interpreter channel and return its ChannelID.\n\nIt lives until it is destroyed, "
    "or its "
    "last ChannelID is gone.";
constexpr const char* kDestroyDoc =
    "Close and forget the channel: afterwards it is as if it never existed. What is queued is released, "
    "and\n"
    "a send that is blocked raises ChannelClosedError. Never blocks.";
constexpr const char* kSendDoc =
    "Add the object's data to the channel's queue. Waits until it is received unless blocking=False;\n"
    "`timeout` is in seconds.";
constexpr const char* kRecvDoc =
    "recv(cid, [default]) -> (obj, unboundop)\n\nThe object at the front of the queue, and None; or None "
    "and "
    "the op of an item whose interpreter has ended.\nWhere there is nothing, (default, None) or "
    "ChannelEmptyError. Never blocks.";
constexpr const char* kCloseDoc =
    "Close the channel for all interpreters. With items in it: ChannelNotEmptyError; with send=True it "
    "takes\n"
    "no more and closes once it is drained; with force=True they are dropped.";

}  // namespace

void raise_not_found(ModuleState& state, std::int64_t cid) {
    PyErr_Format(state.not_found_error, "channel %lld not found", static_cast<long long>(cid));
}

int add_channel_info_type(PyObject* module, ModuleState& state) {
    state.channel_info_type = PyStructSequence_NewType(&info_desc);
    return state.channel_info_type ? PyModule_AddType(module, state.channel_info_type) : -1;
}

constexpr int kKeywords = METH_VARARGS | METH_KEYWORDS;
constexpr int kFast = METH_FASTCALL | METH_KEYWORDS;

PyMethodDef drop_in_functions[] = {
    {"create", FUNCTION(create), kKeywords, kCreateDoc},
    {"destroy", FUNCTION(destroy), kKeywords, kDestroyDoc},
    {"list_all", list_all, METH_NOARGS, "The ChannelIDs of all channels, with their defaults."},
    {"list_interpreters", FUNCTION(list_interpreters), kKeywords,
     "The ids of the interpreters that are associated with an end of the channel."},
    {"send", FUNCTION(send), kFast, kSendDoc},
    {"send_buffer", FUNCTION(send_buffer), kFast,
     "Like send(), for an object's buffer, whose memory is shared and not copied."},
    {"recv", FUNCTION(recv), kFast, kRecvDoc},
    {"close", FUNCTION(close), kKeywords, kCloseDoc},
    {"release", FUNCTION(release), kKeywords,
     "Close the channel for the current interpreter: its `send` end, its `recv` end, or both."},
    {"get_count", FUNCTION(get_count), kKeywords, "The number of items in the channel."},
    {"get_info", FUNCTION(get_info), kKeywords, "Details about the channel, as ChannelInfo."},
    {"get_channel_defaults", FUNCTION(get_channel_defaults), kKeywords,
     "The channel's default values, set when it was created."},
    {"_channel_id", FUNCTION(channel_id), kKeywords, nullptr},
    {"_register_end_types", FUNCTION(register_end_types), kKeywords, nullptr},
    {"channel_create", FUNCTION(create), kKeywords, kCreateDoc},
    {"channel_destroy", FUNCTION(destroy), kKeywords, kDestroyDoc},
    {"channel_send", FUNCTION(send), kFast, kSendDoc},
    {"channel_recv", FUNCTION(recv), kFast, kRecvDoc},
    {"channel_close", FUNCTION(close), kKeywords, kCloseDoc},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace interpchannels
