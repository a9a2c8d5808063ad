#include "crossing/attachments.hpp"

#include <cstring>
#include <new>
#include <thread>

#include "crossing/pages.hpp"

namespace interpchannels {

// --- Loan ---

Loan::Loan(Interpreter& owner, PyObject* obj, const void* data, std::size_t size) noexcept
    : Owned(owner), obj_(Py_NewRef(obj)), data_(data), size_(size) {}

Loan::~Loan() { std::free(copy_); }

Loan* Loan::make(Interpreter& owner, PyObject* obj, const void* data, std::size_t size) noexcept {
    owner.drain();  // what came back meanwhile goes first: a busy sender needs no pending call
    return new (std::nothrow) Loan(owner, obj, data, size);
}

PyObject* Loan::object_here() const noexcept {
    return owner().is_attached_here() ? Py_NewRef(obj_) : nullptr;
}

bool Loan::copy_to(void* destination) noexcept {
    SpinGuard guard(reading_);
    if (!data_) return false;
    std::memcpy(destination, data_, size_);
    return true;
}

void Loan::give_back() noexcept { Py_CLEAR(obj_); }

void Loan::outlive() noexcept {
    void* const copy = std::malloc(size_);
    {
        SpinGuard guard(reading_);
        if (copy) std::memcpy(copy, data_, size_);
        data_ = copy_ = copy;
    }
    Py_CLEAR(obj_);
}

// --- View ---

View* View::make(Interpreter& owner, Py_buffer& buffer) noexcept {
    owner.drain();
    auto* view = new (std::nothrow) View(owner, buffer);
    if (!view) PyBuffer_Release(&buffer);
    return view;
}

// --- RegistryItem ---

RegistryItem* RegistryItem::make(Interpreter& owner, PyObject* obj) {
    owner.drain();
    cpython::XiData data{};
    if (cpython::get_data(obj, &data) != 0) {
        if (!PyErr_Occurred()) {
            PyErr_Format(PyExc_RuntimeError, "CPython could not share a %s object", Py_TYPE(obj)->tp_name);
        }
        return nullptr;
    }
    auto* item = new (std::nothrow) RegistryItem(owner);
    if (!item) {
        cpython::release(&data);
        PyErr_NoMemory();
        return nullptr;
    }
    item->data_ = data;
    const PyRef module(PyObject_GetAttrString(reinterpret_cast<PyObject*>(Py_TYPE(obj)), "__module__"));
    const char* const name =
        module && PyUnicode_Check(module.get()) ? PyUnicode_AsUTF8(module.get()) : nullptr;
    if (name) item->module_ = ::strdup(name);
    if (name && !item->module_) PyErr_NoMemory();
    if (clear_refusal()) return item;  // it is only for a second try
    item->release();
    return nullptr;
}

RegistryItem::~RegistryItem() {
    if (own_free_ && data_.data && data_.free) data_.free(data_.data);
    std::free(module_);
}

PyObject* RegistryItem::new_object() {
    int expected = kLive;
    // Acquire and release pair with outlive(): the data is whole, or gone.
    if (!state_.compare_exchange_strong(expected, kReading, std::memory_order_acq_rel)) return nullptr;
    PyObject* obj = cpython::new_object(&data_);
    if (!obj && module_ && PyErr_ExceptionMatches(PyExc_RuntimeError)) {
        // CPython's Queue, for one, wants its module to be imported by whoever receives it.
        PyObject* const error = PyErr_GetRaisedException();
        const PyRef imported(PyImport_ImportModule(module_));
        PyErr_SetRaisedException(imported ? nullptr : error);
        if (imported) {
            Py_DECREF(error);
            obj = cpython::new_object(&data_);
        }
    }
    state_.store(kLive, std::memory_order_release);
    if (!obj && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_SystemError, "CPython's registry made no object and set no exception");
    }
    return obj;
}

void RegistryItem::give_back() noexcept {
    SavedException saved;
    if (cpython::release(&data_) < 0) PyErr_Clear();
}

void RegistryItem::outlive() noexcept {
    int expected = kLive;
    const bool independent = data_.obj == nullptr;
    while (
        !state_.compare_exchange_strong(expected, independent ? kLive : kGone, std::memory_order_acq_rel)) {
        expected = kLive;  // a receiver is inside new_object()
        std::this_thread::yield();
    }
    if (independent) {
        own_free_ = true;
    } else {
        give_back();
    }
}

// --- Block ---

Block* Block::make(std::size_t size) noexcept {
    auto* data = static_cast<std::byte*>(std::malloc(size ? size : 1));
    if (!data) return nullptr;
    advise_huge(data, size);
    auto* block = new (std::nothrow) Block(data, size);
    if (!block) std::free(data);
    return block;
}

void Block::release() noexcept {
    std::free(data_);
    delete this;
}

// --- EndTicket ---

namespace {

// May be attached, and does not detach: re-attaching can unwind the thread (3.12, 3.13), which must not
// meet a destructor. The locks that closing takes are held for a few instructions and never by a thread
// that waits for an interpreter, so this cannot dead-lock.
void drop_count(CountedChannel& channel, Direction direction) noexcept {
    if (channel.drop(direction)) channel.last_gone(direction);
}

}  // namespace

EndTicket* EndTicket::make(const Ref<CountedChannel>& channel, Direction direction) noexcept {
    auto* ticket = new (std::nothrow) EndTicket(channel, direction);
    if (!ticket) drop_count(*channel, direction);
    return ticket;
}

void EndTicket::release() noexcept {
    if (counted_) drop_count(*channel_, direction_);
    delete this;
}

void EndTicket::suspend() noexcept {
    counted_ = false;
    drop_count(*channel_, direction_);
}

Ref<CountedChannel> EndTicket::redeem(EndTicket* ticket) noexcept {
    if (!ticket->counted_) ticket->counted_ = ticket->channel_->mint(ticket->direction_);
    Ref<CountedChannel> channel = ticket->counted_ ? std::move(ticket->channel_) : Ref<CountedChannel>{};
    delete ticket;
    return channel;
}

// --- IdTicket ---

IdTicket* IdTicket::make(Ref<AssociatedChannel> channel) noexcept {
    channel->add_id();
    AssociatedChannel* const raw = channel.get();
    auto* ticket = new (std::nothrow) IdTicket(std::move(channel));
    if (!ticket) (void)raw->drop_id();  // never the last: the caller's ChannelID holds one
    return ticket;
}

void IdTicket::release() noexcept {
    if (channel_->drop_id()) channel_->destroy();  // as in drop_count()
    delete this;
}

Ref<AssociatedChannel> IdTicket::redeem(IdTicket* ticket) noexcept {
    Ref<AssociatedChannel> channel = std::move(ticket->channel_);
    delete ticket;
    return channel;
}

}  // namespace interpchannels
