// A parcel to a Python value, in the receiver's interpreter.
//
// Invariants: nothing recurses; every length is checked against the bytes that are left before anything of
// that size is made; whatever the outcome, the attachments that were not used are still the parcel's, which
// releases them.
#pragma once

#include "channel/parcel.hpp"
#include "crossing/context.hpp"

namespace interpchannels {

// Attached to the receiver; may run Python code (pickle). A new reference, or nullptr with an exception
// set. The parcel stays the caller's.
PyObject* decode(Context& context, Parcel& parcel);

}  // namespace interpchannels
