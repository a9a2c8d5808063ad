// The Python type behind every memoryview that arrives: memory that lies outside of the interpreter.
//
// It owns one attachment, a Block (a private copy) or a View (another interpreter's buffer), and exports it
// with the format and shape that it had, C-contiguous or strided as it was. The last memoryview to go frees
// it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "channel/parcel.hpp"
#include "interpreter/python.hpp"

namespace interpchannels {

// The layout of a buffer, without its data. Shape and strides in bytes as in Py_buffer.
struct MemoryLayout {
    static constexpr int kMaxDims = 64;  // PyBUF_MAX_NDIM
    static constexpr int kMaxFormat = 255;
    Py_ssize_t nbytes = 0;
    Py_ssize_t itemsize = 1;
    std::int32_t ndim = 1;
    std::uint8_t readonly = 0;
    std::uint8_t format_size = 0;  // 0: "B"
    char format[kMaxFormat + 1] = {0};
    Py_ssize_t shape[kMaxDims] = {0};
    Py_ssize_t strides[kMaxDims] = {0};
};

// Whether it is that of a private copy of `size` bytes: contiguous, and all of it. So no view over it reads beyond.
bool describes_copy(const MemoryLayout& layout, std::size_t size) noexcept;

// The heap type, for one module. A new reference.
PyTypeObject* make_memory_type(PyObject* module);

// A memoryview over `data`, which belongs to `owner` (an attachment that is released with the last view;
// taken over even on failure). Attached. nullptr with an exception set.
PyObject* memoryview_over(PyTypeObject* memory_type, Attachment* owner, void* data,
                          const MemoryLayout& layout);

}  // namespace interpchannels
