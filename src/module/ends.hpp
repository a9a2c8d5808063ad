// What the files of the end types share: the object, its errors, and the methods that each file has.
//
// ends.cpp makes the two types and their method tables; send_recv.cpp has what waits for one item, batches.cpp what
// moves many, recv_into.cpp what receives one into the caller's memory, async.cpp what event loops wait for,
// counters.cpp the counters.
#pragma once

#include <initializer_list>

#include "crossing/encoder.hpp"
#include "module/state.hpp"

namespace interpchannels {

// An end object is one counted handle.
struct EndObject {
    PyObject_HEAD ModuleState* state;  // counted
    EndHandle handle;
};

#ifndef Py_GIL_DISABLED
static_assert(sizeof(EndObject) == 64, "with the collector's header a block of 80 bytes of CPython's");
#endif

inline EndObject& self_of(PyObject* self) noexcept { return *reinterpret_cast<EndObject*>(self); }
inline long long id_of(const EndObject& self) noexcept {
    return static_cast<long long>(self.handle.channel().id());
}
inline const char* name_of(Direction d) noexcept {
    return d == Direction::kSend ? "SendChannel" : "RecvChannel";
}

// --- send_recv.cpp. Attached, like every function here ---

// The exception for a status other than kOk and kInterrupted; `timeout` is what the caller was given, or
// nullptr. Returns nullptr.
PyObject* raise_status(EndObject& self, Status status, PyObject* timeout);
// ChannelFullError for a send that would wait. Returns nullptr.
PyObject* raise_full(EndObject& self);
// False with ChannelClosedError set where this handle is closed.
bool check_open(EndObject& self);
// Encodes obj for this end's channel, into `scratch` or onto the heap. kOk; kInterrupted with an exception
// set; kCancelled where the handle was closed meanwhile. Where `out` goes with its parcel, what obj moved (Buffers)
// comes back to it.
Status encode_for(EndObject& self, PyObject* obj, Outgoing& out, Scratch& scratch);
// Waits for the next parcel. kOk; kInterrupted with an exception set; otherwise for raise_status().
Status receive_parcel(EndObject& self, Parcel& parcel, Scratch& scratch, Nanos deadline);
// The value of a received parcel. A new reference, or nullptr with an exception set.
PyObject* value_of(EndObject& self, Parcel& parcel);

// The arguments of a fast call, by position or name. False with TypeError set.
bool named(const char* function, std::initializer_list<const char*> names, PyObject* const* args,
           Py_ssize_t nargs, PyObject* kwnames, Py_ssize_t required,
           std::initializer_list<PyObject**> values);

PyObject* send_send(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames);
PyObject* send_send_nowait(PyObject* self, PyObject* obj);
PyObject* recv_recv(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames);
PyObject* recv_recv_nowait(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames);
PyObject* recv_next(PyObject* self);

// --- counters.cpp ---

PyObject* end_stats(PyObject* self, PyObject*);

// --- batches.cpp ---

PyObject* send_send_many(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames);
PyObject* recv_recv_many(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames);
// recv_into.cpp
PyObject* recv_recv_into(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames);
// --- async.cpp ---

PyObject* recv_recv_async(PyObject* self, PyObject*);
PyObject* recv_anext(PyObject* self);
PyObject* recv_fileno(PyObject* self, PyObject*);
PyObject* send_send_async(PyObject* self, PyObject* obj);

}  // namespace interpchannels
