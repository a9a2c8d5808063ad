// The encoder's rarer leaves: what owns memory or counts, and goes as an attachment.
#include <cstring>

#include "crossing/attachments.hpp"
#include "crossing/encoder.hpp"
#include "crossing/memory.hpp"

namespace interpchannels {

Encoder::Step Encoder::memoryview(PyObject* obj) {
    std::uint8_t mark = 0;
    const std::int64_t known = is_root() ? -1 : remember(obj, mark);
    if (known < -1) return kError;
    if (known >= 0) return refer(known);

    Py_buffer buffer;
    if (PyObject_GetBuffer(obj, &buffer, PyBUF_FULL_RO) < 0) return kError;
    MemoryLayout layout;
    layout.nbytes = buffer.len;
    layout.itemsize = buffer.itemsize;
    layout.ndim = buffer.ndim;
    layout.readonly = buffer.readonly ? 1 : 0;
    const std::size_t format = buffer.format ? std::strlen(buffer.format) : 0;
    if (buffer.ndim > MemoryLayout::kMaxDims || format > MemoryLayout::kMaxFormat ||
        (mode_.views && buffer.suboffsets)) {
        PyBuffer_Release(&buffer);
        PyErr_SetString(PyExc_BufferError,
                        "this buffer's layout cannot cross (indirect, or its format is too long): "
                        "send bytes(view) instead");
        return kError;
    }
    layout.format_size = static_cast<std::uint8_t>(format);
    if (format) std::memcpy(layout.format, buffer.format, format + 1);
    Py_ssize_t stride = buffer.itemsize;
    for (int i = buffer.ndim - 1; i >= 0; --i) {
        layout.shape[i] = buffer.shape ? buffer.shape[i] : buffer.len / buffer.itemsize;
        layout.strides[i] = mode_.views && buffer.strides ? buffer.strides[i] : stride;
        stride *= layout.shape[i];
    }

    Tag tag = kMemory;
    if (mode_.views) {
        tag = kView;
        View* const view = View::make(*context_.interpreter, buffer);
        if (!view) {
            PyErr_NoMemory();
            return kError;
        }
        attach(view);
    } else {
        Block* const block = Block::make(static_cast<std::size_t>(buffer.len));
        const int copied = block ? PyBuffer_ToContiguous(block->data(), &buffer, buffer.len, 'C') : -1;
        PyBuffer_Release(&buffer);
        if (copied < 0) {
            if (block) block->release();
            if (!PyErr_Occurred()) PyErr_NoMemory();
            return kError;
        }
        attach(block, block->size());
    }
    const auto dims = static_cast<std::size_t>(layout.ndim) * sizeof(Py_ssize_t);
    return put_tag(tag | mark) && put(&layout.nbytes, sizeof layout.nbytes) &&
                   put(&layout.itemsize, sizeof layout.itemsize) && put_tag(layout.readonly) &&
                   put_tag(layout.format_size) && put(layout.format, format) &&
                   put_tag(static_cast<unsigned>(layout.ndim)) && put(layout.shape, dims) &&
                   put(layout.strides, dims)
               ? kLeaf
               : kError;
}

bool Encoder::raise_closed_end(const EndHandle& handle) {
    PyErr_Format(context_.channel_closed_error,
                 "%s of channel %lld is closed, so it cannot be sent: clone() it before it is closed",
                 handle.direction() == Direction::kSend ? "the SendChannel" : "the RecvChannel",
                 static_cast<long long>(handle.channel().id()));
    return false;
}

// A handle of its own for the receiver.
bool Encoder::attach_end(PyObject* end) {
    EndHandle& handle = context_.end_handle(end);
    const Direction direction = handle.direction();
    if (handle.closed()) return raise_closed_end(handle);
    const Ref<CountedChannel>& channel = handle.channel_ref();
    // Only the handle's own count keeps it from the last close, and another thread may be closing the handle.
    if (!channel->mint(direction)) return raise_closed_end(handle);
    EndTicket* const ticket = EndTicket::make(channel, direction);
    if (!ticket) {
        PyErr_NoMemory();
        return false;
    }
    attach(ticket);
    return true;
}

Encoder::Step Encoder::end(PyObject* obj, Direction direction) {
    std::uint8_t mark = 0;
    const std::int64_t known = is_root() ? -1 : remember(obj, mark);
    if (known < -1) return kError;
    if (known >= 0) return refer(known);
    if (!attach_end(obj)) return kError;
    return put_tag(kEnd | mark) && put_tag(static_cast<unsigned>(direction)) ? kLeaf : kError;
}

Encoder::Step Encoder::queue(PyObject* obj) {
    std::uint8_t mark = 0;
    const std::int64_t known = is_root() ? -1 : remember(obj, mark);
    if (known < -1) return kError;
    if (known >= 0) return refer(known);
    PyRef recv, send;
    if (!context_.queue_ends(context_, obj, recv, send)) return kError;
    return attach_end(recv.get()) && attach_end(send.get()) && put_tag(kQueue | mark) ? kLeaf : kError;
}

Encoder::Step Encoder::channel_id(PyObject* obj) {
    std::uint8_t mark = 0;
    const std::int64_t known = is_root() ? -1 : remember(obj, mark);
    if (known < -1) return kError;
    if (known >= 0) return refer(known);
    ChannelIdParts parts = context_.read_channel_id(obj);
    const bool counted = static_cast<bool>(parts.channel) && !parts.channel->destroyed();
    if (counted) {
        IdTicket* const ticket = IdTicket::make(std::move(parts.channel));
        if (!ticket) {
            PyErr_NoMemory();
            return kError;
        }
        attach(ticket);
    }
    return put_tag(kChannelId | mark) && put(&parts.cid, sizeof parts.cid) &&
                   put_tag(static_cast<unsigned>(parts.end + 1)) && put_tag(parts.resolve) &&
                   put_tag(counted)
               ? kLeaf
               : kError;
}

Encoder::Step Encoder::buffer(PyObject* obj) {
    if (explaining_) return kLeaf;  // it would cross, and nothing is sent
    std::uint8_t mark = 0;
    const std::int64_t known = is_root() ? -1 : remember(obj, mark);
    if (known < -1) return kError;
    if (known >= 0) return refer(known);
    BufferMemory* const memory = moved_.take_from(obj);
    if (!memory) return kError;
    attach(memory, memory->size());
    return put_tag(kBuffer | mark) ? kLeaf : kError;
}

Encoder::Step Encoder::registry(PyObject* obj) {
    if (!mode_.registry || !cpython::is_registered(obj)) return kIsForeign;
    std::uint8_t mark = 0;
    const std::int64_t known = is_root() ? -1 : remember(obj, mark);
    if (known < -1) return kError;
    if (known >= 0) return refer(known);
    RegistryItem* const item = RegistryItem::make(*context_.interpreter, obj);
    if (!item) {
        // As CPython's fallback has it: what a type does not share after all may still pickle.
        if (!mode_.pickle || !clear_refusal()) return kError;
        registry_failed_ = true;
        return kIsForeign;
    }
    attach(item);
    return put_tag(kRegistry | mark) ? kLeaf : kError;
}

}  // namespace interpchannels
