// What a parcel can hold besides bytes: a loan, a view, data of CPython's registry, a block, a counted end,
// a ChannelID.
//
// Invariants: see Attachment and Owned. In addition, whoever reads an owner's memory says so for as long
// as it reads, and an owner that ends waits for that: a plain copy for a loan, one call of CPython's
// new_object for registry data.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <typeinfo>

#include "channel/associated_ends.hpp"
#include "channel/counted_ends.hpp"
#include "channel/parcel.hpp"
#include "interpreter/cpython_private.hpp"
#include "interpreter/interpreter.hpp"

namespace interpchannels {

// Large immutable bytes or str, left where they are in their owner until they are received.
// When the owner ends first, they are copied to the C heap.
class Loan final : public Owned {
public:
    // Attached to `owner`. Lends `size` bytes at `data`, inside of `obj`. nullptr where memory failed.
    static Loan* make(Interpreter& owner, PyObject* obj, const void* data, std::size_t size) noexcept;

    // The object itself, a new reference, where the thread is attached to its owner; else nullptr.
    PyObject* object_here() const noexcept;
    std::size_t size() const noexcept { return size_; }
    // False where the owner ended and memory for the copy had failed.
    bool copy_to(void* destination) noexcept;

private:
    Loan(Interpreter& owner, PyObject* obj, const void* data, std::size_t size) noexcept;
    ~Loan() override;
    void give_back() noexcept override;
    void outlive() noexcept override;

    PyObject* obj_;
    const void* data_;  // nullptr: lost
    const std::size_t size_;
    void* copy_ = nullptr;
    // Protects data_ and copy_ against the owner's end. Held for one memcpy; between one receiver and one
    // ending owner, so hardly ever contended.
    SpinLock reading_;
};

// A buffer that the drop-in's send_buffer shares. It cannot be revoked: where the owner ends first, its
// exporter is left alive on purpose.
class View final : public Owned {
public:
    // Attached to `owner`. Takes over the buffer. nullptr where memory failed (the buffer is released).
    static View* make(Interpreter& owner, Py_buffer& buffer) noexcept;
    const Py_buffer& buffer() const noexcept { return buffer_; }

private:
    View(Interpreter& owner, const Py_buffer& buffer) noexcept : Owned(owner), buffer_(buffer) {}
    ~View() override = default;
    void give_back() noexcept override { PyBuffer_Release(&buffer_); }
    void outlive() noexcept override {}

    Py_buffer buffer_;
};

// Data of CPython's own cross-interpreter registry.
class RegistryItem final : public Owned {
public:
    // Attached to `owner`. nullptr with an exception set where CPython does not share the object.
    static RegistryItem* make(Interpreter& owner, PyObject* obj);
    // Attached to the receiver. A new reference; nullptr with an exception set, or with none where the
    // owner has ended and taken the value along.
    PyObject* new_object();

private:
    explicit RegistryItem(Interpreter& owner) noexcept : Owned(owner) {}
    ~RegistryItem() override;
    void give_back() noexcept override;
    void outlive() noexcept override;

    enum State : int { kLive, kReading, kGone };
    std::atomic<int> state_{kLive};
    bool own_free_ = false;   // the owner ended, the data did not depend on it
    char* module_ = nullptr;  // of the object's type, from std::malloc: imported where new_object misses it
    cpython::XiData data_{};
};

// Memory on the C heap that belongs to the parcel.
class Block final : public Attachment {
public:
    // `size` bytes, uninitialised. nullptr where memory failed.
    static Block* make(std::size_t size) noexcept;
    void release() noexcept override;
    std::byte* data() noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }

private:
    Block(std::byte* data, std::size_t size) noexcept : data_(data), size_(size) {}
    ~Block() = default;
    std::byte* const data_;
    const std::size_t size_;
};

// The attachment where it is a T; nullptr where there is none, or where it is another.
template <class T>
T* attachment_as(Attachment* attachment) noexcept {
    static_assert(std::is_final_v<T>);
    return attachment && typeid(*attachment) == typeid(T) ? static_cast<T*>(attachment) : nullptr;
}

// One counted handle of a package channel, on its way.
class EndTicket final : public Attachment {
public:
    // Takes over one count of the channel's. nullptr where memory failed (the count is then dropped).
    static EndTicket* make(const Ref<CountedChannel>& channel, Direction direction) noexcept;
    void release() noexcept override;
    CountedChannel& channel() const noexcept { return *channel_; }
    Direction direction() const noexcept { return direction_; }
    // Queued in its own channel, a receiving end does not count: called before it is sent.
    void suspend() noexcept;
    // The count for the receiver; empty where the channel has ended meanwhile. The ticket is released.
    static Ref<CountedChannel> redeem(EndTicket* ticket) noexcept;

private:
    EndTicket(Ref<CountedChannel> channel, Direction direction) noexcept
        : channel_(std::move(channel)), direction_(direction) {}
    ~EndTicket() = default;
    Ref<CountedChannel> channel_;
    const Direction direction_;
    bool counted_ = true;
};

// One ChannelID of the drop-in, on its way: it keeps its channel alive as an object would.
class IdTicket final : public Attachment {
public:
    static IdTicket* make(Ref<AssociatedChannel> channel) noexcept;  // adds an id count
    void release() noexcept override;
    static Ref<AssociatedChannel> redeem(IdTicket* ticket) noexcept;  // with its id count

private:
    explicit IdTicket(Ref<AssociatedChannel> channel) noexcept : channel_(std::move(channel)) {}
    ~IdTicket() = default;
    Ref<AssociatedChannel> channel_;
};

}  // namespace interpchannels
