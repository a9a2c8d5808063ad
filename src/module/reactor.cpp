#include "module/reactor.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <new>

namespace interpchannels {

struct ReactorObject {
    PyObject_HEAD Interpreter* interpreter;  // one count
    Notifier* notifier;                      // likewise
    PyObject* weakrefs;
    Standing* first;   // every Standing that joined
    Standing* waking;  // the one whose future is being completed, as long as it is there
    bool again;        // some have `again`
    // Tells of the interpreter's end: in its group of waits while `entered`.
    Waiter alarm;
    bool entered;
};

namespace {

ReactorObject& reactor_of(PyObject* self) noexcept { return *reinterpret_cast<ReactorObject*>(self); }

void unlink(Standing& s) noexcept {
    (s.prev ? s.prev->next : s.reactor->first) = s.next;
    if (s.next) s.next->prev = s.prev;
    s.prev = s.next = nullptr;
}

// Completes the future where nobody has. False with an exception set.
bool complete(PyObject* future) {
    const PyRef done(PyObject_CallMethod(future, "done", nullptr));
    const int over = done ? PyObject_IsTrue(done.get()) : -1;
    if (over != 0) return over > 0;  // cancelled: its task will look after the rest
    return static_cast<bool>(PyRef(PyObject_CallMethod(future, "set_result", "O", Py_None)));
}

// Completes the future of one that was woken. That runs Python code, by which `s` may go at any time. Where there was
// no memory, the loop is to call again; another error is reported, since the others wait too.
void wake(ReactorObject& self, Standing& s) {
    s.again = false;
    if (!s.future) return;
    const PyRef future(std::exchange(s.future, nullptr));
    self.waking = &s;
    const bool done = complete(future.get());
    Standing* const still = std::exchange(self.waking, nullptr);
    if (done) return;
    if (still && !still->future && PyErr_ExceptionMatches(PyExc_MemoryError)) {
        still->future = Py_NewRef(future.get());
        still->again = self.again = true;
        PyErr_Clear();
        return;
    }
    PyErr_WriteUnraisable(future.get());
}

// Those for which there was no memory, until there is none once more.
void wake_again(ReactorObject& self) {
    if (!std::exchange(self.again, false)) return;
    for (Standing* s = self.first; s && !self.again;) {
        if (s->again) {
            wake(self, *s);
            s = self.first;  // the list may be another now
        } else {
            s = s->next;
        }
    }
}

// The interpreter ends, so nothing waits any more. Completing one runs Python code, which may change the list: hence
// from the start each time.
void end_all(ReactorObject& self) {
    for (Standing* s = self.first; s; s = s->next) s->ending = true;
    for (;;) {
        Standing* s = self.first;
        while (s && !s->future) s = s->next;
        if (!s) return;
        const PyRef future(std::exchange(s->future, nullptr));
        if (!complete(future.get())) PyErr_WriteUnraisable(future.get());
    }
}

// The alarm was popped. It is armed again, since a group is poked for other reasons too.
void look_around(ReactorObject& self) {
    self.alarm.word.store(Waiter::kWaiting, std::memory_order_relaxed);
    // Armed, then look: pairs with the fence in WaitGroup::wake_all().
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (self.interpreter->waits().ended()) end_all(self);
}

// wake(): the loop's callback.
PyObject* reactor_wake(PyObject* object, PyObject*) {
    const PyRef keep = PyRef::borrow(object);
    const Section section(object);
    ReactorObject& self = reactor_of(object);
    self.notifier->clear();
    wake_again(self);
    while (Waiter* const waiter = self.notifier->pop()) {
        if (waiter == &self.alarm) {
            look_around(self);
            continue;
        }
        auto& standing = *static_cast<Standing*>(waiter->owner);
        standing.told = true;
        wake(self, standing);
    }
    if (self.again) self.notifier->signal();
    Py_RETURN_NONE;
}

PyObject* reactor_fileno(PyObject* object, PyObject*) {
    return PyLong_FromLong(reactor_of(object).notifier->descriptor());
}

void reactor_dealloc(PyObject* object) {
    PyTypeObject* const type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    ReactorObject& self = reactor_of(object);
    if (self.weakrefs) PyObject_ClearWeakRefs(object);
    if (self.entered) self.interpreter->waits().leave(self.alarm);
    self.interpreter->unref();
    self.alarm.~Waiter();
    self.notifier->unref();
    type->tp_free(object);
    Py_DECREF(type);
}

PyMethodDef methods[] = {
    {"fileno", reactor_fileno, METH_NOARGS,
     "fileno($self)\n--\n\nThe descriptor that is readable when wake() has something to do."},
    {"wake", reactor_wake, METH_NOARGS, "wake($self)\n--\n\nComplete the futures of what was woken."},
    {nullptr, nullptr, 0, nullptr},
};

PyMemberDef members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(ReactorObject, weakrefs), Py_READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(reactor_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse_type)},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_doc, const_cast<char*>("What an event loop waits for: the waits of its tasks on channels.")},
    {0, nullptr},
};

PyType_Spec spec = {
    "interpchannels._interpchannels._Reactor",
    sizeof(ReactorObject),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    slots,
};

}  // namespace

int add_reactor_type(PyObject* module, ModuleState& state) {
    state.reactor_type = reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
    return state.reactor_type ? 0 : -1;
}

PyObject* raise_no_descriptor() {
    return errno == ENOMEM ? PyErr_NoMemory() : PyErr_SetFromErrno(PyExc_OSError);
}

// _make_reactor(). OSError where the process has no descriptor left.
PyObject* make_reactor(PyObject* module, PyObject*) {
    ModuleState& state = *state_of(module);
    Notifier* const notifier = Notifier::make();
    if (!notifier) return raise_no_descriptor();
    PyObject* const made = state.reactor_type->tp_alloc(state.reactor_type, 0);
    if (!made) {
        notifier->unref();
        return nullptr;
    }
    ReactorObject& self = reactor_of(made);
    self.interpreter = state.interpreter;
    self.interpreter->ref();
    self.notifier = notifier;
    new (&self.alarm) Waiter(notifier, true);
    // Where the group has ended nothing waits: whoever is about to looks at it once more.
    self.entered = state.interpreter->waits().enter(self.alarm);
    return made;
}

// --- one wait ---

std::unique_ptr<Standing> Standing::make(const Ref<CountedChannel>& channel, Outgoing* out) {
    std::unique_ptr<Standing> made(new (std::nothrow) Standing);
    if (!made) {
        PyErr_NoMemory();
        return {};
    }
    made->channel = channel;
    if (!out) return made;
    Parcel& parcel = out->parcel;
    if (!parcel.heap) {  // out of the scratch, which stays behind
        made->bytes.reset(new (std::nothrow) std::byte[parcel.size ? parcel.size : 1]);
        if (!made->bytes) {
            PyErr_NoMemory();
            return {};
        }
        std::copy_n(parcel.data, parcel.size, made->bytes.get());
        parcel.data = made->bytes.get();
    }
    made->out = std::move(*out);
    return made;
}

Standing::~Standing() {
    if (!reactor) return;
    Notifier* const notifier = reactor->notifier;
    Section section(object_of(reactor));
    unlink(*this);
    if (reactor->waking == this) reactor->waking = nullptr;
    PyObject* const last = std::exchange(future, nullptr);
    section.end();
    Py_XDECREF(last);
    Py_DECREF(object_of(std::exchange(reactor, nullptr)));
    watch.reset();
    offer.reset();
    notifier->unref();
}

bool join_loop(ModuleState& state, Standing& standing, std::int64_t sender) {
    PyObject* enter_loop = seen(state.enter_loop);
    if (!enter_loop) {
        const PyRef module(PyImport_ImportModule("interpchannels._async"));
        enter_loop = module ? PyObject_GetAttrString(module.get(), "enter_loop") : nullptr;
        if (!enter_loop) return false;
        enter_loop = set_once(state.enter_loop, enter_loop);
    }
    const PyRef both(PyObject_CallNoArgs(enter_loop));
    if (!both) return false;
    PyObject* reactor = nullptr;
    PyObject* future = nullptr;
    if (!PyArg_ParseTuple(both.get(), "O!O:enter_loop", state.reactor_type, &reactor, &future))
        return false;
    const Borrowed held(standing.reactor ? object_of(standing.reactor) : reactor);
    PyRef last;  // goes after the section
    const Section section(held.get());
    last = PyRef(std::exchange(standing.future, Py_NewRef(future)));
    standing.again = false;
    if (standing.reactor) return true;
    standing.reactor = reinterpret_cast<ReactorObject*>(Py_NewRef(reactor));
    ReactorObject& joined = *standing.reactor;
    joined.notifier->ref();
    standing.next = joined.first;
    if (joined.first) joined.first->prev = &standing;
    joined.first = &standing;
    if (sender == -1) {
        standing.watch.emplace(*standing.channel, *joined.notifier, Watch::Kind::kPromise);
    } else {
        standing.offer.emplace(*standing.channel, standing.out.parcel, sender, false, joined.notifier);
    }
    standing.waiter().owner = &standing;
    return true;
}

bool leave_line(Standing& standing) {
    // First, so that wake() passes it over while this thread is detached.
    const Borrowed held(object_of(standing.reactor));
    PyRef last;  // goes after the section
    const Section section(held.get());
    last = PyRef(std::exchange(standing.future, nullptr));
    const bool stands =
        standing.offer ? standing.offer->stands() : standing.watch && standing.watch->armed();
    if (!stands) return true;
    const bool withdrawn = detached([&] {
        if (standing.offer) return standing.offer->withdraw();
        standing.watch->cancel();
        return true;
    });
    standing.reactor->notifier->remove(standing.waiter());
    standing.told = true;
    return withdrawn;
}

bool let_go(std::unique_ptr<Standing>& standing) {
    if (!standing) return true;
    // Out of its owner's sight, so that nobody else lets it go meanwhile. Plain pointers: where the thread ends
    // while it is detached, nothing here is let go of.
    Standing* const gone = standing.release();
    PyObject* const pending = PyErr_GetRaisedException();
    const bool withdrawn = leave_line(*gone);
    delete gone;
    PyErr_SetRaisedException(pending);
    return withdrawn;
}

}  // namespace interpchannels
