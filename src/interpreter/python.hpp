// Python.h, and the few helpers that every file above the engine needs.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <utility>

static_assert(PY_VERSION_HEX >= 0x030C0000, "interpchannels needs CPython 3.12 or newer");

namespace interpchannels {

// An owned reference. Attached to the object's interpreter wherever it is made, moved or destroyed.
class PyRef {
public:
    PyRef() = default;
    explicit PyRef(PyObject* owned) noexcept : p_(owned) {}
    static PyRef borrow(PyObject* p) noexcept { return PyRef(Py_XNewRef(p)); }
    PyRef(PyRef&& other) noexcept : p_(std::exchange(other.p_, nullptr)) {}
    PyRef& operator=(PyRef&& other) noexcept {
        PyObject* const old = std::exchange(p_, std::exchange(other.p_, nullptr));
        Py_XDECREF(old);
        return *this;
    }
    PyRef(const PyRef&) = delete;
    PyRef& operator=(const PyRef&) = delete;
    ~PyRef() { Py_XDECREF(p_); }

    PyObject* get() const noexcept { return p_; }
    PyObject* release() noexcept { return std::exchange(p_, nullptr); }
    explicit operator bool() const noexcept { return p_ != nullptr; }

private:
    PyObject* p_ = nullptr;
};

// The thread's state where it is attached, else nullptr.
PyThreadState* attached_state() noexcept;  // cpython_private.cpp

// An owned reference that a thread holds while it may detach: where the thread ends in there (see detached()), it is
// left alone, since nobody is attached then.
class HeldRef : public PyRef {
public:
    using PyRef::PyRef;
    HeldRef() = default;
    HeldRef(HeldRef&&) = default;
    HeldRef& operator=(HeldRef&&) = default;
    ~HeldRef() {
        if (get() && !attached_state()) static_cast<void>(release());
    }
};

// Runs f() detached, attached before and after. Re-attaching while the interpreter finalizes ends the
// thread: by unwinding on 3.12 and 3.13 (so no caller may be noexcept or hold what its destructor does not
// let go of), by never returning on 3.14.
template <class F>
auto detached(F&& f) {
    PyThreadState* const state = PyEval_SaveThread();
    if constexpr (std::is_void_v<decltype(f())>) {
        f();
        PyEval_RestoreThread(state);
    } else {
        auto result = f();
        PyEval_RestoreThread(state);
        return result;
    }
}

// The same from a thread that may be detached already.
template <class F>
void while_detached(F&& f) {
    if (attached_state()) {
        detached(std::forward<F>(f));
    } else {
        f();
    }
}

// Clears an exception that only says no, as an attribute's absence does. False, and it stays, where it is no answer:
// there was no memory, or it is no Exception (KeyboardInterrupt). True where none is set. Attached.
inline bool clear_refusal() noexcept {
    if (!PyErr_Occurred()) return true;
    if (!PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(PyExc_MemoryError)) return false;
    PyErr_Clear();
    return true;
}

// tp_traverse of an object that holds nothing of Python's but its type. The collector has to see that: the type leads to
// the module and to all that its state holds, such as a class that somebody registered, and that may lead back to the
// object. Such an object is untracked first of all when it goes, and has no tp_clear: others break the circle. What it
// needs then it has to hold by itself, since the module's state may have gone before.
inline int traverse_type(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    return 0;
}

// Puts an exception aside while clean-up runs.
class SavedException {
public:
    SavedException() noexcept : exception_(PyErr_GetRaisedException()) {}
    ~SavedException() { PyErr_SetRaisedException(exception_); }
    SavedException(const SavedException&) = delete;
    SavedException& operator=(const SavedException&) = delete;

private:
    PyObject* exception_;
};

}  // namespace interpchannels
