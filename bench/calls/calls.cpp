// What the drop-in's send and recv cost where they do nothing: the call, the keyword, the tuple, the int.
//
// A floor for `python -m interpchannels bench`: nobody who has these signatures and results can be quicker.
#include <Python.h>

namespace {

// send(cid, obj, *, blocking) -> None
PyObject* send(PyObject*, PyObject* const* args, Py_ssize_t count, PyObject* names) {
    if (count != 2 || !names || PyTuple_GET_SIZE(names) != 1 || args[2] != Py_False) {
        PyErr_SetString(PyExc_TypeError, "send(cid, obj, blocking=False) is all that this does");
        return nullptr;
    }
    Py_RETURN_NONE;
}

PyObject* with_none(PyObject* value) {
    PyObject* const both = value ? PyTuple_New(2) : nullptr;
    if (!both) {
        Py_XDECREF(value);
        return nullptr;
    }
    PyTuple_SET_ITEM(both, 0, value);
    PyTuple_SET_ITEM(both, 1, Py_NewRef(Py_None));
    return both;
}

// recv(cid) -> (None, None), and (1000000, None): for its `cid` says which it is.
PyObject* recv(PyObject*, PyObject* const* args, Py_ssize_t count, PyObject*) {
    if (count != 1) {
        PyErr_SetString(PyExc_TypeError, "recv(cid) is all that this does");
        return nullptr;
    }
    return with_none(args[0] == Py_None ? Py_NewRef(Py_None) : PyLong_FromLong(1'000'000));
}

PyMethodDef functions[] = {
    {"send", reinterpret_cast<PyCFunction>(send), METH_FASTCALL | METH_KEYWORDS, nullptr},
    {"recv", reinterpret_cast<PyCFunction>(recv), METH_FASTCALL | METH_KEYWORDS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef_Slot slots[] = {
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, nullptr},
};

PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "calls", nullptr, 0, functions, slots, nullptr, nullptr, nullptr,
};

}  // namespace

PyMODINIT_FUNC PyInit_calls() { return PyModuleDef_Init(&definition); }
