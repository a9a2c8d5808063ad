// The decoder's leaves: what has no parts, or takes them from the parcel's attachments.
#include "crossing/buffer.hpp"
#include "crossing/decoding.hpp"
#include "crossing/memory.hpp"
#include "crossing/pages.hpp"
#include "crossing/pickle.hpp"

namespace interpchannels {
namespace {

int kind_of(int tag) noexcept { return tag == kStrUcs2 ? 2 : tag == kStrUcs4 ? 4 : 1; }
// The widest character of the kind. The sender's string was canonical, so this is exact.
Py_UCS4 widest(int tag) noexcept {
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

PyObject* lost(PyObject* half_made) {
    Py_DECREF(half_made);
    PyErr_SetString(PyExc_MemoryError,
                    "the interpreter that sent this item ended, and there was no memory for a copy");
    return nullptr;
}

}  // namespace

PyObject* Decoder::big_int() {
    std::uint64_t n = 0;
    if (!get_length(n)) return malformed();
    const std::byte* const from = at_;
    at_ += n;
    return cpython::int_from_bytes(from, static_cast<Py_ssize_t>(n));
}

PyObject* Decoder::text(int tag) {
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

PyObject* Decoder::loaned_bytes() {
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

PyObject* Decoder::loaned_text() {
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

PyObject* Decoder::memory(bool shared) {
    MemoryLayout layout;
    std::uint8_t ndim = 0;
    if (!get(&layout.nbytes, sizeof layout.nbytes) || !get(&layout.itemsize, sizeof layout.itemsize) ||
        !get_u8(layout.readonly) || !get_u8(layout.format_size) ||
        !get(layout.format, layout.format_size) || !get_u8(ndim) || ndim > MemoryLayout::kMaxDims ||
        !get(layout.shape, ndim * sizeof(Py_ssize_t)) || !get(layout.strides, ndim * sizeof(Py_ssize_t))) {
        return malformed();
    }
    layout.ndim = ndim;
    if (shared) {
        View* const view = take_attachment<View>();
        return view ? memoryview_over(context_.memory_type, view, view->buffer().buf, layout) : malformed();
    }
    Block* const block = attachment_as<Block>(parcel_.attachments);
    if (!block || !describes_copy(layout, block->size())) return malformed();
    return memoryview_over(context_.memory_type, take_attachment<Block>(), block->data(), layout);
}

PyObject* Decoder::buffer() {
    auto* const memory = take_attachment<BufferMemory>();
    return memory ? buffer_over(context_.buffer_type, memory) : malformed();
}

PyObject* Decoder::end() {
    std::uint8_t direction = 0;
    return get_u8(direction) && direction <= 1 ? end(static_cast<Direction>(direction)) : malformed();
}

PyObject* Decoder::end(Direction direction) {
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

PyObject* Decoder::queue() {
    const PyRef recv(end(Direction::kRecv));
    const PyRef send(recv ? end(Direction::kSend) : nullptr);
    return send ? context_.make_queue(context_, recv.get(), send.get()) : nullptr;
}

PyObject* Decoder::channel_id() {
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

PyObject* Decoder::registry() {
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

PyObject* Decoder::pickled() {
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

}  // namespace interpchannels
