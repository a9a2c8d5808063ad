// select(): one of several sends and receives, whichever can happen first.
//
// Everything is encoded before anything is tried, so that an object that cannot cross is an error always and
// not by chance. Where an operation can be done now, it is done attached, in one bounded try; otherwise the
// engine's Select waits, detached.
#include <algorithm>
#include <memory>
#include <new>

#include "channel/select.hpp"
#include "module/blocking.hpp"
#include "module/ends.hpp"

namespace interpchannels {
namespace {

// One operation: its end, and for a send the parcel, whose bytes are kept beside it.
struct Op {
    EndObject* end = nullptr;
    Outgoing out;
    std::unique_ptr<std::byte[]> bytes;
};

// All that a call holds. The tuple of arguments keeps the ends alive.
struct Ops {
    std::unique_ptr<Op[]> ops;
    std::unique_ptr<SelectOp[]> select;
    std::size_t count = 0;
};

// args[i] as an operation. False with an exception set.
bool read_op(ModuleState& state, PyObject* arg, std::size_t i, Op& op) {
    PyObject* end = arg;
    PyObject* value = nullptr;
    if (PyTuple_Check(arg) && PyTuple_GET_SIZE(arg) == 2) {
        end = PyTuple_GET_ITEM(arg, 0);
        value = PyTuple_GET_ITEM(arg, 1);
    }
    if (!Py_IS_TYPE(end, value ? state.send_type : state.recv_type)) {
        const char* const hint =
            value && Py_IS_TYPE(end, state.recv_type)    ? "; to receive, pass the end alone"
            : !value && Py_IS_TYPE(end, state.send_type) ? "; to send, pass (end, object)"
                                                         : "";
        PyErr_Format(
            PyExc_TypeError,
            "select() takes a RecvChannel or (SendChannel, object) for each operation; number %zu is "
            "%s%.200s%s",
            i + 1, value ? "a tuple that begins with " : "", Py_TYPE(end)->tp_name, hint);
        return false;
    }
    op.end = reinterpret_cast<EndObject*>(end);
    if (!check_open(*op.end)) return false;
    if (!value) return true;

    Scratch scratch;
    const Status status = encode_for(*op.end, value, op.out, scratch);
    if (status != Status::kOk) {
        if (status != Status::kInterrupted) raise_status(*op.end, status, nullptr);
        return false;
    }
    Parcel& parcel = op.out.parcel;
    if (parcel.heap) return true;
    // Out of the scratch, which is used for the next one.
    op.bytes.reset(new (std::nothrow) std::byte[parcel.size ? parcel.size : 1]);
    if (!op.bytes) {
        PyErr_NoMemory();
        return false;
    }
    std::copy_n(parcel.data, parcel.size, op.bytes.get());
    parcel.data = op.bytes.get();
    return true;
}

bool read_ops(ModuleState& state, PyObject* const* args, std::size_t count, Ops& out) {
    if (count > std::size_t{1} << 24) {  // far more than a call can have; the compiler does not know
        PyErr_NoMemory();
        return false;
    }
    out.ops.reset(new (std::nothrow) Op[count]);
    out.select.reset(new (std::nothrow) SelectOp[count]);
    if (!out.ops || !out.select) {
        PyErr_NoMemory();
        return false;
    }
    out.count = count;
    for (std::size_t i = 0; i < count; ++i) {
        if (!read_op(state, args[i], i, out.ops[i])) return false;
    }
    for (std::size_t i = 0; i < count; ++i) {
        Op& op = out.ops[i];
        SelectOp& select = out.select[i];
        select.channel = &op.end->handle.channel();
        select.cancelled = &op.end->handle.closed_flag();
        select.parcel = op.end->handle.direction() == Direction::kSend ? &op.out.parcel : nullptr;
    }
    return true;
}

// (end, value), into the pair of None that was made beforehand: a send that was done must not fail any more.
PyObject* result_of(Ops& ops, std::size_t index, Parcel& received, HeldRef& pair) {
    Op& op = ops.ops[index];
    if (op.end->handle.direction() == Direction::kRecv) {
        PyObject* const value = value_of(*op.end, received);
        if (!value) return nullptr;
        PyTuple_SET_ITEM(pair.get(), 1, value);
    }
    PyTuple_SET_ITEM(pair.get(), 0, Py_NewRef(reinterpret_cast<PyObject*>(op.end)));
    return pair.release();
}

}  // namespace

// Attached; a new reference.
PyObject* select_ops(PyObject* module, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    ModuleState& state = *state_of(module);
    PyObject* timeout = nullptr;
    PyObject* fallback = nullptr;
    for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); ++k) {
        PyObject* const key = PyTuple_GET_ITEM(kwnames, k);
        if (PyUnicode_CompareWithASCIIString(key, "timeout") == 0) {
            timeout = args[nargs + k];
        } else if (PyUnicode_CompareWithASCIIString(key, "default") == 0) {
            fallback = args[nargs + k];
        } else {
            PyErr_Format(PyExc_TypeError, "select() got an unexpected keyword argument %R", key);
            return nullptr;
        }
    }
    if (nargs == 0) {
        PyErr_SetString(PyExc_ValueError,
                        "select() needs at least one operation: a RecvChannel, or (SendChannel, object)");
        return nullptr;
    }
    Nanos deadline = kNever;
    if (timeout && !parse_timeout(timeout, deadline)) return nullptr;
    if (fallback && (!timeout || timeout == Py_None)) deadline = 0;

    Ops ops;
    if (!read_ops(state, args, static_cast<std::size_t>(nargs), ops)) return nullptr;
    HeldRef pair(PyTuple_Pack(2, Py_None, Py_None));
    if (!pair) return nullptr;
    // Encoding can run Python code, which may have closed an end that was open.
    Parcel received;
    Scratch scratch;
    Select select(ops.select.get(), ops.count, state.interpreter->id(), received, scratch,
                  state.next_random());
    const Status status = blocking_select(state, select, ops.select.get(), deadline);
    for (std::size_t i = 0; i < ops.count; ++i) ops.ops[i].end->handle.refresh_hint();
    if (status == Status::kOk) return result_of(ops, select.index(), received, pair);
    if (status == Status::kInterrupted) return nullptr;
    if (status == Status::kTimeout) {
        if (fallback) return Py_NewRef(fallback);
        PyErr_Format(PyExc_TimeoutError,
                     "select timed out: none of %zd operations could be done within %R seconds", nargs,
                     timeout);
        return nullptr;
    }
    // Which end it is about; where it is about none (memory, the interpreter's end), the first will do.
    EndObject& end = *ops.ops[select.index() == Select::kNone ? 0 : select.index()].end;
    // As in receive(): closing the last handle closed the channel too.
    const bool own = status == Status::kClosed && end.handle.closed();
    return raise_status(end, own ? Status::kCancelled : status, nullptr);
}

}  // namespace interpchannels
