// The two tables of the process: each face lists only the channels that it made.
#pragma once

#include "channel/table.hpp"

namespace interpchannels {

class CountedChannel;
class AssociatedChannel;

// Whole when the library is loaded and never destroyed: channels may outlive every static object.
Table<CountedChannel>& package_table() noexcept;
Table<AssociatedChannel>& drop_in_table() noexcept;

// In the child of a fork every channel of the parent is closed, cleanly: handlers see to it, registered when the library
// is loaded. False where the system refused (memory).
bool fork_handlers_registered() noexcept;

}  // namespace interpchannels
