#include "channel/hint.hpp"

#include <cerrno>
#include <new>

namespace interpchannels {

std::unique_ptr<Hint> Hint::make(Channel& channel) noexcept {
    Notifier* const notifier = Notifier::make();
    if (!notifier) return {};
    std::unique_ptr<Hint> made(new (std::nothrow) Hint(channel, *notifier));
    if (!made) {
        notifier->unref();
        errno = ENOMEM;
        return {};
    }
    if (made->watch_.try_arm(nullptr, nullptr) != Status::kWouldBlock) notifier->signal();
    return made;
}

Hint::~Hint() {
    watch_.cancel();  // before the count goes: a waker that finds the watch counts the notifier
    notifier_.unref();
}

void Hint::refresh() noexcept {
    // It was told, or will be by who made this true: it stays readable.
    if (channel_.maybe_ready()) return;
    notifier_.clear();
    // Where the lock was not had it stays readable for now: the next try that finds nothing clears it.
    if (watch_.try_arm(nullptr, nullptr) != Status::kWouldBlock) notifier_.signal();
}

}  // namespace interpchannels
