// A Python value to a parcel.
//
// Exact built-in types are written natively; so are registered types and instances of importable classes that
// pickle would take apart in its default way (instances.hpp); ends, ChannelIDs, buffers and what CPython's
// registry knows as attachments; a value with anything else in it goes through pickle as a whole, so that
// sharing and cycles are pickle's. Trees of lists, tuples and dicts, which are most of what is sent, are written by
// functions that call each other to a bounded depth (plain_tree.cpp); all else has a frame, and depth costs heap, not
// stack.
//
// Sharing: an object that more than one reference points to is remembered at its first sight and referred to
// at the next; one with a single reference can be met only once (the observation is marshal's). The encoder
// holds what it remembers, so an address means one object for as long as it runs.
//
// Invariants: encode() either fills the parcel or leaves nothing behind, and the Buffers that it moved have their
// memory back; no lock is held.
#pragma once

#include <cstddef>
#include <cstdint>

#include "channel/parcel.hpp"
#include "crossing/buffer.hpp"
#include "crossing/classes.hpp"
#include "crossing/context.hpp"
#include "crossing/format.hpp"
#include "crossing/pod_vector.hpp"
#include "crossing/small_values.hpp"
#include "interpreter/without_gil.hpp"

namespace interpchannels {

inline constexpr std::size_t kVarintMax = 10;

inline std::size_t varint_at(std::uint64_t n, std::byte* at) noexcept {
    std::size_t size = 0;
    while (n >= 0x80) {
        at[size++] = static_cast<std::byte>(n | 0x80);
        n >>= 7;
    }
    at[size++] = static_cast<std::byte>(n);
    return size;
}

// What may cross, and how.
struct CrossingMode {
    bool native = true;    // false: only what CPython's module shares without its fallback
    bool pickle = true;    // pickle as the last resort
    bool registry = true;  // what CPython's registry knows
    bool salvage = false;  // second try: what does not pickle, but has a buffer, goes as a memoryview
    bool views = false;    // a memoryview shares its memory (the drop-in) instead of being copied
};

// The common small values, without any of the machinery: None, bools, ints of 64 bits, floats, short ASCII
// str and short bytes. Attached. True where it did it.
bool encode_small(PyObject* obj, Parcel& parcel, Scratch& scratch) noexcept;

// A list, tuple or dict, or of a subclass: what encode_small() need not look at. Attached.
inline bool is_tree(PyObject* obj) noexcept {
    return PyType_HasFeature(
        Py_TYPE(obj), Py_TPFLAGS_LIST_SUBCLASS | Py_TPFLAGS_TUPLE_SUBCLASS | Py_TPFLAGS_DICT_SUBCLASS);
}

// Attached; may run Python code. `scratch` stays with the parcel. 0, or -1 with an exception set.
int encode(Context& context, PyObject* obj, CrossingMode mode, Outgoing& out, Scratch& scratch);
// The same for what encode_small() did not do.
int encode_other(Context& context, PyObject* obj, CrossingMode mode, Outgoing& out, Scratch& scratch);
// The same for what an Encoder found foreign; it is gone by then, with all that it took.
int encode_foreign(Context& context, PyObject* obj, CrossingMode mode, bool registry_failed, Outgoing& out,
                   Scratch& scratch);

class Encoder {
public:
    Encoder(Context& context, CrossingMode mode, Scratch& scratch) noexcept
        : context_(context), mode_(mode), base_(scratch.bytes), scratch_(scratch.bytes) {}
    ~Encoder();
    Encoder(const Encoder&) = delete;
    Encoder& operator=(const Encoder&) = delete;

    enum class Result : std::uint8_t { kDone, kError, kForeign };
    // kForeign: an object that only pickle may know is in it.
    Result run(PyObject* root);
    void move_into(Outgoing& out) noexcept;
    // After kDone, where there are at most `most` bytes, which lie in the scratch and own nothing: how many. Else 0.
    std::size_t short_size(std::size_t most) const noexcept {
        return size_ <= most && base_ == scratch_ && !first_ ? size_ : 0;
    }
    // After kForeign: an object that the registry knows could not be shared.
    bool registry_failed() const noexcept { return registry_failed_; }

    // As one item of CPython's registry. 0, or -1 with CPython's own error set.
    int write_whole_as_registry(PyObject* obj);

    // For the pickle fallback: objects that pickle must not see, each of which run() writes by itself; and
    // what pickle made of the rest. 0, or -1 with an exception set.
    // 1 or 0, or -1 with an exception set.
    static int has_own_way(Context& context, PyObject* obj, CrossingMode mode);
    int write_pickle(PyObject* pickled, std::size_t references, PyObject* buffers);

    // Looks for the first part of `root` that cannot cross by itself and raises NotShareableError with its
    // path; `cause`, the error that pickle gave for the whole, becomes its cause. Always leaves an
    // exception set.
    void explain(PyObject* root, PyObject* cause);

private:
    struct Frame {
        PyObject* obj;  // strong
        PyObject*
            pending;  // dict: the value of `key`, strong; sets: the iterator, strong; one part: it, strong
        PyObject* key;  // dict: the key that is being written, strong
        Py_ssize_t pos;
        Py_ssize_t size;
        Py_ssize_t left;      // dict: pairs that are still to come
        std::int64_t number;  // among what is remembered, or -1
        Tag kind;
        bool like;  // dict: its keys are another's so far (kDictLike)
        // Instances (instances.hpp).
        const ClassPlan* plan;  // held by classes_
        PyObject* dict;         // strong, or nullptr
        Py_ssize_t declared;    // attributes that go without their names
        Py_ssize_t index;       // of those, then one for all the others, then slots: how many are written
    };
    struct Remembered {
        PyObject* obj;    // strong; its number is its index
        bool unfinished;  // one that is made after its parts (range, frozenset), and is open
        bool open_tuple;  // one that has not all of its items yet
    };
    enum Step : int {
        kError = -1,
        kLeaf = 0,
        kPushed = 1,
        kIsForeign = 2,
        kStop = 3,  // plain_tree.cpp: this one needs frames; nothing of it was written
    };
    struct Shape;
    static constexpr int kTreeDepth = 8;  // how deep plain_tree.cpp calls itself

    Step value(PyObject* obj);
    Step container(PyObject* obj, Tag tag, Py_ssize_t size, bool counted);
    Step next(Frame& frame);
    Step text(PyObject* str);
    Step bytes(PyObject* obj);
    Step big_int(PyObject* obj);
    Step memoryview(PyObject* obj);
    Step end(PyObject* obj, Direction direction);
    Step queue(PyObject* obj);
    Step channel_id(PyObject* obj);
    Step buffer(PyObject* obj);
    Step registry(PyObject* obj);
    Step pairs(Frame& frame, PyObject* dict);
    void pop() noexcept;

    // plain_tree.cpp
    struct Place {
        Py_ssize_t pos;
        Borrowed key;   // dict: where it is written and its value is not
        Borrowed item;  // dict: where it is still to be written
        bool like;
        Py_ssize_t left;  // dict: pairs that are still to come, these not among them
    };
    Step tree(PyObject* obj, Tag tag, Py_ssize_t size, std::int64_t number);
    Step parts(PyObject* obj, Tag tag, Py_ssize_t size, std::int64_t number, int depth, Shape* shape,
               bool like);
    Step branch(PyObject* obj, int depth, Shape* shape);
    Step leaf(PyObject* obj);
    Step other_leaf(PyObject* obj);
    Step shared_text(PyObject* str);
    Step text_key(PyObject* str);
    Step items_of(PyObject* obj, PyObject* const* items, Py_ssize_t size, Place& at, int depth);
    int shape_of(PyObject* dict, Py_ssize_t size, std::uint8_t mark, Shape& shape);
    Step pairs_of(PyObject* dict, Py_ssize_t size, Place& at, int depth, Shape* shape);
    template <bool kRuns>
    Py_ssize_t small_items(PyObject* const* items, Py_ssize_t count);
    Py_ssize_t run(PyObject* const* items, Py_ssize_t count);

    // instances.cpp
    Step classed(PyObject* obj);
    Step instance(PyObject* obj, const ClassPlan& plan, std::uint8_t mark, std::int64_t number);
    Step next_of_instance(Frame& frame);
    Step named_tuple(PyObject* obj, const ClassPlan& plan, std::uint8_t mark, std::int64_t number);
    Step member(PyObject* obj, const ClassPlan& plan, std::uint8_t mark, std::int64_t number);
    Step reduced(PyObject* obj, const ClassPlan& plan, std::uint8_t mark, std::int64_t number);
    Step registered_object(PyObject* obj, const ClassPlan& plan, std::uint8_t mark, std::int64_t number);
    Step open_part(PyObject* obj, PyObject* part, const ClassPlan& plan, std::int64_t number, Tag kind);
    Step open(const Frame& frame);
    Step raise_contains_itself(PyObject* obj);
    static Step raise_changed(const char* what);

    // not_shareable.cpp
    static bool pickles_alone(Context& context, PyObject* obj, CrossingMode mode);
    static int only_a_buffer(Context& context, PyObject* obj);
    void raise_not_shareable(PyObject* obj, PyObject* cause);

    // The number of an object that was met before, or -1; otherwise remembers it where that is worth it and
    // says so in `mark`. -2: an exception is set.
    std::int64_t remember(PyObject* obj, std::uint8_t& mark, bool always = false);
    // The value as a whole, which nothing else in it can refer to. (A flat dict has no frame.)
    bool is_root() const noexcept { return size_ == 0; }
    Step refer(std::int64_t number);
    // The same once it is known that it can be met again.
    std::int64_t find_or_add(PyObject* obj, std::uint8_t& mark) {
        const std::int64_t known = find(obj);
        return known >= 0 ? known : add(obj, mark);
    }
    // Its number, or -1.
    std::int64_t find(PyObject* obj) const noexcept {
        if (!buckets_) {
            for (std::size_t i = 0; i < remembered_.size(); ++i) {
                if (remembered_[i].obj == obj) return static_cast<std::int64_t>(i);
            }
            return -1;
        }
        for (std::size_t at = hash_of(obj) & bucket_mask_; buckets_[at]; at = (at + 1) & bucket_mask_) {
            const std::uint32_t number = buckets_[at] - 1;
            if (remembered_[number].obj == obj) return number;
        }
        return -1;
    }
    static std::size_t hash_of(PyObject* obj) noexcept {
        const auto address = reinterpret_cast<std::uintptr_t>(obj);
        return (address >> 4) ^ (address >> 12);
    }
    // -1, or -2 with an exception set.
    [[gnu::always_inline]] std::int64_t add(PyObject* obj, std::uint8_t& mark) {
        if (buckets_ || !remembered_.push_if_room({obj, false, false}, kFewRemembered)) {
            return add_more(obj, mark);
        }
        Py_INCREF(obj);
        mark = kRemember;
        return -1;
    }
    std::int64_t add_more(PyObject* obj, std::uint8_t& mark);
    void index(std::size_t number) noexcept;
    Step refer_to_open_tuple(std::int64_t number);
    int rehash();

    // Room for n bytes more; false with MemoryError.
    bool reserve(std::size_t n) { return room_ - size_ >= n || grow(n); }
    bool grow(std::size_t n);
    bool put(const void* data, std::size_t n);
    bool put_tag(unsigned tag) {
        if (!reserve(1)) return false;
        base_[size_++] = static_cast<std::byte>(tag);
        return true;
    }
    bool put_varint(std::uint64_t n);
    void attach(Attachment* attachment, std::size_t bytes = 0) noexcept;
    bool attach_end(PyObject* end);
    bool raise_closed_end(const EndHandle& handle);
    PyObject* path() const;
    static PyObject* attribute_path(PyObject* text, const Frame& frame);

    Context& context_;
    const CrossingMode mode_;
    std::byte* base_;
    std::byte* const scratch_;
    std::size_t size_ = 0;
    std::size_t room_ = kInlineMax;
    Attachment* first_ = nullptr;
    Attachment* last_ = nullptr;
    std::size_t attached_ = 0;
    MovedBuffers moved_;  // whose memory lies in the chain
    PodVector<Frame, 16> frames_;
    PodVector<Remembered, 16> remembered_;
    // number + 1, or 0; open addressing, at most half full. Not for the first few, which are looked through; then here,
    // and zeroed when they are used.
    static constexpr std::size_t kFewRemembered = 8;
    static constexpr std::size_t kFewBuckets = 32;
    std::uint32_t few_buckets_[kFewBuckets];
    std::uint32_t* buckets_ = nullptr;
    std::size_t bucket_mask_ = 0;
    std::size_t tree_base_ = 0;  // frames below the tree that is being written
    ClassesInUse classes_;
    bool refers_to_first_ = false;      // to what has number 0
    std::size_t registered_depth_ = 0;  // open frames of registered objects
    PyObject* foreign_ = nullptr;       // strong
    bool explaining_ = false;
    bool registry_failed_ = false;
    // A tuple contains itself; an object is in the value that may be hashed by what it holds. Not both: a set could
    // hash the tuple before all of its items are there. Pickle makes a tuple from its items. (What a registered object
    // is made of may show such a tuple, with None for what is missing: it has no other way.)
    bool tuple_in_itself_ = false;
    bool has_objects_ = false;
};

}  // namespace interpchannels
