// The decoder's inside: a machine with a frame for each open container (decoder.cpp), the leaves (decoder_leaves.cpp),
// and a shorter way for the trees that most values are (decoder_tree.cpp). The invariants are decoder.hpp's.
#pragma once

#include <cstring>

#include "crossing/attachments.hpp"
#include "crossing/decoder.hpp"
#include "crossing/format.hpp"
#include "crossing/instances.hpp"
#include "crossing/pod_vector.hpp"
#include "interpreter/without_gil.hpp"

namespace interpchannels {

class Decoder {
public:
    Decoder(Context& context, Parcel& parcel) noexcept
        : context_(context), parcel_(parcel), at_(parcel.data), end_(parcel.data + parcel.size) {}
    ~Decoder() {
        while (!frames_.empty()) {
            Py_XDECREF(frames_.back().keys);
            Py_XDECREF(frames_.back().key);
            Py_XDECREF(frames_.back().obj);
            frames_.pop();
        }
        for (std::size_t i = 0; i < remembered_.size(); ++i) Py_XDECREF(remembered_[i]);
    }
    Decoder(const Decoder&) = delete;
    Decoder& operator=(const Decoder&) = delete;

    PyObject* run() {
        PyObject* made = first_value();
        for (;;) {
            while (made) {
                if (frames_.empty()) return made;
                made = deliver(made);
            }
            if (!goes_on_) return nullptr;
            goes_on_ = false;
            made = fill(frames_.back());
        }
    }

private:
    struct Frame {
        PyObject*
            obj;  // strong: the container; for a range a tuple of its parts; nullptr: made of one part
        PyObject* key;  // dict: strong, waiting for its value
        PyObject*
            keys;  // dict: a strong tuple of all its keys where they are another's; nullptr: they follow
        Py_ssize_t pos;
        Py_ssize_t size;
        std::int64_t number;  // to be remembered when it is finished, or -1
        std::uint8_t kind;
        // Instances (instances.hpp).
        const ClassPlan* plan;  // held by classes_
        Py_ssize_t declared;    // attributes that come without their names
        Py_ssize_t named;       // and where those end that come with them
    };

    // --- reading ---

    PyObject* malformed() {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_SystemError, "malformed parcel");
        return nullptr;
    }
    std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - at_); }
    bool get(void* out, std::size_t n) noexcept {
        if (left() < n) return false;
        std::memcpy(out, at_, n);
        at_ += n;
        return true;
    }
    bool get_u8(std::uint8_t& out) noexcept { return get(&out, 1); }
    bool get_varint(std::uint64_t& out) noexcept {
        if (at_ != end_ && (*at_ & std::byte{0x80}) == std::byte{0}) {
            out = static_cast<std::uint64_t>(*at_++);
            return true;
        }
        out = 0;
        for (int shift = 0; shift < 64 && at_ != end_; shift += 7) {
            const auto b = static_cast<std::uint8_t>(*at_++);
            out |= static_cast<std::uint64_t>(b & 0x7F) << shift;
            if (!(b & 0x80)) return true;
        }
        return false;
    }
    // A length of things that take at least one byte each of what is left.
    bool get_length(std::uint64_t& out) noexcept { return get_varint(out) && out <= left(); }
    // The size of a container. All that are open are no larger together than the parcel, since each item of each takes a
    // byte of its own.
    bool get_size(std::uint64_t& out) noexcept { return get_length(out) && claimed_ + out <= parcel_.size; }
    template <class T>
    T* take_attachment() noexcept {
        T* const first = attachment_as<T>(parcel_.attachments);
        if (!first) return nullptr;
        parcel_.attachments = first->next;
        first->next = nullptr;
        return first;
    }

    // --- sharing ---

    bool remember(PyObject* obj) {  // keeps a reference of its own
        if (remembered_.push(Py_XNewRef(obj))) return true;
        Py_XDECREF(obj);
        PyErr_NoMemory();
        return false;
    }
    // What lies in an open list or tuple may refer to it, and be handed to Python code before the rest has come: to
    // a from_shareable, or the __hash__ of a key. It finds None there for what is missing (a null would crash it).
    static PyObject* whole_enough(PyObject* obj) {
        PyObject** items = nullptr;
        Py_ssize_t size = 0;
        const Section section(PyList_CheckExact(obj) ? obj : nullptr);
        if (PyList_CheckExact(obj)) {
            items = reinterpret_cast<PyListObject*>(obj)->ob_item;
            size = PyList_GET_SIZE(obj);
        } else if (PyTuple_CheckExact(obj)) {
            items = reinterpret_cast<PyTupleObject*>(obj)->ob_item;
            size = PyTuple_GET_SIZE(obj);
        }
        while (size > 0 && !items[--size]) items[size] = Py_None;  // immortal
        return obj;
    }
    // A tuple or slice that is open can be referred to by way of what can change, and so has no hash, but not
    // directly: CPython would hash it for ever.
    bool lies_in_itself(PyObject* obj) noexcept {
        if (!PyTuple_Check(obj) && !PySlice_Check(obj)) return false;
        for (std::size_t i = frames_.size(); i-- > 0;) {
            const Frame& frame = frames_[i];
            if (frame.obj == obj) return true;
            if (frame.kind != kTuple && frame.kind != kNamedTuple && frame.kind != kSlice) return false;
        }
        return false;
    }
    PyObject* remembered(PyObject* obj, bool mark) {
        if (obj && mark && !remember(obj)) Py_CLEAR(obj);
        return obj;
    }

    // --- values: a new reference; nullptr with an exception, or with goes_on_ where a container was opened ---

    // One of the most common, which open nothing. Where it is none of them, nullptr, and nothing was read.
    [[gnu::always_inline]] PyObject* common_value() {
        const std::size_t room = left();
        if (room == 0) return nullptr;
        switch (static_cast<std::uint8_t>(*at_)) {
        case kStrAscii | kRemember: {
            std::size_t size = 0;
            PyObject* str = nullptr;
            if (!small_text(at_, room, str, size)) return nullptr;
            at_ += size;
            return remembered(str, true);
        }
        case kRef: {
            if (room < 2) return nullptr;
            const auto number = static_cast<std::size_t>(at_[1]);
            if (number >= 0x80 || number >= remembered_.size() || !remembered_[number]) return nullptr;
            if (lies_in_itself(remembered_[number])) return nullptr;
            at_ += 2;
            return Py_NewRef(whole_enough(remembered_[number]));
        }
        default: {
            std::size_t size = 0;
            PyObject* made = nullptr;
            if (!small_value(at_, room, made, size)) return nullptr;
            at_ += size;
            return made;
        }
        }
    }
    [[gnu::always_inline]] PyObject* value() {
        const std::byte* const from = at_;
        PyObject* const common = common_value();
        return common || at_ != from ? common : other_value();
    }

    PyObject* other_value();
    // Most of what comes here is a tree.
    PyObject* first_value() {
        PyObject* const made = tree_value(0);
        if (made || !goes_on_ || !frames_.empty()) return made;
        goes_on_ = false;
        return value();
    }

    // --- decoder_leaves.cpp ---

    PyObject* big_int();
    PyObject* text(int tag);
    PyObject* loaned_bytes();
    PyObject* loaned_text();
    PyObject* memory(bool shared);
    PyObject* buffer();
    PyObject* end();
    PyObject* end(Direction direction);
    PyObject* queue();
    PyObject* channel_id();
    PyObject* registry();
    PyObject* pickled();

    // --- decoder_tree.cpp ---

    // The keys of a dict in a list or tuple, for the one behind it (kDictLike). Borrowed from the dict, so only for as
    // long as no Python code runs.
    struct Keys {
        Py_ssize_t size = 0;     // 0: not known yet
        PyObject* of = nullptr;  // a dict with these keys, if there is one
        bool read = false;       // `keys` has them; else they are those of `of`
        Borrowed keys[kShapeMost];
    };
    static constexpr int kTreeDepth = 8;  // how deep these call each other
    // All as value(), with the tag read. Where a part has frames, goes_on_ is set, and so has all that it lies in.
    PyObject* tree(int kind, Py_ssize_t size, bool mark, int depth);
    PyObject* sequence(PyObject* made, PyObject** items, Py_ssize_t size, int kind, int depth);
    PyObject* dict(Py_ssize_t size, bool mark, int depth, Keys* like);
    PyObject* dict_alone(bool shaped);
    PyObject* copied_dict(int depth, Keys& keys);
    PyObject* fill_dict(PyObject* made, Py_ssize_t pos, Py_ssize_t size, int depth, Keys* like);
    PyObject* shaped_dict(bool mark, int depth);
    PyObject* shape_keys(const std::byte* block, std::size_t length, Py_ssize_t size, Keys& keys);
    static PyObject* fresh_keys(const std::byte* block, std::size_t length, Py_ssize_t size,
                                std::uint16_t& numbered);
    bool number_keys(std::uint16_t numbered, Keys& keys);
    PyObject* gathered_dict(Py_ssize_t size, int depth);
    void unfinished_dict(PyObject* const* pairs, Py_ssize_t count, Py_ssize_t size, int depth,
                         PyObject* key);
    PyObject* tree_value(int depth);
    // A value with this tag.
    template <std::uint8_t kTag>
    [[gnu::always_inline]] PyObject* scalar() {
        PyObject* made = nullptr;
        const bool whole = small_scalar<kTag>(at_, left(), made, [this](std::size_t size) { at_ += size; });
        return whole ? made : malformed();
    }
    PyObject* short_text();
    PyObject* key();
    PyObject* known();
    PyObject* branch(std::uint8_t tag, int depth);
    PyObject* shaped_branch(std::uint8_t tag, int depth);
    static PyObject* first_pairs(PyObject* dict, Py_ssize_t count);
    bool at_other_keys() const noexcept { return at_ != end_ && *at_ == std::byte{kOtherKeys}; }
    PyObject* suspended(const Frame& frame, int depth);
    // The next pair of a dict; `like` is forgotten where its keys are not these. False: `item` is not there, and `key`
    // may be.
    [[gnu::always_inline]] bool pair(Keys*& like, Py_ssize_t pos, int depth, PyObject*& key,
                                     PyObject*& item) {
        if (like && at_other_keys()) {
            ++at_;
            like->size = 0;
            like = nullptr;
        }
        key = like ? Py_NewRef(like->keys[pos].get()) : tree_value(depth + 1);
        item = key ? tree_value(depth + 1) : nullptr;
        return item != nullptr;
    }
    static PyObject* tuple_of(const Keys& keys);
    PyObject* dict_like(PyObject* neighbour, Keys& keys, int depth);
    static bool keys_of(PyObject* dict, Keys& keys) noexcept;
    static void read_keys(Keys& keys) noexcept;

    // At what stands only in a list or tuple: a run, or kDictLike.
    bool at_neighbours() const noexcept {
        return static_cast<std::uint8_t>(*at_ & ~std::byte{kRemember}) >= kFloats;
    }
    bool at_run() const noexcept {
        const auto tag = static_cast<std::uint8_t>(*at_);
        return tag >= kFloats && tag <= kInts64;
    }
    // Makes the numbers of a run of at most `room`, and hands each to put(), which says whether it took it. How many;
    // 0 with an exception.
    template <class Put>
    Py_ssize_t run_of_numbers(Py_ssize_t room, Put put) {
        const auto tag = static_cast<std::uint8_t>(*at_);
        const std::size_t width = tag == kInts32 ? 4 : 8;
        std::uint16_t count = 0;
        ++at_;
        if (!get(&count, sizeof count) || count == 0 || count > room || count * width > left()) {
            malformed();
            return 0;
        }
        const std::byte* from = at_;
        at_ += count * width;
        const std::byte* const past = at_;
        const auto each = [&](auto number, auto make) {
            for (; from != past; from += sizeof number) {
                std::memcpy(&number, from, sizeof number);
                PyObject* const made = make(number);
                if (!made || !put(made)) return Py_ssize_t{0};
            }
            return static_cast<Py_ssize_t>(count);
        };
        if (tag == kFloats) return each(0.0, [](double v) { return PyFloat_FromDouble(v); });
        if (tag == kInts32) return each(std::int32_t{0}, [](std::int32_t v) { return PyLong_FromLong(v); });
        return each(std::int64_t{0}, [](std::int64_t v) { return PyLong_FromLongLong(v); });
    }

    // --- containers ---

    PyObject* open(int kind, Py_ssize_t size, bool mark);
    PyObject* push(PyRef made, Py_ssize_t size, std::int64_t number, int kind, const ClassPlan* plan,
                   Py_ssize_t declared, Py_ssize_t named);
    PyObject* open_classed(int kind, bool mark);
    PyObject* finished(PyObject* whole, std::int64_t number) {
        if (whole && number >= 0) remembered_[static_cast<std::size_t>(number)] = Py_NewRef(whole);
        return whole;
    }
    int set_attribute(Frame& frame, PyObject* item);
    PyObject* fill(Frame& frame);
    template <class Put>
    PyObject* fill_sequence(Frame& frame, Put put);
    static int set_item(const Frame& frame, PyObject* item);
    static int set_pair(Frame& frame, PyObject* item);
    PyObject* deliver(PyObject* item);
    PyObject* close(const Frame& frame);

    bool goes_on_ = false;  // there is no exception: the innermost open container is next
    Context& context_;
    Parcel& parcel_;
    const std::byte* at_;
    const std::byte* const end_;
    std::uint64_t claimed_ = 0;  // the sizes of the open containers
    std::size_t tree_base_ = 0;  // frames below the tree that is being read
    PodVector<Frame, 16> frames_;
    PodVector<PyObject*, 32> remembered_;
    ClassesInUse classes_;
};

}  // namespace interpchannels
