// recv_into(): an item that is bytes, straight into memory that the receiver has.
//
// The memory is exported for as long as the call takes, so it stays where it is and as large as it is, and a
// Buffer that is received into cannot be sent meanwhile.
#include "crossing/decode_into.hpp"
#include "module/blocking.hpp"
#include "module/ends.hpp"

namespace interpchannels {
namespace {

class Target {
public:
    Target() = default;
    // A thread that unwinds while detached leaves the export to the interpreter's end.
    ~Target() {
        if (view_.obj && attached_state()) PyBuffer_Release(&view_);
    }
    Target(const Target&) = delete;
    Target& operator=(const Target&) = delete;

    // False with an exception set: TypeError, or the exporter's own.
    bool open(PyObject* writable) {
        if (!PyObject_CheckBuffer(writable)) {
            PyErr_Format(
                PyExc_TypeError,
                "recv_into() needs writable memory (a bytearray, memoryview, Buffer or array), not "
                "%.200s",
                Py_TYPE(writable)->tp_name);
            return false;
        }
        return PyObject_GetBuffer(writable, &view_, PyBUF_WRITABLE) == 0;
    }
    void* data() const noexcept { return view_.buf; }
    std::size_t size() const noexcept { return static_cast<std::size_t>(view_.len); }

private:
    Py_buffer view_{};
};

// The item did not go into the memory: it is decoded as recv() does it, and the error has it as `item`, so that it
// is not lost. Returns nullptr.
PyObject* raise_with_item(EndObject& self, Parcel& parcel, bool is_bytes, std::size_t size,
                          std::size_t room) {
    const PyRef item(value_of(self, parcel));
    if (!item) return nullptr;
    if (is_bytes) {
        PyErr_Format(
            PyExc_ValueError,
            "the item from channel %lld has %zu bytes, and the memory given to recv_into() has room for "
            "%zu; the item is this error's `item`",
            id_of(self), size, room);
    } else {
        PyErr_Format(
            PyExc_TypeError,
            "recv_into() receives bytes, bytearray, memoryview and Buffer, and the item from channel "
            "%lld is %.200s; it is this error's `item`",
            id_of(self), Py_TYPE(item.get())->tp_name);
    }
    const PyRef error(PyErr_GetRaisedException());
    if (PyObject_SetAttrString(error.get(), "item", item.get()) < 0) return nullptr;
    PyErr_SetRaisedException(Py_NewRef(error.get()));
    return nullptr;
}

}  // namespace

PyObject* recv_recv_into(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    PyObject* writable = nullptr;
    PyObject* timeout = nullptr;
    if (!named("recv_into", {"writable", "timeout"}, args, nargs, kwnames, 1, {&writable, &timeout}) ||
        !writable) {
        return nullptr;
    }
    Nanos deadline = kNever;
    if (timeout && !parse_timeout(timeout, deadline)) return nullptr;
    if (!check_open(self_of(self))) return nullptr;
    Target target;
    if (!target.open(writable)) return nullptr;

    Scratch scratch;
    Parcel parcel;
    const Status status = receive_parcel(self_of(self), parcel, scratch, deadline);
    if (status == Status::kInterrupted) return nullptr;
    if (status != Status::kOk) return raise_status(self_of(self), status, timeout);
    std::size_t size = 0;
    switch (decode_into(parcel, target.data(), target.size(), size)) {
    case Into::kDone:
        return PyLong_FromSize_t(size);
    case Into::kTooLarge:
        return raise_with_item(self_of(self), parcel, true, size, target.size());
    case Into::kNoBytes:
        return raise_with_item(self_of(self), parcel, false, size, target.size());
    case Into::kLost:
        break;
    }
    return value_of(self_of(self), parcel);  // which says that it is lost
}

}  // namespace interpchannels
