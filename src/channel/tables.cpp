// Also the fork: only the forking thread lives on in the child. Another may have been inside any channel,
// so what lies in them is left alone (leaked), their locks are opened and they are closed. The tables are
// held across the fork, so that they are whole.
#include "channel/tables.hpp"

#include <type_traits>

#include "channel/associated_ends.hpp"
#include "channel/counted_ends.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#define INTERPCHANNELS_HAS_FORK 1
#endif

namespace interpchannels {
namespace {

// Whole from the start, and nothing to destroy: channels may outlive every static object.
constinit Table<CountedChannel> package;
constinit Table<AssociatedChannel> drop_in;
static_assert(std::is_trivially_destructible_v<Table<CountedChannel>>);

#ifdef INTERPCHANNELS_HAS_FORK
void before_fork() {
    package_table().lock_for_fork();
    drop_in_table().lock_for_fork();
    CountedChannel::memory().lock_for_fork();
}

void after_fork_in_parent() {
    CountedChannel::memory().unlock_after_fork();
    drop_in_table().unlock_after_fork();
    package_table().unlock_after_fork();
}

void after_fork_in_child() {
    park_after_fork_in_child();
    drop_in_table().abandon_all_in_child();
    package_table().abandon_all_in_child();
    after_fork_in_parent();
}

// When the library is loaded, as all that is made once: a fork can't fall into it.
const bool registered = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0;
#else
const bool registered = true;
#endif

}  // namespace

Table<CountedChannel>& package_table() noexcept { return package; }
Table<AssociatedChannel>& drop_in_table() noexcept { return drop_in; }

bool fork_handlers_registered() noexcept { return registered; }

}  // namespace interpchannels
