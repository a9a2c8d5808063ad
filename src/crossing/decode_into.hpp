// A parcel of bytes into memory that the receiver has: no object is made, and nothing is copied twice.
#pragma once

#include <cstddef>
#include <cstdint>

#include "channel/parcel.hpp"

namespace interpchannels {

enum class Into : std::uint8_t {
    kDone,
    kTooLarge,  // the item is larger than the memory
    kNoBytes,   // the item is something else than bytes, bytearray, memoryview or Buffer
    kLost,      // its owner ended, and memory for the copy had failed
};

// `size` is the item's where it has one. The parcel stays as it is, whole, so that it can still be decoded.
Into decode_into(const Parcel& parcel, void* to, std::size_t room, std::size_t& size) noexcept;

}  // namespace interpchannels
