#include "crossing/numpy_array.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "crossing/memory.hpp"

namespace interpchannels {
namespace {

constexpr int kMaxDims = MemoryLayout::kMaxDims;

class BufferView {
public:
    ~BufferView() {
        if (view.obj) PyBuffer_Release(&view);
    }
    Py_buffer view{};
};

// How a copy without gaps lies in memory: its axes from the widest step to the narrowest, and its strides.
struct Packed {
    explicit Packed(const Py_buffer& from) noexcept : ndim(from.ndim) {
        for (int i = 0; i < ndim; ++i) axes[i] = i;
        std::stable_sort(axes, axes + ndim, [&](int a, int b) {
            return std::abs(from.strides[a]) > std::abs(from.strides[b]);
        });
        Py_ssize_t step = from.itemsize;
        for (int i = ndim - 1; i >= 0; --i) {
            strides[axes[i]] = step;
            step *= from.shape[axes[i]];
        }
    }
    const int ndim;
    int axes[kMaxDims];
    Py_ssize_t strides[kMaxDims];
};

template <class Number>
PyObject* tuple_of(const Number* numbers, int count) {
    PyRef tuple(PyTuple_New(count));
    for (int i = 0; i < count && tuple; ++i) {
        PyObject* const number = PyLong_FromSsize_t(numbers[i]);
        if (!number) return nullptr;
        PyTuple_SET_ITEM(tuple.get(), i, number);
    }
    return tuple.release();
}

}  // namespace

PyObject* reduce_array(PyObject* obj) {
    if (std::strcmp(Py_TYPE(obj)->tp_name, "numpy.ndarray") != 0) Py_RETURN_NOTIMPLEMENTED;
    const PyRef dtype(PyObject_GetAttrString(obj, "dtype"));
    const PyRef kind(dtype ? PyObject_GetAttrString(dtype.get(), "kind") : nullptr);
    if (!kind) return nullptr;
    // No format says what dates are, so NumPy exports none: their numbers go.
    const bool dates =
        PyUnicode_Check(kind.get()) && (PyUnicode_CompareWithASCIIString(kind.get(), "M") == 0 ||
                                        PyUnicode_CompareWithASCIIString(kind.get(), "m") == 0);
    const PyRef numbers(dates ? PyObject_CallMethod(obj, "view", "s", "i8") : Py_NewRef(obj));
    if (!numbers) return nullptr;
    BufferView memory;
    if (PyObject_GetBuffer(numbers.get(), &memory.view, PyBUF_FULL_RO) < 0) {
        if (!clear_refusal()) return nullptr;  // dates in a record, say
        Py_RETURN_NOTIMPLEMENTED;
    }
    const Py_buffer& view = memory.view;
    const char* const format = view.format ? view.format : "B";
    const bool crosses = !std::strchr(format, 'O') && std::strlen(format) <= MemoryLayout::kMaxFormat;
    if (!crosses || view.ndim == 0 || view.ndim > kMaxDims ||
        (!dates && PyBuffer_IsContiguous(&view, 'A'))) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    const Packed packed(view);
    const PyRef axes(tuple_of(packed.axes, packed.ndim));
    const PyRef strides(tuple_of(packed.strides, packed.ndim));
    const PyRef shape(tuple_of(view.shape, view.ndim));
    if (!axes || !strides || !shape) return nullptr;
    const PyRef in_order(PyObject_CallMethod(numbers.get(), "transpose", "O", axes.get()));
    const PyRef bytes(in_order ? PyMemoryView_FromObject(in_order.get()) : nullptr);
    if (!bytes) return nullptr;
    // numpy.ndarray(shape, dtype, buffer, offset, strides)
    return Py_BuildValue("O(OOOiO)", Py_TYPE(obj), shape.get(), dtype.get(), bytes.get(), 0, strides.get());
}

}  // namespace interpchannels
