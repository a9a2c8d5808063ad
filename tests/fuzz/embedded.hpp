// A CPython inside of a fuzz target, with the extension built in and its state at hand.
#pragma once

#include <sanitizer/allocator_interface.h>

#include <atomic>

#include "fuzz/input.hpp"
#include "module/state.hpp"

PyMODINIT_FUNC PyInit__interpchannels();

namespace interpchannels::fuzz {

// Python's errors end the process, with the traceback.
inline PyObject* must(PyObject* result) {
    if (!result) {
        PyErr_Print();
        std::abort();
    }
    return result;
}

// Starts Python (once) and returns the extension's state. Attached from then on.
inline ModuleState& started() {
    static ModuleState* const state = [] {
        // Every object has an allocation of its own, so that the sanitizer sees what is read beyond it.
        setenv("PYTHONMALLOC", "malloc", 1);
        PyConfig config;
        PyConfig_InitPythonConfig(&config);
        config.install_signal_handlers = 0;
        PyConfig_SetBytesString(&config, &config.program_name, FUZZ_PYTHON);
        PyImport_AppendInittab("interpchannels._interpchannels", PyInit__interpchannels);
        const PyStatus status = Py_InitializeFromConfig(&config);
        if (PyStatus_Exception(status)) Py_ExitStatusException(status);
        PyConfig_Clear(&config);
        PyGC_Disable();  // see collect_sometimes()
        EXPECT(PyRun_SimpleString("import sys; sys.path[:0] = '" FUZZ_PATH
                                  "'.split(':')\nimport interpchannels") == 0);
        const PyRef module(must(PyImport_ImportModule("interpchannels._interpchannels")));
        return state_of(module.get());
    }();
    return *state;
}

// Cycles that an input has left; each time would be nine tenths of the whole.
inline void collect_sometimes() {
    static unsigned runs = 0;
    if (++runs % 128 == 0) PyGC_Collect();
}

// All that is allocated from here on, and not freed yet, is no more than so many bytes.
class Allowance {
public:
    explicit Allowance(std::size_t bytes) noexcept {
        static const bool installed = __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) != 0;
        EXPECT(installed);
        taken = 0;
        most.store(bytes);
    }
    ~Allowance() { most.store(0); }
    Allowance(const Allowance&) = delete;
    Allowance& operator=(const Allowance&) = delete;

private:
    static void on_malloc(const volatile void*, std::size_t size) {
        const std::size_t allowed = most.load(std::memory_order_relaxed);
        if (allowed == 0) return;
        taken += size;
        if (taken > allowed) {
            most.store(0);
            std::fprintf(stderr, "%zu bytes allocated where %zu may be, the last %zu at once\n", taken,
                         allowed, size);
            std::abort();
        }
    }
    static void on_free(const volatile void* at) {
        if (most.load(std::memory_order_relaxed) == 0 || !at) return;
        const std::size_t size = __sanitizer_get_allocated_size(const_cast<const void*>(at));
        taken -= size < taken ? size : taken;
    }
    static inline std::atomic<std::size_t> most{0};
    static inline std::size_t taken = 0;
};

}  // namespace interpchannels::fuzz
