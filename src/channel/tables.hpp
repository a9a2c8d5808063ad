// The two tables of the process: each face lists only the channels that it made.
#pragma once

#include "channel/table.hpp"

namespace interpchannels {

class CountedChannel;
class AssociatedChannel;

// Made on first use and never destroyed: channels may outlive every static object.
Table<CountedChannel>& package_table() noexcept;
Table<AssociatedChannel>& drop_in_table() noexcept;

// Around a fork: in the child every channel of the parent is closed, cleanly. Idempotent; false where the
// system refused (memory).
bool register_fork_handlers() noexcept;

}  // namespace interpchannels
