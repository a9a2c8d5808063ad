#include "interpreter/interpreter.hpp"

#include <new>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include "channel/associated_ends.hpp"
#include "channel/tables.hpp"
#include "interpreter/cpython_private.hpp"

namespace interpchannels {
namespace {

// All live tokens. The lock protects the list; a leaf.
SpinLock registry_lock;
Interpreter* registry = nullptr;
std::atomic<std::int64_t> loans_out{0};
std::atomic<bool> census{false};  // the process ends, and Workers are counted

#if defined(__unix__) || defined(__APPLE__)
void before_fork() { registry_lock.lock(); }
void after_fork_in_parent() { registry_lock.unlock(); }
void after_fork_in_child() {
    Interpreter::forget_blocked_in_child();
    registry_lock.unlock();
}
// When the library is loaded, as the engine's (tables.cpp).
const bool registered = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0;
#else
const bool registered = true;
#endif

Owned* ended_mark() noexcept {
    static char mark;
    return reinterpret_cast<Owned*>(&mark);
}

}  // namespace

// --- Owned ---

Owned::Owned(Interpreter& owner) noexcept : owner_(owner) {
    owner.ref();
    owner.adopt(*this);
    loans_out.fetch_add(1, std::memory_order_relaxed);  // a statistic
}

Owned::~Owned() {
    loans_out.fetch_sub(1, std::memory_order_relaxed);
    owner_.unref();
}

void Owned::unref() noexcept {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

void Owned::release() noexcept {
    if (owner_.is_attached_here()) {
        owner_.forget(*this);
        give_back();
        delete this;
        return;
    }
    if (!owner_.push_returned(*this)) unref();  // it ended, and outlive() has run or is about to
}

// --- the token ---

Interpreter::Interpreter(PyInterpreterState* state, std::int64_t id) noexcept
    : state_(state), id_(id), main_(state == PyInterpreterState_Main()) {}

Interpreter* Interpreter::current() {
    PyInterpreterState* const state = PyInterpreterState_Get();
    const std::int64_t id = PyInterpreterState_GetID(state);
    if (id < 0) return nullptr;
    {
        SpinGuard guard(registry_lock);
        for (Interpreter* i = registry; i; i = i->next_) {
            if (i->id_ == id) return i;
        }
    }
    auto* made = new (std::nothrow) Interpreter(state, id);
    if (!made) {
        PyErr_NoMemory();
        return nullptr;
    }
    if (!fork_handlers_registered() || !registered) {
        delete made;
        PyErr_NoMemory();
        return nullptr;
    }
    // Where there is no GIL another thread of this interpreter may be doing the same. The one that is first here is it.
    {
        SpinGuard guard(registry_lock);
        Interpreter* there = registry;
        while (there && there->id_ != id) there = there->next_;
        if (there) {
            delete made;
            return there;
        }
        made->next_ = registry;
        registry = made;
    }
    if (cpython::at_exit(state, at_end, made) < 0) {
        made->leave_registry();
        delete made;
        return nullptr;
    }
    return made;
}

void Interpreter::unref() noexcept {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

// --- loans ---

void Interpreter::adopt(Owned& thing) noexcept {
    SpinGuard guard(lock_);
    thing.next_ = out_;
    if (out_) out_->prev_ = &thing;
    out_ = &thing;
}

void Interpreter::forget(Owned& thing) noexcept {
    SpinGuard guard(lock_);
    (thing.prev_ ? thing.prev_->next_ : out_) = thing.next_;
    if (thing.next_) thing.next_->prev_ = thing.prev_;
}

bool Interpreter::push_returned(Owned& thing) noexcept {
    Owned* head = returned_.load(std::memory_order_relaxed);
    do {
        if (head == ended_mark()) return false;
        thing.next_returned_ = head;
        // Release pairs with the acquire in drain() and end(): the link, and the receiver's last reads.
    } while (!returned_.compare_exchange_weak(head, &thing, std::memory_order_release,
                                              std::memory_order_relaxed));
    ask_for_drain();
    return true;
}

void Interpreter::ask_for_drain() noexcept {
    // end() waits for asking_ to become 0 after it set ended_, so the interpreter's state is there while
    // it is used here: sequentially consistent, since each side stores one and then loads the other.
    asking_.fetch_add(1);
    if (!ended_.load() && !drain_asked_.exchange(true)) {
        // Where this fails, the next loan, the next give-back or the end drains.
        if (!cpython::add_pending_call(state_, drain_pending, this)) drain_asked_.store(false);
    }
    asking_.fetch_sub(1);
}

int Interpreter::drain_pending(void* self) {
    auto& interpreter = *static_cast<Interpreter*>(self);
    interpreter.drain_asked_.store(false);  // first: what is pushed from here on asks again
    SavedException saved;
    interpreter.drain();
    return 0;
}

void Interpreter::drain() noexcept {
    Owned* head = returned_.load(std::memory_order_relaxed);
    do {
        if (!head || head == ended_mark()) return;
    } while (!returned_.compare_exchange_weak(head, nullptr, std::memory_order_acquire,
                                              std::memory_order_relaxed));
    give_back_all(head);
}

void Interpreter::give_back_all(Owned* first) noexcept {
    while (first) {
        Owned* const next = first->next_returned_;
        forget(*first);
        first->give_back();
        delete first;
        first = next;
    }
}

std::int64_t Interpreter::outstanding_loans() noexcept { return loans_out.load(std::memory_order_relaxed); }

// --- the end ---

void Interpreter::at_end(void* self) {
    auto* interpreter = static_cast<Interpreter*>(self);
    interpreter->end();
    interpreter->unref();
}

// Attached, in the last thread of the interpreter; its modules are gone.
void Interpreter::end() noexcept {
    begin_ending();
    close_handles();

    // Items that go with their interpreter.
    drop_in_table().for_each([&](AssociatedChannel& channel) { channel.forget_interpreter(id_); });
    package_table().for_each([&](CountedChannel& channel) {
        if (channel.unbound_op()) channel.clear_sender(id_, AssociatedChannel::kUnboundRemove);
    });

    // Loans: what came back is given back, what is out is made independent.
    Owned* returned = returned_.exchange(ended_mark(), std::memory_order_acq_rel);
    give_back_all(returned);
    while (Owned* thing = out_) {
        forget(*thing);
        thing->outlive();
        thing->unref();
    }

    ended_.store(true);
    while (asking_.load() != 0) std::this_thread::yield();  // a few instructions each
    leave_registry();
}

void Interpreter::leave_registry() noexcept {
    SpinGuard guard(registry_lock);
    for (Interpreter** link = &registry; *link; link = &(*link)->next_) {
        if (*link == this) {
            *link = next_;
            break;
        }
    }
}

// --- workers ---

void Interpreter::look_around() noexcept {
    if (!census.load(std::memory_order_acquire) || !worker_.load(std::memory_order_relaxed)) return;
    int threads = 0;
#ifdef Py_GIL_DISABLED
    // Thread states come and go at any time, so CPython is asked: for those that _thread has begun in this interpreter,
    // beside the Worker's own. 0 where that fails: not known.
    SavedException saved;
    const PyRef module(PyImport_ImportModule("_thread"));
    const PyRef begun(module ? PyObject_CallMethod(module.get(), "_count", nullptr) : nullptr);
    const long count = begun ? PyLong_AsLong(begun.get()) : -1;
    if (count >= 0) threads = static_cast<int>(count) + 1;
    PyErr_Clear();
#else
    // Threads of an interpreter come and go under its GIL, which the caller holds.
    for (PyThreadState* t = PyInterpreterState_ThreadHead(state_); t; t = PyThreadState_Next(t)) ++threads;
#endif
    threads_.store(threads, std::memory_order_release);  // pairs with the acquire in count_workers()
}

void Interpreter::begin_census() noexcept { census.store(true, std::memory_order_release); }

Interpreter::Census Interpreter::count_workers() noexcept {
    Census result;
    SpinGuard guard(registry_lock);
    for (Interpreter* i = registry; i; i = i->next_) {
        if (!i->worker_.load(std::memory_order_relaxed)) continue;
        const WaitGroup::Count count = i->waits_.count();
        const int threads = i->threads_.load(std::memory_order_acquire);
        if (threads > 0 && count.blocked >= threads) ++result.stuck;
        result.ever += count.ever;
    }
    return result;
}

// Each under a count of its own, since `what` wakes and must not hold the registry's lock.
template <class Do>
void Interpreter::for_each_worker(Do what) {
    for (std::int64_t after = -1;;) {
        Interpreter* found = nullptr;
        {
            SpinGuard guard(registry_lock);
            for (Interpreter* i = registry; i; i = i->next_) {
                if (i->worker_.load() && i->id_ > after && (!found || i->id_ < found->id_)) {
                    found = i;
                }
            }
            if (found) found->ref();
        }
        if (!found) return;
        after = found->id_;
        what(*found);
        found->unref();
    }
}

void Interpreter::poke_workers() noexcept {
    for_each_worker([](Interpreter& worker) { worker.waits_.poke(); });
}

void Interpreter::wake_workers() noexcept {
    for_each_worker([](Interpreter& worker) { worker.begin_ending(); });
}

// In the child of a fork, which holds registry_lock: the threads that were blocked are gone.
void Interpreter::forget_blocked_in_child() noexcept {
    for (Interpreter* i = registry; i; i = i->next_) {
        i->waits_.clear_after_fork();
        i->lock_.unlock();
        // The parent's handles mean nothing here, and their counts are the parent's.
        for (EndHandle* handle = i->handles_; handle; handle = handle->next_) {
            handle->closed_.store(true);
            handle->hint_lock_.unlock();
        }
        i->handles_ = nullptr;
    }
}

// --- end handles ---

void Interpreter::link(EndHandle& handle) noexcept {
    SpinGuard guard(lock_);
    handle.prev_ = nullptr;
    handle.next_ = handles_;
    if (handles_) handles_->prev_ = &handle;
    handles_ = &handle;
}

bool Interpreter::close_and_unlink(EndHandle& handle) noexcept {
    SpinGuard guard(lock_);
    // Release pairs with the acquire in the engine's must_leave() and in closed().
    if (handle.closed_.exchange(true, std::memory_order_acq_rel)) return false;
    (handle.prev_ ? handle.prev_->next_ : handles_) = handle.next_;
    if (handle.next_) handle.next_->prev_ = handle.prev_;
    return true;
}

struct Interpreter::Closing {
    Ref<CountedChannel> channel;
    Direction direction = Direction::kRecv;
    std::unique_ptr<Hint> hint;
};

// Of any handle that is open. Its object may be going in another thread, which waits for the lock in close(), and not
// after that.
bool Interpreter::close_and_unlink_one(Closing& closing) noexcept {
    SpinGuard guard(lock_);
    EndHandle* const handle = handles_;
    if (!handle) return false;
    handle->closed_.store(true, std::memory_order_release);  // as in close_and_unlink()
    handles_ = handle->next_;
    if (handles_) handles_->prev_ = nullptr;
    closing.channel = handle->channel_;
    closing.direction = handle->direction_;
    closing.hint = handle->take_hint();
    return true;
}

void Interpreter::close_handles() {
    for (Closing closing; close_and_unlink_one(closing);) {
        EndHandle::finish_closing(std::move(closing.channel), closing.direction, std::move(closing.hint));
    }
}

void EndHandle::open(Interpreter& owner, Ref<CountedChannel> channel, Direction direction) noexcept {
    channel_ = std::move(channel);
    direction_ = direction;
    closed_.store(false, std::memory_order_relaxed);  // published with the object
    owner.link(*this);
}

void EndHandle::close(Interpreter& owner) {
    if (!owner.close_and_unlink(*this)) return;
    // The channel outlives the call even where the object is deallocated while detached.
    finish_closing(channel_, direction_, take_hint());
}

void EndHandle::finish_closing(Ref<CountedChannel> channel, Direction direction,
                               std::unique_ptr<Hint> hint) {
    const bool last = channel->drop(direction);
    // Closed, then look for who is blocked: pairs with the fences of those who link, then look.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const ChannelStats stats = channel->stats();
    if (!last && !hint && stats.waiting_receivers == 0 && stats.waiting_senders == 0) return;
    Queue::Contents left;
    while_detached([&] {
        hint.reset();
        if (last) {
            channel->last_gone(direction, &left);
        } else {
            channel->wake_all();
        }
    });
    Queue::release(left);  // attached: what this interpreter lent comes back at once
}

int EndHandle::descriptor() noexcept {
    SpinGuard guard(hint_lock_);
    Hint* hint = hint_.load(std::memory_order_relaxed);  // written under the lock
    if (!hint) {
        hint = Hint::make(*channel_).release();
        hint_.store(hint, std::memory_order_release);  // pairs with the acquire in refresh_hint()
    }
    return hint ? hint->descriptor() : -1;
}

void EndHandle::refresh_hint_there_is() noexcept {
    // Another thread that has it is refreshing or closing it; as in Hint::refresh(), it may stay readable for now.
    if (!hint_lock_.try_lock()) return;
    if (Hint* const hint = hint_.load(std::memory_order_relaxed)) hint->refresh();
    hint_lock_.unlock();
}

std::unique_ptr<Hint> EndHandle::take_hint() noexcept {
    // Relaxed: one that is being made at this moment is the object's, and goes with it.
    if (!hint_.load(std::memory_order_relaxed)) return {};
    SpinGuard guard(hint_lock_);
    return std::unique_ptr<Hint>(hint_.exchange(nullptr, std::memory_order_acq_rel));
}

void EndHandle::discard(Interpreter& owner) {
    close(owner);
    take_hint().reset();  // in the child of a fork, where close() does nothing
    // Its end takes the locks of the table and of the channels' memory, which other interpreters have too: not attached.
    Channel* const channel = channel_.release();
    if (channel && channel->drop_ref()) while_detached([=] { delete channel; });
}

}  // namespace interpchannels
