#include "channel/notifier.hpp"

#include <cerrno>
#include <new>

#include "channel/waiter.hpp"

#if defined(_WIN32)
// No descriptor that a loop there could wait for: make() says so.
#else
#include <fcntl.h>
#include <unistd.h>
#if defined(__linux__) && !defined(INTERPCHANNELS_PORTABLE_PARK)
#include <sys/eventfd.h>
#define INTERPCHANNELS_EVENTFD 1
#endif
#endif

namespace interpchannels {

#if defined(_WIN32)

Notifier* Notifier::make() noexcept { return nullptr; }
Notifier::~Notifier() = default;

#else

Notifier* Notifier::make() noexcept {
    int ends[2] = {-1, -1};
#if defined(INTERPCHANNELS_EVENTFD)
    ends[0] = ends[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (ends[0] < 0) return nullptr;
#else
    if (pipe(ends) != 0) return nullptr;
    for (const int end : ends) {
        // On a descriptor of ours neither can fail.
        fcntl(end, F_SETFD, FD_CLOEXEC);
        fcntl(end, F_SETFL, O_NONBLOCK);
    }
#endif
    auto* const made = new (std::nothrow) Notifier(ends[0], ends[1]);
    if (!made) {
        close(ends[0]);
        if (ends[1] != ends[0]) close(ends[1]);
        errno = ENOMEM;
    }
    return made;
}

Notifier::~Notifier() {
    close(read_);
    if (write_ != read_) close(write_);
}

#endif

void Notifier::unref() noexcept {
    // Release: this thread's use comes before the end; acquire (for the last one) sees the others'.
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

void Notifier::signal() noexcept {
    // Acquire and release pair with the exchange in clear(): where this finds it signalled already, the reader
    // that clears it later sees what came before this call.
    if (signalled_.exchange(true, std::memory_order_acq_rel)) return;
#if !defined(_WIN32)
    const std::uint64_t one = 1;
    // It cannot be full: it holds at most one signal at a time, and two while the reader is clearing it.
    while (write(write_, &one, sizeof one) < 0 && errno == EINTR) {
    }
#endif
}

void Notifier::clear() noexcept {
#if !defined(_WIN32)
    std::uint64_t counts[4];
    // Empty (EAGAIN) is as good.
    while (read(read_, counts, sizeof counts) < 0 && errno == EINTR) {
    }
#endif
    signalled_.exchange(false, std::memory_order_acq_rel);  // pairs with the exchange in signal()
}

void Notifier::push(Waiter& w) noexcept {
    Waiter* head = pushed_.load(std::memory_order_relaxed);
    do {
        w.next_ready = head;
        // Release pairs with the acquire in gather().
    } while (
        !pushed_.compare_exchange_weak(head, &w, std::memory_order_release, std::memory_order_relaxed));
}

// Moves the stack, turned around, to the end of the reader's line.
void Notifier::gather() noexcept {
    Waiter* stack =
        pushed_.exchange(nullptr, std::memory_order_acquire);  // pairs with the release in push()
    Waiter* turned = nullptr;
    Waiter** const end = stack ? &stack->next_ready : last_;
    while (stack) {
        Waiter* const next = stack->next_ready;
        stack->next_ready = turned;
        turned = stack;
        stack = next;
    }
    *last_ = turned;
    last_ = end;
}

Waiter* Notifier::pop() noexcept {
    if (!first_) gather();
    Waiter* const w = first_;
    if (!w) return nullptr;
    first_ = w->next_ready;
    if (!first_) last_ = &first_;
    w->next_ready = nullptr;
    return w;
}

void Notifier::remove(Waiter& w) noexcept {
    gather();
    for (Waiter** link = &first_; *link; link = &(*link)->next_ready) {
        if (*link != &w) continue;
        *link = w.next_ready;
        if (last_ == &w.next_ready) last_ = link;
        w.next_ready = nullptr;
        return;
    }
}

}  // namespace interpchannels
