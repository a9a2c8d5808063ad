// Our types in CPython's own cross-interpreter registry, so that they can be passed with
// `_interpreters.exec(shared=…)`, `prepare_main`, `Interpreter.call` and inside tuples.
//
// What CPython holds meanwhile is a C++ struct with a count of its own; nothing in it belongs to an
// interpreter, so any thread may free it.
#include <cstring>
#include <new>

#include "interpreter/cpython_private.hpp"
#include "module/state.hpp"

namespace interpchannels {
namespace {

using cpython::XiData;

// --- the package's ends ---

struct SharedEnd {
    Ref<CountedChannel> channel;  // with one count
    Direction direction;
};

void free_end(void* data) {
    auto* const shared = static_cast<SharedEnd*>(data);
    // May be attached, and must not detach: CPython may call it from anywhere. See drop_count().
    if (shared->channel->drop(shared->direction)) shared->channel->last_gone(shared->direction);
    delete shared;
}

PyObject* new_end(XiData* data) {
    const auto& shared = *static_cast<SharedEnd*>(data->data);
    PyRef module;
    ModuleState* const state = state_here(module);
    if (!state) return nullptr;
    Ref<CountedChannel> channel = shared.channel;
    channel->add(shared.direction);
    return state->make_end(*state, std::move(channel), shared.direction);
}

int share_end(PyThreadState* tstate, PyObject* obj, XiData* data) {
    PyRef module;
    ModuleState* const state = state_here(module);
    if (!state) return -1;
    EndHandle& handle = state->end_handle(obj);
    const auto raise_closed = [&] {
        PyErr_Format(state->channel_closed_error,
                     "this end of channel %lld is closed, so it cannot be shared",
                     static_cast<long long>(handle.channel().id()));
        return -1;
    };
    if (handle.closed()) return raise_closed();
    auto* const shared = new (std::nothrow) SharedEnd{handle.channel_ref(), handle.direction()};
    if (!shared) {
        PyErr_NoMemory();
        return -1;
    }
    if (!shared->channel->mint(shared->direction)) {  // as in Encoder::attach_end()
        delete shared;
        return raise_closed();
    }
    *data = {shared, nullptr, PyInterpreterState_GetID(PyThreadState_GetInterpreter(tstate)), new_end,
             free_end};
    return 0;
}

// --- ChannelID, and the end classes that the drop-in's users register ---

struct SharedId {
    ChannelIdParts parts;  // with one id count where it has a channel
};

void free_id(void* data) {
    auto* const shared = static_cast<SharedId*>(data);
    if (shared->parts.channel && shared->parts.channel->drop_id()) shared->parts.channel->destroy();
    delete shared;
}

// The drop-in's end class of this interpreter, importing the module that registers it. Empty with an exception set.
PyRef drop_in_end_type(ModuleState& state, int end) {
    PyObject*& slot = end > 0 ? state.drop_in_send_type : state.drop_in_recv_type;
    PyRef type = state.shared(slot);
    // Where CPython has kept its high-level module, newest last.
    for (const char* name :
         {"interpreters.channels", "test.support.interpreters.channels", "test.support.channels"}) {
        if (type || !clear_refusal()) break;
        const PyRef imported(PyImport_ImportModule(name));
        type = state.shared(slot);
    }
    if (type) {
        PyErr_Clear();
    } else if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_RuntimeError, "no module registered the channel end types here");
    }
    return type;
}

PyObject* new_id_only(XiData* data, ModuleState*& state, PyRef& module) {
    state = state_here(module);
    if (!state) return nullptr;
    ChannelIdParts parts = static_cast<SharedId*>(data->data)->parts;
    if (!parts.channel || parts.channel->destroyed()) {
        raise_not_found(*state, parts.cid);
        return nullptr;
    }
    parts.resolve = false;  // CPython does not carry it on
    parts.channel->add_id();
    return make_channel_id(*state, std::move(parts));
}

PyObject* new_id(XiData* data) {
    ModuleState* state = nullptr;
    PyRef module;
    PyRef id(new_id_only(data, state, module));
    const ChannelIdParts& parts = static_cast<SharedId*>(data->data)->parts;
    if (!id || parts.end == 0 || !parts.resolve) return id.release();
    // A high-level end where that can be had, else the id.
    const PyRef type = drop_in_end_type(*state, parts.end);
    PyObject* const end = type ? PyObject_CallOneArg(type.get(), id.get()) : nullptr;
    if (end) return end;
    return clear_refusal() ? id.release() : nullptr;
}

PyObject* new_drop_in_end(XiData* data) {
    ModuleState* state = nullptr;
    PyRef module;
    const PyRef id(new_id_only(data, state, module));
    if (!id) return nullptr;
    const PyRef type = drop_in_end_type(*state, static_cast<SharedId*>(data->data)->parts.end);
    return type ? PyObject_CallOneArg(type.get(), id.get()) : nullptr;
}

int share_id_as(ModuleState& state, PyThreadState* tstate, PyObject* id, XiData* data,
                PyObject* (*new_object)(XiData*)) {
    auto* const shared = new (std::nothrow) SharedId{state.read_channel_id(id)};
    if (!shared) {
        PyErr_NoMemory();
        return -1;
    }
    if (shared->parts.channel) shared->parts.channel->add_id();
    *data = {shared, nullptr, PyInterpreterState_GetID(PyThreadState_GetInterpreter(tstate)), new_object,
             free_id};
    return 0;
}

int share_id(PyThreadState* tstate, PyObject* obj, XiData* data) {
    PyRef module;
    ModuleState* const state = state_here(module);
    return state ? share_id_as(*state, tstate, obj, data, new_id) : -1;
}

int share_drop_in_end(PyThreadState* tstate, PyObject* obj, XiData* data) {
    PyRef module;
    ModuleState* const state = state_here(module);
    if (!state) return -1;
    const PyRef id(PyObject_GetAttrString(obj, "_id"));
    if (!id) return -1;
    if (!PyObject_TypeCheck(id.get(), state->channel_id_type)) {
        PyErr_Format(PyExc_TypeError,
                     "'_id' attribute must be an _interpchannels.ChannelID object, not %.100s",
                     Py_TYPE(id.get())->tp_name);
        return -1;
    }
    return share_id_as(*state, tstate, id.get(), data, new_drop_in_end);
}

void clear_end_type(ModuleState& state, PyObject*& slot) noexcept {
    const PyRef type = state.shared(slot);
    if (!type) return;
    if (cpython::unregister_class(reinterpret_cast<PyTypeObject*>(type.get())) < 0) PyErr_Clear();
    state.set_shared(slot, nullptr);
}

}  // namespace

int register_shared_types(ModuleState& state) {
    if (cpython::register_class(state.channel_id_type, share_id) < 0) return -1;
    if (cpython::register_class(state.recv_type, share_end) < 0) return -1;
    return cpython::register_class(state.send_type, share_end);
}

void unregister_shared_types(ModuleState& state) noexcept {
    clear_end_type(state, state.drop_in_send_type);
    clear_end_type(state, state.drop_in_recv_type);
    clear_queue_type(state);
    for (PyTypeObject* type : {state.channel_id_type, state.recv_type, state.send_type}) {
        if (type && cpython::unregister_class(type) < 0) PyErr_Clear();
    }
}

PyObject* register_end_types(PyObject* module, PyObject* args, PyObject* kwargs) {
    static const char* names[] = {"send", "recv", nullptr};
    PyObject* send = nullptr;
    PyObject* recv = nullptr;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:_register_end_types", const_cast<char**>(names),
                                     &send, &recv)) {
        return nullptr;
    }
    for (const auto& [type, name] : {std::pair{send, "send"}, std::pair{recv, "recv"}}) {
        if (PyType_Check(type)) continue;
        PyErr_Format(PyExc_TypeError, "expected a type for '%s'", name);
        return nullptr;
    }
    ModuleState& state = *state_of(module);
    clear_end_type(state, state.drop_in_send_type);  // a reloaded module registers anew
    clear_end_type(state, state.drop_in_recv_type);
    auto* const send_type = reinterpret_cast<PyTypeObject*>(send);
    auto* const recv_type = reinterpret_cast<PyTypeObject*>(recv);
    if (cpython::register_class(send_type, share_drop_in_end) < 0) return nullptr;
    state.set_shared(state.drop_in_send_type, send);
    if (cpython::register_class(recv_type, share_drop_in_end) < 0) {
        clear_end_type(state, state.drop_in_send_type);
        return nullptr;
    }
    state.set_shared(state.drop_in_recv_type, recv);
    Py_RETURN_NONE;
}

}  // namespace interpchannels
