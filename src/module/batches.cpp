// send_many() and recv_many(): many items for the price of one lock and one wake-up.
//
// Plain small items go through a Batch, in one copy and under one lock. Whatever else comes goes by itself, in its
// place in the order.
//
// Nothing that an iterable has yielded is kept back while it is asked for more, since that may take long: only
// iterables that cannot wait (the exact built-in containers) are sent in batches.
//
// A failure keeps the account: `sent` of the exception says how many items went, `received` holds those that were
// taken out of the channel together with one that could not be decoded.
#include <algorithm>

#include "crossing/encoder.hpp"
#include "interpreter/without_gil.hpp"
#include "module/blocking.hpp"
#include "module/ends.hpp"

namespace interpchannels {
namespace {

static_assert(kSmallMax <= Batch::kItemMax);

// Adds `name` to the current exception. Where that fails, the exception is the caller's all the same.
void annotate(const char* name, PyObject* value) {
    const PyRef exception(PyErr_GetRaisedException());
    if (!exception) return;
    if (value && PyObject_SetAttrString(exception.get(), name, value) < 0) PyErr_Clear();
    PyErr_SetRaisedException(Py_NewRef(exception.get()));
}

// An int, or nullptr where there is no memory; the current exception stays.
PyObject* number(unsigned long long count) {
    const PyRef exception(PyErr_GetRaisedException());
    PyObject* const made = PyLong_FromUnsignedLongLong(count);
    if (!made) PyErr_Clear();
    PyErr_SetRaisedException(Py_XNewRef(exception.get()));
    return made;
}

// Its iterator runs no Python code and waits for nobody. (Lists and tuples are sent without one.)
bool cannot_wait(PyObject* iterable) noexcept {
    PyTypeObject* const type = Py_TYPE(iterable);
    return type == &PyRange_Type || type == &PyDict_Type || type == &PySet_Type ||
           type == &PyFrozenSet_Type || type == &PyUnicode_Type || type == &PyBytes_Type ||
           type == &PyByteArray_Type;
}

// --- send_many ---

class ManySender {
public:
    ManySender(EndObject& self, PyObject* timeout, Nanos deadline) noexcept
        : self_(self), channel_(self.handle.channel()), timeout_(timeout), deadline_(deadline) {}

    // Attached. True where all went; false with an exception set, and sent() says how many did.
    bool send_all(PyObject* iterable) {
        if (PyList_CheckExact(iterable)) {
            return send_items([=](Py_ssize_t i) { return list_item(iterable, i); });
        }
        if (PyTuple_CheckExact(iterable)) {
            return send_items([=](Py_ssize_t i) {
                return Borrowed(i < PyTuple_GET_SIZE(iterable) ? PyTuple_GET_ITEM(iterable, i) : nullptr);
            });
        }
        const HeldRef iterator(PyObject_GetIter(iterable));
        if (!iterator) return false;
        const bool in_batches = cannot_wait(iterable);
        const bool plain = takes_batches();
        for (;;) {
            const HeldRef item(PyIter_Next(iterator.get()));
            if (!item) break;
            if (plain && put(item.get())) {
                if (!in_batches && !flush()) return false;
            } else if (!flush() || !send_one(item.get())) {
                return false;
            }
        }
        if (!PyErr_Occurred()) return flush();
        // What came before the failure goes.
        const HeldRef failure(PyErr_GetRaisedException());
        if (flush()) PyErr_SetRaisedException(Py_NewRef(failure.get()));
        return false;
    }
    unsigned long long sent() const noexcept { return sent_; }

private:
    // An item that remembers its sender, or that is handed over, is no plain one.
    bool takes_batches() const noexcept { return channel_.unbound_op() == 0 && channel_.capacity() != 0; }

    // As its iterator would have it: a list may change while it is sent. item(i) is nullptr behind the last.
    template <class Item>
    bool send_items(Item item) {
        const bool plain = takes_batches();
        for (Py_ssize_t i = 0;; ++i) {
            const Borrowed next = item(i);
            if (!next.get()) break;
            if (plain && put(next.get())) continue;
            // Too large, or the batch is full.
            const HeldRef one(Py_NewRef(next.get()));  // flush() waits
            if (!flush()) return false;
            if (!(plain && put(one.get())) && !send_one(one.get())) return false;
        }
        return flush();
    }

    static Borrowed list_item(PyObject* list, Py_ssize_t i) {
        const Section section(list);
        return i < PyList_GET_SIZE(list) ? PyList_GET_ITEM(list, i) : nullptr;
    }

    // Into the batch, where it is one for it.
    bool put(PyObject* item) {
        std::byte* at = batch_.room();
        const std::size_t n = at ? put_small<false>(item, at) : 0;
        if (n == 0) return false;
        batch_.add(n);
        return true;
    }

    bool fail(Status status) {
        if (status != Status::kInterrupted) raise_status(self_, status, timeout_);
        return false;
    }

    bool flush() {
        while (!batch_.empty()) {
            if (self_.handle.closed()) return fail(Status::kCancelled);
            std::uint64_t n = 0;
            Status status = channel_.try_send_batch(batch_, self_.state->interpreter->id(), n);
            sent_ += n;
            if (status == Status::kOkOwing) detached([&] { channel_.settle(); });
            if (status == Status::kOk || status == Status::kOkOwing) continue;
            if (status != Status::kWouldBlock && status != Status::kContended) return fail(status);
            // The next one waits for its place, and keeps it in line.
            Parcel parcel;
            batch_.front(parcel);
            status = wait_to_send(parcel);
            if (status != Status::kOk) return fail(status);
            batch_.pop_front();
        }
        return true;
    }

    bool send_one(PyObject* item) {
        if (!check_open(self_)) return false;
        Scratch scratch;
        Outgoing out;
        Status status = encode_for(self_, item, out, scratch);
        if (status == Status::kOk) status = wait_to_send(out.parcel);
        return status == Status::kOk || fail(status);
    }

    Status wait_to_send(Parcel& parcel) {
        const Status status =
            blocking_send(*self_.state, channel_, parcel, false, deadline_, &self_.handle.closed_flag());
        if (status == Status::kOk) ++sent_;
        return status;
    }

    EndObject& self_;
    CountedChannel& channel_;
    PyObject* const timeout_;
    const Nanos deadline_;
    unsigned long long sent_ = 0;
    Batch batch_;
};

// --- recv_many ---

class ManyReceiver {
public:
    ManyReceiver(EndObject& self, PyObject* timeout, Nanos deadline) noexcept
        : self_(self), channel_(self.handle.channel()), timeout_(timeout), deadline_(deadline) {}

    // Attached. A new list, or nullptr with an exception set.
    PyObject* receive(std::uint64_t max) {
        items_ = HeldRef(list_with_room(std::min(max, channel_.count())));
        if (!items_) return nullptr;
        bool first = true;
        for (std::uint64_t left = max; left != 0; first = false) {
            Status status = take_batch(left);
            if (status != Status::kOk) status = take_one(first);
            if (status != Status::kOk && first) {
                self_.handle.refresh_hint();
                // Where this was the last handle, as in receive().
                if (status == Status::kClosed && self_.handle.closed()) status = Status::kCancelled;
                if (status != Status::kInterrupted) raise_status(self_, status, timeout_);
                return nullptr;
            }
            // What could not be decoded is gone, and is what is raised: what comes after it stays for the next call.
            if (status != Status::kOk || failure_) break;
            left -= std::min(left, taken_);
            // What is there now, and no more: a quick sender must not keep us for ever.
            if (first) left = std::min(left, channel_.count_with_offers());
        }
        self_.handle.refresh_hint();
        if (!failure_) return items_.release();
        PyErr_SetRaisedException(failure_.release());
        annotate("received", items_.get());
        const PyRef failed(number(failed_));
        annotate("failed", failed.get());
        return nullptr;
    }

private:
    Status take_batch(std::uint64_t max) {
        Batch batch;
        const Status status = channel_.try_recv_batch(batch, max);
        if (status != Status::kOk && status != Status::kOkOwing) return status;
        if (status == Status::kOkOwing) detached([&] { channel_.settle(); });
        taken_ = batch.count();
        batch.each([this](const std::byte* bytes, std::size_t size) {
            PyObject* made = nullptr;
            std::size_t used = 0;  // all, where it is one
            if (size > 0 && small_value(bytes, size, made, used)) {
                keep(made);
            } else {
                keep_other(bytes, size);
            }
        });
        return Status::kOk;
    }

    [[gnu::noinline]] void keep_other(const std::byte* bytes, std::size_t size) {
        Parcel parcel;
        parcel.data = bytes;
        parcel.size = size;
        keep(value_of(self_, parcel));
    }

    Status take_one(bool wait) {
        Scratch scratch;
        Parcel parcel;
        const Status status = blocking_recv(*self_.state, channel_, parcel, scratch, wait ? deadline_ : 0,
                                            &self_.handle.closed_flag());
        if (status != Status::kOk) return status;
        taken_ = 1;
        keep(value_of(self_, parcel));
        return status;
    }

    // They have left the channel, so one that cannot be decoded does not take the others along.
    // Takes the value over; nullptr: there is an exception.
    [[gnu::always_inline]] void keep(PyObject* value) {
        if (!value || !append(*reinterpret_cast<PyListObject*>(items_.get()), value)) failed();
    }
    [[gnu::noinline]] void failed() {
        HeldRef failure(PyErr_GetRaisedException());
        if (!failure_) failure_ = std::move(failure);
        ++failed_;
    }

    // An empty list with room for so many, made before anything is taken: what memory fails for is not lost then.
    static PyObject* list_with_room(std::uint64_t count) {
        constexpr std::uint64_t kMost = PY_SSIZE_T_MAX / sizeof(PyObject*);
        PyObject* const made = PyList_New(static_cast<Py_ssize_t>(std::min(count, kMost)));
        if (made) Py_SET_SIZE(made, 0);
        return made;
    }

    // Takes the value over. False with an exception set.
    [[gnu::always_inline]] static bool append(PyListObject& list, PyObject* value) {
        const Py_ssize_t size = Py_SIZE(&list);
        if (size < list.allocated) {
            list.ob_item[size] = value;
            Py_SET_SIZE(&list, size + 1);
            return true;
        }
        return append_more(list, value);
    }
    [[gnu::noinline]] static bool append_more(PyListObject& list, PyObject* value) {
        const PyRef own(value);
        return PyList_Append(reinterpret_cast<PyObject*>(&list), value) == 0;
    }

    EndObject& self_;
    CountedChannel& channel_;
    PyObject* const timeout_;
    const Nanos deadline_;
    std::uint64_t taken_ = 0;  // by the last take
    HeldRef items_;
    HeldRef failure_;  // the first; of the others, which were taken with it, there is but the number
    unsigned long long failed_ = 0;
};

}  // namespace

PyObject* send_send_many(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    PyObject* iterable = nullptr;
    PyObject* timeout = nullptr;
    Nanos deadline = kNever;
    if (!named("send_many", {"iterable", "timeout"}, args, nargs, kwnames, 1, {&iterable, &timeout}) ||
        !iterable) {  // named() requires it; the analyser does not see that
        return nullptr;
    }
    if (timeout && !parse_timeout(timeout, deadline)) return nullptr;
    ManySender sender(self_of(self), timeout, deadline);
    PyRef sent;
    if (check_open(self_of(self)) && sender.send_all(iterable)) {
        sent = PyRef(PyLong_FromUnsignedLongLong(sender.sent()));
        if (sent) return sent.release();
    }
    sent = PyRef(number(sender.sent()));
    annotate("sent", sent.get());
    return nullptr;
}

PyObject* recv_recv_many(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    PyObject* max = nullptr;
    PyObject* timeout = nullptr;
    Nanos deadline = kNever;
    if (!named("recv_many", {"max", "timeout"}, args, nargs, kwnames, 0, {&max, &timeout})) return nullptr;
    std::uint64_t most = ~std::uint64_t{0};
    if (max && max != Py_None) {
        const PyRef index(PyNumber_Index(max));
        if (!index) {
            if (!PyErr_ExceptionMatches(PyExc_TypeError)) return nullptr;
            PyErr_Clear();
            PyErr_Format(PyExc_TypeError, "max must be None or an int >= 1, not %.200s",
                         Py_TYPE(max)->tp_name);
            return nullptr;
        }
        int overflow = 0;
        const long long value = PyLong_AsLongLongAndOverflow(index.get(), &overflow);
        if (overflow < 0 || (overflow == 0 && value < 1)) {
            if (PyErr_Occurred()) return nullptr;
            PyErr_Format(PyExc_ValueError, "max must be None or an int >= 1, not %R", index.get());
            return nullptr;
        }
        if (overflow == 0) most = static_cast<std::uint64_t>(value);
    }
    if (timeout && !parse_timeout(timeout, deadline)) return nullptr;
    if (!check_open(self_of(self))) return nullptr;
    return ManyReceiver(self_of(self), timeout, deadline).receive(most);
}

}  // namespace interpchannels
