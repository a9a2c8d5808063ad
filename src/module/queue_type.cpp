// What the package's Queue stands on, which is a class in Python over the two ends of one channel: how it crosses, and
// its count of unfinished tasks, which is the channel's (channel/tally.hpp).
//
// Inside our own parcels a Queue is two counted ends (the encoder's kQueue). In CPython's registry it is the struct
// below, which belongs to no interpreter. What arrives is made by the function that the package leaves here.
#include <new>

#include "interpreter/cpython_private.hpp"
#include "module/blocking.hpp"
#include "module/state.hpp"

namespace interpchannels {
namespace {

using cpython::XiData;

// --- how it crosses ---

bool queue_ends(Context& context, PyObject* queue, PyRef& recv, PyRef& send) {
    recv = PyRef(PyObject_GetAttrString(queue, "_recv"));
    send = PyRef(recv ? PyObject_GetAttrString(queue, "_send") : nullptr);
    if (!send) return false;
    if (Py_TYPE(recv.get()) == context.recv_type && Py_TYPE(send.get()) == context.send_type &&
        &context.end_handle(recv.get()).channel() == &context.end_handle(send.get()).channel()) {
        return true;
    }
    PyErr_SetString(PyExc_TypeError, "a Queue holds the two ends of one channel");
    return false;
}

PyObject* make_queue(Context& context, PyObject* recv, PyObject* send) {
    auto& state = static_cast<ModuleState&>(context);
    PyRef make = state.shared(state.queue_of_ends);
    if (!make) {
        const PyRef imported(PyImport_ImportModule("interpchannels._queue"));  // it calls set_queue_type()
        if (!imported) return nullptr;
        make = state.shared(state.queue_of_ends);
        if (!make) {
            PyErr_SetString(PyExc_ImportError,
                            "interpchannels is not imported to its end yet: it has no Queue");
            return nullptr;
        }
    }
    return PyObject_CallFunctionObjArgs(make.get(), recv, send, nullptr);
}

struct SharedQueue {
    Ref<CountedChannel> channel;  // with one count of each direction
};

void free_queue(void* data) {
    auto* const shared = static_cast<SharedQueue*>(data);
    // May be attached, and must not detach: as free_end() in registry_types.cpp.
    for (const Direction direction : {Direction::kSend, Direction::kRecv}) {
        if (shared->channel->drop(direction)) shared->channel->last_gone(direction);
    }
    delete shared;
}

PyObject* new_queue(XiData* data) {
    PyRef module;
    ModuleState* const state = state_here(module);
    if (!state) return nullptr;
    const auto new_end = [&](Direction direction) {
        Ref<CountedChannel> channel = static_cast<SharedQueue*>(data->data)->channel;
        channel->add(direction);
        return state->make_end(*state, std::move(channel), direction);
    };
    const PyRef recv(new_end(Direction::kRecv));
    const PyRef send(recv ? new_end(Direction::kSend) : nullptr);
    return send ? make_queue(*state, recv.get(), send.get()) : nullptr;
}

int share_queue(PyThreadState* tstate, PyObject* obj, XiData* data) {
    PyRef module, recv, send;
    ModuleState* const state = state_here(module);
    if (!state || !queue_ends(*state, obj, recv, send)) return -1;
    const EndHandle& handle = state->end_handle(recv.get());
    const auto raise_closed = [&] {
        PyErr_Format(state->channel_closed_error,
                     "this Queue (channel %lld) is closed, so it cannot be shared",
                     static_cast<long long>(handle.channel().id()));
        return -1;
    };
    if (handle.closed() || state->end_handle(send.get()).closed()) return raise_closed();
    auto* const shared = new (std::nothrow) SharedQueue{handle.channel_ref()};
    if (!shared) {
        PyErr_NoMemory();
        return -1;
    }
    // As in Encoder::attach_end().
    if (!shared->channel->mint(Direction::kRecv)) {
        delete shared;
        return raise_closed();
    }
    if (!shared->channel->mint(Direction::kSend)) {
        if (shared->channel->drop(Direction::kRecv)) shared->channel->last_gone(Direction::kRecv);
        delete shared;
        return raise_closed();
    }
    *data = {shared, nullptr, PyInterpreterState_GetID(PyThreadState_GetInterpreter(tstate)), new_queue,
             free_queue};
    return 0;
}

// --- its unfinished tasks ---

// The channel of the end that a Queue passes; nullptr with TypeError set.
Ref<CountedChannel> channel_of(ModuleState& state, PyObject* end) {
    if (Py_TYPE(end) == state.recv_type) return state.end_handle(end).channel_ref();
    PyErr_Format(PyExc_TypeError, "expected a RecvChannel, not %.200s", Py_TYPE(end)->tp_name);
    return {};
}

}  // namespace

void add_queue_hooks(ModuleState& state) noexcept {
    state.queue_ends = queue_ends;
    state.make_queue = make_queue;
}

void clear_queue_type(ModuleState& state) noexcept {
    PyTypeObject* const type = replace<PyTypeObject>(state.queue_type, nullptr);
    if (!type) return;
    if (cpython::unregister_class(type) < 0) PyErr_Clear();
    Py_DECREF(reinterpret_cast<PyObject*>(type));
    state.set_shared(state.queue_of_ends, nullptr);
}

// _set_queue_type(cls, make): make(recv, send) returns a cls.
PyObject* set_queue_type(PyObject* module, PyObject* args) {
    PyObject* type = nullptr;
    PyObject* make = nullptr;
    if (!PyArg_ParseTuple(args, "O!O:_set_queue_type", &PyType_Type, &type, &make)) return nullptr;
    ModuleState& state = *state_of(module);
    clear_queue_type(state);  // a reloaded package registers anew
    auto* const cls = reinterpret_cast<PyTypeObject*>(type);
    if (cpython::register_class(cls, share_queue) < 0) return nullptr;
    state.set_shared(state.queue_of_ends, make);
    Py_XDECREF(reinterpret_cast<PyObject*>(
        replace(state.queue_type, reinterpret_cast<PyTypeObject*>(Py_NewRef(type)))));
    Py_RETURN_NONE;
}

PyObject* task_done(PyObject* module, PyObject* end) {
    const Ref<CountedChannel> channel = channel_of(*state_of(module), end);
    if (!channel) return nullptr;
    if (channel->add_done()) Py_RETURN_NONE;
    PyErr_SetString(PyExc_ValueError, "task_done() called too many times");
    return nullptr;
}

PyObject* join_tasks(PyObject* module, PyObject* end) {
    ModuleState& state = *state_of(module);
    const Ref<CountedChannel> channel = channel_of(state, end);
    if (!channel) return nullptr;
    const Status status = blocking_join(state, *channel);
    if (status == Status::kOk) Py_RETURN_NONE;
    if (status == Status::kEnding) {
        PyErr_Format(
            state.channel_closed_error,
            "this interpreter is ending, so join of the queue on channel %lld does not wait any more",
            static_cast<long long>(channel->id()));
    }
    return nullptr;
}

PyObject* unfinished_tasks(PyObject* module, PyObject* end) {
    const Ref<CountedChannel> channel = channel_of(*state_of(module), end);
    return channel ? PyLong_FromUnsignedLongLong(channel->unfinished()) : nullptr;
}

}  // namespace interpchannels
