// A parcel to a Python value, in the receiver's interpreter.
//
// Invariants: nothing recurses but decoder_tree.cpp, to a bounded depth; every length is checked against the bytes that are left before anything of
// that size is made; whatever the outcome, the attachments that were not used are still the parcel's, which
// releases them.
#pragma once

#include "channel/queue.hpp"
#include "crossing/context.hpp"
#include "crossing/small_values.hpp"

namespace interpchannels {

// Attached to the receiver; may run Python code (pickle). A new reference, or nullptr with an exception
// set. The parcel stays the caller's.
PyObject* decode(Context& context, Parcel& parcel);

// The same for what small_value() does not know.
PyObject* decode_other(Context& context, const ShortItem& item);
[[gnu::always_inline]] inline PyObject* decode_short(Context& context, const ShortItem& item) {
    PyObject* made = nullptr;
    std::size_t size = 0;
    return small_value(item.bytes, item.size, made, size) ? made : decode_other(context, item);
}

}  // namespace interpchannels
