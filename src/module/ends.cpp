// RecvChannel and SendChannel: the ends that people hold.
//
// Their life, what they say of their channel, and their method tables; the methods that move items lie in
// files of their own (ends.hpp).
#include <random>

#include "channel/tables.hpp"
#include "module/ends.hpp"
#include "module/ends_docs.hpp"

#if !defined(_WIN32)
#include <unistd.h>
#endif

namespace interpchannels {
namespace {

EndHandle& handle_of(PyObject* self) noexcept { return self_of(self).handle; }

// Names this process: an end that is pickled by hand means nothing in another one.
std::uint64_t process_token() {
    static const std::uint64_t random = [] {
        std::random_device device;
        return (static_cast<std::uint64_t>(device()) << 32) ^ device();
    }();
#if defined(_WIN32)
    return random;
#else
    return random ^ (static_cast<std::uint64_t>(getpid()) << 17);
#endif
}

// --- both ends ---

PyObject* make_end(Context& context, Ref<CountedChannel> channel, Direction direction) {
    auto& state = static_cast<ModuleState&>(context);
    PyTypeObject* const type = direction == Direction::kSend ? state.send_type : state.recv_type;
    PyObject* const self = type->tp_alloc(type, 0);
    if (!self) {
        CountedChannel* const c = channel.get();
        if (c->drop(direction)) detached([&] { c->last_gone(direction); });
        return nullptr;
    }
    self_of(self).state = &state;
    state.ref();
    new (&self_of(self).handle) EndHandle;
    self_of(self).handle.open(*state.interpreter, std::move(channel), direction);
    return self;
}

void end_dealloc(PyObject* self) {
    PyTypeObject* const type = Py_TYPE(self);
    ModuleState* const state = self_of(self).state;
    PyObject_GC_UnTrack(self);
    {
        // close() may detach; the object is unreachable by then.
        PyObject* const pending = PyErr_GetRaisedException();
        handle_of(self).discard(*state->interpreter);
        PyErr_SetRaisedException(pending);
    }
    handle_of(self).~EndHandle();
    state->unref();
    type->tp_free(self);
    Py_DECREF(type);
}

PyObject* end_close(PyObject* self, PyObject*) {
    handle_of(self).close(*self_of(self).state->interpreter);
    Py_RETURN_NONE;
}

PyObject* end_enter(PyObject* self, PyObject*) {
    return Py_NewRef(self);  // closed or not: the way out is the same
}

PyObject* end_exit(PyObject* self, PyObject* const*, Py_ssize_t) {
    handle_of(self).close(*self_of(self).state->interpreter);
    Py_RETURN_NONE;
}

PyObject* end_shutdown(PyObject* self, PyObject* args, PyObject* kwargs) {
    static const char* names[] = {"immediate", nullptr};
    int immediate = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|p:shutdown", const_cast<char**>(names), &immediate)) {
        return nullptr;
    }
    if (!check_open(self_of(self))) return nullptr;
    const Ref<CountedChannel> channel = handle_of(self).channel_ref();
    Leftovers left;
    detached([&] {
        if (immediate) {
            channel->close_now(&left.contents);
        } else {
            channel->close_sends(false);
        }
    });
    Py_RETURN_NONE;
}

PyObject* end_clone(PyObject* self, PyObject*) {
    if (!check_open(self_of(self))) return nullptr;
    Ref<CountedChannel> channel = handle_of(self).channel_ref();
    if (!channel->mint(handle_of(self).direction())) {  // as in Encoder::attach_end()
        raise_status(self_of(self), Status::kCancelled, nullptr);
        return nullptr;
    }
    return make_end(*self_of(self).state, std::move(channel), handle_of(self).direction());
}

Py_ssize_t end_length(PyObject* self) { return static_cast<Py_ssize_t>(handle_of(self).channel().count()); }

int end_bool(PyObject*) { return 1; }

PyObject* end_capacity(PyObject* self, void*) {
    const std::int64_t capacity = handle_of(self).channel().capacity();
    if (capacity == kUnbounded) Py_RETURN_NONE;
    return PyLong_FromLongLong(capacity);
}

PyObject* end_id(PyObject* self, void*) { return PyLong_FromLongLong(id_of(self_of(self))); }

PyObject* end_closed(PyObject* self, void*) {
    const EndHandle& handle = handle_of(self);
    const State state = handle.channel().state();
    const bool over =
        handle.direction() == Direction::kSend ? state != State::kOpen : state == State::kClosed;
    return PyBool_FromLong(handle.closed() || over);
}

PyObject* end_repr(PyObject* self) {
    const EndHandle& handle = handle_of(self);
    const char* const closed = handle.closed() ? " closed" : "";
    const std::int64_t capacity = handle.channel().capacity();
    if (capacity == kUnbounded) {
        return PyUnicode_FromFormat("<%s id=%lld%s>", name_of(handle.direction()), id_of(self_of(self)),
                                    closed);
    }
    return PyUnicode_FromFormat("<%s id=%lld capacity=%lld%s>", name_of(handle.direction()),
                                id_of(self_of(self)), static_cast<long long>(capacity), closed);
}

PyObject* end_compare(PyObject* self, PyObject* other, int op) {
    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(self) != Py_TYPE(other)) Py_RETURN_NOTIMPLEMENTED;
    const bool same = &handle_of(self).channel() == &handle_of(other).channel();
    return PyBool_FromLong(same == (op == Py_EQ));
}

Py_hash_t end_hash(PyObject* self) {
    const auto id = static_cast<Py_hash_t>(id_of(self_of(self)));
    return id * 2 + (handle_of(self).direction() == Direction::kSend ? 1 : 0);
}

// Plain pickle holds no count: what is loaded is a new handle, where the channel still is.
PyObject* end_reduce(PyObject* self, PyObject*) {
    if (!check_open(self_of(self))) return nullptr;
    const PyRef module(PyType_GetModule(Py_TYPE(self)) ? Py_NewRef(PyType_GetModule(Py_TYPE(self)))
                                                       : nullptr);
    const PyRef load(module ? PyObject_GetAttrString(module.get(), "_end_from_id") : nullptr);
    if (!load) return nullptr;
    return Py_BuildValue("O(LiK)", load.get(), id_of(self_of(self)),
                         static_cast<int>(handle_of(self).direction()),
                         static_cast<unsigned long long>(process_token()));
}

EndHandle& end_handle_hook(PyObject* self) { return handle_of(self); }

#define METHOD(f) reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(f))

#define COMMON_METHODS                                                                                    \
    {"close", end_close, METH_NOARGS, close_doc},                                                         \
        {"shutdown", METHOD(end_shutdown), METH_VARARGS | METH_KEYWORDS, shutdown_doc},                   \
        {"clone", end_clone, METH_NOARGS, clone_doc}, {"stats", end_stats, METH_NOARGS, end_stats_doc},   \
        {"__enter__", end_enter, METH_NOARGS, "__enter__($self)\n--\n\n"},                                \
        {"__exit__", METHOD(end_exit), METH_FASTCALL, "__exit__($self, *exc)\n--\n\nClose this handle."}, \
        {"__reduce__", end_reduce, METH_NOARGS, nullptr}, {                                               \
        "__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, nullptr                                \
    }

PyMethodDef recv_methods[] = {
    {"recv", METHOD(recv_recv), METH_FASTCALL | METH_KEYWORDS, recv_doc},
    {"recv_nowait", METHOD(recv_recv_nowait), METH_FASTCALL | METH_KEYWORDS, recv_nowait_doc},
    {"recv_many", METHOD(recv_recv_many), METH_FASTCALL | METH_KEYWORDS,
     "recv_many($self, max=None, timeout=None)\n--\n\nWait for an item as recv() does, then take what is "
     "there "
     "too, up to `max` items in\n"
     "all. A list, in order, never empty.\n\n"
     "Errors are recv()'s; ValueError where max < 1. Where an item cannot be decoded, its exception is "
     "raised:\n"
     "`received` is the list of the items that were taken with it, `failed` how many could not be "
     "decoded.\n"
     "From any thread of the interpreter that holds this end.\n\n"
     ">>> recv, send = interpchannels.create()\n"
     ">>> send.send_many(range(5))\n"
     "5\n"
     ">>> recv.recv_many(3), recv.recv_many()\n"
     "([0, 1, 2], [3, 4])"},
    {"recv_into", METHOD(recv_recv_into), METH_FASTCALL | METH_KEYWORDS,
     "recv_into($self, writable, timeout=None)\n--\n\nReceive the next item, which is bytes, bytearray, a "
     "memoryview or a Buffer, straight\n"
     "into `writable`: memory that the caller has (a bytearray, memoryview, Buffer or array, writable and\n"
     "C-contiguous), from its start. Returns the number of bytes; what lies behind them stays as it is. "
     "One\n"
     "copy, and no object is made. Waits like recv(), with its errors.\n\n"
     "ValueError where the item is larger than the memory, TypeError where it is something else than "
     "bytes;\n"
     "either error has the item as its `item`, and the memory is as it was. BufferError or TypeError, and\n"
     "nothing received, where `writable` is not such memory. It cannot be resized or sent meanwhile.\n\n"
     ">>> recv, send = interpchannels.create()\n"
     ">>> memory = bytearray(8)\n"
     ">>> send.send(b'abc')\n"
     ">>> recv.recv_into(memory)\n"
     "3\n"
     ">>> memory[:3]\n"
     "bytearray(b'abc')"},
    {"recv_async", recv_recv_async, METH_NOARGS,
     "recv_async($self)\n--\n\nA coroutine that returns the next item; where there is none, it waits on "
     "the "
     "running\n"
     "asyncio event loop, in line with those who block in recv().\n\nOne that is cancelled has taken "
     "nothing. ChannelClosedError when the channel is closed and\n"
     "drained, this handle is closed, or the interpreter ends. For a timeout use asyncio.timeout(). May "
     "be\n"
     "awaited in any thread of the interpreter that holds this end.\n\n"
     ">>> import asyncio\n"
     ">>> recv, send = interpchannels.create()\n"
     ">>> send.send('hello')\n"
     ">>> asyncio.run(recv.recv_async())\n"
     "'hello'"},
    {"fileno", recv_fileno, METH_NOARGS,
     "fileno($self)\n--\n\nA descriptor that is readable while there may be an item, or the end, for "
     "select, epoll and\n"
     "loop.add_reader(). It is a hint: another receiver may be quicker, so call recv_nowait() and expect\n"
     "ChannelEmptyError. That, or any other receive through this handle, clears it once the channel is\n"
     "empty. Never read from it and never close it: it is the handle's, and closed with it.\n\n"
     "ChannelClosedError where this handle is closed; OSError where there is no descriptor left. Never\n"
     "blocks.\n\n"
     ">>> import select\n"
     ">>> recv, send = interpchannels.create()\n"
     ">>> select.select([recv], [], [], 0)[0] == [recv]\n"
     "False\n"
     ">>> send.send(1)\n"
     ">>> select.select([recv], [], [], 0)[0] == [recv]\n"
     "True"},
    COMMON_METHODS,
    {nullptr, nullptr, 0, nullptr},
};

PyMethodDef send_methods[] = {
    {"send", METHOD(send_send), METH_FASTCALL | METH_KEYWORDS, send_doc},
    {"send_nowait", send_send_nowait, METH_O, send_nowait_doc},
    {"send_many", METHOD(send_send_many), METH_FASTCALL | METH_KEYWORDS,
     "send_many($self, iterable, timeout=None)\n--\n\nSend a copy of each item, in order, and return how "
     "many. "
     "Waits for places as send()\n"
     "does, `timeout` seconds in all.\n\n"
     "Errors are send()'s, and the iterable's own; the exception's attribute `sent` says how many items "
     "went:\n"
     "these are in the channel, and no other. What the iterable has yielded is sent before it is asked "
     "for\n"
     "more, so that one that waits keeps nothing back; lists and other built-in containers, which cannot\n"
     "wait, go faster. From any thread of the interpreter that holds this end.\n\n"
     ">>> recv, send = interpchannels.create()\n"
     ">>> send.send_many(['a', 'b'])\n"
     "2"},
    {"send_async", send_send_async, METH_O,
     "send_async($self, obj, /)\n--\n\nA coroutine that sends a copy of obj; where there is no place, it "
     "waits on the running asyncio\n"
     "event loop, in line with those who block in send().\n\nOne that is cancelled is withdrawn, and obj "
     "is not sent; unless a receiver was quicker: then obj\n"
     "was sent, and the CancelledError has the attribute `sent`, which is True. ChannelClosedError;\n"
     "NotShareableError where obj cannot cross. May be awaited in any thread of the interpreter that "
     "holds\n"
     "this end.\n\n"
     ">>> import asyncio\n"
     ">>> recv, send = interpchannels.create(capacity=1)\n"
     ">>> asyncio.run(send.send_async('hello'))\n"
     ">>> recv.recv()\n"
     "'hello'"},
    COMMON_METHODS,
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef getset[] = {
    {"capacity", end_capacity, nullptr, "How many items may be queued; None: any number.", nullptr},
    {"id", end_id, nullptr, "The channel's number in this process.", nullptr},
    {"closed", end_closed, nullptr,
     "True once this handle is closed, or its operation can never succeed again.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

#define COMMON_SLOTS                                                                                      \
    {Py_tp_dealloc, reinterpret_cast<void*>(end_dealloc)},                                                \
        {Py_tp_traverse, reinterpret_cast<void*>(traverse_type)},                                         \
        {Py_tp_repr, reinterpret_cast<void*>(end_repr)}, {Py_tp_hash, reinterpret_cast<void*>(end_hash)}, \
        {Py_tp_richcompare, reinterpret_cast<void*>(end_compare)}, {Py_tp_getset, getset},                \
        {Py_sq_length, reinterpret_cast<void*>(end_length)}, {                                            \
        Py_nb_bool, reinterpret_cast<void*>(end_bool)                                                     \
    }

PyType_Slot recv_slots[] = {
    COMMON_SLOTS,
    {Py_tp_methods, recv_methods},
    {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
    {Py_tp_iternext, reinterpret_cast<void*>(recv_next)},
    {Py_am_aiter, reinterpret_cast<void*>(PyObject_SelfIter)},
    {Py_am_anext, reinterpret_cast<void*>(recv_anext)},
    {Py_tp_doc,
     const_cast<char*>("The receiving end of a channel: made by create(), or received.\n\n"
                       "Iterating, with for or async for, receives until the channel is closed and "
                       "drained.\n\n"
                       ">>> recv, send = interpchannels.create()\n"
                       ">>> with send:\n"
                       "...     send.send('item')\n"
                       ">>> [item for item in recv]\n"
                       "['item']")},
    {0, nullptr},
};

PyType_Slot send_slots[] = {
    COMMON_SLOTS,
    {Py_tp_methods, send_methods},
    {Py_tp_doc, const_cast<char*>("The sending end of a channel: made by create(), or received.\n\n"
                                  ">>> recv, send = interpchannels.create(capacity=8)\n"
                                  ">>> send.capacity, send.closed\n"
                                  "(8, False)")},
    {0, nullptr},
};

constexpr unsigned kEndFlags =
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE;
PyType_Spec recv_spec = {"interpchannels.RecvChannel", sizeof(EndObject), 0, kEndFlags, recv_slots};
PyType_Spec send_spec = {"interpchannels.SendChannel", sizeof(EndObject), 0, kEndFlags, send_slots};

}  // namespace

int add_end_types(PyObject* module, ModuleState& state) {
    state.recv_type =
        reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &recv_spec, nullptr));
    if (!state.recv_type || PyModule_AddType(module, state.recv_type) < 0) return -1;
    state.send_type =
        reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &send_spec, nullptr));
    if (!state.send_type || PyModule_AddType(module, state.send_type) < 0) return -1;
    state.end_handle = end_handle_hook;
    state.make_end = make_end;
    return 0;
}

// _create_ends(capacity, unbound_op, pickle) -> (recv, send); capacity -1 is None.
PyObject* create_ends(PyObject* module, PyObject* args) {
    long long capacity = 0;
    int unbound_op = 0, pickle = 1;
    if (!PyArg_ParseTuple(args, "Lip:_create_ends", &capacity, &unbound_op, &pickle)) return nullptr;
    ModuleState& state = *state_of(module);
    if (state.interpreter->ended()) {
        PyErr_SetString(state.channel_error, "this interpreter has ended");
        return nullptr;
    }
    Ref<CountedChannel> channel = detached([&] {
        return CountedChannel::create(capacity, static_cast<std::uint8_t>(unbound_op), pickle != 0);
    });
    if (!channel) return PyErr_NoMemory();
    const PyRef send(make_end(state, channel, Direction::kSend));
    // Where this one failed, the channel was closed by its end; where the next fails, by `send` going.
    const PyRef recv(send ? make_end(state, std::move(channel), Direction::kRecv) : nullptr);
    return recv ? PyTuple_Pack(2, recv.get(), send.get()) : nullptr;
}

// _end_from_id(id, direction, process): what a pickled end loads as.
PyObject* end_from_id(PyObject* module, PyObject* args) {
    long long id = 0;
    int direction = 0;
    unsigned long long token = 0;
    if (!PyArg_ParseTuple(args, "LiK:_end_from_id", &id, &direction, &token)) return nullptr;
    ModuleState& state = *state_of(module);
    const Direction d = direction ? Direction::kSend : Direction::kRecv;
    if (token != process_token()) {
        PyErr_Format(state.channel_error,
                     "this %s of channel %lld was pickled in another process; channels connect the "
                     "interpreters of one process: use multiprocessing.Queue or a pipe between processes",
                     name_of(d), id);
        return nullptr;
    }
    Ref<CountedChannel> channel = detached([&] { return package_table().find(id); });
    if (!channel || channel->state() == State::kClosed || !channel->mint(d)) {
        PyErr_Format(state.channel_closed_error,
                     "channel %lld has ended, so its pickled %s cannot be loaded any more; send the end "
                     "itself through a channel to keep it open",
                     id, name_of(d));
        return nullptr;
    }
    return make_end(state, std::move(channel), d);
}

// _list_channels() -> [(id, capacity, queued, open_senders, open_receivers, closed)]
PyObject* list_package_channels(PyObject*, PyObject*) {
    std::ptrdiff_t count = 0;
    Ref<CountedChannel>* const list = detached([&] { return package_table().list(count); });
    if (count < 0) return PyErr_NoMemory();
    PyRef result(PyList_New(0));
    for (std::ptrdiff_t i = 0; i < count && result; ++i) {
        CountedChannel& c = *list[i];
        const PyRef capacity(c.capacity() == kUnbounded ? Py_NewRef(Py_None)
                                                        : PyLong_FromLongLong(c.capacity()));
        const PyRef row(capacity ? Py_BuildValue("LOKLLO", static_cast<long long>(c.id()), capacity.get(),
                                                 static_cast<unsigned long long>(c.count()),
                                                 static_cast<long long>(c.open(Direction::kSend)),
                                                 static_cast<long long>(c.open(Direction::kRecv)),
                                                 c.state() == State::kClosed ? Py_True : Py_False)
                                 : nullptr);
        if (!row || PyList_Append(result.get(), row.get()) < 0) result = PyRef();
    }
    detached([&] { package_table().free_list(list, count); });
    return result.release();
}

}  // namespace interpchannels
