// The encoder's slow side: what pickle refuses, why, and where it lies in the value.
//
// All of it runs only after a value has turned out not to cross as it is, so it may try again as often as it
// takes to give an answer that helps.
#include "crossing/encoder.hpp"
#include "crossing/pickle.hpp"

namespace interpchannels {

// Not for pickle, but its memory can be copied: an mmap, a ctypes array of a local class.
int Encoder::only_a_buffer(Context& context, PyObject* obj) {
    if (!PyObject_CheckBuffer(obj) || PyType_Check(obj)) return 0;
    CrossingMode plain;
    if (pickles_alone(context, obj, plain)) return 0;
    return clear_refusal() ? 1 : -1;
}

// --- what cannot cross ---

bool Encoder::pickles_alone(Context& context, PyObject* obj, CrossingMode mode) {
    Scratch scratch;
    Outgoing out;  // goes unsent
    return encode_pickled_or_fail(context, obj, mode, out, scratch) == 0;
}

PyObject* Encoder::attribute_path(PyObject* text, const Frame& frame) {
    const Py_ssize_t written = frame.index - 1;
    if (written < frame.declared && !frame.key && written >= 0) {
        return PyUnicode_FromFormat("%U.%U", text, PyTuple_GET_ITEM(frame.plan->names.get(), written));
    }
    if (frame.key) {
        return PyUnicode_FromFormat(PyUnicode_Check(frame.key) ? "%U.%U" : "%U.__dict__[%R]", text,
                                    frame.key);
    }
    const Py_ssize_t slot = written - frame.declared - 1;
    return slot >= 0 ? PyUnicode_FromFormat("%U.%U", text, PyTuple_GET_ITEM(frame.plan->slots.get(), slot))
                     : Py_NewRef(text);
}

// item['a'][3]
PyObject* Encoder::path() const {
    PyRef text(PyUnicode_FromString("item"));
    for (std::size_t i = 0; text && i < frames_.size(); ++i) {
        const Frame& frame = frames_[i];
        switch (frame.kind) {
        case kInstance:
            text = PyRef(attribute_path(text.get(), frame));
            break;
        case kNamedTuple:
            text = PyRef(PyUnicode_FromFormat("%U.%U", text.get(),
                                              PyTuple_GET_ITEM(frame.plan->names.get(), frame.pos - 1)));
            break;
        case kEnum:
            text = PyRef(PyUnicode_FromFormat("%U.value", text.get()));
            break;
        case kRegistered:
            text = PyRef(PyUnicode_FromFormat("to_shareable(%U)", text.get()));
            break;
        case kReduced:
        case kTuple:
        case kList:
            text = PyRef(PyUnicode_FromFormat("%U[%zd]", text.get(), frame.pos - 1));
            break;
        case kDict:
            text = PyRef(frame.key ? PyUnicode_FromFormat("%U[%R]", text.get(), frame.key)
                                   : PyUnicode_FromFormat("%U's key", text.get()));
            break;
        case kSlice:
        case kRange:
            text = PyRef(PyUnicode_FromFormat("%U.%s", text.get(),
                                              frame.pos == 1   ? "start"
                                              : frame.pos == 2 ? "stop"
                                                               : "step"));
            break;
        default:
            text = PyRef(PyUnicode_FromFormat("%U{...}", text.get()));
        }
    }
    return text.release();
}

void Encoder::raise_not_shareable(PyObject* obj, PyObject* cause) {
    const PyRef where(path());
    if (!where) return;
    PyRef message;
    if (cause) {
        message = PyRef(
            PyUnicode_FromFormat("cannot send %U: %s object cannot cross between interpreters (%s: %S)",
                                 where.get(), Py_TYPE(obj)->tp_name, Py_TYPE(cause)->tp_name, cause));
    } else {
        message = PyRef(PyUnicode_FromFormat(
            "cannot send %U: %s object does not cross natively, and pickling is switched off for this "
            "channel (create(pickle=False))",
            where.get(), Py_TYPE(obj)->tp_name));
    }
    if (!message) return;
    const PyRef error(PyObject_CallOneArg(context_.not_shareable_error, message.get()));
    if (!error) return;
    if (cause) PyException_SetCause(error.get(), Py_NewRef(cause));
    PyErr_SetObject(context_.not_shareable_error, error.get());
}

void Encoder::explain(PyObject* root, PyObject* cause) {
    explaining_ = true;
    const Result result = run(root);
    if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_MemoryError)) return;  // that is no explanation
    PyRef inner(PyErr_GetRaisedException());
    if (result == Result::kForeign && foreign_) {
        // The part that cannot be pickled by itself; its own error says more than the whole's.
        raise_not_shareable(foreign_, mode_.pickle ? (inner ? inner.get() : cause) : nullptr);
        return;
    }
    while (!frames_.empty()) pop();
    raise_not_shareable(root, cause);
}

}  // namespace interpchannels
