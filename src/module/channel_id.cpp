// ChannelID, the drop-in's name of a channel: an index that keeps its channel alive.
//
// It holds its channel, so that using it needs no look-up; one that was forced onto an id without a channel
// looks the id up each time. The last ChannelID of a channel to die, wherever it is, destroys it.
#include "channel/tables.hpp"
#include "crossing/encoder.hpp"
#include "module/state.hpp"

namespace interpchannels {
namespace {

struct IdObject {
    PyObject_HEAD ModuleState* state;
    ChannelIdParts parts;
};

ChannelIdParts& parts_of(PyObject* self) noexcept { return reinterpret_cast<IdObject*>(self)->parts; }
ModuleState& state_of_id(PyObject* self) noexcept { return *reinterpret_cast<IdObject*>(self)->state; }

void drop_id(const Ref<AssociatedChannel>& channel) {
    Leftovers left;
    if (channel && channel->drop_id()) detached([&] { channel->destroy(&left.contents); });
}

void id_dealloc(PyObject* self) {
    PyTypeObject* const type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    PyObject* const pending = PyErr_GetRaisedException();
    drop_id(parts_of(self).channel);
    PyErr_SetRaisedException(pending);
    parts_of(self).~ChannelIdParts();
    type->tp_free(self);
    Py_DECREF(type);
}

PyObject* id_repr(PyObject* self) {
    const ChannelIdParts& p = parts_of(self);
    const PyRef name(PyType_GetName(Py_TYPE(self)));
    if (!name) return nullptr;
    const char* const end = p.end > 0 ? ", send=True" : p.end < 0 ? ", recv=True" : "";
    return PyUnicode_FromFormat("%U(%lld%s)", name.get(), static_cast<long long>(p.cid), end);
}

PyObject* id_str(PyObject* self) {
    return PyUnicode_FromFormat("%lld", static_cast<long long>(parts_of(self).cid));
}

PyObject* id_int(PyObject* self) { return PyLong_FromLongLong(parts_of(self).cid); }

Py_hash_t id_hash(PyObject* self) {
    const PyRef number(id_int(self));
    return number ? PyObject_Hash(number.get()) : -1;
}

PyObject* id_compare(PyObject* self, PyObject* other, int op) {
    if (op != Py_EQ && op != Py_NE) Py_RETURN_NOTIMPLEMENTED;
    const ChannelIdParts& mine = parts_of(self);
    bool equal = false;
    if (PyObject_TypeCheck(other, state_of_id(self).channel_id_type)) {
        const ChannelIdParts& theirs = parts_of(other);
        equal = mine.cid == theirs.cid && mine.end == theirs.end;
    } else if (PyNumber_Check(other)) {
        const PyRef number(id_int(self));
        return number ? PyObject_RichCompare(number.get(), other, op) : nullptr;
    } else {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return PyBool_FromLong(equal == (op == Py_EQ));
}

// Another ChannelID of the same channel, with the end that `closure` says.
PyObject* id_with_end(PyObject* self, void* closure) {
    ChannelIdParts parts = parts_of(self);
    parts.end = *static_cast<int*>(closure);
    if (parts.channel) parts.channel->add_id();
    return make_channel_id(state_of_id(self), std::move(parts));
}

PyObject* id_end(PyObject* self, void*) {
    const int end = parts_of(self).end;
    return PyUnicode_InternFromString(end > 0 ? "send" : end < 0 ? "recv" : "both");
}

int send_end = 1;
int recv_end = -1;

PyGetSetDef getset[] = {
    {"end", id_end, nullptr, "'send', 'recv', or 'both'", nullptr},
    {"send", id_with_end, nullptr, "the 'send' end of the channel", &send_end},
    {"recv", id_with_end, nullptr, "the 'recv' end of the channel", &recv_end},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(id_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse_type)},
    {Py_tp_doc, const_cast<char*>("A channel ID identifies a channel and may be used as an int.")},
    {Py_tp_repr, reinterpret_cast<void*>(id_repr)},
    {Py_tp_str, reinterpret_cast<void*>(id_str)},
    {Py_tp_hash, reinterpret_cast<void*>(id_hash)},
    {Py_tp_richcompare, reinterpret_cast<void*>(id_compare)},
    {Py_tp_getset, getset},
    {Py_nb_int, reinterpret_cast<void*>(id_int)},
    {Py_nb_index, reinterpret_cast<void*>(id_int)},
    {0, nullptr},
};

PyType_Spec spec = {
    "interpchannels._interpchannels.ChannelID",
    sizeof(IdObject),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
        Py_TPFLAGS_IMMUTABLETYPE,
    slots,
};

ChannelIdParts read_hook(PyObject* self) { return parts_of(self); }

// One that arrives: its channel must still be there.
PyObject* arriving(Context& context, ChannelIdParts parts) {
    auto& state = static_cast<ModuleState&>(context);
    if (!parts.channel) {
        parts.channel = detached([&] { return drop_in_table().find(parts.cid); });
        if (parts.channel) parts.channel->add_id();
    } else if (parts.channel->destroyed()) {
        drop_id(parts.channel);
        parts.channel = {};
    }
    if (parts.channel) return make_channel_id(context, std::move(parts));
    raise_not_found(state, parts.cid);
    return nullptr;
}

}  // namespace

int add_channel_id_type(PyObject* module, ModuleState& state) {
    state.channel_id_type =
        reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
    state.read_channel_id = read_hook;
    state.make_channel_id = arriving;
    return state.channel_id_type ? PyModule_AddType(module, state.channel_id_type) : -1;
}

PyObject* make_channel_id(Context& context, ChannelIdParts parts) {
    PyTypeObject* const type = context.channel_id_type;
    PyObject* const self = type->tp_alloc(type, 0);
    if (!self) {
        drop_id(parts.channel);
        return nullptr;
    }
    reinterpret_cast<IdObject*>(self)->state = static_cast<ModuleState*>(&context);
    new (&parts_of(self)) ChannelIdParts(std::move(parts));
    return self;
}

AssociatedChannel* channel_of_id(PyObject* id) noexcept { return parts_of(id).channel.get(); }

bool channel_argument(ModuleState& state, PyObject* arg, ChannelIdParts& parts) {
    if (PyObject_TypeCheck(arg, state.channel_id_type)) {
        parts = parts_of(arg);
        if (parts.channel && !parts.channel->destroyed()) return true;
        parts.channel = {};
    } else if (PyIndex_Check(arg)) {
        const PyRef number(PyNumber_Index(arg));
        if (!number) return false;
        parts.cid = PyLong_AsLongLong(number.get());
        if (parts.cid == -1 && PyErr_Occurred()) return false;
        if (parts.cid < 0) {
            PyErr_Format(PyExc_ValueError, "channel ID must be a non-negative int, got %R", arg);
            return false;
        }
    } else {
        PyErr_Format(PyExc_TypeError, "channel ID must be an int, got %.100s", Py_TYPE(arg)->tp_name);
        return false;
    }
    if (!drop_in_table().try_find(parts.cid, parts.channel)) {
        parts.channel = detached([&] { return drop_in_table().find(parts.cid); });
    }
    if (kHasGil && parts.channel && state.recent.get() != parts.channel.get()) state.recent = parts.channel;
    return true;
}

}  // namespace interpchannels
