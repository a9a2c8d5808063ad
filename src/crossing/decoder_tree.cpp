// Lists, tuples and dicts of plain values and of each other: the other side of plain_tree.cpp.
//
// They are read by functions that call each other, at most kTreeDepth deep. They run no Python code: what might, and what
// only the frames can judge (a reference to a tuple that may be open), they leave alone, and each call that is open
// turns into a frame.
#include "crossing/decoding.hpp"
#include "interpreter/dict_table.hpp"

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
    keys.size = PyDict_GET_SIZE(dict);
    keys.of = dict;
    keys.read = false;
    read_keys(keys);
    if constexpr (!kHasGil) keys.of = nullptr;  // it may change after the section
    for (Py_ssize_t i = 0; i < keys.size; ++i) {
        if (PyUnicode_CheckExact(keys.keys[i].get())) continue;
        keys.size = 0;
    }
    return keys.size > 0;
}

void Decoder::read_keys(Keys& keys) noexcept {
    if (std::exchange(keys.read, true)) return;
    PyObject* key = nullptr;
    PyObject* value = nullptr;
    dict_table::Pairs pairs(keys.of, keys.size, 0);
    for (Borrowed* next = keys.keys; pairs.next(key, value); ++next) *next = key;
}

PyObject* Decoder::tuple_of(const Keys& keys) {
    PyObject* const made = PyTuple_New(keys.size);
    for (Py_ssize_t i = 0; made && i < keys.size; ++i)
        PyTuple_SET_ITEM(made, i, Py_NewRef(keys.keys[i].get()));
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
PyObject* Decoder::gathered_dict(Py_ssize_t size, int depth) {
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
    Keys* like = nullptr;
    for (Py_ssize_t pos = 0;; ++pos, past += 2) {
        if (pos == size) {
            made = cpython::dict_of_pairs(pairs, size);
            claimed_ -= static_cast<std::uint64_t>(size);
            break;
        }
        PyObject* key = nullptr;
        if (!pair(like, pos, depth, key, past[1])) {
            unfinished_dict(pairs, pos, size, depth, key);
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
                              PyObject* key) {
    PyObject* made = goes_on_ ? PyDict_New() : nullptr;
    for (Py_ssize_t i = 0; made && i < count; ++i) {
        if (PyDict_SetItem(made, pairs[2 * i], pairs[2 * i + 1]) < 0) Py_CLEAR(made);
    }
    if (made) {
        suspended({made, key, nullptr, count, size, -1, kDict, nullptr, 0, 0}, depth);
    } else {
        goes_on_ = false;
        Py_XDECREF(key);
    }
}

// One that nothing in it refers to, with the keys of another: a copy of it, whose values are set as they come.
PyObject* Decoder::copied_dict(int depth, Keys& keys) {
    const Py_ssize_t size = keys.size;
    dict_table::Copy copy(keys.of, size);
    if (!copy) return nullptr;
    claimed_ += static_cast<std::uint64_t>(size);
    Py_ssize_t pos = 0;
    for (; pos < size && !at_other_keys(); ++pos) {
        PyObject* const item = tree_value(depth + 1);
        if (!item) break;
        if (!copy.set(pos, item, [&] { return read_keys(keys), keys.keys[pos].get(); })) return nullptr;
    }
    if (pos == size) {
        claimed_ -= static_cast<std::uint64_t>(size);
        return copy.release();
    }
    const bool stopped = goes_on_;
    if (!stopped && PyErr_Occurred()) return nullptr;
    // The values from here on are still another's.
    goes_on_ = false;
    read_keys(keys);
    const PyRef begun(copy.release());
    PyObject* const made = first_pairs(begun.get(), pos);
    if (!made) return nullptr;
    if (!stopped) return fill_dict(made, pos, size, depth, &keys);
    PyObject* const all = tuple_of(keys);
    goes_on_ = all != nullptr;
    return suspended({made, Py_NewRef(keys.keys[pos].get()), all, pos, size, -1, kDict, nullptr, 0, 0},
                     depth);
}

// The first `count` of a dict. A new reference.
PyObject* Decoder::first_pairs(PyObject* dict, Py_ssize_t count) {
    PyRef made(PyDict_New());
    PyObject* key = nullptr;
    PyObject* item = nullptr;
    for (Py_ssize_t pos = 0; made && count > 0 && PyDict_Next(dict, &pos, &key, &item); --count) {
        if (PyDict_SetItem(made.get(), key, item) < 0) return nullptr;
    }
    return made.release();
}

// Keys that come as a block, into `keys`; what holds them: a new reference, or nullptr with an exception set.
PyObject* Decoder::shape_keys(const std::byte* block, std::size_t length, Py_ssize_t size, Keys& keys) {
    ShapeCache& shapes = context_.shapes;
    const std::uint64_t hash = ShapeCache::hash(block, length);
    if (const ShapeCache::Known* const known = shapes.find(hash, block, length)) {
        if (PyDict_GET_SIZE(known->dict) != size) return malformed();
        keys.size = size;
        keys.of = known->dict;
        return number_keys(known->numbered, keys) ? Py_NewRef(keys.of) : nullptr;
    }
    std::uint16_t numbered = 0;
    PyRef made(fresh_keys(block, length, size, numbered));
    if (!made) return malformed();
    if (shapes.met_before(hash)) {
        PyRef dict(PyDict_New());
        for (Py_ssize_t i = 0; dict && i < size; ++i) {
            if (PyDict_SetItem(dict.get(), PyTuple_GET_ITEM(made.get(), i), Py_None) < 0) return nullptr;
        }
        if (!dict) return nullptr;
        if (!keys_of(dict.get(), keys) || keys.size != size) return malformed();  // one of them twice
        shapes.keep(hash, block, length, {dict.get(), numbered});
        made = std::move(dict);
    } else {
        for (Py_ssize_t i = 0; i < size; ++i) keys.keys[i] = PyTuple_GET_ITEM(made.get(), i);
        keys.size = size;
        keys.read = true;
    }
    return number_keys(numbered, keys) ? made.release() : nullptr;
}

// The keys that may be met again get their numbers.
bool Decoder::number_keys(std::uint16_t numbered, Keys& keys) {
    if (numbered == 0) return true;
    read_keys(keys);
    for (Py_ssize_t i = 0; numbered != 0; ++i, numbered >>= 1) {
        if ((numbered & 1) && !remember(keys.keys[i].get())) return false;
    }
    return true;
}

// A tuple of new str, with a bit for each that gets a number. nullptr: malformed, or with an exception set.
PyObject* Decoder::fresh_keys(const std::byte* block, std::size_t length, Py_ssize_t size,
                              std::uint16_t& numbered) {
    PyRef made(PyTuple_New(size));
    for (Py_ssize_t i = 0; made && i < size; ++i) {
        if (length == 0) return nullptr;
        const auto bytes = static_cast<std::size_t>(*block & ~std::byte{kRemember});
        if (bytes >= length) return nullptr;
        if ((*block & std::byte{kRemember}) != std::byte{0}) numbered |= static_cast<std::uint16_t>(1 << i);
        PyObject* const key =
            PyUnicode_FromKindAndData(PyUnicode_1BYTE_KIND, block + 1, static_cast<Py_ssize_t>(bytes));
        if (!key) return nullptr;
        PyTuple_SET_ITEM(made.get(), i, key);
        block += 1 + bytes;
        length -= 1 + bytes;
    }
    return length == 0 ? made.release() : nullptr;
}

// With the tag read.
[[gnu::noinline]] PyObject* Decoder::shaped_dict(bool mark, int depth) {
    std::uint64_t size = 0;
    std::uint16_t length = 0;
    if (!get_size(size) || size == 0 || size > kShapeMost || !get(&length, sizeof length) ||
        length < size || length > left()) {
        return malformed();
    }
    const std::byte* const block = at_;
    at_ += length;
    PyRef made;
    if (mark) {  // its number comes before those of its keys
        made = PyRef(PyDict_New());
        if (!made || !remember(made.get())) return nullptr;
    }
    Keys keys;
    const PyRef held(shape_keys(block, length, static_cast<Py_ssize_t>(size), keys));
    if (!held) return nullptr;
    if (!mark) return dict(keys.size, false, depth, &keys);
    read_keys(keys);
    claimed_ += size;
    return fill_dict(made.release(), 0, keys.size, depth, &keys);
}

// The whole value, with the tag read.
PyObject* Decoder::dict_alone(bool shaped) {
    if (!remembered_.empty() || !frames_.empty()) return malformed();
    if (!remember(nullptr)) return nullptr;
    if (shaped) return shaped_dict(false, 0);
    std::uint64_t size = 0;
    return get_size(size) ? dict(static_cast<Py_ssize_t>(size), false, 0, nullptr) : malformed();
}

PyObject* Decoder::dict(Py_ssize_t size, bool mark, int depth, Keys* like) {
    if (!mark && size > 0) {
        if (!like) return gathered_dict(size, depth);
        if (like->of) return copied_dict(depth, *like);
    }
    PyObject* const made = PyDict_New();
    if (!made) return nullptr;
    if (mark && !remember(made)) {
        Py_DECREF(made);
        return nullptr;
    }
    if (size == 0) return made;
    claimed_ += static_cast<std::uint64_t>(size);
    return fill_dict(made, 0, size, depth, like);
}

// The pairs from `pos` on, into a dict that it takes over.
PyObject* Decoder::fill_dict(PyObject* made, Py_ssize_t pos, Py_ssize_t size, int depth, Keys* like) {
    for (; pos < size; ++pos) {
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
    case kShaped:
    case kShaped | kRemember:
        return shaped_branch(tag, depth);
    case kDictAlone:
    case kShapedAlone:
        ++at_;
        return depth == 0 ? dict_alone(tag == kShapedAlone) : malformed();
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

[[gnu::noinline]] PyObject* Decoder::shaped_branch(std::uint8_t tag, int depth) {
    if (depth > kTreeDepth) {
        goes_on_ = true;
        return nullptr;
    }
    ++at_;
    return shaped_dict((tag & kRemember) != 0, depth);
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
