// NumPy arrays that pickle would copy more than once.
//
// A contiguous array needs nothing of ours: its own __reduce_ex__ offers its memory out of band. One with gaps or
// other strides, or of dates, is turned into bytes inside of the pickle instead, and copied again with it. Here its memory
// goes beside the pickle, as a memoryview: copied once, without the gaps, its axes in the order that they had.
// NumPy is not imported for that, and none of its headers are needed.
#pragma once

#include "interpreter/python.hpp"

namespace interpchannels {

// Attached. What the pickler's reducer_override returns for such an array: a memoryview is in it, which the pickler
// meets next. Py_NotImplemented for anything else; nullptr with an exception set.
PyObject* reduce_array(PyObject* obj);

}  // namespace interpchannels
