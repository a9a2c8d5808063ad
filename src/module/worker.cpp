// What spawn() and the end of the process need from C++: a thread that runs code in an interpreter of its
// own, and the first step of an interpreter's end.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>

#include "crossing/decoder.hpp"
#include "crossing/encoder.hpp"
#include "module/state.hpp"

namespace interpchannels {
namespace {

std::atomic<int> running{0};          // Workers that spawn() has begun and whose interpreter has not ended
std::atomic<bool> all_ending{false};  // the main interpreter's end has woken the blocked ones

// One of `running`, from spawn() on: the exit would not wait for a thread that has no core yet.
struct CountOff {
    void operator()(std::atomic<int>* count) const noexcept { count->fetch_sub(1); }
};
using Counted = std::unique_ptr<std::atomic<int>, CountOff>;

// A value outside of every interpreter. Until a Worker has taken the parcel it is its maker's, and what it moved
// (Buffers) can come back.
struct Packed {
    Outgoing out;
    Scratch scratch;
    Counted counted;  // a task that its Worker's thread has not taken over yet
};

constexpr const char* kPackedName = "interpchannels.packed";

// What the Worker of this thread was given, and what it leaves.
struct Errand {
    Packed* given[2] = {};  // the registrations, and then the task
    std::size_t taken = 0;
    Parcel result;
    Scratch scratch;  // the result's
    bool done = false;

    // What it never came to take. Attached to the interpreter that gave it.
    void give_back() {
        while (taken != std::size(given)) given[taken++]->out.reset();
    }
};
thread_local Errand* errand = nullptr;

void free_packed(PyObject* capsule) {
    delete static_cast<Packed*>(PyCapsule_GetPointer(capsule, kPackedName));
}

// The current exception with its traceback, as UTF-8 from std::malloc; nullptr where even that failed.
// Attached; clears the exception.
char* describe_exception() {
    const PyRef exception(PyErr_GetRaisedException());
    PyRef text;
    const PyRef traceback(PyImport_ImportModule("traceback"));
    const PyRef format(traceback ? PyObject_GetAttrString(traceback.get(), "format_exception") : nullptr);
    const PyRef lines(format ? PyObject_CallOneArg(format.get(), exception.get()) : nullptr);
    const PyRef empty(lines ? PyUnicode_FromString("") : nullptr);
    if (empty) text = PyRef(PyUnicode_Join(empty.get(), lines.get()));
    if (!text) {
        PyErr_Clear();
        text = PyRef(PyObject_Str(exception.get()));
    }
    const char* const utf8 = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
    char* const copy = utf8 ? ::strdup(utf8) : nullptr;
    PyErr_Clear();
    return copy;
}

}  // namespace

// _pack(obj) -> a capsule with the value, for _run_in_new_interpreter.
PyObject* pack(PyObject* module, PyObject* obj) {
    auto* const packed = new (std::nothrow) Packed;
    if (!packed) return PyErr_NoMemory();
    PyObject* capsule = nullptr;
    if (encode(*state_of(module), obj, CrossingMode{}, packed->out, packed->scratch) == 0) {
        capsule = PyCapsule_New(packed, kPackedName, free_packed);
    }
    if (!capsule) delete packed;
    return capsule;
}

// _expect_worker(task): its thread is about to be made. Until the Worker has ended, or the task was given back, the exit
// of the process waits for it.
PyObject* expect_worker(PyObject*, PyObject* task) {
    auto* const packed = static_cast<Packed*>(PyCapsule_GetPointer(task, kPackedName));
    if (!packed) return nullptr;
    running.fetch_add(1);
    packed->counted.reset(&running);
    Py_RETURN_NONE;
}

// _give_back(task): a task that no Worker will take; what it moved comes back.
PyObject* give_back(PyObject*, PyObject* task) {
    auto* const packed = static_cast<Packed*>(PyCapsule_GetPointer(task, kPackedName));
    if (!packed) return nullptr;
    packed->out.reset();
    packed->counted.reset();
    Py_RETURN_NONE;
}

// _run_in_new_interpreter(source, registrations, task) -> what the source left with _leave_result(), or None.
// Runs it as __main__ in a new interpreter with a GIL of its own, in this thread, and ends the interpreter.
// RuntimeError with the traceback where the source raises.
PyObject* run_in_new_interpreter(PyObject* module, PyObject* args) {
    const char* source = nullptr;
    PyObject* capsules[2] = {};
    if (!PyArg_ParseTuple(args, "sOO:_run_in_new_interpreter", &source, &capsules[0], &capsules[1])) {
        return nullptr;
    }
    Errand mine;
    for (std::size_t i = 0; i < 2; ++i) {
        mine.given[i] = static_cast<Packed*>(PyCapsule_GetPointer(capsules[i], kPackedName));
        if (!mine.given[i]) return nullptr;
    }

    Counted counted = std::move(mine.given[1]->counted);

    PyInterpreterConfig config{};
    config.use_main_obmalloc = 0;
    config.allow_fork = 0;
    config.allow_exec = 0;
    config.allow_threads = 1;
    config.allow_daemon_threads = 0;
    config.check_multi_interp_extensions = 1;
    config.gil = PyInterpreterConfig_OWN_GIL;

    PyThreadState* const outer = PyThreadState_Get();
    PyThreadState* inner = nullptr;
    const PyStatus status = Py_NewInterpreterFromConfig(&inner, &config);
    if (PyStatus_Exception(status) || !inner) {
        counted.reset();
        // On failure CPython leaves the thread attached to where it was, or to nothing.
        if (!attached_state()) PyEval_RestoreThread(outer);
        mine.give_back();
        PyErr_Format(PyExc_RuntimeError, "cannot create an interpreter: %s",
                     status.err_msg ? status.err_msg : "unknown reason");
        return nullptr;
    }
    char* failure = nullptr;
    {
        Errand* const outer_errand = std::exchange(errand, &mine);
        PyObject* const main = PyImport_AddModule("__main__");  // borrowed
        PyObject* const globals = main ? PyModule_GetDict(main) : nullptr;
        // Not PyRun_String, which resets what the process knows of an unhandled KeyboardInterrupt.
        const PyRef code(globals ? Py_CompileString(source, "<interpchannels worker>", Py_file_input)
                                 : nullptr);
        const PyRef result(code ? PyEval_EvalCode(code.get(), globals, globals) : nullptr);
        errand = outer_errand;
        if (!result) {
            failure = describe_exception();
            if (!failure) failure = ::strdup("the interpreter failed without saying why");
        }
    }
    Py_EndInterpreter(inner);
    counted.reset();
    PyEval_RestoreThread(outer);
    mine.give_back();
    if (failure) {
        PyErr_SetString(PyExc_RuntimeError, failure);
        std::free(failure);
        return nullptr;
    }
    if (!mine.done) Py_RETURN_NONE;
    return decode(*state_of(module), mine.result);
}

// _take_task() -> the next value that this thread's Worker was given.
PyObject* take_task(PyObject* module, PyObject*) {
    if (!errand || errand->taken == std::size(errand->given)) {
        PyErr_SetString(PyExc_RuntimeError, "there is no task: this thread is not a Worker's");
        return nullptr;
    }
    Parcel parcel = std::move(errand->given[errand->taken++]->out.parcel);
    return decode(*state_of(module), parcel);
}

// _leave_result(obj): what _run_in_new_interpreter returns.
PyObject* leave_result(PyObject* module, PyObject* obj) {
    if (!errand) {
        PyErr_SetString(PyExc_RuntimeError, "there is no errand: this thread is not a Worker's");
        return nullptr;
    }
    errand->result.reset();
    Outgoing out;
    if (encode(*state_of(module), obj, CrossingMode{}, out, errand->scratch) < 0) return nullptr;
    errand->result = std::move(out.parcel);
    errand->done = true;
    Py_RETURN_NONE;
}

// _enter_worker(): this interpreter is a Worker.
PyObject* enter_worker(PyObject* module, PyObject*) {
    Interpreter& interpreter = *state_of(module)->interpreter;
    interpreter.mark_worker();
    if (all_ending.load()) interpreter.begin_ending();
    Py_RETURN_NONE;
}

#if PY_VERSION_HEX < 0x030D0000
// CPython 3.12 waits for ever for the lock of an interpreter's main thread where another thread ends the
// interpreter, once `threading` is imported in it; and we import it. So that lock is not waited for there.
int forget_main_thread() {
    static const char* const source =
        "import threading as t\n"
        "if t._main_thread.ident != t.get_ident():\n"
        "    with t._shutdown_locks_lock:\n"
        "        t._shutdown_locks.discard(t._main_thread._tstate_lock)\n";
    const PyRef globals(PyDict_New());
    if (!globals || PyDict_SetItemString(globals.get(), "__builtins__", PyEval_GetBuiltins()) < 0)
        return -1;
    const PyRef code(Py_CompileString(source, "<interpchannels>", Py_file_input));
    const PyRef done(code ? PyEval_EvalCode(code.get(), globals.get(), globals.get()) : nullptr);
    return done ? 0 : -1;
}
#endif

// Called by threading before it joins threads. A sub-interpreter's blocked calls end. The main interpreter
// closes its handles, so that Workers drain and end, and waits for them: one that computes for as long as
// it takes; once all that are left are blocked on each other, it wakes them.
PyObject* interpreter_ending(PyObject* module, PyObject*) {
    Interpreter& interpreter = *state_of(module)->interpreter;
    interpreter.begin_ending();
    if (!interpreter.is_main()) {
#if PY_VERSION_HEX < 0x030D0000
        if (forget_main_thread() < 0) return nullptr;
#endif
        Py_RETURN_NONE;
    }
    interpreter.close_handles();
    // Stuck is: every thread of every Worker is blocked on a channel and not woken, and none has blocked anew
    // since the last look. A poke makes each count its interpreter's threads again.
    Interpreter::begin_census();
    std::uint64_t last = ~std::uint64_t{0};
    for (int look = 0; running.load() > 0; ++look) {
        const Interpreter::Census census = Interpreter::count_workers();
        if (census.stuck >= running.load()) {
            if (census.ever == last) break;
            last = census.ever;
        } else {
            last = ~std::uint64_t{0};
            if (look % 32 == 0) detached([] { Interpreter::poke_workers(); });
        }
        detached([] { std::this_thread::sleep_for(std::chrono::milliseconds(5)); });
        if (PyErr_CheckSignals() < 0) {
            all_ending.store(true);
            Interpreter::wake_workers();
            return nullptr;
        }
    }
    all_ending.store(true);
    detached([] { Interpreter::wake_workers(); });
    Py_RETURN_NONE;
}

}  // namespace interpchannels
