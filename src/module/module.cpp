// The extension module: multi-phase, one state for each interpreter, a GIL for each.
//
// The module may be loaded more than once in an interpreter (as interpchannels._interpchannels and, in place
// of CPython's, as _interpchannels). There is one set of types and errors all the same: the first module's;
// the others share its state and hold it.
#include "module/state.hpp"

#include "channel/tables.hpp"
#include "crossing/buffer.hpp"
#include "crossing/memory.hpp"
#include "crossing/pickle.hpp"
#include "crossing/registered.hpp"
#include "interpreter/cpython_private.hpp"
#include "interpreter/dict_table.hpp"
#include "module/blocking.hpp"

#ifndef INTERPCHANNELS_VERSION
#define INTERPCHANNELS_VERSION "unknown"
#endif

namespace interpchannels {
namespace {

constexpr const char* kFirstKey = "interpchannels._interpchannels first module";

struct Slot {
    ModuleState* state;  // own, or first's
    ModuleState* own;
    PyObject* first;  // strong, where the state is another module's
};

Slot& slot_of(PyObject* module) noexcept { return *static_cast<Slot*>(PyModule_GetState(module)); }

// The interpreter's first module; empty, maybe with an exception, where it has none.
PyRef first_module(PyObject* shared) {
    const PyRef key(PyUnicode_FromString(kFirstKey));
    return key ? item_in(shared, key.get()) : PyRef{};
}

template <class Visit>
void for_each_object(ModuleState& s, Visit visit) {
    PyObject** const objects[] = {
        &s.not_shareable_error, &s.channel_closed_error, &s.item_destroyed_error, &s.pickler_type,
        &s.pickle_loads,        &s.load_attachment,      &s.channel_error,        &s.not_found_error,
        &s.empty_error,         &s.full_error,           &s.not_empty_error,      &s.unbound,
        &s.queue_of_ends,       &s.enter_loop,           &s.load_registered,      &s.copyreg_table,
        &s.registrations,       &s.drop_in_send_type,    &s.drop_in_recv_type,    &s.last_pair};
    for (PyObject** object : objects) visit(*object);
    PyTypeObject** const types[] = {&s.recv_type,          &s.send_type,         &s.channel_id_type,
                                    &s.memory_type,        &s.channel_info_type, &s.stats_type,
                                    &s.process_stats_type, &s.queue_type,        &s.buffer_type,
                                    &s.async_type,         &s.reactor_type};
    for (PyTypeObject** type : types) visit(*reinterpret_cast<PyObject**>(type));
}

int module_traverse(PyObject* module, visitproc visit, void* arg) {
    Slot* const slot = static_cast<Slot*>(PyModule_GetState(module));
    if (!slot) return 0;
    Py_VISIT(slot->first);
    int result = 0;
    if (slot->own) {
        for_each_object(*slot->own, [&](PyObject* object) {
            if (object && result == 0) result = visit(object, arg);
        });
    }
    return result;
}

int module_clear(PyObject* module) {
    Slot* const slot = static_cast<Slot*>(PyModule_GetState(module));
    if (!slot) return 0;
    if (slot->own) {
        if (slot->own->ready) unregister_shared_types(*slot->own);
        slot->own->ready = false;
        slot->own->classes.clear();
        slot->own->shapes.clear();
        for_each_object(*slot->own, [](PyObject*& object) { Py_CLEAR(object); });
    }
    Py_CLEAR(slot->first);
    return 0;
}

void module_free(void* module) {
    module_clear(static_cast<PyObject*>(module));
    Slot* const slot = static_cast<Slot*>(PyModule_GetState(static_cast<PyObject*>(module)));
    if (slot && slot->own) std::exchange(slot->own, nullptr)->unref();
}

// The interpreter's exit calls us first of all, and the main thread is known for signals.
int join_threading(PyObject* module, ModuleState& state) {
    const PyRef threading(PyImport_ImportModule("threading"));
    const PyRef ending(threading ? PyObject_GetAttrString(module, "_interpreter_ending") : nullptr);
    if (!ending) return -1;
    const PyRef hook(PyObject_GetAttrString(threading.get(), "_register_atexit"));
    const PyRef done(hook ? PyObject_CallOneArg(hook.get(), ending.get()) : nullptr);
    if (!done) {
        if (!PyErr_ExceptionMatches(PyExc_RuntimeError)) return -1;
        PyErr_Clear();  // it is shutting down already
        state.interpreter->begin_ending();
    }
    if (!state.interpreter->is_main()) return 0;
    const PyRef main_thread(PyObject_CallMethod(threading.get(), "main_thread", nullptr));
    const PyRef ident(main_thread ? PyObject_GetAttrString(main_thread.get(), "ident") : nullptr);
    const unsigned long number =
        ident ? PyLong_AsUnsignedLong(ident.get()) : static_cast<unsigned long>(-1);
    if (number == static_cast<unsigned long>(-1) && PyErr_Occurred()) return -1;
    set_signal_thread(number);
    return 0;
}

int fill_first(PyObject* module, ModuleState& state) {
    if (cpython::load() < 0 || dict_table::trial() < 0) return -1;
    state.interpreter = Interpreter::current();
    if (!state.interpreter) {
        if (!PyErr_Occurred()) PyErr_NoMemory();
        return -1;
    }
    state.interpreter->ref();
    if (add_errors(module, state) < 0) return -1;
    if (add_end_types(module, state) < 0) return -1;
    add_queue_hooks(state);
    if (add_stats_types(module, state) < 0) return -1;
    if (add_async_types(module, state) < 0) return -1;
    if (add_channel_id_type(module, state) < 0) return -1;
    if (add_channel_info_type(module, state) < 0) return -1;
    state.memory_type = make_memory_type(module);
    if (!state.memory_type) return -1;
    state.buffer_type = make_buffer_type(module);
    if (!state.buffer_type || PyModule_AddType(module, state.buffer_type) < 0) return -1;
    state.load_attachment = PyObject_GetAttrString(module, "_load_reference");
    state.load_registered = PyObject_GetAttrString(module, "_load_registered");
    if (!state.load_attachment || !state.load_registered) return -1;
    if (register_shared_types(state) < 0) return -1;
    state.ready = true;
#if PY_VERSION_HEX < 0x030D0000
    if (state.interpreter->is_main() && use_pickle_first(state) < 0) return -1;
#endif
    if (PyModule_AddStringConstant(module, "__version__", INTERPCHANNELS_VERSION) < 0) return -1;
    return join_threading(module, state);
}

// The types and errors of the first module, under the same names.
int copy_first(PyObject* module, PyObject* first) {
    for (const char* name :
         {"ChannelError", "ChannelNotFoundError", "ChannelClosedError", "ChannelNotEmptyError",
          "ChannelEmptyError", "ChannelFullError", "NotShareableError", "ItemInterpreterDestroyed",
          "RecvChannel", "SendChannel", "ChannelStats", "ProcessStats", "ChannelID", "ChannelInfo",
          "Buffer", "__version__"}) {
        const PyRef value(PyObject_GetAttrString(first, name));
        if (!value || PyModule_AddObjectRef(module, name, value.get()) < 0) return -1;
    }
    return 0;
}

int module_exec(PyObject* module) {
    PyObject* const shared = PyInterpreterState_GetDict(PyInterpreterState_Get());  // borrowed
    if (!shared) {
        PyErr_SetString(PyExc_ImportError, "this interpreter has no dictionary for its extensions");
        return -1;
    }
    Slot& slot = slot_of(module);
    slot = {};
    const PyRef first = first_module(shared);
    if (first) {
        slot.first = Py_NewRef(first.get());
        slot.state = slot_of(first.get()).state;
        return copy_first(module, first.get());
    }
    if (PyErr_Occurred()) return -1;
    slot.own = new (std::nothrow) ModuleState;
    if (!slot.own) {
        PyErr_NoMemory();
        return -1;
    }
    slot.state = slot.own;
    if (fill_first(module, *slot.own) < 0) return -1;
    return PyDict_SetItemString(shared, kFirstKey, module);
}

PyObject* set_unbound(PyObject* module, PyObject* unbound) {
    ModuleState& state = *state_of(module);
    state.set_shared(state.unbound, unbound);
    Py_RETURN_NONE;
}

// For tests: whether dicts are read and written where they lie (dict_table.hpp); what it was.
PyObject* use_dict_tables(PyObject*, PyObject* on) {
    const int yes = PyObject_IsTrue(on);
    if (yes < 0) return nullptr;
    return PyBool_FromLong(dict_table::use(yes != 0));
}

constexpr const char* stats_doc =
    "stats($module)\n--\n\n"
    "The counters of the process, as ProcessStats: channels that create() made, their open ends, what is "
    "queued in\n"
    "them and who waits, and the loans that are out. Sums, made when they are asked for; exact while "
    "nobody sends\n"
    "or receives. Never blocks; may be called in any interpreter and thread.\n\n"
    ">>> before = interpchannels.stats()\n"
    ">>> recv, send = interpchannels.create()\n"
    ">>> send.send_many([b'four', 5])\n"
    "2\n"
    ">>> now = interpchannels.stats()\n"
    ">>> now.channels - before.channels, now.queued - before.queued\n"
    "(1, 2)";

constexpr const char* select_doc =
    "select(*operations, timeout=None[, default])\n\n"
    "Do one of several operations, whichever can be done first, and return (end, value).\n\n"
    "Each operation is a RecvChannel, to receive from it, or a tuple (SendChannel, object), to send. "
    "Exactly one\n"
    "is done. Where several can be done one is chosen at random, each with the same chance. `end` is the "
    "object\n"
    "that was passed, `value` what was received, or None for a send.\n\n"
    "Waits until one can be done, at most `timeout` seconds (None: without bound; 0: tries once), then "
    "raises\n"
    "TimeoutError; with `default`, returns that instead, at once where no timeout is given. A closed "
    "channel is\n"
    "ready: ChannelClosedError, which names it. NotShareableError where an object cannot cross: nothing "
    "was done\n"
    "then. ValueError without an operation. KeyboardInterrupt at once in the main thread. From any thread "
    "of the\n"
    "interpreter that holds the ends.\n\n"
    ">>> recv, send = interpchannels.create()\n"
    ">>> other, spare = interpchannels.create()\n"
    ">>> send.send('first')\n"
    ">>> end, value = interpchannels.select(recv, other)\n"
    ">>> end is recv, value\n"
    "(True, 'first')\n"
    ">>> interpchannels.select(recv, other, default='nothing there')\n"
    "'nothing there'";

constexpr const char* register_doc =
    "register(cls, to_shareable, from_shareable)\n\n"
    "Say how instances of cls cross between interpreters.\n\n"
    "to_shareable(obj) returns a value that crosses; it is called by every send in this interpreter, with "
    "an "
    "object\n"
    "whose type is cls itself: a subclass is not its parent, and is registered by itself. "
    "from_shareable(value) "
    "makes\n"
    "the object where it is received: it is the registration of the receiving interpreter for the class of "
    "that "
    "module\n"
    "and name that counts. Interpreters that spawn() makes have those of the interpreter that calls it; "
    "the "
    "functions\n"
    "go there as spawn()'s own do, and their modules are imported when the first such object is met. A "
    "registration\n"
    "takes precedence over everything but the built-in types that cross natively, and replaces an earlier "
    "one; "
    "with\n"
    "None for both functions it is taken back.\n\n"
    "TypeError where cls is no class or a function is not callable; ValueError for a type that crosses "
    "natively. "
    "Never\n"
    "blocks; may be called in any interpreter and thread.\n\n"
    ">>> class Handle:\n"
    "...     def __init__(self, number):\n"
    "...         self.number = number\n"
    ">>> interpchannels.register(Handle, lambda handle: handle.number, Handle)\n"
    ">>> recv, send = interpchannels.create()\n"
    ">>> send.send(Handle(7))\n"
    ">>> recv.recv().number\n"
    "7";

PyObject* register_here(PyObject* module, PyObject* args, PyObject* kwargs) {
    return register_class(*state_of(module), args, kwargs);
}
PyObject* registrations_here(PyObject* module, PyObject*) { return list_registrations(*state_of(module)); }
PyObject* inherit_here(PyObject* module, PyObject* registrations) {
    return inherit_registrations(*state_of(module), registrations);
}
PyObject* load_registered_here(PyObject* module, PyObject* args) {
    return load_registered(*state_of(module), args);
}

PyMethodDef package_functions[] = {
    {"_create_ends", create_ends, METH_VARARGS, nullptr},
    {"select", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(select_ops)),
     METH_FASTCALL | METH_KEYWORDS, select_doc},
    {"_end_from_id", end_from_id, METH_VARARGS, nullptr},
    {"_make_reactor", make_reactor, METH_NOARGS, nullptr},
    {"_list_channels", list_package_channels, METH_NOARGS, nullptr},
    {"_set_queue_type", set_queue_type, METH_VARARGS, nullptr},
    {"_task_done", task_done, METH_O, nullptr},
    {"_join_tasks", join_tasks, METH_O, nullptr},
    {"_unfinished_tasks", unfinished_tasks, METH_O, nullptr},
    {"_load_reference", load_reference, METH_O, nullptr},
    {"_load_registered", load_registered_here, METH_VARARGS, nullptr},
    {"register", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(register_here)),
     METH_VARARGS | METH_KEYWORDS, register_doc},
    {"_registrations", registrations_here, METH_NOARGS, nullptr},
    {"_inherit", inherit_here, METH_O, nullptr},
    {"_set_unbound", set_unbound, METH_O, nullptr},
    {"_use_dict_tables", use_dict_tables, METH_O, nullptr},
    {"stats", process_stats, METH_NOARGS, stats_doc},
    {"_run_in_new_interpreter", run_in_new_interpreter, METH_VARARGS, nullptr},
    {"_pack", pack, METH_O, nullptr},
    {"_expect_worker", expect_worker, METH_O, nullptr},
    {"_give_back", give_back, METH_O, nullptr},
    {"_take_task", take_task, METH_NOARGS, nullptr},
    {"_leave_result", leave_result, METH_O, nullptr},
    {"_enter_worker", enter_worker, METH_NOARGS, nullptr},
    {"_interpreter_ending", interpreter_ending, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

int add_functions(PyObject* module) {
    return PyModule_AddFunctions(module, package_functions) < 0
               ? -1
               : PyModule_AddFunctions(module, drop_in_functions);
}

PyModuleDef_Slot slots[] = {
    {Py_mod_exec, reinterpret_cast<void*>(add_functions)},
    {Py_mod_exec, reinterpret_cast<void*>(module_exec)},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#if defined(Py_mod_gil) && PY_VERSION_HEX >= 0x030E0000  // 3.13's free-threaded build was not tried
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},                   // interpreter/without_gil.hpp
#endif
    {0, nullptr},
};

PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    "_interpchannels",
    "Channels between interpreters: CPython's _interpchannels, and what the interpchannels package stands "
    "on.",
    sizeof(Slot),
    nullptr,
    slots,
    module_traverse,
    module_clear,
    module_free,
};

}  // namespace

ModuleState* state_of(PyObject* module) noexcept { return slot_of(module).state; }

ModuleState* state_here(PyRef& module) {
    PyObject* const shared = PyInterpreterState_GetDict(PyInterpreterState_Get());
    PyRef first = shared ? first_module(shared) : PyRef{};
    if (first) {
        module = std::move(first);
        return state_of(module.get());
    }
    if (PyErr_Occurred()) return nullptr;
    module = PyRef(PyImport_ImportModule("interpchannels._interpchannels"));
    if (module) return state_of(module.get());
    if (PyErr_ExceptionMatches(PyExc_ImportError)) {
        const PyRef cause(PyErr_GetRaisedException());
        PyErr_Format(
            PyExc_ImportError,
            "a channel end arrived in an interpreter that cannot import interpchannels (%S): make its "
            "sys.path include the folder that holds the package",
            cause.get());
        const PyRef raised(PyErr_GetRaisedException());
        PyException_SetCause(raised.get(), Py_NewRef(cause.get()));
        PyErr_SetRaisedException(Py_NewRef(raised.get()));
    }
    return nullptr;
}

}  // namespace interpchannels

PyMODINIT_FUNC PyInit__interpchannels() { return PyModuleDef_Init(&interpchannels::definition); }
