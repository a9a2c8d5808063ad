#include "interpreter/cpython_private.hpp"

#include <atomic>

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace interpchannels::cpython {
namespace {

// 3.14's result of a look-up, and argument of a registration.
struct GetDataPair {
    GetData basic;
    int (*fallback)(PyThreadState*, PyObject*, int, XiData*);
};

struct Symbols {
#if PY_VERSION_HEX >= 0x030E0000
    int (*get_data)(PyThreadState*, PyObject*, int, XiData*);
    GetDataPair (*lookup)(PyThreadState*, PyObject*);
    int (*register_class)(PyThreadState*, PyTypeObject*, GetDataPair);
    int (*unregister_class)(PyThreadState*, PyTypeObject*);
#else
    int (*get_data)(PyObject*, XiData*);
    GetData (*lookup)(PyObject*);
    int (*register_class)(PyTypeObject*, GetData);
    int (*unregister_class)(PyTypeObject*);
#endif
    PyObject* (*new_object)(XiData*);
    int (*release)(XiData*);
    int (*at_exit)(PyInterpreterState*, void (*)(void*), void*);
    int (*add_pending_call)(PyInterpreterState*, int (*)(void*), void*, int);  // optional
    PyObject* (*dict_from_items)(PyObject* const* keys, Py_ssize_t step, PyObject* const* values,
                                 Py_ssize_t value_step, Py_ssize_t count);  // optional
};

Symbols symbols;
std::atomic<bool> loaded{false};

void* find(const char* name) noexcept {
#if defined(_WIN32)
    HMODULE python = nullptr;
    GetModuleHandleExA(
        GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
        reinterpret_cast<LPCSTR>(&Py_IsInitialized), &python);
    return python ? reinterpret_cast<void*>(GetProcAddress(python, name)) : nullptr;
#else
    return dlsym(RTLD_DEFAULT, name);
#endif
}

template <class F>
int need(const char* name, F& out) {
    out = reinterpret_cast<F>(find(name));
    if (out) return 0;
    PyErr_Format(PyExc_ImportError,
                 "interpchannels needs %s, which this CPython (%s) does not have; install a version of "
                 "interpchannels that knows it",
                 name, Py_GetVersion());
    return -1;
}

}  // namespace

int load() {
    if (loaded.load(std::memory_order_acquire)) return 0;  // pairs with the release below
    Symbols s{};
#if PY_VERSION_HEX >= 0x030E0000
    const bool found =
        need("_PyObject_GetXIData", s.get_data) == 0 && need("_PyXIData_NewObject", s.new_object) == 0 &&
        need("_PyXIData_Release", s.release) == 0 && need("_PyXIData_Lookup", s.lookup) == 0 &&
        need("_PyXIData_RegisterClass", s.register_class) == 0 &&
        need("_PyXIData_UnregisterClass", s.unregister_class) == 0 &&
        need("PyUnstable_AtExit", s.at_exit) == 0;
#else
    const bool found = need("_PyObject_GetCrossInterpreterData", s.get_data) == 0 &&
                       need("_PyCrossInterpreterData_NewObject", s.new_object) == 0 &&
                       need("_PyCrossInterpreterData_Release", s.release) == 0 &&
                       need("_PyCrossInterpreterData_Lookup", s.lookup) == 0 &&
                       need("_PyCrossInterpreterData_RegisterClass", s.register_class) == 0 &&
                       need("_PyCrossInterpreterData_UnregisterClass", s.unregister_class) == 0 &&
#if PY_VERSION_HEX >= 0x030D0000
                       need("PyUnstable_AtExit", s.at_exit) == 0;
#else
                       need("_Py_AtExit", s.at_exit) == 0;
#endif
#endif
    if (!found) return -1;
    s.add_pending_call = reinterpret_cast<decltype(s.add_pending_call)>(find("_PyEval_AddPendingCall"));
    s.dict_from_items = reinterpret_cast<decltype(s.dict_from_items)>(find("_PyDict_FromItems"));
    // Two interpreters may get here at once, and write the same values.
    static std::atomic_flag writing = ATOMIC_FLAG_INIT;
    while (writing.test_and_set(std::memory_order_acquire)) {
    }
    if (!loaded.load(std::memory_order_relaxed)) symbols = s;
    loaded.store(true, std::memory_order_release);
    writing.clear(std::memory_order_release);
    return 0;
}

int get_data(PyObject* obj, XiData* data) {
#if PY_VERSION_HEX >= 0x030E0000
    return symbols.get_data(PyThreadState_Get(), obj, 0 /* without CPython's fallback: ours is */, data);
#else
    return symbols.get_data(obj, data);
#endif
}

PyObject* new_object(XiData* data) { return symbols.new_object(data); }
int release(XiData* data) { return symbols.release(data); }

bool is_registered(PyObject* obj) {
#if PY_VERSION_HEX >= 0x030E0000
    const GetDataPair found = symbols.lookup(PyThreadState_Get(), obj);
    const bool yes = found.basic != nullptr || found.fallback != nullptr;
#else
    const bool yes = symbols.lookup(obj) != nullptr;
#endif
    if (!yes) PyErr_Clear();
    return yes;
}

int register_class(PyTypeObject* type, GetData get) {
#if PY_VERSION_HEX >= 0x030E0000
    const int result = symbols.register_class(PyThreadState_Get(), type, GetDataPair{get, nullptr});
#else
    const int result = symbols.register_class(type, get);
#endif
    // Where its own entry found no memory, CPython sets none.
    if (result < 0 && !PyErr_Occurred()) PyErr_NoMemory();
    return result;
}

int unregister_class(PyTypeObject* type) {
#if PY_VERSION_HEX >= 0x030E0000
    return symbols.unregister_class(PyThreadState_Get(), type);
#else
    return symbols.unregister_class(type);
#endif
}

PyObject* dict_of_pairs(PyObject* const* pairs, Py_ssize_t count) {
    if (symbols.dict_from_items) return symbols.dict_from_items(pairs, 2, pairs + 1, 2, count);
    PyRef made(PyDict_New());
    for (Py_ssize_t i = 0; made && i < count; ++i) {
        if (PyDict_SetItem(made.get(), pairs[2 * i], pairs[2 * i + 1]) < 0) return nullptr;
    }
    return made.release();
}

int at_exit(PyInterpreterState* interp, void (*f)(void*), void* data) {
    return symbols.at_exit(interp, f, data);
}

bool add_pending_call(PyInterpreterState* interp, int (*f)(void*), void* data) noexcept {
    return symbols.add_pending_call && symbols.add_pending_call(interp, f, data, 0) == 0;
}

Py_ssize_t int_size(PyObject* obj) {
#if PY_VERSION_HEX >= 0x030D0000
    return PyLong_AsNativeBytes(obj, nullptr, 0, Py_ASNATIVEBYTES_LITTLE_ENDIAN);
#else
    const std::size_t bits = _PyLong_NumBits(obj);
    return bits == static_cast<std::size_t>(-1) ? -1 : static_cast<Py_ssize_t>(bits / 8 + 1);
#endif
}

int int_to_bytes(PyObject* obj, void* bytes, Py_ssize_t size) {
#if PY_VERSION_HEX >= 0x030D0000
    return PyLong_AsNativeBytes(obj, bytes, size, Py_ASNATIVEBYTES_LITTLE_ENDIAN) < 0 ? -1 : 0;
#else
    return _PyLong_AsByteArray(reinterpret_cast<PyLongObject*>(obj), static_cast<unsigned char*>(bytes),
                               static_cast<std::size_t>(size), 1, 1);
#endif
}

PyObject* int_from_bytes(const void* bytes, Py_ssize_t size) {
#if PY_VERSION_HEX >= 0x030D0000
    return PyLong_FromNativeBytes(bytes, static_cast<std::size_t>(size), Py_ASNATIVEBYTES_LITTLE_ENDIAN);
#else
    return _PyLong_FromByteArray(static_cast<const unsigned char*>(bytes), static_cast<std::size_t>(size),
                                 1, 1);
#endif
}

}  // namespace interpchannels::cpython

namespace interpchannels {

PyThreadState* attached_state() noexcept {
#if PY_VERSION_HEX >= 0x030D0000
    return PyThreadState_GetUnchecked();
#else
    return _PyThreadState_UncheckedGet();
#endif
}

}  // namespace interpchannels
