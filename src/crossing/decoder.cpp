#include "crossing/decoding.hpp"

namespace interpchannels {

PyObject* Decoder::other_value() {
    std::uint8_t tag = 0;
    if (!get_u8(tag)) return malformed();
    const bool mark = (tag & kRemember) != 0;
    switch (tag & ~kRemember) {
    case kEllipsis:
        return Py_NewRef(Py_Ellipsis);
    case kNotImplemented:
        return Py_NewRef(Py_NotImplemented);
    case kInt64: {
        std::int64_t v = 0;
        return get(&v, 8) ? PyLong_FromLongLong(v) : malformed();
    }
    case kIntBig:
        return big_int();
    case kComplex: {
        Py_complex v;
        return get(&v, sizeof v) ? PyComplex_FromCComplex(v) : malformed();
    }
    case kStrAscii:
    case kStrLatin1:
    case kStrUcs2:
    case kStrUcs4:
        return remembered(text(tag & ~kRemember), mark);
    case kBytes:
    case kByteArray: {
        std::uint64_t n = 0;
        if (!get_length(n)) return malformed();
        const char* const from = reinterpret_cast<const char*>(at_);
        at_ += n;
        return remembered((tag & ~kRemember) == kBytes
                              ? PyBytes_FromStringAndSize(from, static_cast<Py_ssize_t>(n))
                              : PyByteArray_FromStringAndSize(from, static_cast<Py_ssize_t>(n)),
                          mark);
    }
    case kTuple:
    case kList:
    case kDict: {
        std::uint64_t n = 0;
        if (!get_size(n)) return malformed();
        tree_base_ = frames_.size();
        return tree(tag & ~kRemember, static_cast<Py_ssize_t>(n), mark, 0);
    }
    case kShaped:
        tree_base_ = frames_.size();
        return shaped_dict(mark, 0);
    case kKey:
        --at_;
        return remembered(key(), mark);
    case kSet:
    case kFrozenSet: {
        std::uint64_t n = 0;
        if (!get_size(n)) return malformed();
        return open(tag & ~kRemember, static_cast<Py_ssize_t>(n), mark);
    }
    case kSlice:
    case kRange:
        return open(tag & ~kRemember, 3, mark);
    case kRef: {
        std::uint64_t number = 0;
        if (!get_varint(number) || number >= remembered_.size() || !remembered_[number] ||
            lies_in_itself(remembered_[number])) {
            return malformed();
        }
        return Py_NewRef(whole_enough(remembered_[number]));
    }
    case kLoanBytes:
        return remembered(loaned_bytes(), mark);
    case kLoanStr:
        return remembered(loaned_text(), mark);
    case kMemory:
    case kView:
        return remembered(memory((tag & ~kRemember) == kView), mark);
    case kBuffer:
        return remembered(buffer(), mark);
    case kEnd:
        return remembered(end(), mark);
    case kQueue:
        return remembered(queue(), mark);
    case kChannelId:
        return remembered(channel_id(), mark);
    case kRegistry:
        return remembered(registry(), mark);
    case kPickle:
        return pickled();
    case kInstance:
    case kEnum:
    case kNamedTuple:
    case kReduced:
    case kRegistered:
        return open_classed(tag & ~kRemember, mark);
    default:
        return malformed();
    }
}

// --- containers ---

PyObject* Decoder::open(int kind, Py_ssize_t size, bool mark) {
    PyRef made;
    switch (kind) {
    case kSlice:
        made = PyRef(PySlice_New(nullptr, nullptr, nullptr));
        break;
    case kSet:
    case kFrozenSet:
        made = PyRef(kind == kSet ? PySet_New(nullptr) : PyFrozenSet_New(nullptr));
        break;
    default:  // kRange: its parts
        made = PyRef(PyTuple_New(size));
    }
    if (!made) return nullptr;
    // Whole only at the end: made from its parts, or (a frozenset) to be filled while nobody else holds
    // it. The encoder lets nothing refer to one that is open.
    const bool later = kind == kRange || (kind == kFrozenSet && size > 0);
    std::int64_t number = -1;
    if (mark) {
        if (later) number = static_cast<std::int64_t>(remembered_.size());
        if (!remember(later ? nullptr : made.get())) return nullptr;
    }
    if (size == 0) return made.release();
    return push(std::move(made), size, number, kind, nullptr, 0, 0);
}

PyObject* Decoder::push(PyRef made, Py_ssize_t size, std::int64_t number, int kind, const ClassPlan* plan,
                        Py_ssize_t declared, Py_ssize_t named) {
    if (frames_.push({made.get(), nullptr, nullptr, 0, size, number, static_cast<std::uint8_t>(kind), plan,
                      declared, named})) {
        made.release();
        claimed_ += static_cast<std::uint64_t>(size);
        goes_on_ = true;
    } else {
        PyErr_NoMemory();
    }
    return nullptr;
}

PyObject* Decoder::open_classed(int kind, bool mark) {
    std::uint64_t class_number = 0;
    if (!get_varint(class_number)) return malformed();
    const ClassPlan* const plan = classes_.numbered(context_, class_number, way_of(kind));
    if (!plan) return nullptr;
    std::uint64_t n = 0, pairs = 0;
    PyRef made;
    Py_ssize_t size = 1;
    switch (kind) {
    case kInstance: {
        if (!get_size(n) || !get_size(pairs)) return malformed();
        if (n > static_cast<std::uint64_t>(PyTuple_GET_SIZE(plan->names.get()))) return malformed();
        made = PyRef(new_instance(*plan));
        if (!made || (mark && !remember(made.get()))) return nullptr;
        const auto named = static_cast<Py_ssize_t>(n + 2 * pairs);
        size = named + PyTuple_GET_SIZE(plan->slots.get());
        if (size == 0) return made.release();
        return push(std::move(made), size, -1, kind, plan, static_cast<Py_ssize_t>(n), named);
    }
    case kNamedTuple:
        if (!get_size(n)) return malformed();
        made = PyRef(new_named_tuple(*plan, static_cast<Py_ssize_t>(n)));
        if (!made || (mark && !remember(made.get()))) return nullptr;
        if (n == 0) return made.release();
        return push(std::move(made), static_cast<Py_ssize_t>(n), -1, kind, plan, 0, 0);
    case kReduced:
        if (!get_size(n)) return malformed();
        size = static_cast<Py_ssize_t>(n);
        made = PyRef(PyTuple_New(size));
        if (!made) return nullptr;
        break;
    default:
        break;
    }
    // Whole only at the end.
    const std::int64_t number = mark ? static_cast<std::int64_t>(remembered_.size()) : -1;
    if (mark && !remember(nullptr)) return nullptr;
    if (size > 0) return push(std::move(made), size, number, kind, plan, 0, 0);
    return finished(made_of(context_, *plan, made.get()), number);
}

int Decoder::set_attribute(Frame& frame, PyObject* item) {
    if (frame.pos < frame.declared) return set_declared(*frame.plan, frame.obj, frame.pos, item);
    if (frame.pos >= frame.named) return set_slot(*frame.plan, frame.obj, frame.pos - frame.named, item);
    if (!frame.key) {
        frame.key = Py_NewRef(item);
        return 0;
    }
    const int failed = set_named(frame.obj, frame.key, item);
    Py_CLEAR(frame.key);
    return failed;
}

// The items of an open list or tuple, which put() puts in.
template <class Put>
PyObject* Decoder::fill_sequence(Frame& frame, Put put) {
    Keys keys;
    while (frame.pos < frame.size) {
        if (at_ == end_) return malformed();
        if (at_run()) {
            keys.size = 0;
            if (run_of_numbers(frame.size - frame.pos, put) == 0) return nullptr;
            continue;
        }
        PyObject* item = nullptr;
        if (at_neighbours()) {
            // Its neighbour: of a list that code has changed since there may be none.
            Borrowed before(nullptr);
            if (frame.pos > 0 && frame.kind == kTuple) before = PyTuple_GET_ITEM(frame.obj, frame.pos - 1);
            if (frame.pos > 0 && frame.kind == kList) {
                const Section section(frame.obj);
                if (frame.pos <= PyList_GET_SIZE(frame.obj))
                    before = PyList_GET_ITEM(frame.obj, frame.pos - 1);
            }
            tree_base_ = frames_.size();
            item = dict_like(before.get(), keys, 0);
        } else {
            keys.size = 0;  // Python code may run
            item = value();
        }
        if (!item || !put(item)) return nullptr;
    }
    return close(frame);
}

// Reads items of the innermost open container for as long as they open none of their own. The container where
// that made it whole; nullptr as value().
PyObject* Decoder::fill(Frame& frame) {  // whoever opens a container moves `frame`
    switch (frame.kind) {
    case kTuple:
        return fill_sequence(frame, [&](PyObject* item) {
            PyTuple_SET_ITEM(frame.obj, frame.pos++, item);
            return true;
        });
    case kList:
        return fill_sequence(frame, [&](PyObject* item) {
            const bool in = set_item(frame, item) == 0;
            if (in) ++frame.pos;
            return in;
        });
    case kDict:
        while (frame.pos < frame.size) {
            if (frame.keys && left() > 0 && *at_ == std::byte{kOtherKeys}) {
                ++at_;
                Py_CLEAR(frame.keys);
            }
            if (frame.keys) {
                Py_XSETREF(frame.key, Py_NewRef(PyTuple_GET_ITEM(frame.keys, frame.pos)));
            } else if (!frame.key) {
                PyObject* const key = value();
                if (!key) return nullptr;
                frame.key = key;
            }
            const PyRef item(value());
            if (!item || set_pair(frame, item.get()) < 0) return nullptr;
            ++frame.pos;
        }
        return close(frame);
    default: {
        PyObject* const item = value();
        return item ? deliver(item) : nullptr;
    }
    }
}

// Takes the item over. Code that was given the open list (see whole_enough) may have changed it.
int Decoder::set_item(const Frame& frame, PyObject* item) {
    Section section(frame.obj);
    if (PyList_GET_SIZE(frame.obj) != frame.size) {
        section.end();
        Py_DECREF(item);
        PyErr_SetString(PyExc_RuntimeError, "list changed size while it was being received");
        return -1;
    }
    PyObject* const old =
        std::exchange(reinterpret_cast<PyListObject*>(frame.obj)->ob_item[frame.pos], item);
    section.end();
    Py_XDECREF(old);
    return 0;
}

int Decoder::set_pair(Frame& frame, PyObject* item) {
    const int failed = PyDict_SetItem(frame.obj, frame.key, item);
    Py_CLEAR(frame.key);
    return failed;
}

// Puts one item (taken over) into the open container. The container where that made it whole; nullptr as value().
PyObject* Decoder::deliver(PyObject* item) {
    Frame& frame = frames_.back();
    switch (frame.kind) {
    case kList:
        if (set_item(frame, item) < 0) return nullptr;
        break;
    case kDict:
        if (!frame.key) {
            frame.key = item;
            goes_on_ = true;
            return nullptr;
        } else {
            const PyRef mine(item);
            if (set_pair(frame, item) < 0) return nullptr;
        }
        break;
    case kSet:
    case kFrozenSet: {
        const int failed = PySet_Add(frame.obj, item);
        Py_DECREF(item);
        if (failed < 0) return nullptr;
        break;
    }
    case kSlice: {
        // Nobody else has used it: it was made with this call's Nones.
        auto* const slice = reinterpret_cast<PySliceObject*>(frame.obj);
        PyObject** const parts[] = {&slice->start, &slice->stop, &slice->step};
        Py_XSETREF(*parts[frame.pos], item);
        break;
    }
    case kInstance: {
        const PyRef mine(item);
        if (set_attribute(frame, item) < 0) return nullptr;
        break;
    }
    case kNamedTuple: {
        PyObject* const none = PyTuple_GET_ITEM(frame.obj, frame.pos);
        PyTuple_SET_ITEM(frame.obj, frame.pos, item);
        Py_DECREF(none);
        break;
    }
    case kEnum:
    case kRegistered:
        frame.obj = item;
        break;
    default:  // kTuple; the parts of a range; arguments
        PyTuple_SET_ITEM(frame.obj, frame.pos, item);
    }
    if (++frame.pos == frame.size) return close(frame);
    goes_on_ = true;
    return nullptr;
}

// The innermost container, which has all of its items.
PyObject* Decoder::close(const Frame& frame) {
    PyObject* whole = frame.obj;
    const Frame done = frame;
    frames_.pop();
    Py_XDECREF(done.keys);
    claimed_ -= static_cast<std::uint64_t>(done.size);
    if (done.kind == kRange) {
        const PyRef parts(whole);
        whole = PyObject_CallObject(reinterpret_cast<PyObject*>(&PyRange_Type), parts.get());
    } else if (done.kind == kEnum || done.kind == kRegistered || done.kind == kReduced) {
        const PyRef part(whole);
        whole = made_of(context_, *done.plan, part.get());
    }
    return finished(whole, done.number);
}

PyObject* decode(Context& context, Parcel& parcel) {
    PyObject* made = nullptr;
    std::size_t size = 0;
    if (parcel.size > 0 && small_value(parcel.data, parcel.size, made, size)) return made;
    return Decoder(context, parcel).run();
}

PyObject* decode_other(Context& context, const ShortItem& item) {
    Parcel parcel;
    parcel.data = item.bytes;
    parcel.size = item.size;
    return Decoder(context, parcel).run();
}

}  // namespace interpchannels
