// Buffer: memory outside of every interpreter that moves from one to the next, with no copy.
//
// A Buffer object has its memory (BufferMemory), or has none: then it is detached, and every use but asking
// for that raises. Sending one makes its memory an attachment of the parcel, and the receiver's new Buffer
// has it. What makes the move free of data races is that it has one owner at a time, so one with a live view
// is not moved.
//
// Invariants:
//  1. Memory belongs to one Buffer object, or to one parcel.
//  2. While a send holds it, the Buffer that it came from is known to the sender alone (MovedBuffers, beside the
//     parcel): the memory itself knows no object, so a receiver that has it already meets nothing of the
//     sender's.
//  3. Where the parcel was not sent, its memory comes back to that Buffer; where it was, the Buffer is left
//     detached for good. Which of the two it is, only the parcel says: one that was sent has no attachments left.
#pragma once

#include <cstddef>
#include <cstdint>

#include "channel/parcel.hpp"
#include "interpreter/python.hpp"

namespace interpchannels {

class BufferMemory final : public Attachment {
public:
    // Zero-filled. nullptr where memory failed.
    static BufferMemory* make(std::size_t size) noexcept;
    void release() noexcept override;
    std::byte* data() noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    // In the whole process, in Buffers and on their way.
    static std::int64_t live() noexcept;

private:
    BufferMemory(std::byte* data, std::size_t size) noexcept;
    ~BufferMemory();
    std::byte* const data_;
    const std::size_t size_;
};

struct BufferObject;

// The Buffers whose memory lies in one parcel, in the parcel's order. It holds a reference to each, and links
// them through themselves: a Buffer is moved once at a time. Attached to their interpreter, but for the
// destructor and settle(), which a thread that unwinds while detached may meet: they then leave the objects to
// the interpreter's end, and memory that was not sent to the parcel, which frees it.
class MovedBuffers {
public:
    MovedBuffers() = default;
    MovedBuffers(MovedBuffers&& other) noexcept
        : first_(std::exchange(other.first_, nullptr)), last_(std::exchange(other.last_, nullptr)) {}
    MovedBuffers& operator=(MovedBuffers&& other) noexcept {
        if (this != &other) {
            if (first_) let_go();
            first_ = std::exchange(other.first_, nullptr);
            last_ = std::exchange(other.last_, nullptr);
        }
        return *this;
    }
    ~MovedBuffers() {
        if (first_) let_go();
    }

    // Takes the memory out of a Buffer, for the parcel that is being made. nullptr with ValueError (it has none)
    // or BufferError (it has a live view) set.
    BufferMemory* take_from(PyObject* buffer);
    // The outcome is known: where `attachments` has the memory still, it goes back.
    void settle(Attachment*& attachments) noexcept {
        if (first_) settle_all(attachments);
    }

private:
    void settle_all(Attachment*& attachments) noexcept;
    void let_go() noexcept;
    BufferObject* pop() noexcept;

    BufferObject* first_ = nullptr;
    BufferObject* last_ = nullptr;
};

// A parcel that is still its sender's, with the Buffers that it was made from: where it goes without having been
// sent, they have their memory back.
//
// Whoever takes the parcel out of it (the queue, a receiver, a move) has sent it.
struct Outgoing {
    Parcel parcel;
    MovedBuffers moved;

    Outgoing() = default;
    Outgoing(Outgoing&&) = default;
    Outgoing& operator=(Outgoing&& other) noexcept {
        reset();
        parcel = std::move(other.parcel);
        moved = std::move(other.moved);
        return *this;
    }
    ~Outgoing() { moved.settle(parcel.attachments); }

    void reset() noexcept {
        moved.settle(parcel.attachments);
        parcel.reset();
    }
};

// The heap type, for one module. A new reference.
PyTypeObject* make_buffer_type(PyObject* module);

// A Buffer that owns the memory, which is taken over even on failure. Attached. nullptr with an exception set.
PyObject* buffer_over(PyTypeObject* buffer_type, BufferMemory* memory);

}  // namespace interpchannels
