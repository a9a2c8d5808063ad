// The last resort: a value goes through pickle protocol 5 as a whole.
//
// Its large buffers go out of band, each copied once into a Block that the receiver's objects then use
// directly. Objects that pickle must not see (channel ends, which are counted; Buffers, which move; registry
// data; memoryviews) are left out of it and travel as values of their own, which the pickle refers to by number.
#pragma once

#include "channel/parcel.hpp"
#include "crossing/context.hpp"
#include "crossing/encoder.hpp"

namespace interpchannels {

// Attached; runs Python code. 0, or -1 with an exception set: NotShareableError with the path to what
// cannot cross and pickle's error as its cause; MemoryError, RecursionError, what is no Exception, and the errors
// of ends and Buffers as they are.
int encode_pickled(Context& context, PyObject* obj, CrossingMode mode, Outgoing& out, Scratch& scratch);
// The same with pickle's own error, whatever it is: -1; or -2 with the error of what travels beside the pickle, a
// closed end or a Buffer in use.
int encode_pickled_or_fail(Context& context, PyObject* obj, CrossingMode mode, Outgoing& out,
                           Scratch& scratch);

// Attached; runs Python code. `references` is a list of the values that the pickle refers to, `buffers` a
// list of buffer objects. A new reference.
PyObject* load_pickled(Context& context, const char* data, Py_ssize_t size, PyObject* references,
                       PyObject* buffers);

// Uses pickle once as the functions above do. CPython 3.12 frees what its argument parsers hold in the main
// interpreter's end, whichever interpreter filled them first (an abort at exit), so the main one has to be
// first. 0, or -1 with an exception set.
int use_pickle_first(Context& context);

// The function that pickles of ours name: value number i of the load in progress in this thread.
PyObject* load_reference(PyObject* module, PyObject* number);

}  // namespace interpchannels
