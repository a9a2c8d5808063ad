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
    MemoryObject* const memory = self_of(self);
    if (memory->owner) memory->owner->release();
    delete memory->layout;
    type->tp_free(self);
    Py_DECREF(type);
}

PyType_Slot slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(memory_dealloc)},
    {Py_tp_doc,
     const_cast<char*>("Memory outside of every interpreter, behind a memoryview that arrived.")},
    {Py_bf_getbuffer, reinterpret_cast<void*>(memory_getbuffer)},
    {0, nullptr},
};

PyType_Spec spec = {
    "interpchannels._interpchannels._Memory",
    sizeof(MemoryObject),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    slots,
};

}  // namespace

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
