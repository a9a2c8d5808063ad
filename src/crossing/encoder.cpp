#include "crossing/encoder.hpp"

#include <cstring>

#include "crossing/attachments.hpp"
#include "crossing/pickle.hpp"

namespace interpchannels {

bool encode_small(PyObject* obj, Parcel& parcel, Scratch& scratch) noexcept {
    parcel.size = put_small<false>(obj, scratch.bytes);
    parcel.data = scratch.bytes;
    return parcel.size != 0;
}

int encode(Context& context, PyObject* obj, CrossingMode mode, Outgoing& out, Scratch& scratch) {
    return encode_small(obj, out.parcel, scratch) ? 0 : encode_other(context, obj, mode, out, scratch);
}

int encode_other(Context& context, PyObject* obj, CrossingMode mode, Outgoing& out, Scratch& scratch) {
    bool registry_failed = false;
    {
        Encoder encoder(context, mode, scratch);
        switch (encoder.run(obj)) {
        case Encoder::Result::kDone:
            encoder.move_into(out);
            return 0;
        case Encoder::Result::kError:
            return -1;
        case Encoder::Result::kForeign:
            registry_failed = encoder.registry_failed();
            break;
        }
    }
    return encode_foreign(context, obj, mode, registry_failed, out, scratch);
}

int encode_foreign(Context& context, PyObject* obj, CrossingMode mode, bool registry_failed, Outgoing& out,
                   Scratch& scratch) {
    if (registry_failed) mode.registry = false;
    if (!mode.native) {
        // CPython's module decides, and words the error.
        Encoder encoder(context, mode, scratch);
        if (encoder.write_whole_as_registry(obj) < 0) return -1;
        encoder.move_into(out);
        return 0;
    }
    if (!mode.pickle) {
        Encoder(context, mode, scratch).explain(obj, nullptr);
        return -1;
    }
    return encode_pickled(context, obj, mode, out, scratch);
}

Encoder::~Encoder() {
    while (!frames_.empty()) pop();
    for (std::size_t i = 0; i < remembered_.size(); ++i) Py_DECREF(remembered_[i].obj);
    if (buckets_ && buckets_ != few_buckets_) std::free(buckets_);
    moved_.settle(first_);
    if (first_) release_chain(first_);
    if (base_ != scratch_) free_heap(base_, room_);
    Py_XDECREF(foreign_);
}

void Encoder::move_into(Outgoing& out) noexcept {
    Parcel& parcel = out.parcel;
    out.moved = std::move(moved_);
    parcel.data = base_;
    parcel.size = size_;
    parcel.attachments = std::exchange(first_, nullptr);
    parcel.attached = attached_;
    if (base_ == scratch_) return;
    if (size_ <= kInlineMax) {  // it grew, and turned out small after all
        std::memcpy(scratch_, base_, size_);
        parcel.data = scratch_;
        return;
    }
    // It grew for more than there was.
    std::byte* const fitting =
        size_ < room_ / 2 ? static_cast<std::byte*>(std::realloc(base_, size_)) : base_;
    if (fitting) base_ = fitting;
    parcel.data = base_;
    parcel.heap = std::exchange(base_, scratch_);
}

// --- bytes ---

bool Encoder::grow(std::size_t n) {
    std::size_t wider = room_ * 2;
    if (wider < size_ + n) wider = size_ + n;
    auto* next = base_ == scratch_ ? new_heap(wider) : static_cast<std::byte*>(std::realloc(base_, wider));
    if (!next) {
        PyErr_NoMemory();
        return false;
    }
    if (base_ == scratch_) std::memcpy(next, scratch_, size_);
    base_ = next;
    room_ = wider;
    return true;
}

bool Encoder::put(const void* data, std::size_t n) {
    if (!reserve(n)) return false;
    if (n) std::memcpy(base_ + size_, data, n);
    size_ += n;
    return true;
}

bool Encoder::put_varint(std::uint64_t n) {
    if (!reserve(kVarintMax)) return false;
    size_ += varint_at(n, base_ + size_);
    return true;
}

void Encoder::attach(Attachment* attachment, std::size_t bytes) noexcept {
    attached_ += bytes;
    (last_ ? last_->next : first_) = attachment;
    last_ = attachment;
}

// --- sharing ---

int Encoder::rehash() {
    if (!buckets_) {
        std::memset(few_buckets_, 0, sizeof few_buckets_);
        buckets_ = few_buckets_;
        bucket_mask_ = kFewBuckets - 1;
        for (std::size_t i = 0; i < remembered_.size(); ++i) index(i);
        return 0;
    }
    const std::size_t wide = (bucket_mask_ + 1) * 4;
    auto* next = static_cast<std::uint32_t*>(std::calloc(wide, sizeof(std::uint32_t)));
    if (!next) {
        PyErr_NoMemory();
        return -1;
    }
    if (buckets_ != few_buckets_) std::free(buckets_);
    buckets_ = next;
    bucket_mask_ = wide - 1;
    for (std::size_t i = 0; i < remembered_.size(); ++i) index(i);
    return 0;
}

void Encoder::index(std::size_t number) noexcept {
    std::size_t at = hash_of(remembered_[number].obj) & bucket_mask_;
    while (buckets_[at]) at = (at + 1) & bucket_mask_;
    buckets_[at] = static_cast<std::uint32_t>(number + 1);
}

std::int64_t Encoder::add_more(PyObject* obj, std::uint8_t& mark) {
    constexpr std::int64_t kNew = -1, kFailed = -2;
    const bool full =
        buckets_ ? remembered_.size() * 2 >= bucket_mask_ : remembered_.size() == kFewRemembered;
    if (full && rehash() < 0) return kFailed;
    if (remembered_.size() >= 0xFFFFFFFEu || !remembered_.push({obj, false, false})) {
        PyErr_NoMemory();
        return kFailed;
    }
    Py_INCREF(obj);
    if (buckets_) index(remembered_.size() - 1);
    mark = kRemember;
    return kNew;
}

std::int64_t Encoder::remember(PyObject* obj, std::uint8_t& mark, bool always) {
    mark = 0;
    return !always && met_once(obj) ? -1 : find_or_add(obj, mark);
}

Encoder::Step Encoder::refer_to_open_tuple(std::int64_t number) {
    if (has_objects_) return kIsForeign;
    const PyObject* const tuple = remembered_[static_cast<std::size_t>(number)].obj;
    for (std::size_t i = frames_.size(); i-- > 0 && frames_[i].obj != tuple;) {
        const Frame& frame = frames_[i];
        const bool hashes =
            frame.kind == kSet || frame.kind == kFrozenSet || (frame.kind == kDict && frame.pending);
        if (hashes) return kIsForeign;
    }
    tuple_in_itself_ = true;
    return refer(number);
}

Encoder::Step Encoder::refer(std::int64_t number) {
    refers_to_first_ = refers_to_first_ || number == 0;
    return put_tag(kRef) && put_varint(static_cast<std::uint64_t>(number)) ? kLeaf : kError;
}

// --- leaves ---

Encoder::Step Encoder::text(PyObject* str) {
    const auto length = static_cast<std::size_t>(PyUnicode_GET_LENGTH(str));
    const int kind = PyUnicode_KIND(str);
    const std::size_t nbytes = length * static_cast<std::size_t>(kind);
    const Tag tag = PyUnicode_IS_ASCII(str) ? kStrAscii
                    : kind == 1             ? kStrLatin1
                    : kind == 2             ? kStrUcs2
                                            : kStrUcs4;
    std::uint8_t mark = 0;
    if (!is_root() && (length > 1 || kind > 1)) {
        const std::int64_t known = remember(str, mark);
        if (known < -1) return kError;
        if (known >= 0) return refer(known);
    }
    if (nbytes > kInlineMax) {
        Loan* const loan = Loan::make(*context_.interpreter, str, PyUnicode_DATA(str), nbytes);
        if (!loan) {
            PyErr_NoMemory();
            return kError;
        }
        attach(loan, nbytes);
        return put_tag(kLoanStr | mark) && put_tag(tag) && put_varint(length) ? kLeaf : kError;
    }
    return put_tag(tag | mark) && put_varint(length) && put(PyUnicode_DATA(str), nbytes) ? kLeaf : kError;
}

Encoder::Step Encoder::bytes(PyObject* obj) {
    const bool immutable = PyBytes_CheckExact(obj);
    const Section section(immutable ? nullptr : obj);
    const auto n = static_cast<std::size_t>(immutable ? PyBytes_GET_SIZE(obj) : PyByteArray_GET_SIZE(obj));
    const char* const data = immutable ? PyBytes_AS_STRING(obj) : PyByteArray_AS_STRING(obj);
    std::uint8_t mark = 0;
    if (!is_root() && (n > 1 || !immutable)) {
        const std::int64_t known = remember(obj, mark);
        if (known < -1) return kError;
        if (known >= 0) return refer(known);
    }
    if (immutable && n > kInlineMax) {
        Loan* const loan = Loan::make(*context_.interpreter, obj, data, n);
        if (!loan) {
            PyErr_NoMemory();
            return kError;
        }
        attach(loan, n);
        return put_tag(kLoanBytes | mark) ? kLeaf : kError;
    }
    return put_tag((immutable ? kBytes : kByteArray) | mark) && put_varint(n) && put(data, n) ? kLeaf
                                                                                              : kError;
}

Encoder::Step Encoder::big_int(PyObject* obj) {
    const Py_ssize_t n = cpython::int_size(obj);
    if (n < 0 || !put_tag(kIntBig) || !put_varint(static_cast<std::uint64_t>(n)) ||
        !reserve(static_cast<std::size_t>(n)) || cpython::int_to_bytes(obj, base_ + size_, n) < 0) {
        return kError;
    }
    size_ += static_cast<std::size_t>(n);
    return kLeaf;
}

// --- containers ---

Encoder::Step Encoder::container(PyObject* obj, Tag tag, Py_ssize_t size, bool counted) {
    std::uint8_t mark = 0;
    std::int64_t number = -1;
    if (size > 0 || tag != kTuple) {
        const std::int64_t known = remember(obj, mark);
        if (known < -1) return kError;
        if (known >= 0) {
            const Remembered& one = remembered_[static_cast<std::size_t>(known)];
            if (one.open_tuple) return refer_to_open_tuple(known);
            return one.unfinished ? raise_contains_itself(obj) : refer(known);
        }
        if (mark) number = static_cast<std::int64_t>(remembered_.size()) - 1;
    }
    const Section section(tag == kList || tag == kDict ? obj : nullptr);
    PyRef elements;
    if constexpr (!kHasGil) {
        if (tag == kList) size = PyList_GET_SIZE(obj);
        if (tag == kDict) size = PyDict_GET_SIZE(obj);
        if (tag == kSet) {  // one that nobody else changes
            elements = PyRef(PySet_New(obj));
            if (!elements) return kError;
            size = PySet_GET_SIZE(elements.get());
        }
    }
    if (!reserve(1 + kVarintMax)) return kError;
    base_[size_++] = static_cast<std::byte>(tag | mark);
    if (counted) size_ += varint_at(static_cast<std::uint64_t>(size), base_ + size_);
    if (size == 0) return kLeaf;

    if (tag == kTuple || tag == kList || tag == kDict) {
        tree_base_ = frames_.size();
        return tree(obj, tag, size, number);
    }
    PyRef iterator;
    if (tag == kSet || tag == kFrozenSet) {
        iterator = PyRef(PyObject_GetIter(elements ? elements.get() : obj));
        if (!iterator) return kError;
    }
    if (mark) {
        remembered_[static_cast<std::size_t>(number)].unfinished = tag == kRange || tag == kFrozenSet;
    }
    Frame frame{};
    frame.obj = obj;
    frame.pending = iterator.get();
    frame.size = size;
    frame.number = number;
    frame.kind = tag;
    return open(frame);
}

Encoder::Step Encoder::raise_changed(const char* what) {
    PyErr_Format(PyExc_RuntimeError, "%s changed size while it was being sent", what);
    return kError;
}

Encoder::Step Encoder::open(const Frame& frame) {
    if (!frames_.push(frame)) {
        PyErr_NoMemory();
        return kError;
    }
    Py_INCREF(frame.obj);
    Py_XINCREF(frame.pending);
    Py_XINCREF(frame.dict);
    return kPushed;
}

void Encoder::pop() noexcept {
    Frame frame = frames_.back();
    frames_.pop();
    if (frame.number >= 0) {
        Remembered& one = remembered_[static_cast<std::size_t>(frame.number)];
        one.unfinished = one.open_tuple = false;
    }
    if (frame.kind == kRegistered) --registered_depth_;
    Py_XDECREF(frame.dict);
    Py_XDECREF(frame.key);
    Py_XDECREF(frame.pending);
    Py_DECREF(frame.obj);
}

Encoder::Step Encoder::value(PyObject* obj) {
    PyTypeObject* const type = Py_TYPE(obj);
    if (type == &PyLong_Type) {
        long long small = 0;
        if (!small_int(obj, small)) return mode_.native ? big_int(obj) : kIsForeign;
        if (!reserve(9)) return kError;
        size_ += put_small_int(base_ + size_, small);
        return kLeaf;
    }
    if (type == &PyUnicode_Type) return text(obj);
    if (type == &PyFloat_Type) {
        if (!reserve(9)) return kError;
        size_ += put_double(base_ + size_, obj);
        return kLeaf;
    }
    if (obj == Py_None) return put_tag(kNone) ? kLeaf : kError;
    if (type == &PyBool_Type) return put_tag(obj == Py_True ? kTrue : kFalse) ? kLeaf : kError;
    if (type == &PyTuple_Type) return container(obj, kTuple, PyTuple_GET_SIZE(obj), true);
    if (type == &PyBytes_Type) return bytes(obj);
    if (mode_.native) {
        if (type == &PyDict_Type) return container(obj, kDict, PyDict_GET_SIZE(obj), true);
        if (type == &PyList_Type) return container(obj, kList, PyList_GET_SIZE(obj), true);
        if (type == &PySet_Type) return container(obj, kSet, PySet_GET_SIZE(obj), true);
        if (type == &PyFrozenSet_Type) return container(obj, kFrozenSet, PySet_GET_SIZE(obj), true);
        if (type == &PyByteArray_Type) return bytes(obj);
        if (type == &PyComplex_Type) {
            const Py_complex z = PyComplex_AsCComplex(obj);
            return put_tag(kComplex) && put(&z, sizeof z) ? kLeaf : kError;
        }
        if (type == &PySlice_Type) return container(obj, kSlice, 3, false);
        if (type == &PyRange_Type) return container(obj, kRange, 3, false);
        if (obj == Py_Ellipsis) return put_tag(kEllipsis) ? kLeaf : kError;
        if (obj == Py_NotImplemented) return put_tag(kNotImplemented) ? kLeaf : kError;
    }
    // What follows may run Python code, which may drop the container's reference to it.
    const PyRef alive = PyRef::borrow(obj);
    Step step = kIsForeign;
    if (type == &PyMemoryView_Type) {
        step = memoryview(obj);
    } else if (type == context_.recv_type) {
        step = end(obj, Direction::kRecv);
    } else if (type == context_.send_type) {
        step = end(obj, Direction::kSend);
    } else if (type == seen(context_.queue_type)) {
        step = queue(obj);
    } else if (type == context_.channel_id_type) {
        step = channel_id(obj);
    } else if (type == context_.buffer_type) {
        step = buffer(obj);
    } else {
        if (mode_.native) step = classed(obj);
        if (step == kIsForeign) step = registry(obj);
    }
    if (step == kIsForeign && mode_.salvage) {
        const int only = only_a_buffer(context_, obj);
        if (only != 0) step = only < 0 ? kError : memoryview(obj);
    }
    if (step != kIsForeign) return step;
    if (explaining_ && mode_.pickle && pickles_alone(context_, obj, mode_)) return kLeaf;
    if (PyErr_Occurred() && !explaining_) return kError;
    Py_XSETREF(foreign_, Py_NewRef(obj));
    return kIsForeign;
}

// The items of a dict from frame.pos on.
Encoder::Step Encoder::pairs(Frame& frame, PyObject* dict) {
    for (;;) {
        if (frame.pending) {  // the key is written; now its value
            const PyRef item(std::exchange(frame.pending, nullptr));
            const Step step = value(item.get());  // may move `frame`
            if (step != kLeaf) return step;
            continue;
        }
        Py_CLEAR(frame.key);
        Section section(dict);
        if (PyDict_GET_SIZE(dict) != frame.size) return raise_changed("dict");
        Py_ssize_t next = frame.pos;
        PyObject* key = nullptr;
        PyObject* item = nullptr;
        if (!PyDict_Next(dict, &next, &key, &item)) return frame.left == 0 ? kLeaf : raise_changed("dict");
        if (frame.left == 0) return raise_changed("dict");
        if (std::exchange(frame.like, false) && !put_tag(kOtherKeys)) return kError;
        // As many as have no parts: nothing can change the dict then.
        Place at{frame.pos, nullptr, nullptr, false, frame.left};
        const Step step = pairs_of(dict, frame.size, at, kTreeDepth, nullptr);
        if (step != kStop) return step;
        frame.pos = at.pos;
        frame.left = at.left;
        if (at.key.get()) {
            frame.key = Py_NewRef(at.key.get());
            frame.pending = Py_NewRef(at.item.get());
            continue;
        }
        --frame.left;
        PyDict_Next(dict, &frame.pos, &key, &item);
        frame.key = Py_NewRef(key);
        frame.pending = Py_NewRef(item);
        section.end();
        const Step key_step = value(key);
        if (key_step != kLeaf) return key_step;
    }
}

// Writes items of the frame until one opens a frame of its own (kPushed) or it is done (kLeaf).
Encoder::Step Encoder::next(Frame& frame) {
    switch (frame.kind) {
    case kTuple:
    case kNamedTuple:
    case kReduced:
        while (frame.pos < frame.size) {
            PyObject* const* const items = reinterpret_cast<PyTupleObject*>(frame.obj)->ob_item + frame.pos;
            const Py_ssize_t count = frame.size - frame.pos;
            const Py_ssize_t done =
                frame.kind == kTuple ? small_items<true>(items, count) : small_items<false>(items, count);
            if (done < 0) return kError;
            frame.pos += done;
            if (done == count) break;
            ++frame.pos;
            const Step step = value(items[done]);
            if (step != kLeaf) return step;
        }
        return kLeaf;
    case kList:
        while (frame.pos < frame.size) {
            Section section(frame.obj);
            if (PyList_GET_SIZE(frame.obj) != frame.size) return raise_changed("list");
            PyObject* const* const items = reinterpret_cast<PyListObject*>(frame.obj)->ob_item + frame.pos;
            const Py_ssize_t count = frame.size - frame.pos;
            const Py_ssize_t done = small_items<true>(items, count);
            if (done < 0) return kError;
            frame.pos += done;
            if (done == count) break;
            ++frame.pos;
            const Borrowed item(items[done]);
            section.end();
            const Step step = value(item.get());
            if (step != kLeaf) return step;
        }
        return kLeaf;
    case kDict:
        return pairs(frame, frame.obj);
    case kSet:
    case kFrozenSet:
        for (;;) {
            const PyRef item(PyIter_Next(frame.pending));
            if (!item) {
                if (PyErr_Occurred()) return kError;
                return frame.pos == frame.size ? kLeaf : raise_changed("set");
            }
            if (++frame.pos > frame.size) return raise_changed("set");
            const Step step = value(item.get());
            if (step != kLeaf) return step;
        }
    case kInstance:
        return next_of_instance(frame);
    case kEnum:
    case kRegistered: {
        const PyRef part(std::exchange(frame.pending, nullptr));
        return part ? value(part.get()) : kLeaf;
    }
    default: {  // kSlice, kRange
        static const char* const names[] = {"start", "stop", "step"};
        while (frame.pos < 3) {
            const PyRef part(PyObject_GetAttrString(frame.obj, names[frame.pos++]));
            if (!part) return kError;
            const Step step = value(part.get());
            if (step != kLeaf) return step;
        }
        return kLeaf;
    }
    }
}

Encoder::Result Encoder::run(PyObject* root) {
    tree_base_ = 0;
    Step step = branch(root, 0, nullptr);
    if (step == kStop) step = value(root);
    while (step == kPushed || (step == kLeaf && !frames_.empty())) {
        step = next(frames_.back());
        if (step == kLeaf) pop();
    }
    if (step == kLeaf && !refers_to_first_) {
        if (base_[0] == (std::byte{kDict} | std::byte{kRemember})) base_[0] = std::byte{kDictAlone};
        if (base_[0] == (std::byte{kShaped} | std::byte{kRemember})) base_[0] = std::byte{kShapedAlone};
    }
    return step == kLeaf ? Result::kDone : step == kIsForeign ? Result::kForeign : Result::kError;
}

int Encoder::write_whole_as_registry(PyObject* obj) {
    RegistryItem* const item = RegistryItem::make(*context_.interpreter, obj);
    if (!item) return -1;
    attach(item);
    return put_tag(kRegistry) ? 0 : -1;
}

// --- the pickle fallback's side (pickle.cpp) ---

int Encoder::has_own_way(Context& context, PyObject* obj, CrossingMode mode) {
    PyTypeObject* const type = Py_TYPE(obj);
    if (mode.salvage && type != context.buffer_type) {
        const int only = only_a_buffer(context, obj);
        if (only != 0) return only;
    }
    return type == context.recv_type || type == context.send_type || type == seen(context.queue_type) ||
           type == context.channel_id_type || type == context.buffer_type || type == &PyMemoryView_Type ||
           (mode.registry && cpython::is_registered(obj));
}

int Encoder::write_pickle(PyObject* pickled, std::size_t references, PyObject* buffers) {
    const Py_ssize_t count = PyList_GET_SIZE(buffers);
    if (!put_tag(kPickle) || !put_varint(references) || !put_varint(static_cast<std::uint64_t>(count)))
        return -1;
    for (Py_ssize_t i = 0; i < count; ++i) {
        const Py_buffer* const buffer = PyPickleBuffer_GetBuffer(PyList_GET_ITEM(buffers, i));
        if (!buffer) return -1;
        Block* const block = Block::make(static_cast<std::size_t>(buffer->len));
        if (!block || PyBuffer_ToContiguous(block->data(), buffer, buffer->len, 'A') < 0) {
            if (block) block->release();
            if (!PyErr_Occurred()) PyErr_NoMemory();
            return -1;
        }
        attach(block, block->size());
        if (!put_tag(buffer->readonly ? 1u : 0u)) return -1;
    }
    const auto n = static_cast<std::size_t>(PyBytes_GET_SIZE(pickled));
    return put_varint(n) && put(PyBytes_AS_STRING(pickled), n) ? 0 : -1;
}

}  // namespace interpchannels
