// The module's state, one for each interpreter, and what its files offer to each other.
#pragma once

#include "crossing/context.hpp"
#include "interpreter/interpreter.hpp"
#include "interpreter/python.hpp"
#include "interpreter/without_gil.hpp"

namespace interpchannels {

struct ModuleState : Context {
    ModuleState() = default;
    ModuleState(const ModuleState&) = delete;
    ModuleState& operator=(const ModuleState&) = delete;

    // It is its module's and its end objects': the collector may free the module of an end before the end itself, which
    // then finds its interpreter here, and nothing else. Any thread that is attached to it.
    void ref() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
    void unref() noexcept {
        // Without a GIL, release: what this thread did comes before the end; acquire: the last one sees it.
        if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    PyObject* channel_error = nullptr;
    PyObject* not_found_error = nullptr;
    PyObject* empty_error = nullptr;
    PyObject* full_error = nullptr;
    PyObject* not_empty_error = nullptr;
    PyTypeObject* channel_info_type = nullptr;
    PyTypeObject* stats_type = nullptr;
    PyTypeObject* process_stats_type = nullptr;
    PyTypeObject* async_type = nullptr;
    PyTypeObject* reactor_type = nullptr;
    PyObject* enter_loop = nullptr;  // interpchannels._async's, from the first wait on

    // From the package: the object that stands for an item whose interpreter has ended.
    PyObject* unbound = nullptr;
    // From _register_end_types(): the drop-in's end classes, which live in Python.
    PyObject* drop_in_send_type = nullptr;
    PyObject* drop_in_recv_type = nullptr;
    // From the package: makes a Queue (queue_type) of its two ends.
    PyObject* queue_of_ends = nullptr;

    // Draws the order in which select() looks: Steele, Lea and Flood's SplitMix64 ("Fast Splittable Pseudorandom
    // Number Generators", OOPSLA 2014).
    std::uint64_t random = static_cast<std::uint64_t>(now());
    std::uint64_t next_random() noexcept {
        constexpr std::uint64_t kStep = 0x9E3779B97F4A7C15ULL;
#ifdef Py_GIL_DISABLED
        std::uint64_t z = __atomic_add_fetch(&random, kStep, __ATOMIC_RELAXED);  // orders nothing
#else
        std::uint64_t z = random += kStep;
#endif
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
        return z ^ (z >> 31);
    }

    // The drop-in's channel that was looked up last by its number, since the same is meant again and again. It may have
    // been destroyed by now. Stays empty where there is no GIL: it is the count and the lock that it saves there.
    Ref<AssociatedChannel> recent;
    // What its recv() returned last for a scalar, to serve again (see scalar_pair()). Stays empty without a GIL, too.
    PyObject* last_pair = nullptr;

    // The objects below that may be replaced later (a package that is reloaded leaves its own anew). Attached.
    // A new reference, or empty.
    PyRef shared(PyObject* const& slot) const {
        const Section section(not_shareable_error);
        return PyRef::borrow(slot);
    }
    // `now` is borrowed, or nullptr.
    void set_shared(PyObject*& slot, PyObject* now) const {
        Section section(not_shareable_error);
        PyObject* const old = std::exchange(slot, Py_XNewRef(now));
        section.end();
        Py_XDECREF(old);
    }

    bool ready = false;

private:
    ~ModuleState() {
        if (interpreter) interpreter->unref();
    }
    std::atomic<std::uint32_t> refs_{1};
};

ModuleState* state_of(PyObject* module) noexcept;

// What a close took out of a channel, to be released attached and with no lock held: what this interpreter
// lent comes back at once.
struct Leftovers {
    Queue::Contents contents;
    Leftovers() = default;
    ~Leftovers() { Queue::release(contents); }
    Leftovers(const Leftovers&) = delete;
    Leftovers& operator=(const Leftovers&) = delete;
};

// The state of the current interpreter, importing the module where nobody has yet: for values that arrive
// by way of CPython's registry. Attached. A strong reference to the module goes to `module`; nullptr with
// an ImportError that says what to do.
ModuleState* state_here(PyRef& module);

// errors.cpp. 0, or -1 with an exception set.
int add_errors(PyObject* module, ModuleState& state);

// ends.cpp
int add_end_types(PyObject* module, ModuleState& state);
PyObject* create_ends(PyObject* module, PyObject* args);
PyObject* end_from_id(PyObject* module, PyObject* args);
PyObject* list_package_channels(PyObject* module, PyObject*);

// counters.cpp
int add_stats_types(PyObject* module, ModuleState& state);
PyObject* process_stats(PyObject* module, PyObject*);

// select.cpp
PyObject* select_ops(PyObject* module, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames);

// queue_type.cpp: what the package's Queue, a class in Python, stands on.
void add_queue_hooks(ModuleState& state) noexcept;
void clear_queue_type(ModuleState& state) noexcept;
PyObject* set_queue_type(PyObject* module, PyObject* args);
PyObject* task_done(PyObject* module, PyObject* end);
PyObject* join_tasks(PyObject* module, PyObject* end);
PyObject* unfinished_tasks(PyObject* module, PyObject* end);
// async.cpp
int add_async_types(PyObject* module, ModuleState& state);

// reactor.cpp
int add_reactor_type(PyObject* module, ModuleState& state);
PyObject* make_reactor(PyObject* module, PyObject*);

// channel_id.cpp
int add_channel_id_type(PyObject* module, ModuleState& state);
PyObject* make_channel_id(Context& context, ChannelIdParts parts);
// A ChannelID's channel, borrowed; nullptr where it was forced onto an id without one.
AssociatedChannel* channel_of_id(PyObject* id) noexcept;
// A channel argument: a ChannelID or an index. False with an exception set.
bool channel_argument(ModuleState& state, PyObject* arg, ChannelIdParts& parts);

// drop_in.cpp
extern PyMethodDef drop_in_functions[];
int add_channel_info_type(PyObject* module, ModuleState& state);
void raise_not_found(ModuleState& state, std::int64_t cid);

// registry_types.cpp: our types in CPython's registry.
int register_shared_types(ModuleState& state);
void unregister_shared_types(ModuleState& state) noexcept;
PyObject* register_end_types(PyObject* module, PyObject* args, PyObject* kwargs);

// worker.cpp
PyObject* pack(PyObject* module, PyObject* obj);
PyObject* expect_worker(PyObject* module, PyObject* task);
PyObject* give_back(PyObject* module, PyObject* task);
PyObject* run_in_new_interpreter(PyObject* module, PyObject* args);
PyObject* take_task(PyObject* module, PyObject*);
PyObject* leave_result(PyObject* module, PyObject* obj);
PyObject* enter_worker(PyObject* module, PyObject*);
PyObject* interpreter_ending(PyObject* module, PyObject*);

}  // namespace interpchannels
