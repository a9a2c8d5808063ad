// A descriptor that is readable while a channel may be worth a try: what RecvChannel.fileno() gives out.
//
// It is a watch that promises nothing (watch.hpp), with a notifier of its own. Somebody else may be quicker, so
// it may be readable in vain; it is never unreadable while there is something for whoever watches it alone.
//
// Invariants:
//  1. Clear: the watch is armed. Told, or not armed because there may be something: the descriptor is readable.
//  2. It is cleared before it is armed, and armed before it looks; where that finds something it is signalled
//     again. So an item that comes meanwhile is not missed.
#pragma once

#include <memory>

#include "channel/watch.hpp"

namespace interpchannels {

class Hint {
public:
    // nullptr, and errno, where the system has no descriptor left, or no memory. May be called attached. The channel
    // outlives it.
    static std::unique_ptr<Hint> make(Channel& channel) noexcept;
    // Detached: it leaves the line. The descriptor is closed.
    ~Hint();
    Hint(const Hint&) = delete;
    Hint& operator=(const Hint&) = delete;

    int descriptor() const noexcept { return notifier_.descriptor(); }
    // After somebody who may watch it has tried to receive: clears it where there is nothing (any more). One thread
    // at a time; may be called attached, and never waits.
    void refresh() noexcept;

private:
    // Takes over the count.
    Hint(Channel& channel, Notifier& notifier) noexcept
        : channel_(channel), notifier_(notifier), watch_(channel, notifier, Watch::Kind::kHint) {}

    Channel& channel_;
    Notifier& notifier_;
    Watch watch_;
};

}  // namespace interpchannels
