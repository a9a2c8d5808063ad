// Fails the n-th allocation of one call: CPython's, and ours. For tests/nomem; nothing of it is in the package.
//
// One shared object, used twice. Preloaded (LD_PRELOAD), it takes the place of malloc and its kin, of mmap, and of
// C++'s operator new, and looks at who calls: an allocation counts as ours where the extension makes it (by the return
// address), or where operator new does, which nobody else in the test's process calls. Imported, as a Python module, it
// puts itself before CPython's allocators (PyMem_SetAllocator) as `_testcapi.set_nomemory` does, and has call().
//
// Invariants: only the thread that is inside call() counts and fails; nothing that call() itself does is counted; what
// is not failed goes to where it always went.
#include <Python.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// glibc's own, under the names that it has for those who replace the others; or AddressSanitizer's, which has such names
// as well.
#ifdef INTERPCHANNELS_ASAN
#define __libc_malloc __interceptor_malloc
#define __libc_calloc __interceptor_calloc
#define __libc_realloc __interceptor_realloc
#define __libc_memalign __interceptor_memalign
#define __libc_free __interceptor_free
#endif
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);
}

namespace {

enum What : unsigned { kPython = 1, kOurs = 2 };

// Of the thread that is inside call(). Plain thread-locals of a preloaded object need no allocation.
struct Plan {
    unsigned what = 0;
    long seen = 0;
    long first = 0;
    long count = 0;  // 0: for ever
};
thread_local Plan plan;

// The extension's code, once it is loaded. Relaxed: written before anything is counted.
std::atomic<std::uintptr_t> code_from{0};
std::atomic<std::uintptr_t> code_to{0};
std::atomic<long> live{0};  // our blocks that are not freed

bool is_ours(const void* caller) noexcept {
    const auto at = reinterpret_cast<std::uintptr_t>(caller);
    return at >= code_from.load(std::memory_order_relaxed) && at < code_to.load(std::memory_order_relaxed);
}

bool fails(What what) noexcept {
    if (!(plan.what & what)) return false;
    const long number = ++plan.seen;
    return number >= plan.first && (plan.count == 0 || number < plan.first + plan.count);
}

void* counted(void* block) noexcept {
    if (block) live.fetch_add(1, std::memory_order_relaxed);
    return block;
}

void* new_block(std::size_t size) noexcept {
    return fails(kOurs) ? nullptr : counted(__libc_malloc(size ? size : 1));
}

void delete_block(void* block) noexcept {
    if (block) live.fetch_sub(1, std::memory_order_relaxed);
    __libc_free(block);
}

}  // namespace

#define CALLED_BY_US is_ours(__builtin_return_address(0))

extern "C" {

void* malloc(std::size_t size) {
    if (!CALLED_BY_US) return __libc_malloc(size);
    return fails(kOurs) ? nullptr : counted(__libc_malloc(size));
}

void* calloc(std::size_t n, std::size_t size) {
    if (!CALLED_BY_US) return __libc_calloc(n, size);
    return fails(kOurs) ? nullptr : counted(__libc_calloc(n, size));
}

void* realloc(void* block, std::size_t size) {
    if (!CALLED_BY_US) return __libc_realloc(block, size);
    if (fails(kOurs)) return nullptr;
    void* const made = __libc_realloc(block, size);
    return block ? made : counted(made);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) {
    if (!CALLED_BY_US) return __libc_memalign(alignment, size);
    return fails(kOurs) ? nullptr : counted(__libc_memalign(alignment, size));
}

char* strdup(const char* text) noexcept {
    const std::size_t size = std::strlen(text) + 1;
    const bool ours = CALLED_BY_US;
    if (ours && fails(kOurs)) return nullptr;
    void* const made = __libc_malloc(size);
    if (made) std::memcpy(made, text, size);
    return static_cast<char*>(ours ? counted(made) : made);
}

void free(void* block) {
    if (block && CALLED_BY_US) live.fetch_sub(1, std::memory_order_relaxed);
    __libc_free(block);
}

void* mmap(void* at, std::size_t size, int protection, int flags, int fd, off_t offset) noexcept {
    const bool ours = CALLED_BY_US;
    if (ours && fails(kOurs)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    const long made = ::syscall(SYS_mmap, at, size, protection, flags, fd, offset);
    if (ours && made != -1) live.fetch_add(1, std::memory_order_relaxed);
    return reinterpret_cast<void*>(made);
}

int munmap(void* at, std::size_t size) noexcept {
    if (CALLED_BY_US) live.fetch_sub(1, std::memory_order_relaxed);
    return static_cast<int>(::syscall(SYS_munmap, at, size));
}

}  // extern "C"

void* operator new(std::size_t size) {
    void* const block = new_block(size);
    if (!block) throw std::bad_alloc();
    return block;
}
void* operator new[](std::size_t size) { return operator new(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return new_block(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return new_block(size); }
void operator delete(void* block) noexcept { delete_block(block); }
void operator delete[](void* block) noexcept { delete_block(block); }
void operator delete(void* block, std::size_t) noexcept { delete_block(block); }
void operator delete[](void* block, std::size_t) noexcept { delete_block(block); }
void operator delete(void* block, const std::nothrow_t&) noexcept { delete_block(block); }
void operator delete[](void* block, const std::nothrow_t&) noexcept { delete_block(block); }
// Over-aligned: the engine's channels, which keep their cache lines apart.
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return fails(kOurs) ? nullptr : counted(__libc_memalign(static_cast<std::size_t>(alignment), size));
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    void* const block = operator new(size, alignment, std::nothrow);
    if (!block) throw std::bad_alloc();
    return block;
}
void operator delete(void* block, std::align_val_t) noexcept { delete_block(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { delete_block(block); }
void operator delete(void* block, std::align_val_t, const std::nothrow_t&) noexcept { delete_block(block); }

namespace {

// --- CPython's allocators ---

PyMemAllocatorEx originals[3];

PyMemAllocatorEx& original(void* context) noexcept { return *static_cast<PyMemAllocatorEx*>(context); }

std::atomic<long> python_live{0};  // CPython's blocks, of any size, less those that it had before the hook

void* python_counted(void* block) noexcept {
    if (block) python_live.fetch_add(1, std::memory_order_relaxed);
    return block;
}

void* python_malloc(void* context, std::size_t size) {
    if (fails(kPython)) return nullptr;
    void* const block = original(context).malloc(original(context).ctx, size);
#ifdef Py_GIL_DISABLED
    // PyList_New() of a free-threaded CPython, where it has the list and gets no memory for its items, frees what the
    // list's memory held before as if it were these (python/cpython#152125).
    if (block) std::memset(block, 0, size);
#endif
    return python_counted(block);
}
void* python_calloc(void* context, std::size_t n, std::size_t size) {
    return fails(kPython) ? nullptr
                          : python_counted(original(context).calloc(original(context).ctx, n, size));
}
void* python_realloc(void* context, void* block, std::size_t size) {
    if (fails(kPython)) return nullptr;
    void* const made = original(context).realloc(original(context).ctx, block, size);
    return block ? made : python_counted(made);
}
void python_free(void* context, void* block) {
    if (block) python_live.fetch_sub(1, std::memory_order_relaxed);
    original(context).free(original(context).ctx, block);
}

// Once in a process, before it has other threads.
void hook_python() noexcept {
    static bool done = false;
    if (done) return;
    done = true;
    const PyMemAllocatorDomain domains[] = {PYMEM_DOMAIN_RAW, PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ};
    for (std::size_t i = 0; i < 3; ++i) {
        PyMem_GetAllocator(domains[i], &originals[i]);
        PyMemAllocatorEx ours{&originals[i], python_malloc, python_calloc, python_realloc, python_free};
        PyMem_SetAllocator(domains[i], &ours);
    }
}

int find_extension(dl_phdr_info* info, std::size_t, void*) noexcept {
    if (!info->dlpi_name || !std::strstr(info->dlpi_name, "/_interpchannels.")) return 0;
    std::uintptr_t from = UINTPTR_MAX;
    std::uintptr_t to = 0;
    for (int i = 0; i < info->dlpi_phnum; ++i) {
        const auto& segment = info->dlpi_phdr[i];
        if (segment.p_type != PT_LOAD || !(segment.p_flags & PF_X)) continue;
        const std::uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
        if (begin < from) from = begin;
        if (begin + segment.p_memsz > to) to = begin + segment.p_memsz;
    }
    code_from.store(from, std::memory_order_relaxed);
    code_to.store(to, std::memory_order_relaxed);
    return 1;
}

// --- the module ---

constexpr const char* call_doc =
    "call(function, what, first, count)\n--\n\n"
    "Call function() while allocations fail, from number `first` on: `count` of them, or all where it is "
    "0. `what`:\n"
    "PYTHON, OURS or both. Returns (value, exception, seen): how many there were.";

PyObject* call(PyObject*, PyObject* args) {
    PyObject* function = nullptr;
    Plan wanted;
    if (!PyArg_ParseTuple(args, "OIll", &function, &wanted.what, &wanted.first, &wanted.count))
        return nullptr;
    plan = wanted;
    PyObject* const value = PyObject_CallNoArgs(function);
    PyObject* const exception = PyErr_GetRaisedException();
    const long seen = plan.seen;
    plan = Plan{};
    PyObject* const result =
        Py_BuildValue("(OOl)", value ? value : Py_None, exception ? exception : Py_None, seen);
    Py_XDECREF(value);
    Py_XDECREF(exception);
    return result;
}

PyObject* count_blocks(PyObject*, PyObject*) {
    PyType_ClearCache();  // it holds the name of each attribute that was looked up
    const long ours = live.load(std::memory_order_relaxed);
    return Py_BuildValue("(ll)", ours, python_live.load(std::memory_order_relaxed));
}

// True where the extension was found and its allocations are seen.
PyObject* watch(PyObject*, PyObject*) {
    const bool found = dl_iterate_phdr(find_extension, nullptr) == 1;
    const bool preloaded = dlsym(RTLD_DEFAULT, "malloc") == reinterpret_cast<void*>(&malloc);
    return PyBool_FromLong(found && preloaded);
}

PyMethodDef functions[] = {
    {"call", call, METH_VARARGS, call_doc},
    {"blocks", count_blocks, METH_NOARGS,
     "blocks()\n--\n\nHow many blocks the extension has, and how many CPython, less those from before the "
     "import."},
    {"watch", watch, METH_NOARGS,
     "watch()\n--\n\nLook for the extension, once it is imported. False where its allocations are not "
     "seen."},
    {nullptr, nullptr, 0, nullptr},
};

int execute(PyObject* module) {
    hook_python();
    return PyModule_AddIntConstant(module, "PYTHON", kPython) < 0
               ? -1
               : PyModule_AddIntConstant(module, "OURS", kOurs);
}

PyModuleDef_Slot slots[] = {
    {Py_mod_exec, reinterpret_cast<void*>(execute)},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {0, nullptr},
};

PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    "failing_allocations",
    "Fails the n-th allocation of a call.",
    0,
    functions,
    slots,
    nullptr,
    nullptr,
    nullptr,
};

}  // namespace

PyMODINIT_FUNC PyInit_failing_allocations() { return PyModuleDef_Init(&definition); }
