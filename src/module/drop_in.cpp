// The functions of CPython's _interpchannels, with its signatures, results, errors and order of checks; the
// differences between versions are those of the running CPython (3.12 gets 3.13's).
//
// What is done differently: a value is encoded before any lock is taken; nothing is released or pickled
// under one; a blocked sender waits with an offer of its own that leaves the channel before it goes; a
// sender is told "received" when its item is dequeued, whatever decoding does then.
#include "module/drop_in.hpp"

#include <algorithm>
#include <cstring>

#include "channel/tables.hpp"
#include "crossing/pod_vector.hpp"

namespace interpchannels {
namespace {

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
    parts.cid = parts.channel->id();
    return make_channel_id(state, std::move(parts));  // where it fails, the channel goes with its only id
}

PyObject* destroy(PyObject* module, PyObject* args, PyObject* kwargs) {
    ChannelIdParts parts;
    if (!only_channel(module, args, kwargs, "O:channel_destroy", parts)) return nullptr;
    Leftovers left;
    if (kHasGil && state_of(module)->recent.get() == parts.channel.get()) state_of(module)->recent = {};
    if (!detached([&] { return parts.channel->destroy(&left.contents); })) {
        raise_not_found(*state_of(module), parts.cid);
        return nullptr;
    }
    Py_RETURN_NONE;
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
    {"send", FUNCTION(drop_in_send), kFast, kSendDoc},
    {"send_buffer", FUNCTION(drop_in_send_buffer), kFast,
     "Like send(), for an object's buffer, whose memory is shared and not copied."},
    {"recv", FUNCTION(drop_in_recv), kFast, kRecvDoc},
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
    {"channel_send", FUNCTION(drop_in_send), kFast, kSendDoc},
    {"channel_recv", FUNCTION(drop_in_recv), kFast, kRecvDoc},
    {"channel_close", FUNCTION(close), kKeywords, kCloseDoc},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace interpchannels
