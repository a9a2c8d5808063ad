#include "crossing/registered.hpp"

#include "crossing/context.hpp"

namespace interpchannels {
namespace {

// The entry for a key: a new reference. nullptr with an exception, or without one where there is none.
PyRef entry_of(Context& context, PyObject* key) {
    PyObject* const registrations = seen(context.registrations);
    return registrations ? item_in(registrations, key) : PyRef{};
}

bool has_travelled(PyObject* entry) { return PyTuple_CheckExact(PyTuple_GET_ITEM(entry, 1)); }

// The entry with functions that can be called. Empty with an exception.
PyRef unpacked(Context& context, PyObject* key, PyRef entry) {
    if (!has_travelled(entry.get())) return entry;
    PyObject* const cls = PyTuple_GET_ITEM(entry.get(), 0);
    const PyRef module(PyImport_ImportModule("interpchannels._functions"));
    const PyRef unpack(module ? PyObject_GetAttrString(module.get(), "unpack_function") : nullptr);
    const PyRef to(unpack ? PyObject_CallOneArg(unpack.get(), PyTuple_GET_ITEM(entry.get(), 1)) : nullptr);
    const PyRef from(to ? PyObject_CallOneArg(unpack.get(), PyTuple_GET_ITEM(entry.get(), 2)) : nullptr);
    PyRef made(from ? PyTuple_Pack(3, cls, to.get(), from.get()) : nullptr);
    if (!made || PyDict_SetItem(seen(context.registrations), key, made.get()) < 0) return PyRef{};
    return made;
}

// The interpreter's registrations, borrowed. nullptr with an exception.
PyObject* registrations_of(Context& context) {
    PyObject* const there = seen(context.registrations);
    if (there) return there;
    PyObject* const made = PyDict_New();
    return made ? set_once(context.registrations, made) : nullptr;
}

// Natives, which need no registration and would not ask for one.
bool crosses_already(const Context& context, PyTypeObject* type) {
    for (PyTypeObject* const native : {Py_TYPE(Py_None),
                                       &PyBool_Type,
                                       &PyLong_Type,
                                       &PyFloat_Type,
                                       &PyComplex_Type,
                                       &PyUnicode_Type,
                                       &PyBytes_Type,
                                       &PyByteArray_Type,
                                       &PyTuple_Type,
                                       &PyList_Type,
                                       &PyDict_Type,
                                       &PySet_Type,
                                       &PyFrozenSet_Type,
                                       &PySlice_Type,
                                       &PyRange_Type,
                                       Py_TYPE(Py_Ellipsis),
                                       Py_TYPE(Py_NotImplemented),
                                       &PyMemoryView_Type,
                                       context.recv_type,
                                       context.send_type,
                                       context.channel_id_type,
                                       seen(context.queue_type),
                                       context.buffer_type}) {
        if (type == native) return true;
    }
    return false;
}

PyRef key_of(PyTypeObject* type) {
    auto* const cls = reinterpret_cast<PyObject*>(type);
    const PyRef module(PyObject_GetAttrString(cls, "__module__"));
    const PyRef qualname(module ? PyObject_GetAttrString(cls, "__qualname__") : nullptr);
    if (!qualname) return PyRef{};
    if (!PyUnicode_CheckExact(module.get()) || !PyUnicode_CheckExact(qualname.get())) {
        PyErr_Format(PyExc_TypeError,
                     "register() needs a class with a name: the __module__ of %R is no str", cls);
        return PyRef{};
    }
    return PyRef(PyTuple_Pack(2, module.get(), qualname.get()));
}

}  // namespace

int is_registered(Context& context, const ClassPlan& plan, PyTypeObject* type) {
    const PyRef entry = entry_of(context, plan.key.get());
    if (!entry) return PyErr_Occurred() ? -1 : 0;
    PyObject* const cls = PyTuple_GET_ITEM(entry.get(), 0);
    if (cls != Py_None) return cls == reinterpret_cast<PyObject*>(type);
    // It came with spawn(): it is for the class that has the name.
    const PyRef found(find_class(plan.module(), plan.path.get()));
    if (!found && PyErr_Occurred()) return -1;
    return found.get() == reinterpret_cast<PyObject*>(type);
}

PyObject* to_shareable(Context& context, const ClassPlan& plan, PyObject* obj) {
    PyRef entry = entry_of(context, plan.key.get());
    if (!entry) {
        if (!PyErr_Occurred()) {
            PyErr_Format(PyExc_RuntimeError, "the registration of %U.%U went away while one was being sent",
                         plan.module(), plan.qualname());
        }
        return nullptr;
    }
    entry = unpacked(context, plan.key.get(), std::move(entry));
    return entry ? PyObject_CallOneArg(PyTuple_GET_ITEM(entry.get(), 1), obj) : nullptr;
}

PyObject* from_shareable(Context& context, const ClassPlan& plan, PyObject* value) {
    PyRef entry = entry_of(context, plan.key.get());
    if (!entry) {
        if (!PyErr_Occurred()) {
            PyErr_Format(context.not_shareable_error,
                         "cannot receive a %U.%U: its class is registered where it was sent and not in "
                         "interpreter %lld; call interpchannels.register() there too",
                         plan.module(), plan.qualname(), static_cast<long long>(context.interpreter->id()));
        }
        return nullptr;
    }
    entry = unpacked(context, plan.key.get(), std::move(entry));
    return entry ? PyObject_CallOneArg(PyTuple_GET_ITEM(entry.get(), 2), value) : nullptr;
}

PyObject* reduce_registered(Context& context, PyObject* obj, PyObject* asked) {
    if (!seen(context.registrations)) return nullptr;
    ClassesInUse classes;
    const ClassPlan* const plan = classes.plan_of(context, obj);
    if (!plan || plan->way != Way::kRegistered) return nullptr;
    const PyRef address(PyLong_FromVoidPtr(obj));
    const int again = address ? PyDict_Contains(asked, address.get()) : -1;
    if (again < 0 || (!again && PyDict_SetItem(asked, address.get(), obj) < 0)) return nullptr;
    if (again) {
        PyErr_Format(PyExc_RecursionError, "a %s that contains itself cannot cross", Py_TYPE(obj)->tp_name);
        return nullptr;
    }
    const PyRef value(to_shareable(context, *plan, obj));
    return value ? Py_BuildValue("O(kO)", context.load_registered, static_cast<unsigned long>(plan->number),
                                 value.get())
                 : nullptr;
}

PyObject* load_registered(Context& context, PyObject* args) {
    unsigned long number = 0;
    PyObject* value = nullptr;
    if (!PyArg_ParseTuple(args, "kO:_load_registered", &number, &value)) return nullptr;
    ClassesInUse classes;
    const ClassPlan* const plan = classes.numbered(context, number, Way::kRegistered);
    return plan ? from_shareable(context, *plan, value) : nullptr;
}

PyObject* register_class(Context& context, PyObject* args, PyObject* kwargs) {
    PyObject* cls = nullptr;
    PyObject* to = nullptr;
    PyObject* from = nullptr;
    static const char* const names[] = {"cls", "to_shareable", "from_shareable", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO:register", const_cast<char**>(names), &cls, &to,
                                     &from)) {
        return nullptr;
    }
    if (!PyType_Check(cls)) {
        PyErr_Format(PyExc_TypeError, "register() needs a class, not %s", Py_TYPE(cls)->tp_name);
        return nullptr;
    }
    auto* const type = reinterpret_cast<PyTypeObject*>(cls);
    if (crosses_already(context, type)) {
        PyErr_Format(PyExc_ValueError, "%s crosses already, and always in the same way", type->tp_name);
        return nullptr;
    }
    const PyRef key = key_of(type);
    if (!key) return nullptr;
    const bool forget = to == Py_None && from == Py_None;
    if (forget) {
        if (seen(context.registrations) && PyDict_DelItem(seen(context.registrations), key.get()) < 0) {
            if (!PyErr_ExceptionMatches(PyExc_KeyError)) return nullptr;
            PyErr_Clear();  // there was none
        }
    } else {
        for (PyObject* const function : {to, from}) {
            if (PyCallable_Check(function)) continue;
            PyErr_Format(PyExc_TypeError, "register() needs a function for %s, not %s",
                         function == to ? "to_shareable" : "from_shareable", Py_TYPE(function)->tp_name);
            return nullptr;
        }
        PyObject* const registrations = registrations_of(context);
        const PyRef entry(registrations ? PyTuple_Pack(3, cls, to, from) : nullptr);
        if (!entry || PyDict_SetItem(registrations, key.get(), entry.get()) < 0) return nullptr;
    }
    context.classes.forget_types();
    Py_RETURN_NONE;
}

PyObject* list_registrations(Context& context) {
    PyObject* const registrations = seen(context.registrations);
    return registrations ? PyDict_Copy(registrations) : PyDict_New();
}

PyObject* inherit_registrations(Context& context, PyObject* registrations) {
    if (!PyDict_CheckExact(registrations)) {
        PyErr_SetString(PyExc_TypeError, "_inherit() needs a dict");
        return nullptr;
    }
    PyObject* const here = registrations_of(context);
    // What was registered here meanwhile, by a module that was imported, stays.
    if (!here || PyDict_Merge(here, registrations, 0) < 0) return nullptr;
    context.classes.forget_types();
    Py_RETURN_NONE;
}

}  // namespace interpchannels
