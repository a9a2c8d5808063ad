#include "crossing/decoder.hpp"

#include <cstring>

#include "crossing/attachments.hpp"
#include "crossing/buffer.hpp"
#include "crossing/format.hpp"
#include "crossing/instances.hpp"
#include "crossing/memory.hpp"
#include "crossing/pages.hpp"
#include "crossing/pickle.hpp"
#include "crossing/pod_vector.hpp"
#include "crossing/small_values.hpp"

namespace interpchannels {
namespace {

class Decoder {
public:
    Decoder(Context& context, Parcel& parcel) noexcept
        : context_(context), parcel_(parcel), at_(parcel.data), end_(parcel.data + parcel.size) {}
    ~Decoder() {
        while (!frames_.empty()) {
            Py_XDECREF(frames_.back().key);
            Py_XDECREF(frames_.back().obj);
            frames_.pop();
        }
        for (std::size_t i = 0; i < remembered_.size(); ++i) Py_XDECREF(remembered_[i]);
    }
    Decoder(const Decoder&) = delete;
    Decoder& operator=(const Decoder&) = delete;

    PyObject* run() {
        PyObject* made = value();
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
    static PyObject* whole_enough(PyObject* obj) noexcept {
        PyObject** items = nullptr;
        Py_ssize_t size = 0;
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

    PyObject* other_value() {
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
        case kSet:
        case kFrozenSet:
        case kDict: {
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

    PyObject* big_int() {
        std::uint64_t n = 0;
        if (!get_length(n)) return malformed();
        const std::byte* const from = at_;
        at_ += n;
        return cpython::int_from_bytes(from, static_cast<Py_ssize_t>(n));
    }

    static int kind_of(int tag) noexcept { return tag == kStrUcs2 ? 2 : tag == kStrUcs4 ? 4 : 1; }
    // The widest character of the kind. The sender's string was canonical, so this is exact.
    static Py_UCS4 widest(int tag) noexcept {
        switch (tag) {
        case kStrAscii:
            return 0x7F;
        case kStrLatin1:
            return 0xFF;
        case kStrUcs2:
            return 0xFFFF;
        default:
            return 0x10FFFF;
        }
    }

    PyObject* text(int tag) {
        std::uint64_t length = 0;
        if (!get_length(length)) return malformed();
        const auto nbytes = static_cast<std::size_t>(length) * static_cast<std::size_t>(kind_of(tag));
        if (nbytes > left()) return malformed();
        const std::byte* const from = at_;
        at_ += nbytes;
        if (tag == kStrUcs4) {  // the others cannot hold what is no character
            for (std::size_t i = 0; i < nbytes; i += 4) {
                Py_UCS4 one = 0;
                std::memcpy(&one, from + i, 4);
                if (one > 0x10FFFF) return malformed();
            }
        }
        if (tag != kStrAscii) {
            return PyUnicode_FromKindAndData(kind_of(tag), from, static_cast<Py_ssize_t>(length));
        }
        if (length <= 1) {  // the interpreter's own singletons
            return PyUnicode_FromKindAndData(PyUnicode_1BYTE_KIND, from, static_cast<Py_ssize_t>(length));
        }
        PyObject* const str = PyUnicode_New(static_cast<Py_ssize_t>(length), 0x7F);
        if (str) std::memcpy(PyUnicode_1BYTE_DATA(str), from, nbytes);
        return str;
    }

    PyObject* lost(PyObject* half_made) {
        Py_DECREF(half_made);
        PyErr_SetString(PyExc_MemoryError,
                        "the interpreter that sent this item ended, and there was no memory for a copy");
        return nullptr;
    }

    PyObject* loaned_bytes() {
        Loan* const loan = take_attachment<Loan>();
        if (!loan) return malformed();
        PyObject* obj = loan->object_here();
        if (!obj) {
            obj = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(loan->size()));
            if (obj) advise_huge(PyBytes_AS_STRING(obj), loan->size());
            if (obj && !loan->copy_to(PyBytes_AS_STRING(obj))) obj = lost(obj);
        }
        loan->release();
        return obj;
    }

    PyObject* loaned_text() {
        std::uint8_t tag = 0;
        std::uint64_t length = 0;
        Loan* const loan = take_attachment<Loan>();
        if (!loan) return malformed();
        PyObject* obj = nullptr;
        if (!get_u8(tag) || !get_varint(length) ||
            length * static_cast<std::uint64_t>(kind_of(tag)) != loan->size()) {
            malformed();
        } else if (!(obj = loan->object_here())) {
            obj = PyUnicode_New(static_cast<Py_ssize_t>(length), widest(tag));
            if (obj) advise_huge(PyUnicode_DATA(obj), loan->size());
            if (obj && !loan->copy_to(PyUnicode_DATA(obj))) obj = lost(obj);
        }
        loan->release();
        return obj;
    }

    PyObject* memory(bool shared) {
        MemoryLayout layout;
        std::uint8_t ndim = 0;
        if (!get(&layout.nbytes, sizeof layout.nbytes) || !get(&layout.itemsize, sizeof layout.itemsize) ||
            !get_u8(layout.readonly) || !get_u8(layout.format_size) ||
            !get(layout.format, layout.format_size) || !get_u8(ndim) || ndim > MemoryLayout::kMaxDims ||
            !get(layout.shape, ndim * sizeof(Py_ssize_t)) ||
            !get(layout.strides, ndim * sizeof(Py_ssize_t))) {
            return malformed();
        }
        layout.ndim = ndim;
        if (shared) {
            View* const view = take_attachment<View>();
            return view ? memoryview_over(context_.memory_type, view, view->buffer().buf, layout)
                        : malformed();
        }
        Block* const block = attachment_as<Block>(parcel_.attachments);
        if (!block || !describes_copy(layout, block->size())) return malformed();
        return memoryview_over(context_.memory_type, take_attachment<Block>(), block->data(), layout);
    }

    PyObject* buffer() {
        auto* const memory = take_attachment<BufferMemory>();
        return memory ? buffer_over(context_.buffer_type, memory) : malformed();
    }

    PyObject* end() {
        std::uint8_t direction = 0;
        return get_u8(direction) && direction <= 1 ? end(static_cast<Direction>(direction)) : malformed();
    }

    PyObject* end(Direction direction) {
        EndTicket* const ticket = take_attachment<EndTicket>();
        if (!ticket) return malformed();
        const auto id = static_cast<long long>(ticket->channel().id());
        Ref<CountedChannel> channel = EndTicket::redeem(ticket);
        if (!channel) {
            PyErr_Format(context_.channel_closed_error,
                         "channel %lld has ended while an end of it was under way", id);
            return nullptr;
        }
        return context_.make_end(context_, std::move(channel), direction);
    }

    PyObject* queue() {
        const PyRef recv(end(Direction::kRecv));
        const PyRef send(recv ? end(Direction::kSend) : nullptr);
        return send ? context_.make_queue(context_, recv.get(), send.get()) : nullptr;
    }

    PyObject* channel_id() {
        ChannelIdParts parts;
        std::uint8_t end = 0, resolve = 0, counted = 0;
        if (!get(&parts.cid, sizeof parts.cid) || !get_u8(end) || !get_u8(resolve) || !get_u8(counted)) {
            return malformed();
        }
        parts.end = static_cast<int>(end) - 1;
        parts.resolve = resolve != 0;
        if (counted) {
            IdTicket* const ticket = take_attachment<IdTicket>();
            if (!ticket) return malformed();
            parts.channel = IdTicket::redeem(ticket);
        }
        return context_.make_channel_id(context_, std::move(parts));
    }

    PyObject* registry() {
        RegistryItem* const item = take_attachment<RegistryItem>();
        if (!item) return malformed();
        PyObject* const obj = item->new_object();
        item->release();
        if (!obj && !PyErr_Occurred()) {
            PyErr_SetString(context_.item_destroyed_error,
                            "the interpreter that sent this item has ended, and the item with it");
        }
        return obj;
    }

    PyObject* pickled() {
        std::uint64_t references = 0, buffers = 0, size = 0;
        if (!frames_.empty() || !get_length(references) || !get_length(buffers)) return malformed();
        const PyRef buffer_list(PyList_New(0));
        const PyRef reference_list(PyList_New(0));
        if (!buffer_list || !reference_list) return nullptr;
        for (std::uint64_t i = 0; i < buffers; ++i) {
            MemoryLayout layout;
            Block* const block = take_attachment<Block>();
            if (!block) return malformed();
            if (!get_u8(layout.readonly)) {
                block->release();
                return malformed();
            }
            layout.nbytes = layout.shape[0] = static_cast<Py_ssize_t>(block->size());
            layout.strides[0] = 1;
            const PyRef memory(memoryview_over(context_.memory_type, block, block->data(), layout));
            if (!memory || PyList_Append(buffer_list.get(), memory.get()) < 0) return nullptr;
        }
        if (!get_length(size)) return malformed();
        const char* const data = reinterpret_cast<const char*>(at_);
        at_ += size;
        for (std::uint64_t i = 0; i < references; ++i) {
            const PyRef reference(value());
            if (!reference) {
                goes_on_ = false;  // a container is not written here
                return malformed();
            }
            if (PyList_Append(reference_list.get(), reference.get()) < 0) return nullptr;
        }
        return load_pickled(context_, data, static_cast<Py_ssize_t>(size), reference_list.get(),
                            buffer_list.get());
    }

    // --- containers ---

    PyObject* open(int kind, Py_ssize_t size, bool mark) {
        PyRef made;
        switch (kind) {
        case kList:
            made = PyRef(PyList_New(size));
            break;
        case kDict:
            made = PyRef(PyDict_New());
            break;
        case kSlice:
            made = PyRef(PySlice_New(nullptr, nullptr, nullptr));
            break;
        case kSet:
        case kFrozenSet:
            made = PyRef(kind == kSet ? PySet_New(nullptr) : PyFrozenSet_New(nullptr));
            break;
        default:
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

    PyObject* push(PyRef made, Py_ssize_t size, std::int64_t number, int kind, const ClassPlan* plan,
                   Py_ssize_t declared, Py_ssize_t named) {
        if (frames_.push({made.get(), nullptr, 0, size, number, static_cast<std::uint8_t>(kind), plan,
                          declared, named})) {
            made.release();
            claimed_ += static_cast<std::uint64_t>(size);
            goes_on_ = true;
        } else {
            PyErr_NoMemory();
        }
        return nullptr;
    }

    PyObject* open_classed(int kind, bool mark) {
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

    PyObject* finished(PyObject* whole, std::int64_t number) {
        if (whole && number >= 0) remembered_[static_cast<std::size_t>(number)] = Py_NewRef(whole);
        return whole;
    }

    int set_attribute(Frame& frame, PyObject* item) {
        if (frame.pos < frame.declared) return set_declared(*frame.plan, frame.obj, frame.pos, item);
        if (frame.pos >= frame.named)
            return set_slot(*frame.plan, frame.obj, frame.pos - frame.named, item);
        if (!frame.key) {
            frame.key = Py_NewRef(item);
            return 0;
        }
        const int failed = set_named(frame.obj, frame.key, item);
        Py_CLEAR(frame.key);
        return failed;
    }

    // Reads items of the innermost open container for as long as they open none of their own. The container where
    // that made it whole; nullptr as value().
    PyObject* fill(Frame& frame) {  // whoever opens a container moves `frame`
        switch (frame.kind) {
        case kTuple:
            while (frame.pos < frame.size) {
                PyObject* const item = value();
                if (!item) return nullptr;
                PyTuple_SET_ITEM(frame.obj, frame.pos++, item);
            }
            return close(frame);
        case kList:
            while (frame.pos < frame.size) {
                PyObject* const item = value();
                if (!item || set_item(frame, item) < 0) return nullptr;
                ++frame.pos;
            }
            return close(frame);
        case kDict:
            while (frame.pos < frame.size) {
                if (!frame.key) {
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
    static int set_item(const Frame& frame, PyObject* item) {
        if (PyList_GET_SIZE(frame.obj) != frame.size) {
            Py_DECREF(item);
            PyErr_SetString(PyExc_RuntimeError, "list changed size while it was being received");
            return -1;
        }
        Py_XSETREF(reinterpret_cast<PyListObject*>(frame.obj)->ob_item[frame.pos], item);
        return 0;
    }

    static int set_pair(Frame& frame, PyObject* item) {
        const int failed = PyDict_SetItem(frame.obj, frame.key, item);
        Py_CLEAR(frame.key);
        return failed;
    }

    // Puts one item (taken over) into the open container. The container where that made it whole; nullptr as value().
    PyObject* deliver(PyObject* item) {
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
    PyObject* close(const Frame& frame) {
        PyObject* whole = frame.obj;
        const Frame done = frame;
        frames_.pop();
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

    bool goes_on_ = false;  // there is no exception: the innermost open container is next
    Context& context_;
    Parcel& parcel_;
    const std::byte* at_;
    const std::byte* const end_;
    std::uint64_t claimed_ = 0;  // the sizes of the open containers
    PodVector<Frame, 16> frames_;
    PodVector<PyObject*, 32> remembered_;
    ClassesInUse classes_;
};

}  // namespace

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
