// The table of a dict whose keys are all str: read, and written, where it lies.
//
// A page of records is dicts of the same keys, and most of what it takes to make one is CPython looking for each key's
// place in the new table, though it is where it was in the one before. So a dict is made as a copy of one with the same
// keys, and its values are stored where they belong; and the pairs of one that is sent are read without a call for each.
// `make bench` has it with and without: of a page of 1,000 dicts, and of one small dict, it takes three quarters.
//
// The layout is CPython's own: of PyDictObject as its headers have it, of the table as 3.12 to 3.15 have it inside. It is
// used where it is known to be that: by version, with a GIL, and after trial() found it so in this very process. All
// else goes by way of PyDict_Next and PyDict_SetItem, and so does everything where use() says so, for the tests.
//
// All attached. No Python code runs.
#pragma once

#include <atomic>
#include <cstdint>

#include "interpreter/python.hpp"

namespace interpchannels::dict_table {

struct Entry {
    PyObject* key;
    PyObject* value;
};

#if PY_VERSION_HEX < 0x03100000 && !defined(Py_GIL_DISABLED) && SIZEOF_VOID_P == 8
inline constexpr bool kKnown = true;
#else
inline constexpr bool kKnown = false;
#endif

// CPython's struct _dictkeysobject. The indices of its hash table follow, then the entries in the order of insertion.
struct Table {
    Py_ssize_t refcnt;
    std::uint8_t log2_size;
    std::uint8_t log2_index_bytes;  // of all indices together
    std::uint8_t kind;              // kStr
    std::uint32_t version;
    Py_ssize_t usable;
    Py_ssize_t entries;  // deleted ones included
};
inline constexpr std::uint8_t kStr = 1;
static_assert(sizeof(Table) == 32, "CPython's layout");

// Whether it is used: not before trial() has ended, then until use() says otherwise. Relaxed: either way is right at any
// time.
inline std::atomic<bool> used{false};

// The `size` entries of a dict of `size` pairs, in order; nullptr where it is no table of its own with str keys alone and
// nothing deleted. Only where the layout is known.
inline Entry* laid_out(PyObject* dict, Py_ssize_t size) noexcept {
    auto* const self = reinterpret_cast<PyDictObject*>(dict);
    auto* const table = reinterpret_cast<Table*>(self->ma_keys);
    if (self->ma_values || table->kind != kStr || table->entries != size) return nullptr;
    return reinterpret_cast<Entry*>(reinterpret_cast<char*>(table + 1) +
                                    (std::size_t{1} << table->log2_index_bytes));
}

// The same where it is used.
inline Entry* entries(PyObject* dict, Py_ssize_t size) noexcept {
    return kKnown && used.load(std::memory_order_relaxed) ? laid_out(dict, size) : nullptr;
}

// The pairs of a dict in turn. pos() is as PyDict_Next has it, which goes on from there.
class Pairs {
public:
    Pairs(PyObject* dict, Py_ssize_t size, Py_ssize_t pos) noexcept
        : dict_(dict), entries_(entries(dict, size)), size_(size), pos_(pos) {}
    [[gnu::always_inline]] bool next(PyObject*& key, PyObject*& value) noexcept {
        if (!entries_) return PyDict_Next(dict_, &pos_, &key, &value) != 0;
        if (pos_ == size_) return false;
        key = entries_[pos_].key;
        value = entries_[pos_].value;
        ++pos_;
        return true;
    }
    Py_ssize_t pos() const noexcept { return pos_; }

private:
    PyObject* const dict_;
    Entry* const entries_;
    const Py_ssize_t size_;
    Py_ssize_t pos_;
};

// A new dict with the keys of another, in their order, which has `size` of them; its values are the other's until they are
// set. Nobody but its maker has it until it is complete.
class Copy {
public:
    // It tests false where there is an exception.
    Copy(PyObject* of, Py_ssize_t size,
         bool in_place = kKnown && used.load(std::memory_order_relaxed)) noexcept
        : made_(PyDict_Copy(of)), entries_(made_ && in_place ? laid_out(made_.get(), size) : nullptr) {}
    explicit operator bool() const noexcept { return static_cast<bool>(made_); }
    // Sets the value of the i-th key, which key() says where that is needed. Takes over the value. False with an
    // exception.
    template <class Key>
    [[gnu::always_inline]] bool set(Py_ssize_t i, PyObject* value, Key key) noexcept {
        if (!entries_) {
            const int failed = PyDict_SetItem(made_.get(), key(), value);
            Py_DECREF(value);
            return failed == 0;
        }
        // Up to 3.13 the collector need not look at a dict of plain values; it has to know of others.
        collected_ = collected_ || PyType_HasFeature(Py_TYPE(value), Py_TPFLAGS_HAVE_GC);
        PyObject* const old = std::exchange(entries_[i].value, value);
        Py_DECREF(old);
        return true;
    }
    PyObject* release() noexcept {
        if (collected_ && !PyObject_GC_IsTracked(made_.get())) PyObject_GC_Track(made_.get());
        return made_.release();
    }

private:
    PyRef made_;
    Entry* const entries_;
    bool collected_ = false;
};

// Whether the layout is as this file has it, by trial, once in a process; sets `used`. -1 with an exception set.
int trial();

// For tests. What it was. Where the trial did not find the layout it is not used, whatever is asked for.
bool use(bool on) noexcept;

}  // namespace interpchannels::dict_table
