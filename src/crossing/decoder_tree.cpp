// Lists, tuples and dicts of plain values and of each other: the other side of plain_tree.cpp.
//
// They are read by functions that call each other, at most kTreeDepth deep. They run no Python code: what might, and what
// only the frames can judge (a reference to a tuple that may be open), they leave alone, and each call that is open
// turns into a frame.
#include "crossing/decoding.hpp"

namespace interpchannels {

// A call is left: where there is no exception, with its frame at its place. Takes over what the frame holds. nullptr.
PyObject* Decoder::suspended(const Frame& frame, int depth) {
    const std::size_t index = tree_base_ + static_cast<std::size_t>(depth);
    // The innermost makes room for those that it lies in, which come next.
    const std::size_t first = frames_.size();
    if (goes_on_ && first <= index) {
        goes_on_ = frames_.extend(index + 1);
        if (!goes_on_) PyErr_NoMemory();
        for (std::size_t i = first; goes_on_ && i < index; ++i)
            frames_[i] = Frame{};  // one of them may fail
    }
    if (goes_on_) {
        frames_[index] = frame;
        return nullptr;
    }
    Py_XDECREF(frame.keys);
    Py_XDECREF(frame.key);
    Py_DECREF(frame.obj);
    return nullptr;
}

PyObject* Decoder::tree(int kind, Py_ssize_t size, bool mark, int depth) {
    if (kind == kDict) return dict(size, mark, depth, nullptr);
    PyObject* const made = kind == kList ? PyList_New(size) : PyTuple_New(size);
    if (!made) return nullptr;
    if (mark && !remember(made)) {
        Py_DECREF(made);
        return nullptr;
    }
    if (size == 0) return made;
    return sequence(made,
                    kind == kList ? reinterpret_cast<PyListObject*>(made)->ob_item
                                  : reinterpret_cast<PyTupleObject*>(made)->ob_item,
                    size, kind, depth);
}

PyObject* Decoder::sequence(PyObject* made, PyObject** items, Py_ssize_t size, int kind, int depth) {
    claimed_ += static_cast<std::uint64_t>(size);
    Keys keys;
    for (Py_ssize_t pos = 0; pos < size;) {
        PyObject* item = nullptr;
        if (at_ == end_) {
            malformed();
        } else if (!at_neighbours()) {
            keys.size = 0;
            item = tree_value(depth + 1);
        } else if (at_run()) {
            keys.size = 0;
            const Py_ssize_t n = run_of_numbers(size - pos, [to = items + pos](PyObject* number) mutable {
                *to++ = number;
                return true;
            });
            pos += n;
            if (n > 0) continue;
        } else {
            item = dict_like(pos > 0 ? items[pos - 1] : nullptr, keys, depth + 1);
        }
        if (!item) {
            return suspended(
                {made, nullptr, nullptr, pos, size, -1, static_cast<std::uint8_t>(kind), nullptr, 0, 0},
                depth);
        }
        items[pos++] = item;
    }
    claimed_ -= static_cast<std::uint64_t>(size);
    return made;
}

// All keys are str.
bool Decoder::keys_of(PyObject* dict, Keys& keys) noexcept {
    if (!dict || !PyDict_CheckExact(dict)) return false;
    const Section section(dict);
    if (PyDict_GET_SIZE(dict) > kShapeMost) return false;
    PyObject* key = nullptr;
    Py_ssize_t n = 0;
    for (Py_ssize_t pos = 0; PyDict_Next(dict, &pos, &key, nullptr); ++n) {
        if (!PyUnicode_CheckExact(key)) return false;
        keys.keys[n] = key;
    }
    keys.size = n;
    return n > 0;
}

PyObject* Decoder::tuple_of(const Keys& keys) {
    PyObject* const made = PyTuple_New(keys.size);
    for (Py_ssize_t i = 0; made && i < keys.size; ++i) PyTuple_SET_ITEM(made, i, Py_NewRef(keys.keys[i].get()));
    return made;
}

PyObject* Decoder::dict_like(PyObject* neighbour, Keys& keys, int depth) {
    if ((*at_ & ~std::byte{kRemember}) != std::byte{kDictLike}) return malformed();
    const bool mark = (*at_++ & std::byte{kRemember}) != std::byte{0};
    std::uint64_t size = 0;
    if (!get_size(size) || (keys.size == 0 && !keys_of(neighbour, keys)) ||
        size != static_cast<std::uint64_t>(keys.size)) {
        return malformed();
    }
    return dict(keys.size, mark, depth, &keys);
}

// One that nothing in it refers to: made when all of its pairs are there, in its size.
PyObject* Decoder::gathered_dict(Py_ssize_t size, int depth, Keys* like) {
    constexpr Py_ssize_t kFew = 16;
    PyObject* few[2 * kFew];
    PyObject** const pairs =
        size <= kFew
            ? few
            : static_cast<PyObject**>(std::malloc(static_cast<std::size_t>(size) * 2 * sizeof *pairs));
    if (!pairs) return PyErr_NoMemory();
    claimed_ += static_cast<std::uint64_t>(size);
    PyObject** past = pairs;
    PyObject* made = nullptr;
    for (Py_ssize_t pos = 0;; ++pos, past += 2) {
        if (pos == size) {
            made = cpython::dict_of_pairs(pairs, size);
            claimed_ -= static_cast<std::uint64_t>(size);
            break;
        }
        PyObject* key = nullptr;
        if (!pair(like, pos, depth, key, past[1])) {
            unfinished_dict(pairs, pos, size, depth, key, like);
            break;
        }
        past[0] = key;
    }
    while (past != pairs) Py_DECREF(*--past);
    if (pairs != few) std::free(pairs);
    return made;
}

// Not all pairs of a dict can be gathered: it is made of the `count` that were. Takes over `key`; else as suspended().
void Decoder::unfinished_dict(PyObject* const* pairs, Py_ssize_t count, Py_ssize_t size, int depth,
                              PyObject* key, const Keys* like) {
    PyObject* made = goes_on_ ? PyDict_New() : nullptr;
    for (Py_ssize_t i = 0; made && i < count; ++i) {
        if (PyDict_SetItem(made, pairs[2 * i], pairs[2 * i + 1]) < 0) Py_CLEAR(made);
    }
    PyObject* keys = nullptr;
    if (made && like) {
        keys = tuple_of(*like);
        if (!keys) Py_CLEAR(made);
    }
    if (made) {
        suspended({made, key, keys, count, size, -1, kDict, nullptr, 0, 0}, depth);
    } else {
        goes_on_ = false;
        Py_XDECREF(key);
    }
}

// The whole value.
PyObject* Decoder::dict_alone() {
    std::uint64_t size = 0;
    ++at_;
    if (!remembered_.empty() || !frames_.empty() || !get_size(size)) return malformed();
    if (!remember(nullptr)) return nullptr;
    return dict(static_cast<Py_ssize_t>(size), false, 0, nullptr);
}

PyObject* Decoder::dict(Py_ssize_t size, bool mark, int depth, Keys* like) {
    if (!mark && size > 0) return gathered_dict(size, depth, like);
    PyObject* const made = PyDict_New();
    if (!made) return nullptr;
    if (mark && !remember(made)) {
        Py_DECREF(made);
        return nullptr;
    }
    if (size == 0) return made;
    claimed_ += static_cast<std::uint64_t>(size);
    for (Py_ssize_t pos = 0; pos < size; ++pos) {
        PyObject* key = nullptr;
        PyObject* item = nullptr;
        if (!pair(like, pos, depth, key, item) || PyDict_SetItem(made, key, item) < 0) {
            PyObject* keys = nullptr;
            if (like && goes_on_) {
                keys = tuple_of(*like);
                goes_on_ = keys != nullptr;
            }
            Py_XDECREF(item);
            return suspended({made, key, keys, pos, size, -1, kDict, nullptr, 0, 0}, depth);
        }
        Py_DECREF(key);
        Py_DECREF(item);
    }
    claimed_ -= static_cast<std::uint64_t>(size);
    return made;
}

// Unmarked, as short_text().
[[gnu::noinline]] PyObject* Decoder::key() {
    Py_hash_t hash = -1;
    std::uint8_t length = 0;
    ++at_;
    if (!get_u8(length) || !get(&hash, sizeof hash) || length < 2 || length >= 0x80 || length > left()) {
        return malformed();
    }
    PyObject* const made = PyUnicode_New(length, 0x7F);
    if (!made) return nullptr;
    copy_payload(reinterpret_cast<std::byte*>(PyUnicode_1BYTE_DATA(made)), at_, length);
    at_ += length;
    cpython::set_hash(made, hash);
    return made;
}

// As value(), in a tree. goes_on_ without anything read where it is for the frames. What needs no more than a call is
// here, and the rest elsewhere, so that the former saves no registers.
PyObject* Decoder::tree_value(int depth) {
    if (at_ == end_) return malformed();
    const auto tag = static_cast<std::uint8_t>(*at_);
    switch (tag) {
    case kNone:
        return scalar<kNone>();
    case kTrue:
        return scalar<kTrue>();
    case kFalse:
        return scalar<kFalse>();
    case kInt8:
        return scalar<kInt8>();
    case kInt32:
        return scalar<kInt32>();
    case kFloat:
        return scalar<kFloat>();
    case kStrAscii:
        return short_text();
    case kKey:
        return key();
    case kTuple:
    case kTuple | kRemember:
    case kList:
    case kList | kRemember:
    case kDict:
    case kDict | kRemember:
        return branch(tag, depth);
    case kRef:
        return known();
    case kKey | kRemember:
        return remembered(key(), true);
    case kStrAscii | kRemember:
        return remembered(short_text(), true);
    case kDictAlone:
        return depth == 0 ? dict_alone() : malformed();
    case kInt64:
    case kIntBig:
    case kComplex:
    case kStrLatin1:
    case kStrLatin1 | kRemember:
    case kStrUcs2:
    case kStrUcs2 | kRemember:
    case kStrUcs4:
    case kStrUcs4 | kRemember:
    case kBytes:
    case kBytes | kRemember:
        return other_value();
    default:
        goes_on_ = true;
        return nullptr;
    }
}

[[gnu::noinline]] PyObject* Decoder::branch(std::uint8_t tag, int depth) {
    if (depth > kTreeDepth) {
        goes_on_ = true;
        return nullptr;
    }
    std::uint64_t size = 0;
    ++at_;
    if (!get_size(size)) return malformed();
    return tree(tag & ~kRemember, static_cast<Py_ssize_t>(size), (tag & kRemember) != 0, depth);
}

[[gnu::noinline]] PyObject* Decoder::known() {
    const std::byte* const from = at_++;
    std::uint64_t number = 0;
    PyObject* const obj = get_varint(number) && number < remembered_.size() ? remembered_[number] : nullptr;
    if (!obj) return malformed();
    if (PyUnicode_CheckExact(obj) || PyDict_CheckExact(obj) || PyBytes_CheckExact(obj))
        return Py_NewRef(obj);
    at_ = from;
    goes_on_ = true;
    return nullptr;
}

// Unmarked, whatever the tag says.
[[gnu::noinline]] PyObject* Decoder::short_text() {
    PyObject* made = nullptr;
    std::size_t size = 0;
    if (!small_text(at_, left(), made, size)) {
        ++at_;
        return text(kStrAscii);
    }
    at_ += size;
    return made;
}

}  // namespace interpchannels
