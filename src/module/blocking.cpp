#include "module/blocking.hpp"

#include <cmath>

#include "channel/offer.hpp"

namespace interpchannels {
namespace {

// A signal that another thread took is seen within this, and likewise what another thread asks of this one (catch_up()).
constexpr Nanos kSignalSlice = 100'000'000;

std::atomic<unsigned long> signal_thread{0};

bool handles_signals(Context& context) noexcept {
    return context.interpreter->is_main() &&
           PyThread_get_thread_ident() == signal_thread.load(std::memory_order_relaxed);
}

WaitFor wait_for(Context& context, Nanos deadline, const std::atomic<bool>* cancelled) noexcept {
    WaitFor wait;
    wait.deadline = deadline;
    wait.cancelled = cancelled;
    wait.group = &context.interpreter->waits();
    wait.pokes = wait.group->pokes();  // before looking around: a poke meanwhile is seen by the wait
    context.interpreter->look_around();
    if (handles_signals(context)) {
        wait.interruptible = true;
        wait.slice = kSignalSlice;
    }
#ifdef Py_GIL_DISABLED
    else {
        wait.slice = kSignalSlice;
        wait.asked = &PyThreadState_Get()->eval_breaker;
    }
#endif
    return wait;
}

// What a thread does between bytecodes, when it was interrupted. 0; or -1 with an exception set.
//
// Without a GIL an object belongs to the thread that made it, and where another drops the last reference it is freed by
// its owner, when that runs bytecode. The owner may be the one who waits here, and the object what keeps the channel's
// last sender open: so it would wait for itself.
int catch_up() {
    if (PyErr_CheckSignals() < 0) return -1;
#ifdef Py_GIL_DISABLED
    if (__atomic_load_n(&PyThreadState_Get()->eval_breaker, __ATOMIC_RELAXED) == 0) return 0;
    const PyRef globals(PyDict_New());
    const PyRef none(globals ? PyRun_String("None", Py_eval_input, globals.get(), globals.get()) : nullptr);
    return none ? 0 : -1;
#else
    return 0;
#endif
}

// Raises an exception that came too late for the call that was waiting, as soon as bytecode runs again.
int raise_late(void* exception) {
    PyErr_SetRaisedException(static_cast<PyObject*>(exception));
    return -1;
}

// Takes over the exception of a signal handler, where nothing was sent.
Status raise_now(PyObject* exception) {
    PyErr_SetRaisedException(exception);
    return Status::kInterrupted;
}

// The same where the parcel was taken meanwhile: the send succeeded, and the exception comes right after it.
Status raise_after(PyObject* exception) {
    if (Py_AddPendingCall(raise_late, exception) != 0) return raise_now(exception);
    return Status::kOk;
}

}  // namespace

void set_signal_thread(unsigned long ident) noexcept {
    signal_thread.store(ident, std::memory_order_relaxed);
}

Status blocking_send_rest(Context& context, Channel& channel, Parcel& parcel, Status tried,
                          bool until_taken, Nanos deadline, const std::atomic<bool>* cancelled) {
    Status status = tried;
    if (status == Status::kOkOwing) {
        detached([&] { channel.settle(); });
        return Status::kOk;
    }
    if (status == Status::kWouldBlock && deadline == 0 && !until_taken) return Status::kTimeout;
    if (status != Status::kWouldBlock && status != Status::kContended) return status;

    Offer offer(channel, parcel, context.interpreter->id(), until_taken);
    for (;;) {
        const WaitFor wait = wait_for(context, deadline, cancelled);
        status = detached([&] { return offer.wait(wait); });
        if (status != Status::kInterrupted || catch_up() == 0) {
            if (status != Status::kInterrupted) return status;
            continue;
        }
        PyObject* const exception = PyErr_GetRaisedException();
        const bool withdrawn = detached([&] { return offer.withdraw(); });
        return withdrawn ? raise_now(exception) : raise_after(exception);
    }
}

Status blocking_recv_rest(Context& context, Channel& channel, Parcel& parcel, Scratch& scratch,
                          Status tried, Nanos deadline, const std::atomic<bool>* cancelled) {
    Status status = tried;
    if (status == Status::kWouldBlock) {
        if (deadline == 0) return Status::kTimeout;
        AttachedSpin& spin = context.interpreter->attached_spin();
        if (channel.spin_attached(context.interpreter->id(), spin.limit())) {
            status = channel.try_recv(parcel, scratch);
        } else {
            spin.in_vain();
        }
    }
    if (status == Status::kOkOwing) {
        detached([&] { channel.settle(); });
        return Status::kOk;
    }
    if (status != Status::kWouldBlock && status != Status::kContended) return status;

    std::uint64_t place = 0;
    for (;;) {
        const WaitFor wait = wait_for(context, deadline, cancelled);
        Nanos over = 0;
        status = detached([&] {
            const Status how = channel.recv(parcel, scratch, wait, &place);
            over = now();
            return how;
        });
        context.interpreter->attached_spin().attached_after(now() - over);
        if (status != Status::kInterrupted) return status;
        if (catch_up() < 0) return status;
    }
}

Status blocking_select(Context& context, Select& select, const SelectOp* ops, Nanos deadline) {
    Status status = select.try_once();
    // Nothing was ready, but each at another moment: who does not wait is told of one.
    if (status == Status::kWouldBlock && deadline == 0) status = select.try_together();
    if (status == Status::kOkOwing) {
        detached([&] { ops[select.index()].channel->settle(); });
        return Status::kOk;
    }
    if (status == Status::kWouldBlock && deadline == 0) return Status::kTimeout;
    if (status != Status::kWouldBlock && status != Status::kContended) return status;

    for (;;) {
        const WaitFor wait = wait_for(context, deadline, nullptr);
        status = detached([&] { return select.wait(wait); });
        if (status != Status::kInterrupted) return status;
        if (catch_up() == 0) continue;
        PyObject* const exception = PyErr_GetRaisedException();
        const bool withdrawn = detached([&] { return select.withdraw(); });
        return withdrawn ? raise_now(exception) : raise_after(exception);
    }
}

Status blocking_join(Context& context, Channel& channel) {
    if (channel.unfinished() == 0 && !context.interpreter->waits().ended()) return Status::kOk;
    for (;;) {
        const WaitFor wait = wait_for(context, kNever, nullptr);
        const Status status = detached([&] { return channel.wait_until_done(wait); });
        if (status != Status::kInterrupted) return status;
        if (catch_up() < 0) return status;
    }
}

bool parse_timeout(PyObject* timeout, Nanos& deadline) {
    if (!timeout || timeout == Py_None) {
        deadline = kNever;
        return true;
    }
    const double seconds = PyFloat_AsDouble(timeout);
    if (seconds == -1.0 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {  // an int beyond every float
            PyErr_Clear();
            const int negative = PyObject_RichCompareBool(timeout, Py_False, Py_LT);
            if (negative < 0) return false;
            if (!negative) {
                deadline = kNever;
                return true;
            }
            PyErr_SetString(PyExc_ValueError, "timeout must not be negative");
        } else if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Clear();
            PyErr_Format(PyExc_TypeError, "timeout must be None or a number of seconds, not %.200s",
                         Py_TYPE(timeout)->tp_name);
        }
        return false;
    }
    if (std::isnan(seconds) || seconds < 0) {
        PyErr_Format(PyExc_ValueError, "timeout must be None or a number of seconds >= 0, not %R", timeout);
        return false;
    }
    deadline = seconds == 0 ? 0 : deadline_after(seconds);
    return true;
}

}  // namespace interpchannels
