#include "crossing/memory.hpp"

#include <cstring>
#include <new>

namespace interpchannels {
namespace {

struct MemoryObject {
    PyObject_HEAD Attachment* owner;
    void* data;
    MemoryLayout* layout;
};

MemoryObject* self_of(PyObject* self) noexcept { return reinterpret_cast<MemoryObject*>(self); }

int memory_getbuffer(PyObject* self, Py_buffer* view, int flags) {
    const MemoryLayout& layout = *self_of(self)->layout;
    if ((flags & PyBUF_WRITABLE) && layout.readonly) {
        PyErr_SetString(PyExc_BufferError, "this memory was sent from a read-only buffer");
        view->obj = nullptr;
        return -1;
    }
    view->buf = self_of(self)->data;
    view->obj = Py_NewRef(self);
    view->len = layout.nbytes;
    view->readonly = layout.readonly;
    view->itemsize = layout.itemsize;
    view->ndim = layout.ndim;
    view->format = nullptr;
    if (flags & PyBUF_FORMAT) {
        view->format = const_cast<char*>(layout.format_size ? layout.format : "B");
    }
    view->shape = (flags & PyBUF_ND) ? const_cast<Py_ssize_t*>(layout.shape) : nullptr;
    view->strides = nullptr;
    if ((flags & PyBUF_STRIDES) == PyBUF_STRIDES) {
        view->strides = const_cast<Py_ssize_t*>(layout.strides);
    }
    view->suboffsets = nullptr;
    view->internal = nullptr;
    return 0;
}

void memory_dealloc(PyObject* self) {
    PyTypeObject* const type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    MemoryObject* const memory = self_of(self);
    if (memory->owner) memory->owner->release();
    delete memory->layout;
    type->tp_free(self);
    Py_DECREF(type);
}

PyType_Slot slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(memory_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse_type)},
    {Py_tp_doc,
     const_cast<char*>("Memory outside of every interpreter, behind a memoryview that arrived.")},
    {Py_bf_getbuffer, reinterpret_cast<void*>(memory_getbuffer)},
    {0, nullptr},
};

PyType_Spec spec = {
    "interpchannels._interpchannels._Memory",
    sizeof(MemoryObject),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    slots,
};

// What a memoryview reads for one element of these formats, whatever the itemsize; 0: it reads none of others.
std::size_t native_size(const char* format) noexcept {
    if (*format == '@') ++format;
    if (*format == 0 || format[1] != 0) return 0;
    switch (*format) {
    case 'c':
    case 'b':
    case 'B':
        return 1;
    case '?':
        return sizeof(bool);
    case 'h':
    case 'H':
    case 'e':
        return 2;
    case 'i':
    case 'I':
        return sizeof(int);
    case 'l':
    case 'L':
        return sizeof(long);
    case 'q':
    case 'Q':
        return sizeof(long long);
    case 'n':
    case 'N':
        return sizeof(Py_ssize_t);
    case 'f':
        return sizeof(float);
    case 'd':
        return sizeof(double);
    case 'P':
        return sizeof(void*);
    default:
        return 0;
    }
}

}  // namespace

bool describes_copy(const MemoryLayout& layout, std::size_t size) noexcept {
    if (layout.itemsize < 0 || layout.nbytes < 0 || static_cast<std::size_t>(layout.nbytes) != size)
        return false;
    const std::size_t native = native_size(layout.format_size ? layout.format : "B");
    if (native != 0 && native != static_cast<std::size_t>(layout.itemsize)) return false;
    Py_ssize_t stride = layout.itemsize;
    for (int i = layout.ndim - 1; i >= 0; --i) {
        if (layout.shape[i] < 0 || layout.strides[i] != stride) return false;
        if (layout.shape[i] != 0 && stride > PY_SSIZE_T_MAX / layout.shape[i]) return false;
        stride *= layout.shape[i];
    }
    return stride == layout.nbytes;
}

PyTypeObject* make_memory_type(PyObject* module) {
    return reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
}

PyObject* memoryview_over(PyTypeObject* memory_type, Attachment* owner, void* data,
                          const MemoryLayout& layout) {
    auto* kept = new (std::nothrow) MemoryLayout(layout);
    const PyRef self(kept ? memory_type->tp_alloc(memory_type, 0) : PyErr_NoMemory());
    if (!self) {
        delete kept;
        owner->release();
        return nullptr;
    }
    self_of(self.get())->owner = owner;
    self_of(self.get())->data = data;
    self_of(self.get())->layout = kept;
    return PyMemoryView_FromObject(self.get());
}

}  // namespace interpchannels
