// Also the fork: only the forking thread lives on in the child. Another may have been inside any channel,
// so what lies in them is left alone (leaked), their locks are opened and they are closed. The tables are
// held across the fork, so that they are whole.
#include "channel/tables.hpp"

#include <new>

#include "channel/associated_ends.hpp"
#include "channel/counted_ends.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#define INTERPCHANNELS_HAS_FORK 1
#endif

namespace interpchannels {
namespace {

template <class T>
T& immortal() noexcept {
    alignas(T) static unsigned char storage[sizeof(T)];
    static T* const made = new (storage) T;
    return *made;
}

#ifdef INTERPCHANNELS_HAS_FORK
void before_fork() {
    package_table().lock_for_fork();
    drop_in_table().lock_for_fork();
}

void after_fork_in_parent() {
    drop_in_table().unlock_after_fork();
    package_table().unlock_after_fork();
}

void after_fork_in_child() {
    park_after_fork_in_child();
    drop_in_table().abandon_all_in_child();
    package_table().abandon_all_in_child();
    after_fork_in_parent();
}
#endif

}  // namespace

Table<CountedChannel>& package_table() noexcept { return immortal<Table<CountedChannel>>(); }
Table<AssociatedChannel>& drop_in_table() noexcept { return immortal<Table<AssociatedChannel>>(); }

bool register_fork_handlers() noexcept {
#ifdef INTERPCHANNELS_HAS_FORK
    static const bool done = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0;
    return done;
#else
    return true;
#endif
}

}  // namespace interpchannels
