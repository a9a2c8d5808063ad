// What the tests of descriptors share: whether one is readable, and a reader as an event loop is one.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "channel/notifier.hpp"
#include "engine_support.hpp"

namespace interpchannels::testing {

inline bool readable(int descriptor) {
    pollfd about{descriptor, POLLIN, 0};
    return poll(&about, 1, 0) == 1;
}

// Sleeps until it is readable, for ever if need be: the runner's time limit names the test that hangs.
inline void await_readable(int descriptor) {
    pollfd about{descriptor, POLLIN, 0};
    while (poll(&about, 1, -1) != 1) {
    }
}

inline int open_descriptors() {
    int count = 0;
    for (int i = 0; i < 1024; ++i) count += fcntl(i, F_GETFD) != -1 ? 1 : 0;
    return count;
}

// A notifier with one count.
class OwnNotifier {
public:
    OwnNotifier() : notifier_(Notifier::make()) {}
    ~OwnNotifier() { notifier_->unref(); }
    OwnNotifier(const OwnNotifier&) = delete;
    OwnNotifier& operator=(const OwnNotifier&) = delete;
    Notifier& operator*() const { return *notifier_; }
    Notifier* operator->() const { return notifier_; }
    bool readable() const { return testing::readable(notifier_->descriptor()); }
    // What an event loop does when the descriptor is readable: everything that was woken, in order.
    std::vector<Waiter*> ready() {
        notifier_->clear();
        std::vector<Waiter*> all;
        while (Waiter* const w = notifier_->pop()) all.push_back(w);
        return all;
    }

private:
    Notifier* const notifier_;
};

}  // namespace interpchannels::testing
