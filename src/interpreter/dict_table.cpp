#include "interpreter/dict_table.hpp"

namespace interpchannels::dict_table {
namespace {

// The trial has found the layout. Relaxed, as `used`.
std::atomic<bool> found_it{false};

// What laid_out() says of a dict is what PyDict_Next says.
bool reads_alike(PyObject* dict) noexcept {
    const Entry* const found = laid_out(dict, PyDict_GET_SIZE(dict));
    if (!found) return false;
    PyObject* key = nullptr;
    PyObject* value = nullptr;
    Py_ssize_t n = 0;
    for (Py_ssize_t pos = 0; PyDict_Next(dict, &pos, &key, &value); ++n) {
        if (pos != n + 1 || found[n].key != key || found[n].value != value) return false;
    }
    return n == PyDict_GET_SIZE(dict);
}

// What a Copy stores is found there, and not in what it is a copy of. 1, 0, or -1 with an exception set.
int writes_alike(PyObject* dict, PyObject* first_key) {
    const PyRef value(PyList_New(0));
    Copy copy(dict, PyDict_GET_SIZE(dict), true);
    if (!value || !copy) return -1;
    if (!copy.set(0, Py_NewRef(value.get()), [=] { return first_key; })) return -1;
    const PyRef made(copy.release());
    return reads_alike(made.get()) && PyObject_GC_IsTracked(made.get()) &&
           PyDict_GetItem(made.get(), first_key) == value.get() &&
           PyDict_GetItem(dict, first_key) == Py_None;
}

}  // namespace

int trial() {
    static std::atomic<bool> tried{false};
    if (!kKnown || tried.exchange(true)) return 0;
    int alike = 1;
    // A table for 5 entries, and larger ones, whose indices are wider.
    for (const int size : {1, 5, 6, 300}) {
        const PyRef dict(PyDict_New());
        PyRef first;
        for (int i = 0; dict && i < size; ++i) {
            PyRef key(PyUnicode_FromFormat("key %d", i));
            if (!key || PyDict_SetItem(dict.get(), key.get(), Py_None) < 0) break;
            if (i == 0) first = std::move(key);
        }
        if (!dict || PyDict_GET_SIZE(dict.get()) != size) {
            alike = -1;
        } else {
            alike = reads_alike(dict.get()) ? writes_alike(dict.get(), first.get()) : 0;
        }
        if (alike != 1) break;
    }
    found_it.store(alike == 1, std::memory_order_relaxed);
    used.store(alike == 1, std::memory_order_relaxed);
    return alike < 0 ? -1 : 0;
}

bool use(bool on) noexcept {
    return used.exchange(on && found_it.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

}  // namespace interpchannels::dict_table
