#include "crossing/pickle.hpp"

#include <cstring>

#include "crossing/decoder.hpp"
#include "crossing/numpy_array.hpp"
#include "crossing/registered.hpp"

namespace interpchannels {
namespace {

constexpr int kBesideFailed = -2;
constexpr const char* kStateName = "interpchannels.pickling";

struct Pickling {
    Context* context;
    CrossingMode mode;
    PyObject* references;  // borrowed list
    PyObject* asked;       // borrowed dict: the registered objects, by address
};

// Pickler.reducer_override: what has a way of its own becomes a reference to it.
PyObject* reduce(PyObject* capsule, PyObject* obj) {
    auto* const state = static_cast<Pickling*>(PyCapsule_GetPointer(capsule, kStateName));
    if (!state) return nullptr;
    const int own = Encoder::has_own_way(*state->context, obj, state->mode);
    if (own < 0) return nullptr;
    if (!own) {
        PyObject* const reduced = reduce_registered(*state->context, obj, state->asked);
        if (reduced || PyErr_Occurred()) return reduced;
        if (state->mode.views) Py_RETURN_NOTIMPLEMENTED;  // a memoryview would share the array's memory
        return reduce_array(obj);
    }
    const Py_ssize_t number = PyList_GET_SIZE(state->references);
    if (PyList_Append(state->references, obj) < 0) return nullptr;
    return Py_BuildValue("O(n)", state->context->load_attachment, number);
}

PyMethodDef reduce_def = {"reducer_override", reduce, METH_O, nullptr};

// A subclass, since only a subclass's instances have a place for reducer_override.
PyObject* pickler_type(Context& context) {
    if (PyObject* const known = seen(context.pickler_type)) return known;
    const PyRef module(PyImport_ImportModule("_pickle"));
    if (!module) return nullptr;
    const PyRef base(PyObject_GetAttrString(module.get(), "Pickler"));
    if (!base) return nullptr;
    PyObject* const made = PyObject_CallFunction(reinterpret_cast<PyObject*>(&PyType_Type), "s(O){}",
                                                 "ChannelPickler", base.get());
    return made ? set_once(context.pickler_type, made) : nullptr;
}

thread_local PyObject* loading = nullptr;  // borrowed: the references of the load in progress

// The line of the error's text, or of its cause's, that says that an extension module does not load in this
// interpreter; empty where it is about something else. Clears what goes wrong on the way.
PyRef why_not_loaded(PyObject* error) {
    PyRef next = PyRef::borrow(error);
    for (int i = 0; next && i < 4; ++i) {
        const PyRef text(PyObject_Str(next.get()));
        const char* const utf8 = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
        for (const char* line = utf8; line;) {
            const char* const end = std::strchr(line, '\n');
            const auto size = end ? end - line : static_cast<Py_ssize_t>(std::strlen(line));
            PyRef said(PyUnicode_FromStringAndSize(line, size));
            const char* const one = said ? PyUnicode_AsUTF8(said.get()) : nullptr;
            // CPython's own check (Python/import.c), and what NumPy says where another interpreter has it.
            if (one && (std::strstr(one, "does not support loading in subinterpreters") ||
                        std::strstr(one, "cannot load module more than once per process"))) {
                return said;
            }
            line = end ? end + 1 : nullptr;
        }
        PyErr_Clear();
        next = PyRef(PyException_GetCause(next.get()));
    }
    return PyRef();
}

// An ImportError of that kind says what to do about it, with the first one as its cause.
void explain_import_failure() {
    if (!PyErr_ExceptionMatches(PyExc_ImportError)) return;
    const PyRef cause(PyErr_GetRaisedException());
    const PyRef why(why_not_loaded(cause.get()));
    if (!why) {
        PyErr_SetRaisedException(Py_NewRef(cause.get()));
        return;
    }
    PyErr_Format(
        PyExc_ImportError,
        "this item needs an extension module that does not load in this interpreter (%U): receive it in "
        "the main interpreter, which may have it; or send what needs no module: for an array its memory, "
        "memoryview(array) or a Buffer (NumPy loads in one interpreter of a process only)",
        why.get());
    const PyRef raised(PyErr_GetRaisedException());
    PyException_SetCause(raised.get(), Py_NewRef(cause.get()));
    PyErr_SetRaisedException(Py_NewRef(raised.get()));
}

class Loading {
public:
    explicit Loading(PyObject* references) noexcept : outer_(std::exchange(loading, references)) {}
    ~Loading() { loading = outer_; }
    Loading(const Loading&) = delete;
    Loading& operator=(const Loading&) = delete;

private:
    PyObject* const outer_;
};

}  // namespace

int encode_pickled_or_fail(Context& context, PyObject* obj, CrossingMode mode, Outgoing& out,
                           Scratch& scratch) {
    PyObject* const type = pickler_type(context);
    if (!type) return -1;
    const PyRef io(PyImport_ImportModule("_io"));
    const PyRef file(io ? PyObject_CallMethod(io.get(), "BytesIO", nullptr) : nullptr);
    const PyRef references(PyList_New(0));
    const PyRef buffers(PyList_New(0));
    const PyRef asked(PyDict_New());
    if (!file || !references || !buffers || !asked) return -1;
    const PyRef append(PyObject_GetAttrString(buffers.get(), "append"));
    const PyRef args(Py_BuildValue("(Oi)", file.get(), 5));
    const PyRef kwargs(append ? Py_BuildValue("{sO}", "buffer_callback", append.get()) : nullptr);
    if (!args || !kwargs) return -1;
    const PyRef pickler(PyObject_Call(type, args.get(), kwargs.get()));
    if (!pickler) return -1;

    {
        Pickling state{&context, mode, references.get(), asked.get()};
        const PyRef capsule(PyCapsule_New(&state, kStateName, nullptr));
        const PyRef hook(capsule ? PyCFunction_New(&reduce_def, capsule.get()) : nullptr);
        if (!hook || PyObject_SetAttrString(pickler.get(), "reducer_override", hook.get()) < 0) return -1;
        const PyRef dump(PyObject_GetAttrString(pickler.get(), "dump"));
        const PyRef done(dump ? PyObject_CallOneArg(dump.get(), obj) : nullptr);
        // The state goes with this frame, and somebody may have kept the hook.
        if (PyCapsule_SetName(capsule.get(), "interpchannels.done") < 0 || !done) return -1;
    }
    const PyRef pickled(PyObject_CallMethod(file.get(), "getvalue", nullptr));
    if (!pickled) return -1;

    Encoder encoder(context, mode, scratch);
    const Py_ssize_t count = PyList_GET_SIZE(references.get());
    if (encoder.write_pickle(pickled.get(), static_cast<std::size_t>(count), buffers.get()) < 0) return -1;
    for (Py_ssize_t i = 0; i < count; ++i) {
        if (encoder.run(PyList_GET_ITEM(references.get(), i)) != Encoder::Result::kDone) {
            if (PyErr_Occurred()) return kBesideFailed;
            PyErr_SetString(PyExc_RuntimeError, "a shareable type changed its mind");
            return -1;
        }
    }
    encoder.move_into(out);
    return 0;
}

int encode_pickled(Context& context, PyObject* obj, CrossingMode mode, Outgoing& out, Scratch& scratch) {
    const int failed = encode_pickled_or_fail(context, obj, mode, out, scratch);
    if (failed == 0) return 0;
    if (failed == kBesideFailed || !PyErr_ExceptionMatches(PyExc_Exception) ||
        PyErr_ExceptionMatches(PyExc_MemoryError) || PyErr_ExceptionMatches(PyExc_RecursionError)) {
        return -1;
    }
    const PyRef cause(PyErr_GetRaisedException());
    if (!mode.salvage) {
        mode.salvage = true;
        if (encode_pickled_or_fail(context, obj, mode, out, scratch) == 0) return 0;
        if (!clear_refusal()) return -1;
    }
    Encoder(context, mode, scratch).explain(obj, cause.get());
    return -1;
}

PyObject* load_pickled(Context& context, const char* data, Py_ssize_t size, PyObject* references,
                       PyObject* buffers) {
    PyObject* loads = seen(context.pickle_loads);
    if (!loads) {
        const PyRef module(PyImport_ImportModule("_pickle"));
        if (!module) return nullptr;
        loads = PyObject_GetAttrString(module.get(), "loads");
        if (!loads) return nullptr;
        loads = set_once(context.pickle_loads, loads);
    }
    const PyRef view(PyMemoryView_FromMemory(const_cast<char*>(data), size, PyBUF_READ));
    const PyRef args(view ? PyTuple_Pack(1, view.get()) : nullptr);
    const PyRef kwargs(args ? Py_BuildValue("{sO}", "buffers", buffers) : nullptr);
    if (!kwargs) return nullptr;
    const Loading scope(references);
    PyObject* const value = PyObject_Call(loads, args.get(), kwargs.get());
    if (!value) explain_import_failure();
    return value;
}

int use_pickle_first(Context& context) {
    Scratch scratch;
    Outgoing out;
    if (encode_pickled_or_fail(context, Py_None, CrossingMode{}, out, scratch) < 0) return -1;
    const PyRef none(decode(context, out.parcel));
    return none ? 0 : -1;
}

PyObject* load_reference(PyObject*, PyObject* number) {
    const Py_ssize_t i = PyLong_AsSsize_t(number);
    if (i == -1 && PyErr_Occurred()) return nullptr;
    if (!loading || i < 0 || i >= PyList_GET_SIZE(loading)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "this pickle belongs to a channel: it can only be loaded by receiving it");
        return nullptr;
    }
    return Py_NewRef(PyList_GET_ITEM(loading, i));
}

}  // namespace interpchannels
