// The bytes of a parcel: one tag, then what the tag says. Private to the process and to this version; never
// stored, never sent outside.
//
//   value   := tag payload
//   tag     := one of Tag, or'ed with kRemember where the object may be met again: it then gets the next
//              number, and Ref(number) stands for it
//   varint  := 7 bits a byte, low first
// Everything else is in the machine's own byte order. Containers are written before their items, so that an
// item can refer to the container it lies in.
#pragma once

#include <cstddef>
#include <cstdint>

namespace interpchannels {

enum Tag : std::uint8_t {
    kNone = 1,
    kTrue,
    kFalse,
    kEllipsis,
    kNotImplemented,
    kInt8,      // 1 byte
    kInt32,     // 4 bytes
    kInt64,     // 8 bytes
    kIntBig,    // varint n, n bytes, two's complement
    kFloat,     // 8 bytes
    kComplex,   // 16 bytes
    kStrAscii,  // varint length, bytes; likewise the next three
    kStrLatin1,
    kStrUcs2,
    kStrUcs4,
    kBytes,
    kByteArray,
    kTuple,  // varint n, n values; likewise the next three
    kList,
    kSet,
    kFrozenSet,
    kDict,       // varint n, n times key, value
    kSlice,      // three values
    kRange,      // three values
    kRef,        // varint number
    kLoanBytes,  // [attachment Loan]
    kLoanStr,    // tag of the kind, varint length [attachment Loan]
    kMemory,     // a memoryview: layout (see memory.hpp) [attachment Block]
    kView,       // the same over [attachment View]
    kEnd,        // 1 byte direction [attachment EndTicket]
    kQueue,      // [attachments EndTicket: receiving, sending]
    kChannelId,  // 8 bytes cid, 1 byte end, 1 byte resolve, 1 byte counted [attachment IdTicket if counted]
    kRegistry,   // [attachment RegistryItem]
    kBuffer,     // [attachment BufferMemory]
    // The class, a varint, is a number of class_names.hpp.
    kInstance,    // class, varint n, varint m, n values, m times key and value, the values of all slots
    kEnum,        // class, value
    kNamedTuple,  // class, varint n, n values; likewise the next
    kReduced,
    kRegistered,  // class, value
    kPickle,      // whole value only: varint references, varint buffers, varint n, n bytes of pickle
                  // [attachments: the values that the pickle refers to, then Blocks]
    kKey,         // a str in ASCII shorter than 128, with its hash: 1 byte length, 8 bytes hash, bytes
    kDictAlone,   // whole value only: as kDict with a number, which nothing refers to
    // A dict whose keys are short str in ASCII: varint n, 2 bytes size, as many bytes of n times 1 byte length (with
    // kRemember where it gets a number), bytes; n values. kOtherKeys may stand in it.
    kShaped,
    kShapedAlone,  // as kDictAlone
    // Among the items of a list or tuple only: a run, which stands for as many of them. 2 bytes n, n times 8, 4 or 8
    // bytes.
    kFloats,
    kInts32,
    kInts64,
    // Among the items of a list or tuple only, behind a dict: one with the same keys in the same order.
    kDictLike,  // varint n, n values; kOtherKeys may stand in it
    kOtherKeys,  // in it, before a value: not the same after all; the pairs from here on are written as in kDict
};

inline constexpr std::uint8_t kRemember = 0x80;

// No run is shorter, for it costs three bytes, and none is longer.
inline constexpr std::ptrdiff_t kRunLeast = 4, kRunMost = 512;
// A dict with more keys is not compared with its neighbour.
inline constexpr std::ptrdiff_t kShapeMost = 16;

}  // namespace interpchannels
