// Every private symbol of CPython that the project uses, by version; no other file names one. (The layout of a dict's
// table is in dict_table.hpp.)
//
// They are looked up when the module is imported, so that a CPython without one gives an ImportError that
// names it, instead of a crash. Optional ones are null where they are missing, and their users say what
// they do then.
//
//   what                    3.12, 3.13                               3.14, 3.15
//   data of an object       _PyObject_GetCrossInterpreterData        _PyObject_GetXIData
//   object of a data        _PyCrossInterpreterData_NewObject        _PyXIData_NewObject
//   release of a data       _PyCrossInterpreterData_Release          _PyXIData_Release
//   is a type registered    _PyCrossInterpreterData_Lookup           _PyXIData_Lookup
//   register a type         _PyCrossInterpreterData_RegisterClass    _PyXIData_RegisterClass
//   unregister a type       _PyCrossInterpreterData_UnregisterClass  _PyXIData_UnregisterClass
//   at an interpreter's end _Py_AtExit (3.12), PyUnstable_AtExit     PyUnstable_AtExit
//   run in an interpreter   _PyEval_AddPendingCall (optional)        the same
//   a dict of known size _PyDict_FromItems (3.13, optional)           the same
//   hash of a str          field hash of PyASCIIObject, which is -1     the same
//                          where it is not known
//   state, if attached      _PyThreadState_UncheckedGet (3.12)       -
//   bytes of an int         _PyLong_NumBits, _PyLong_AsByteArray,    -
//                           _PyLong_FromByteArray (3.12)
#pragma once

#include <cstdint>

#include "interpreter/python.hpp"

namespace interpchannels::cpython {

// CPython's cross-interpreter data; the same five fields from 3.12 to 3.15 (struct _xid, struct _xidata).
struct XiData {
    void* data;
    PyObject* obj;
    std::int64_t interpid;
    PyObject* (*new_object)(XiData*);
    void (*free)(void*);
};
static_assert(sizeof(XiData) == 4 * sizeof(void*) + sizeof(std::int64_t), "CPython's layout");

using GetData = int (*)(PyThreadState*, PyObject*, XiData*);

// Finds the symbols. Attached; idempotent; -1 with ImportError set.
int load();

// All attached. `data` is zeroed memory of ours; after a success release() it in the interpreter that
// made it, once.
int get_data(PyObject* obj, XiData* data);
PyObject* new_object(XiData* data);
int release(XiData* data);
bool is_registered(PyObject* obj);  // clears errors
int register_class(PyTypeObject* type, GetData get);
int unregister_class(PyTypeObject* type);

// An int as little-endian two's complement: the size it needs (-1 with an exception set), its bytes (0 or -1),
// and back.
Py_ssize_t int_size(PyObject* obj);
int int_to_bytes(PyObject* obj, void* bytes, Py_ssize_t size);
PyObject* int_from_bytes(const void* bytes, Py_ssize_t size);

// A new dict of `count` pairs that lie in a row, key and value in turn; its table is made in its size at once. Nothing
// of the pairs is taken over. Where this CPython has no such thing, one by one.
PyObject* dict_of_pairs(PyObject* const* pairs, Py_ssize_t count);

// The hash of a str, if it is known; else -1. All interpreters of a process hash alike. Likewise to say it of a new one.
inline Py_hash_t known_hash(PyObject* str) noexcept { return reinterpret_cast<PyASCIIObject*>(str)->hash; }
inline void set_hash(PyObject* str, Py_hash_t hash) noexcept {
    reinterpret_cast<PyASCIIObject*>(str)->hash = hash;
}

// Calls f(data) when the interpreter has been finalized, attached to it. -1 with an exception set.
int at_exit(PyInterpreterState* interp, void (*f)(void*), void* data);

// Asks a thread of `interp` to call f(data) between bytecodes. From any thread. False where this CPython
// has no such thing, or its queue is full.
bool add_pending_call(PyInterpreterState* interp, int (*f)(void*), void* data) noexcept;

}  // namespace interpchannels::cpython
