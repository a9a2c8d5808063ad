// recv_async(), send_async(), `async for`, and fileno().
//
// The coroutine is an object of ours: a Python coroutine to whoever awaits it (collections.abc.Coroutine by its
// methods, so create_task() takes it), without a frame of its own. Where nobody has to wait it finishes in its first
// step, with no future and no event loop. Otherwise it joins its loop's reactor (reactor.hpp) and awaits a
// future that only says "look again".
//
// Invariants:
//  1. An item is taken in a step that returns it. A step that the task does not get (cancelled, its loop closed) has
//     taken nothing, and the wake-up that it was meant to get goes to the next in line.
//  2. A send that is given up is withdrawn; or, where a receiver was quicker, it was sent, and the exception
//     says so by its attribute `sent`.
//  3. Nothing that needs the GIL is held on the stack while the thread is detached.
//  4. Without a GIL `running` gives the object to one thread at a time; a section of the object protects that and `phase`.
#include "module/blocking.hpp"
#include "module/ends.hpp"
#include "module/reactor.hpp"

namespace interpchannels {
namespace {

enum class Kind : std::uint8_t { kRecv, kNext, kSend };
enum class Phase : std::uint8_t { kNew, kBegun, kOver };

struct AsyncObject {
    PyObject_HEAD EndObject* end;  // strong, until it is over
    PyObject* value;               // strong; a send's, until it is encoded
    PyObject* iterator;            // strong; of the future that it awaits
    Standing* standing;            // owned, once it had to wait
    Kind kind;
    Phase phase;
    bool running;
};

AsyncObject& async_of(PyObject* self) noexcept { return *reinterpret_cast<AsyncObject*>(self); }

const char* name_of(Kind kind) noexcept {
    return kind == Kind::kRecv   ? "RecvChannel.recv_async"
           : kind == Kind::kNext ? "RecvChannel.__anext__"
                                 : "SendChannel.send_async";
}

// Gives up what it stands in line for. Any exception that is set stays; one that a send was given up for gets
// `sent`, where it was too late. Detaches.
void give_up(AsyncObject& self) {
    std::unique_ptr<Standing> standing(std::exchange(self.standing, nullptr));
    if (let_go(standing) || !PyErr_Occurred()) return;
    const PyRef exception(PyErr_GetRaisedException());
    if (PyObject_SetAttrString(exception.get(), "sent", Py_True) < 0) PyErr_Clear();
    PyErr_SetRaisedException(Py_NewRef(exception.get()));
}

// Drops all that it holds. The parcel of a send goes here, attached.
void finish(AsyncObject& self) {
    {
        const Section section(reinterpret_cast<PyObject*>(&self));
        self.phase = Phase::kOver;
    }
    Py_CLEAR(self.iterator);
    give_up(self);
    Py_CLEAR(self.value);
    Py_CLEAR(self.end);
}

// --- the steps of an operation: kOk, and `result`; kWouldBlock: it stands in line, and has a future to await;
// kInterrupted with an exception set; or why it cannot be ---

constexpr std::int64_t kReceives = -1;

// A future of the running loop's, for one that stands in line or is about to.
Status ensure_future(AsyncObject& self, std::int64_t sender) {
    return join_loop(*self.end->state, *self.standing, sender) ? Status::kWouldBlock : Status::kInterrupted;
}

Status receive_now(AsyncObject& self, PyObject*& result) {
    EndObject& end = *self.end;
    CountedChannel& channel = end.handle.channel();
    Scratch scratch;
    Parcel parcel;
    Status status = channel.try_recv(parcel, scratch);
    if (status != Status::kContended && self.standing && self.standing->told) {
        // It was told, and this was the look that it owed.
        self.standing->watch->looked(status == Status::kOk || status == Status::kOkOwing);
    }
    if (status == Status::kOkOwing) {
        detached([&] { channel.settle(); });
        status = Status::kOk;
    }
    end.handle.refresh_hint();
    if (status != Status::kOk) return status;
    result = value_of(end, parcel);
    return result ? Status::kOk : Status::kInterrupted;
}

Status receive_step(AsyncObject& self, PyObject*& result) {
    EndObject& end = *self.end;
    if (!self.standing && end.handle.closed()) return Status::kCancelled;
    if (self.standing && self.standing->ending) leave_line(*self.standing);  // then it looks once more
    for (;;) {
        Status status = receive_now(self, result);
        if (status != Status::kWouldBlock && status != Status::kContended) return status;
        if (!self.standing) {
            self.standing = Standing::make(end.handle.channel_ref(), nullptr).release();
            if (!self.standing) return Status::kInterrupted;
        }
        Standing& standing = *self.standing;
        if (!standing.future && ensure_future(self, kReceives) != Status::kWouldBlock)
            return Status::kInterrupted;
        const bool told = std::exchange(standing.told, false);
        WaitGroup* const group = &end.state->interpreter->waits();
        status = standing.watch->try_arm(&end.handle.closed_flag(), group);
        if (status == Status::kContended) {
            status = detached([&] { return standing.watch->arm(&end.handle.closed_flag(), group); });
        }
        if (status == Status::kWouldBlock) return status;
        standing.told = told;
        if (status != Status::kOk) return status;
    }
}

Status send_step(AsyncObject& self) {
    EndObject& end = *self.end;
    const std::int64_t sender = end.state->interpreter->id();
    if (!self.standing) {
        if (end.handle.closed()) return Status::kCancelled;
        CountedChannel& channel = end.handle.channel();
        Scratch scratch;
        Outgoing out;
        Status status = encode_for(end, self.value, out, scratch);
        Py_CLEAR(self.value);
        if (status != Status::kOk) return status;
        status = channel.try_send(out.parcel, sender);
        if (status == Status::kOkOwing) {
            detached([&] { channel.settle(); });
            return Status::kOk;
        }
        if (status != Status::kWouldBlock && status != Status::kContended) return status;
        self.standing = Standing::make(end.handle.channel_ref(), &out).release();
        if (!self.standing) return Status::kInterrupted;
    }
    Standing& standing = *self.standing;
    if (standing.ending) return leave_line(standing) ? Status::kEnding : Status::kOk;
    // Before it stands in line, so that nothing fails once it may be taken.
    if (ensure_future(self, sender) != Status::kWouldBlock) return Status::kInterrupted;
    standing.told = false;
    return detached(
        [&] { return standing.offer->look(&end.handle.closed_flag(), &end.state->interpreter->waits()); });
}

// Returns PYGEN_RETURN and the result, or PYGEN_ERROR with an exception set.
PySendResult conclude(AsyncObject& self, Status status, PyObject* value, PyObject** result) {
    // As in receive(): where this was the last handle, closing it closed the channel too.
    if (status == Status::kClosed && self.end->handle.closed()) status = Status::kCancelled;
    if (status == Status::kOk) {
        *result = value ? value : Py_NewRef(Py_None);
    } else if (status == Status::kClosed && self.kind == Kind::kNext) {
        PyErr_SetNone(PyExc_StopAsyncIteration);
    } else if (status != Status::kInterrupted) {
        raise_status(*self.end, status, nullptr);
    }
    finish(self);
    return status == Status::kOk ? PYGEN_RETURN : PYGEN_ERROR;
}

// As far as it goes: until it awaits its future, or is over.
PySendResult advance(AsyncObject& self, PyObject* argument, PyObject** result) {
    for (;;) {
        // What it waits with is its reactor's as well, once it has joined one: in this step, with its loop's thread, it has
        // not been told of anything before it has returned.
        ReactorObject* const reactor = self.standing ? self.standing->reactor : nullptr;
        const Borrowed held(object_of(reactor));
        const Section section(held.get());
        if (self.iterator) {
            const PySendResult sent = PyIter_Send(self.iterator, argument, result);
            if (sent == PYGEN_NEXT) return sent;
            Py_CLEAR(self.iterator);
            if (sent == PYGEN_ERROR) {  // cancelled
                finish(self);
                return sent;
            }
            Py_CLEAR(*result);
        }
        PyObject* value = nullptr;
        Status status = Status::kWouldBlock;
        if (const Standing* const standing = self.standing;
            standing && !standing->told && !standing->ending) {
            // Somebody else completed its future: it still stands in line.
            status = ensure_future(self, kReceives);
        } else {
            status = self.kind == Kind::kSend ? send_step(self) : receive_step(self, value);
        }
        const Standing* const standing = self.standing;
        if (status != Status::kWouldBlock || !standing) return conclude(self, status, value, result);
        self.iterator = PyObject_CallMethod(standing->future, "__await__", nullptr);
        if (!self.iterator) return conclude(self, Status::kInterrupted, nullptr, result);
        argument = Py_None;
    }
}

// --- the coroutine ---

// False with an exception set, where no step can be made.
bool enter(PyObject* object) {
    const Section section(object);
    AsyncObject& self = async_of(object);
    if (self.running) {
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
    } else if (self.phase == Phase::kOver) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
    } else {
        self.phase = Phase::kBegun;
        return self.running = true;
    }
    return false;
}

void leave(PyObject* object) {
    const Section section(object);
    async_of(object).running = false;
}

PySendResult async_am_send(PyObject* object, PyObject* argument, PyObject** result) {
    AsyncObject& self = async_of(object);
    *result = nullptr;
    if (!enter(object)) return PYGEN_ERROR;
    const PySendResult sent = advance(self, argument, result);
    leave(object);
    return sent;
}

// What an iterator's method returns for it.
PyObject* as_iterator(PySendResult sent, PyObject* result) {
    if (sent != PYGEN_RETURN) return result;
    const PyRef value(result);
    // The instance made by hand: a value that is a tuple or an exception would be taken apart otherwise.
    const PyRef stop(PyObject_CallOneArg(PyExc_StopIteration, value.get()));
    if (stop) PyErr_SetObject(PyExc_StopIteration, stop.get());
    return nullptr;
}

PyObject* async_send(PyObject* object, PyObject* argument) {
    PyObject* result = nullptr;
    const PySendResult sent = async_am_send(object, argument, &result);
    return as_iterator(sent, result);
}

PyObject* async_next(PyObject* object) { return async_send(object, Py_None); }

// The exception that throw() is given.
void raise_thrown(PyObject* const* args, Py_ssize_t nargs) {
    if (PyExceptionInstance_Check(args[0])) {
        PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(args[0])), args[0]);
    } else if (PyExceptionClass_Check(args[0])) {
        PyErr_SetObject(args[0], nargs > 1 && args[1] != Py_None ? args[1] : nullptr);
    } else {
        PyErr_SetString(PyExc_TypeError,
                        "exceptions must be classes or instances deriving from BaseException");
    }
}

PyObject* async_throw(PyObject* object, PyObject* const* args, Py_ssize_t nargs) {
    AsyncObject& self = async_of(object);
    if (nargs < 1 || nargs > 3) {
        PyErr_Format(PyExc_TypeError, "throw expected 1 to 3 arguments, got %zd", nargs);
        return nullptr;
    }
    if (!enter(object)) return nullptr;
    PyObject* result = nullptr;
    if (!self.iterator) {
        raise_thrown(args, nargs);
    } else {
        const PyRef method(PyObject_GetAttrString(self.iterator, "throw"));
        result = method ? PyObject_Vectorcall(method.get(), args, static_cast<std::size_t>(nargs), nullptr)
                        : nullptr;
    }
    if (!result) finish(self);
    leave(object);
    return result;
}

PyObject* async_close(PyObject* object, PyObject*) {
    AsyncObject& self = async_of(object);
    Section section(object);
    const bool over = self.phase == Phase::kOver;
    section.end();
    if (over) Py_RETURN_NONE;
    if (!enter(object)) return nullptr;
    finish(self);
    leave(object);
    Py_RETURN_NONE;
}

PyObject* async_name(PyObject* object, void*) {
    return PyUnicode_FromString(name_of(async_of(object).kind));
}
PyObject* async_running(PyObject* object, void*) {
    const Section section(object);
    return PyBool_FromLong(async_of(object).running);
}

PyObject* async_repr(PyObject* object) {
    return PyUnicode_FromFormat("<coroutine %s at %p>", name_of(async_of(object).kind), object);
}

int async_traverse(PyObject* object, visitproc visit, void* arg) {
    const AsyncObject& self = async_of(object);
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self.end);
    Py_VISIT(self.value);
    Py_VISIT(self.iterator);
    if (self.standing) Py_VISIT(self.standing->future);
    return 0;
}

int async_clear(PyObject* object) {
    AsyncObject& self = async_of(object);
    if (!self.running) finish(self);
    return 0;
}

void async_finalize(PyObject* object) {
    AsyncObject& self = async_of(object);
    if (self.phase != Phase::kNew) return;
    PyObject* const pending = PyErr_GetRaisedException();
    if (PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "coroutine '%s' was never awaited", name_of(self.kind)) <
        0) {
        PyErr_WriteUnraisable(object);
    }
    PyErr_SetRaisedException(pending);
}

void async_dealloc(PyObject* object) {
    if (PyObject_CallFinalizerFromDealloc(object) < 0) return;  // resurrected
    PyTypeObject* const type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    PyObject* const pending = PyErr_GetRaisedException();
    finish(async_of(object));  // may detach; the object is unreachable by then
    PyErr_SetRaisedException(pending);
    type->tp_free(object);
    Py_DECREF(type);
}

PyMethodDef methods[] = {
    {"send", async_send, METH_O, "send($self, value, /)\n--\n\nAs a coroutine's."},
    {"throw", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(async_throw)), METH_FASTCALL,
     "throw($self, value, /)\n--\n\nAs a coroutine's."},
    {"close", async_close, METH_NOARGS, "close($self)\n--\n\nAs a coroutine's."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef getset[] = {
    {"__name__", async_name, nullptr, nullptr, nullptr},
    {"__qualname__", async_name, nullptr, nullptr, nullptr},
    {"cr_running", async_running, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(async_dealloc)},
    {Py_tp_finalize, reinterpret_cast<void*>(async_finalize)},
    {Py_tp_traverse, reinterpret_cast<void*>(async_traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(async_clear)},
    {Py_tp_repr, reinterpret_cast<void*>(async_repr)},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
    {Py_tp_iternext, reinterpret_cast<void*>(async_next)},
    {Py_am_await, reinterpret_cast<void*>(PyObject_SelfIter)},
    {Py_am_send, reinterpret_cast<void*>(async_am_send)},
    {Py_tp_doc, const_cast<char*>("What recv_async() and send_async() return: await it once.")},
    {0, nullptr},
};

PyType_Spec spec = {
    "interpchannels._interpchannels._Coroutine",
    sizeof(AsyncObject),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    slots,
};

PyObject* make(PyObject* end, Kind kind, PyObject* value) {
    PyTypeObject* const type = self_of(end).state->async_type;
    PyObject* const made = type->tp_alloc(type, 0);
    if (!made) return nullptr;
    AsyncObject& self = async_of(made);
    self.end = reinterpret_cast<EndObject*>(Py_NewRef(end));
    self.value = Py_XNewRef(value);
    self.kind = kind;
    return made;
}

}  // namespace

int add_async_types(PyObject* module, ModuleState& state) {
    state.async_type = reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
    return state.async_type ? add_reactor_type(module, state) : -1;
}

PyObject* recv_recv_async(PyObject* self, PyObject*) { return make(self, Kind::kRecv, nullptr); }
PyObject* recv_anext(PyObject* self) { return make(self, Kind::kNext, nullptr); }
PyObject* send_send_async(PyObject* self, PyObject* obj) { return make(self, Kind::kSend, obj); }

PyObject* recv_fileno(PyObject* self, PyObject*) {
    if (!check_open(self_of(self))) return nullptr;
    const int descriptor = self_of(self).handle.descriptor();
    return descriptor < 0 ? raise_no_descriptor() : PyLong_FromLong(descriptor);
}

}  // namespace interpchannels
