// What takes the GIL's place on a free-threaded CPython. Where there is a GIL, all of it is the plain thing and costs
// nothing.
//
// A Section is CPython's critical section: the lock of an object, which CPython takes as well where it changes one. It is
// to the object what the GIL is to an interpreter, its weakness included: whenever the thread detaches, or has to wait for
// another section, the section is suspended, and others may come in. So what may change with the GIL released may change
// here too, and in one place more: where a section is begun inside of another. After that nothing that was read from the
// object still holds: sizes, addresses, borrowed references.
//
// Invariants:
//  1. No lock of ours is held where a section begins: that may detach. The other way round is allowed.
//  2. A reference that is borrowed from what another thread may change is kept as Borrowed, which is a strong one here.
#pragma once

#include "interpreter/python.hpp"

namespace interpchannels {

#ifdef Py_GIL_DISABLED
inline constexpr bool kHasGil = false;
#else
inline constexpr bool kHasGil = true;
#endif

#ifdef Py_GIL_DISABLED

// Attached. Sections of a thread end in the reverse order of their beginning.
class Section {
public:
    // nullptr: none.
    explicit Section(PyObject* obj) : open_(obj != nullptr) {
        if (open_) PyCriticalSection_Begin(&section_, obj);
    }
    ~Section() { end(); }
    Section(const Section&) = delete;
    Section& operator=(const Section&) = delete;
    void end() noexcept {
        if (!open_) return;
        open_ = false;
        if (attached_state()) PyCriticalSection_End(&section_);  // else the thread ends (see detached())
    }

private:
    PyCriticalSection section_;
    bool open_;
};

// A reference to what something else keeps alive: for as long as that does not change, where there is a GIL.
class Borrowed {
public:
    Borrowed() = default;
    Borrowed(PyObject* borrowed) noexcept
        : ref_(PyRef::borrow(borrowed)) {}  // NOLINT(google-explicit-constructor)
    PyObject* get() const noexcept { return ref_.get(); }

private:
    PyRef ref_;
};

// A pointer to an object that any thread may be setting. Acquire pairs with the release in what sets it (set_once(),
// replace()): the object is whole.
template <class T>
T* seen(T* const& slot) noexcept {
    return __atomic_load_n(&slot, __ATOMIC_ACQUIRE);
}
// Takes `made` over, where nobody was quicker. What is there now, borrowed: it stays as long as the slot's owner.
template <class T>
T* set_once(T*& slot, T* made) {
    T* there = nullptr;
    // Release pairs with the acquire in seen(); acquire likewise, for another's.
    if (__atomic_compare_exchange_n(&slot, &there, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return made;
    Py_DECREF(reinterpret_cast<PyObject*>(made));
    return there;
}
// Takes `now` over; what was there, likewise the caller's. Both may be nullptr.
template <class T>
[[nodiscard]] T* replace(T*& slot, T* now) noexcept {
    return __atomic_exchange_n(&slot, now, __ATOMIC_ACQ_REL);  // pairs as in set_once()
}

#else

class Section {
public:
    explicit Section(PyObject*) noexcept {}
    ~Section() {}  // NOLINT(modernize-use-equals-default): or it were an unused variable
    Section(const Section&) = delete;
    Section& operator=(const Section&) = delete;
    void end() noexcept {}
};

class Borrowed {
public:
    Borrowed() = default;
    Borrowed(PyObject* borrowed) noexcept : p_(borrowed) {}  // NOLINT(google-explicit-constructor)
    PyObject* get() const noexcept { return p_; }

private:
    PyObject* p_;
};

template <class T>
T* seen(T* const& slot) noexcept {
    return slot;
}
template <class T>
T* set_once(T*& slot, T* made) {
    if (slot) {  // what made it may have run Python code
        Py_DECREF(reinterpret_cast<PyObject*>(made));
    } else {
        slot = made;
    }
    return slot;
}
template <class T>
[[nodiscard]] T* replace(T*& slot, T* now) noexcept {
    return std::exchange(slot, now);
}

#endif

// dict[key], a new reference; empty, with an exception or without one, where it is not there. Attached.
inline PyRef item_in(PyObject* dict, PyObject* key) {
#if PY_VERSION_HEX >= 0x030D0000
    PyObject* found = nullptr;
    static_cast<void>(PyDict_GetItemRef(dict, key, &found));
    return PyRef(found);
#else
    return PyRef::borrow(PyDict_GetItemWithError(dict, key));
#endif
}

}  // namespace interpchannels
