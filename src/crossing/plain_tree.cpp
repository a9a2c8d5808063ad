// Trees of lists, tuples and dicts whose leaves are plain values: most of what is sent.
//
// They are written by functions that call each other, at most kTreeDepth deep, without frames and without references
// to what is open: no Python code runs meanwhile, so nothing changes. They stop before the first part that is none of
// these, or lies too deep. Then each call that is open leaves the frame that the encoder would have had, its own at
// its depth, and the encoder goes on from there.
//
// Numbers side by side go as a run, and a dict with the keys of its neighbour in the list without them, so that
// neither side looks at each of them by itself. Both may end at any item: nothing is looked at twice.
#include <cstring>

#include "crossing/encoder.hpp"
#include "interpreter/cpython_private.hpp"
#include "interpreter/dict_table.hpp"

namespace interpchannels {

// The keys of the dict that was written last in a list or tuple, if its next item may have the same.
struct Encoder::Shape {
    Py_ssize_t size = 0;  // 0: there is none
    Borrowed keys[kShapeMost];
};

// --- leaves ---

// A short one in ASCII that more than one reference points to.
Encoder::Step Encoder::shared_text(PyObject* str) {
    std::uint8_t mark = 0;
    const std::int64_t known = find_or_add(str, mark);
    if (known < -1) return kError;
    if (known >= 0) return refer(known);
    if (!reserve(kSmallMax)) return kError;
    const auto length = static_cast<std::size_t>(PyUnicode_GET_LENGTH(str));
    std::byte* const at = base_ + size_;
    at[0] = static_cast<std::byte>(kStrAscii | mark);
    at[1] = static_cast<std::byte>(length);
    copy_payload(at + 2, reinterpret_cast<const std::byte*>(PyUnicode_1BYTE_DATA(str)), length);
    size_ += length + 2;
    return kLeaf;
}

// A str that is a key. It goes with its hash, which is the same in all interpreters of the process.
Encoder::Step Encoder::text_key(PyObject* str) {
    if (!PyUnicode_IS_COMPACT_ASCII(str)) return leaf(str);
    const Py_ssize_t length = PyUnicode_GET_LENGTH(str);
    if (length == 1) {
        if (!reserve(3)) return kError;
        base_[size_] = std::byte{kStrAscii};
        base_[size_ + 1] = std::byte{1};
        base_[size_ + 2] = static_cast<std::byte>(*PyUnicode_1BYTE_DATA(str));
        size_ += 3;
        return kLeaf;
    }
    const Py_hash_t hash = cpython::known_hash(str);
    if (length == 0 || length >= 0x80 || hash == -1) return leaf(str);
    std::uint8_t mark = 0;
    if (!met_once(str)) {
        const std::int64_t known = find_or_add(str, mark);
        if (known < -1) return kError;
        if (known >= 0) return refer(known);
    }
    if (!reserve(kSmallMax + sizeof hash)) return kError;
    std::byte* const at = base_ + size_;
    at[0] = static_cast<std::byte>(kKey | mark);
    at[1] = static_cast<std::byte>(length);
    std::memcpy(at + 2, &hash, sizeof hash);
    copy_payload(at + 2 + sizeof hash, reinterpret_cast<const std::byte*>(PyUnicode_1BYTE_DATA(str)),
                 static_cast<std::size_t>(length));
    size_ += 2 + sizeof hash + static_cast<std::size_t>(length);
    return kLeaf;
}

Encoder::Step Encoder::other_leaf(PyObject* obj) {
    PyTypeObject* const type = Py_TYPE(obj);
    if (type == &PyUnicode_Type) {
        return PyUnicode_IS_COMPACT_ASCII(obj) && PyUnicode_GET_LENGTH(obj) < 0x80 ? shared_text(obj)
                                                                                   : text(obj);
    }
    if (type == &PyBytes_Type) return bytes(obj);
    return type == &PyLong_Type && mode_.native ? big_int(obj) : kStop;
}

// What has no parts.
[[gnu::always_inline]] inline Encoder::Step Encoder::leaf(PyObject* obj) {
    if (!reserve(kSmallMax)) return kError;
    const std::size_t n = put_small<true>(obj, base_ + size_);
    size_ += n;
    return n ? kLeaf : other_leaf(obj);
}

// --- runs ---

namespace {

bool starts_run(PyObject* const* items) noexcept {
    PyTypeObject* const type = Py_TYPE(items[0]);
    return (type == &PyFloat_Type || type == &PyLong_Type) && Py_TYPE(items[1]) == type &&
           Py_TYPE(items[2]) == type && Py_TYPE(items[3]) == type;
}
static_assert(kRunLeast == 4);

std::byte* put_run_header(std::byte* at, Tag tag, Py_ssize_t n) noexcept {
    const auto count = static_cast<std::uint16_t>(n);
    at[0] = static_cast<std::byte>(tag);
    std::memcpy(at + 1, &count, sizeof count);
    return at + 1 + sizeof count;
}

}  // namespace

// Writes a run of the first of `count` items. How many; 0: they are too few; -1 with an exception set.
[[gnu::noinline]] Py_ssize_t Encoder::run(PyObject* const* items, Py_ssize_t count) {
    PyTypeObject* const type = Py_TYPE(items[0]);
    const Py_ssize_t most = count < kRunMost ? count : kRunMost;
    constexpr std::size_t kHeader = 3;
    Py_ssize_t n = 0;
    if (type == &PyFloat_Type) {
        if (!reserve(kHeader + static_cast<std::size_t>(most) * 8)) return -1;
        std::byte* at = base_ + size_ + kHeader;
        for (; n < most && Py_TYPE(items[n]) == type; ++n, at += 8) {
            const double value = PyFloat_AS_DOUBLE(items[n]);
            std::memcpy(at, &value, 8);
        }
        put_run_header(base_ + size_, kFloats, n);
        size_ = static_cast<std::size_t>(at - base_);
        return n;
    }
    if (!reserve(kHeader + static_cast<std::size_t>(most) * 8)) return -1;
    std::byte* const first = base_ + size_ + kHeader;
    long long value = 0;
    for (; n < most && Py_TYPE(items[n]) == type && small_int(items[n], value); ++n) {
        const auto narrow = static_cast<std::int32_t>(value);
        if (narrow != value) break;
        std::memcpy(first + n * 4, &narrow, 4);
    }
    if (n >= kRunLeast) {
        put_run_header(base_ + size_, kInts32, n);
        size_ += kHeader + static_cast<std::size_t>(n) * 4;
        return n;
    }
    // One of the first is wide: all go as wide ones.
    for (n = 0; n < most && Py_TYPE(items[n]) == type && small_int(items[n], value); ++n) {
        const std::int64_t wide = value;
        std::memcpy(first + n * 8, &wide, 8);
    }
    if (n < kRunLeast) return 0;
    put_run_header(base_ + size_, kInts64, n);
    size_ += kHeader + static_cast<std::size_t>(n) * 8;
    return n;
}

// As many of the `count` items as are small, up to the first that isn't; how many. -1 with an exception set.
template <bool kRuns>
Py_ssize_t Encoder::small_items(PyObject* const* items, Py_ssize_t count) {
    Py_ssize_t done = 0;
    std::byte* at = base_ + size_;
    while (done < count) {
        if (kRuns && count - done >= kRunLeast && starts_run(items + done)) {
            size_ = static_cast<std::size_t>(at - base_);
            const Py_ssize_t n = run(items + done, count - done);
            if (n < 0) return -1;
            at = base_ + size_;
            done += n;
            if (n > 0) continue;
        }
        if (base_ + room_ - at < static_cast<std::ptrdiff_t>(kSmallMax)) {
            size_ = static_cast<std::size_t>(at - base_);
            if (!reserve(kSmallMax)) return -1;
            at = base_ + size_;
        }
        const std::size_t n = put_small<true>(items[done], at);
        if (n == 0) break;
        at += n;
        ++done;
    }
    size_ = static_cast<std::size_t>(at - base_);
    return done;
}
template Py_ssize_t Encoder::small_items<true>(PyObject* const*, Py_ssize_t);
template Py_ssize_t Encoder::small_items<false>(PyObject* const*, Py_ssize_t);

// --- containers ---

// The items of a list, tuple or dict of which the rest is written. kPushed: it has a frame now, as has all that is open
// in it.
[[gnu::always_inline]] inline Encoder::Step Encoder::parts(PyObject* obj, Tag tag, Py_ssize_t size,
                                                           std::int64_t number, int depth, Shape* shape,
                                                           bool like) {
    // Likely enough for most values, so that the bytes of a large one are not copied again and again.
    constexpr Py_ssize_t kMany = 256;
    if (size >= kMany && !reserve(static_cast<std::size_t>(size) * (tag == kDict ? 16 : 8))) return kError;
    const bool refers = tag == kTuple && number >= 0;
    if (refers) remembered_[static_cast<std::size_t>(number)].open_tuple = true;
    Place at{0, nullptr, nullptr, like, size};
    Step step = kStop;
    switch (tag) {
    case kDict:
        step = pairs_of(obj, size, at, depth, shape);
        break;
    case kList:
        step = items_of(obj, reinterpret_cast<PyListObject*>(obj)->ob_item, size, at, depth);
        break;
    default:
        step = items_of(obj, reinterpret_cast<PyTupleObject*>(obj)->ob_item, size, at, depth);
    }
    if (step == kLeaf) {
        if (refers) remembered_[static_cast<std::size_t>(number)].open_tuple = false;
        return kLeaf;
    }
    if (step != kStop && step != kPushed) return step;
    const std::size_t index = tree_base_ + static_cast<std::size_t>(depth);
    if (step == kStop &&
        !frames_.extend(index + 1)) {  // with the frames of those it lies in, which they write next
        PyErr_NoMemory();
        return kError;
    }
    Frame frame{};
    frame.obj = Py_NewRef(obj);
    frame.key = Py_XNewRef(at.key.get());
    frame.pending = Py_XNewRef(at.item.get());
    frame.pos = at.pos;
    frame.size = size;
    frame.left = at.left;
    frame.number = number;
    frame.kind = tag;
    frame.like = at.like;
    frames_[index] = frame;
    return kPushed;
}

// One of a container's items. `shape` is that of its neighbours.
Encoder::Step Encoder::branch(PyObject* obj, int depth, Shape* shape) {
    PyTypeObject* const type = Py_TYPE(obj);
    Tag tag = kTuple;
    Py_ssize_t size = 0;
    if (type == &PyDict_Type) {
        tag = kDict;
        size = PyDict_GET_SIZE(obj);
    } else if (type == &PyList_Type) {
        tag = kList;
        size = PyList_GET_SIZE(obj);
    } else if (type == &PyTuple_Type) {
        size = PyTuple_GET_SIZE(obj);
    } else {
        if (shape) shape->size = 0;
        return leaf(obj);
    }
    if (depth > kTreeDepth || (!mode_.native && tag != kTuple)) return kStop;
    const bool once = met_once(obj);  // before it is held
    const Borrowed alive(obj);
    const Section section(tag == kTuple ? nullptr : obj);
    if constexpr (!kHasGil) {
        if (tag != kTuple) size = tag == kDict ? PyDict_GET_SIZE(obj) : PyList_GET_SIZE(obj);
    }
    const Py_ssize_t like =
        shape ? std::exchange(shape->size, 0) : 0;  // whatever this is, until it turns out to be one
    std::uint8_t mark = 0;
    std::int64_t number = -1;
    if ((size > 0 || tag != kTuple) && !once) {
        const std::int64_t known = find_or_add(obj, mark);
        if (known < -1) return kError;
        if (known >= 0) {
            const Remembered& one = remembered_[static_cast<std::size_t>(known)];
            return one.open_tuple || one.unfinished ? kStop : refer(known);
        }
        number = static_cast<std::int64_t>(remembered_.size()) - 1;
    }
    if (!reserve(1 + kVarintMax)) return kError;
    if (tag != kDict) {
        shape = nullptr;
    } else if (size > 0 && size <= kShapeMost && like != size) {
        Shape own;
        Shape* const keys = shape ? shape : &own;
        const int shaped = shape_of(obj, size, mark, *keys);
        if (shaped < 0) return kError;
        if (shaped > 0) return parts(obj, tag, size, number, depth, keys, true);
    }
    const bool as_before = tag == kDict && size > 0 && like == size;
    base_[size_++] = static_cast<std::byte>((as_before ? kDictLike : tag) | mark);
    size_ += varint_at(static_cast<std::uint64_t>(size), base_ + size_);
    if (size == 0) return kLeaf;
    return parts(obj, tag, size, number, depth, shape, as_before);
}

Encoder::Step Encoder::tree(PyObject* obj, Tag tag, Py_ssize_t size, std::int64_t number) {
    return parts(obj, tag, size, number, 0, nullptr, false);
}

Encoder::Step Encoder::items_of([[maybe_unused]] PyObject* obj, PyObject* const* items, Py_ssize_t size,
                                Place& at, int depth) {
    Shape shape;
    for (;;) {
        const Py_ssize_t done = small_items<true>(items + at.pos, size - at.pos);
        if (done < 0) return kError;
        at.pos += done;
        if (at.pos == size) return kLeaf;
        if (done > 0) shape.size = 0;
        const Step step = branch(items[at.pos], depth + 1, &shape);
        if (step != kStop) ++at.pos;
        if (step != kLeaf) return step;
        if constexpr (!kHasGil) {  // the section of this one was suspended, maybe
            if (PyList_CheckExact(obj)) {
                if (PyList_GET_SIZE(obj) != size) return raise_changed("list");
                items = reinterpret_cast<PyListObject*>(obj)->ob_item;
            }
        }
    }
}

// Begins a dict with all of its keys. 1; 0: they are not short texts in ASCII, or one is known already, and nothing was
// written; -1 with an exception set.
int Encoder::shape_of(PyObject* dict, Py_ssize_t size, std::uint8_t mark, Shape& shape) {
    constexpr std::size_t kLongest = 0x7F;
    constexpr std::size_t kHeader = 2 + sizeof(std::uint16_t);  // for one of so few, one byte says how many
    if (!reserve(kHeader + static_cast<std::size_t>(size) * (1 + kLongest))) return -1;
    std::byte* const from = base_ + size_;
    std::byte* at = from + kHeader;
    PyObject* key = nullptr;
    PyObject* item = nullptr;
    dict_table::Pairs pairs(dict, size, 0);
    unsigned numbered = 0;  // a bit for each that gets a number
    for (Py_ssize_t i = 0; pairs.next(key, item); ++i) {
        if (!PyUnicode_CheckExact(key) || !PyUnicode_IS_COMPACT_ASCII(key)) return 0;
        const auto length = static_cast<std::size_t>(PyUnicode_GET_LENGTH(key));
        if (length > kLongest) return 0;
        const bool again = length > 1 && !met_once(key);
        if (again && find(key) >= 0) return 0;
        numbered |= static_cast<unsigned>(again) << i;
        shape.keys[i] = key;
        *at = static_cast<std::byte>(length | (again ? std::size_t{kRemember} : 0));
        copy_payload(at + 1, reinterpret_cast<const std::byte*>(PyUnicode_1BYTE_DATA(key)), length);
        at += 1 + length;
    }
    std::uint8_t ignored = 0;
    for (Py_ssize_t i = 0; numbered != 0; ++i, numbered >>= 1) {
        if ((numbered & 1) && add(shape.keys[i].get(), ignored) < -1) return -1;
    }
    const auto block = static_cast<std::uint16_t>(at - from - kHeader);
    from[0] = static_cast<std::byte>(kShaped | mark);
    from[1] = static_cast<std::byte>(size);
    std::memcpy(from + 2, &block, sizeof block);
    size_ = static_cast<std::size_t>(at - base_);
    return 1;
}

// The pairs from at.pos on, of which there are at.left. The dict has `size`.
Encoder::Step Encoder::pairs_of(PyObject* dict, Py_ssize_t size, Place& at, int depth, Shape* shape) {
    PyObject* key = nullptr;
    PyObject* item = nullptr;
    bool all_text = shape && size <= kShapeMost;
    const Py_ssize_t left = at.left;
    Py_ssize_t index = 0;
    dict_table::Pairs pairs(dict, size, at.pos);
    for (; pairs.next(key, item); at.pos = pairs.pos(), ++index) {
        if constexpr (!kHasGil) {  // the section was suspended, maybe
            if (index >= left) return raise_changed("dict");
        }
        if (at.like && shape && key != shape->keys[index].get()) {
            if (!put_tag(kOtherKeys)) return kError;
            at.like = false;
        }
        if (!at.like) {
            const Step step = Py_TYPE(key) == &PyUnicode_Type ? text_key(key) : leaf(key);
            if (step != kLeaf) {
                at.left = left - index;
                return step;
            }
            all_text = all_text && PyUnicode_CheckExact(key);
            if (all_text) shape->keys[index] = key;
        }
        const bool plain = !is_tree(item);
        // The dict may lose it in a section within this one. (Where the item comes back as kStop there was none.)
        const Borrowed its_key(plain ? nullptr : key);
        const Step step = plain ? leaf(item) : branch(item, depth + 1, nullptr);
        if (step == kLeaf) continue;
        if (step == kStop && at.like) {
            at.like = false;
            if (!put_tag(kOtherKeys) || text_key(key) != kLeaf) return kError;
        }
        at.key = key;
        if (step == kStop) at.item = item;
        at.pos = pairs.pos();
        at.left = left - index - 1;
        return step;
    }
    if (index != left) return raise_changed("dict");
    if (all_text) shape->size = size;
    return kLeaf;
}

}  // namespace interpchannels
