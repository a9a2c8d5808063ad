#include "crossing/buffer.hpp"

#include <atomic>
#include <new>

#include "crossing/pages.hpp"
#include "interpreter/without_gil.hpp"

namespace interpchannels {

// Everything under the GIL of its interpreter, or in a section of the object; the link is the list's.
struct BufferObject {
    PyObject_HEAD BufferMemory* memory;  // nullptr: moved for good
    BufferObject* next_moved;            // belongs to the MovedBuffers that it is in
    Py_ssize_t exports;
    bool under_way;  // a send holds the memory
};

namespace {

std::atomic<std::int64_t> live_count{0};  // relaxed: a statistic

BufferObject& self_of(PyObject* self) noexcept { return *reinterpret_cast<BufferObject*>(self); }
PyObject* object_of(BufferObject& self) noexcept { return reinterpret_cast<PyObject*>(&self); }

bool is_detached(const BufferObject& self) noexcept { return !self.memory || self.under_way; }

// False with ValueError set.
bool check_here(const BufferObject& self) {
    if (!is_detached(self)) return true;
    PyErr_SetString(PyExc_ValueError, self.memory
                                          ? "this Buffer is detached: a send holds its memory"
                                          : "this Buffer is detached: it was sent, and its memory belongs "
                                            "to whoever receives it");
    return false;
}

// --- the type ---

PyObject* out_of_memory(std::size_t size) {
    return PyErr_Format(PyExc_MemoryError, "there is no memory for a Buffer of %zu bytes", size);
}

// `size` bytes of it are zero. nullptr with an exception set.
PyObject* new_zeroed(PyTypeObject* type, std::size_t size) {
    BufferMemory* const memory = BufferMemory::make(size);
    return memory ? buffer_over(type, memory) : out_of_memory(size);
}

PyObject* new_copy(PyTypeObject* type, PyObject* source) {
    Py_buffer view;
    if (PyObject_GetBuffer(source, &view, PyBUF_FULL_RO) < 0) return nullptr;
    PyRef self(new_zeroed(type, static_cast<std::size_t>(view.len)));
    if (self && PyBuffer_ToContiguous(self_of(self.get()).memory->data(), &view, view.len, 'C') < 0) {
        self = PyRef();
    }
    PyBuffer_Release(&view);
    return self.release();
}

// As bytearray has it: what is an index is a size, even where it is a buffer as well.
PyObject* buffer_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    if (kwargs && PyDict_GET_SIZE(kwargs) != 0) {
        PyErr_SetString(PyExc_TypeError, "Buffer() takes no keyword arguments");
        return nullptr;
    }
    PyObject* source = nullptr;
    if (!PyArg_UnpackTuple(args, "Buffer", 1, 1, &source)) return nullptr;
    if (PyIndex_Check(source)) {
        const Py_ssize_t size = PyNumber_AsSsize_t(source, PyExc_OverflowError);
        if (size == -1 && PyErr_Occurred()) {
            if (!PyErr_ExceptionMatches(PyExc_TypeError) || !PyObject_CheckBuffer(source)) return nullptr;
            PyErr_Clear();  // an array of numbers, say
        } else if (size < 0) {
            return PyErr_Format(PyExc_ValueError, "a Buffer's size must not be negative, and %zd is", size);
        } else {
            return new_zeroed(type, static_cast<std::size_t>(size));
        }
    }
    if (!PyObject_CheckBuffer(source)) {
        return PyErr_Format(PyExc_TypeError,
                            "Buffer() takes a number of bytes, or an object whose memory it copies (bytes, "
                            "bytearray, memoryview, an array), not %.200s",
                            Py_TYPE(source)->tp_name);
    }
    return new_copy(type, source);
}

void buffer_dealloc(PyObject* self) {
    PyTypeObject* const type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    // No view is left, since a view holds a reference; nor a send, which does so too.
    if (self_of(self).memory) self_of(self).memory->release();
    type->tp_free(self);
    Py_DECREF(type);
}

int buffer_getbuffer(PyObject* self, Py_buffer* view, int flags) {
    const Section section(self);
    if (!check_here(self_of(self))) {
        view->obj = nullptr;
        return -1;
    }
    BufferMemory& memory = *self_of(self).memory;
    const int result = PyBuffer_FillInfo(view, self, memory.data(), static_cast<Py_ssize_t>(memory.size()),
                                         /*readonly=*/0, flags);
    if (result == 0) ++self_of(self).exports;
    return result;
}

void buffer_releasebuffer(PyObject* self, Py_buffer*) {
    const Section section(self);
    --self_of(self).exports;
}

Py_ssize_t buffer_length(PyObject* self) {
    const Section section(self);
    return check_here(self_of(self)) ? static_cast<Py_ssize_t>(self_of(self).memory->size()) : -1;
}

PyObject* buffer_detached(PyObject* self, void*) {
    const Section section(self);
    return PyBool_FromLong(is_detached(self_of(self)));
}

PyObject* buffer_repr(PyObject* self) {
    const Section section(self);
    if (is_detached(self_of(self))) return PyUnicode_FromString("<Buffer detached>");
    return PyUnicode_FromFormat("<Buffer of %zu bytes>", self_of(self).memory->size());
}

PyObject* buffer_reduce(PyObject*, PyObject*) {
    PyErr_SetString(
        PyExc_TypeError,
        "a Buffer cannot be pickled or copied this way: send it through a channel, which moves it, "
        "or take bytes(buffer) or Buffer(buffer)");
    return nullptr;
}

PyMethodDef methods[] = {
    {"__reduce__", buffer_reduce, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef getset[] = {
    {"detached", buffer_detached, nullptr,
     "True once this Buffer was sent, and while a send holds it: its memory is elsewhere.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

constexpr const char* doc =
    "Buffer(source, /)\n--\n\n"
    "Memory outside of every interpreter, which send() moves instead of copying it.\n\n"
    "Buffer(n) has n bytes, all zero; Buffer(obj) a copy of obj's memory (bytes, bytearray, memoryview, "
    "an\n"
    "array). It is written and read through the buffer protocol: memoryview(buffer), "
    "numpy.frombuffer().\n\n"
    "Sending one, alone or inside of another value, takes as long whatever its size. The sender's Buffer "
    "is\n"
    "then detached: using it raises ValueError. The receiver gets a Buffer with the same memory, and may "
    "send\n"
    "it on. BufferError where a memoryview or an array over it is alive, since two interpreters would "
    "write\n"
    "to it: release it first. A send that fails (TimeoutError, ChannelClosedError, NotShareableError, an\n"
    "interrupt) gives the memory back.\n\n"
    "ValueError for a negative size, TypeError for what is neither a size nor has memory, MemoryError or\n"
    "OverflowError for too many bytes. Never blocks; for all threads of the interpreter that has it.\n\n"
    ">>> buffer = interpchannels.Buffer(3)\n"
    ">>> with memoryview(buffer) as view:\n"
    "...     view[:] = b'abc'\n"
    ">>> recv, send = interpchannels.create()\n"
    ">>> send.send(buffer)\n"
    ">>> buffer.detached\n"
    "True\n"
    ">>> bytes(recv.recv())\n"
    "b'abc'";

PyType_Slot slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(buffer_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(buffer_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse_type)},
    {Py_tp_repr, reinterpret_cast<void*>(buffer_repr)},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_doc, const_cast<char*>(doc)},
    {Py_sq_length, reinterpret_cast<void*>(buffer_length)},
    {Py_bf_getbuffer, reinterpret_cast<void*>(buffer_getbuffer)},
    {Py_bf_releasebuffer, reinterpret_cast<void*>(buffer_releasebuffer)},
    {0, nullptr},
};

PyType_Spec spec = {
    "interpchannels.Buffer",
    sizeof(BufferObject),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    slots,
};

}  // namespace

// --- the memory ---

BufferMemory::BufferMemory(std::byte* data, std::size_t size) noexcept : data_(data), size_(size) {
    live_count.fetch_add(1, std::memory_order_relaxed);
}

BufferMemory::~BufferMemory() {
    free_zeroed(data_, size_);
    live_count.fetch_sub(1, std::memory_order_relaxed);
}

BufferMemory* BufferMemory::make(std::size_t size) noexcept {
    auto* const data = static_cast<std::byte*>(allocate_zeroed(size));
    if (!data) return nullptr;
    auto* const memory = new (std::nothrow) BufferMemory(data, size);
    if (!memory) free_zeroed(data, size);
    return memory;
}

void BufferMemory::release() noexcept { delete this; }

std::int64_t BufferMemory::live() noexcept { return live_count.load(std::memory_order_relaxed); }

// --- moving it ---

BufferMemory* MovedBuffers::take_from(PyObject* buffer) {
    BufferObject& self = self_of(buffer);
    const Section section(buffer);
    if (!check_here(self)) return nullptr;
    if (self.exports != 0) {
        PyErr_Format(
            PyExc_BufferError,
            "this Buffer has %zd live view%s (a memoryview, or an array over it), so it cannot be moved: "
            "release() or delete what looks at it, then send it",
            self.exports, self.exports == 1 ? "" : "s");
        return nullptr;
    }
    Py_INCREF(buffer);
    self.under_way = true;
    self.next_moved = nullptr;
    (last_ ? last_->next_moved : first_) = &self;
    last_ = &self;
    return self.memory;
}

BufferObject* MovedBuffers::pop() noexcept {
    BufferObject* const first = first_;
    first_ = std::exchange(first->next_moved, nullptr);
    if (!first_) last_ = nullptr;
    return first;
}

void MovedBuffers::settle_all(Attachment*& attachments) noexcept {
    if (!attached_state()) return;
    // Both are in the order in which the encoder met them.
    for (Attachment** at = &attachments; *at && first_;) {
        if (*at != first_->memory) {
            at = &(*at)->next;
            continue;
        }
        *at = std::exchange((*at)->next, nullptr);
        BufferObject* const back = pop();
        Section section(object_of(*back));
        back->under_way = false;
        section.end();
        Py_DECREF(object_of(*back));
    }
    if (first_) let_go();
}

void MovedBuffers::let_go() noexcept {
    if (!attached_state()) return;
    while (first_) {
        BufferObject* const moved = pop();
        Section section(object_of(*moved));
        moved->memory = nullptr;
        moved->under_way = false;
        section.end();
        Py_DECREF(object_of(*moved));
    }
}

PyTypeObject* make_buffer_type(PyObject* module) {
    return reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
}

PyObject* buffer_over(PyTypeObject* buffer_type, BufferMemory* memory) {
    PyObject* const self = buffer_type->tp_alloc(buffer_type, 0);
    if (!self) {
        memory->release();
        return nullptr;
    }
    self_of(self).memory = memory;
    return self;
}

}  // namespace interpchannels
