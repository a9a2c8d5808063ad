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
};

Symbols symbols;
std::atomic<bool> loaded{false};

void* find(const char* name) noexcept {
#if defined(_WIN32)
    HMODULE python = nullptr;
    GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS |
                           GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
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
    const bool found = need("_PyObject_GetXIData", s.get_data) == 0 &&
                       need("_PyXIData_NewObject", s.new_object) == 0 &&
                       need("_PyXIData_Release", s.release) == 0 &&
                       need("_PyXIData_Lookup", s.lookup) == 0 &&
                       need("_PyXIData_RegisterClass", s.register_class) == 0 &&
                       need("_PyXIData_UnregisterClass", s.unregister_class) == 0 &&
                       need("PyUnstable_AtExit", s.at_exit) == 0;
#else
    const bool found =
        need("_PyObject_GetCrossInterpreterData", s.get_data) == 0 &&
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
    // Two interpreters may get here at once, and write the same values.
    static std::atomic_flag writing = ATOMIC_FLAG_INIT;
    while (writing.test_and_set(std::memory_order_acquire)) {
    }
    if (!loaded.load(std::memory_order_relaxed)) symbols = s;
    loaded.store(true, std::memory_order_release);
    writing.clear(std::memory_order_release);
    return 0;
}

int get_data(PyObject* obj, XiData* data, [[maybe_unused]] bool with_fallback) {
#if PY_VERSION_HEX >= 0x030E0000
    return symbols.get_data(PyThreadState_Get(), obj, with_fallback ? 1 : 0, data);
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
    return symbols.register_class(PyThreadState_Get(), type, GetDataPair{get, nullptr});
#else
    return symbols.register_class(type, get);
#endif
}

int unregister_class(PyTypeObject* type) {
#if PY_VERSION_HEX >= 0x030E0000
    return symbols.unregister_class(PyThreadState_Get(), type);
#else
    return symbols.unregister_class(type);
#endif
}

int at_exit(PyInterpreterState* interp, void (*f)(void*), void* data) {
    return symbols.at_exit(interp, f, data);
}

bool add_pending_call(PyInterpreterState* interp, int (*f)(void*), void* data) noexcept {
    return symbols.add_pending_call && symbols.add_pending_call(interp, f, data, 0) == 0;
}

}  // namespace interpchannels::cpython
