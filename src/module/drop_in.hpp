// What the drop-in's functions share: what differs between CPython's versions, and errors in CPython's words.
//
// drop_in.cpp has the table of the functions and all but what moves items, which is in drop_in_send_recv.cpp. Attached.
#pragma once

#include "module/state.hpp"

namespace interpchannels {

#if PY_VERSION_HEX >= 0x030E0000
inline constexpr bool kHasFallback = true;
#else
inline constexpr bool kHasFallback = false;
#endif
inline constexpr int kFullFallback = 1;  // CPython's _PyXIDATA_FULL_FALLBACK; 0 is _PyXIDATA_XIDATA_ONLY

inline PyObject* raise_closed(ModuleState& state, std::int64_t cid, const char* how) {
    PyErr_Format(state.channel_closed_error, "channel %lld %s", static_cast<long long>(cid), how);
    return nullptr;
}

inline constexpr const char* kIsClosed = "is closed";
inline constexpr const char* kHasClosed = "has closed";             // while a sender waited
inline constexpr const char* kAlreadyClosed = "is already closed";  // released by this interpreter

inline bool valid_unbound_op(int op) {
    if (op >= 1 && op <= 3) return true;
    PyErr_Format(PyExc_ValueError, "unsupported unboundop %d", op);
    return false;
}

inline bool valid_fallback(int fallback) {
    if (fallback == 0 || fallback == kFullFallback) return true;
    PyErr_Format(PyExc_ValueError, "unsupported fallback %d", fallback);
    return false;
}

// --- drop_in_send_recv.cpp: functions of the module ---

PyObject* drop_in_send(PyObject* module, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames);
PyObject* drop_in_send_buffer(PyObject* module, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames);
PyObject* drop_in_recv(PyObject* module, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames);

}  // namespace interpchannels
