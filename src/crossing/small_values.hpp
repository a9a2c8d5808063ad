// Small values as bytes, both ways: None, bools, ints of 64 bits, floats, short ASCII str and short bytes.
//
// They are most of what is sent, and most of what lies in what is sent, so they are written and read without a call and
// without the encoder's and the decoder's machinery. Their bytes are those of format.hpp: who writes them here may have
// them read by the decoder, and the other way round.
//
// All attached. No Python code runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "channel/parcel.hpp"
#include "crossing/format.hpp"
#include "interpreter/python.hpp"

namespace interpchannels {

// --- writing ---

inline constexpr std::size_t kSmallMax = 2 + 0x7F;                            // bytes of one
inline constexpr std::size_t kSmallRoom = (kSmallMax + 7) & ~std::size_t{7};  // for one, in whole words

// An int of 64 bits: true and its value. Never fails.
inline bool small_int(PyObject* obj, long long& value) noexcept {
    auto* const as_long = reinterpret_cast<PyLongObject*>(obj);
    if (PyUnstable_Long_IsCompact(as_long)) {
        value = PyUnstable_Long_CompactValue(as_long);
        return true;
    }
    int overflow = 0;
    value = PyLong_AsLongLongAndOverflow(obj, &overflow);
    return overflow == 0;
}

inline std::size_t put_small_int(std::byte* at, long long value) noexcept {
    if (value >= -128 && value < 128) {
        at[0] = std::byte{kInt8};
        at[1] = static_cast<std::byte>(static_cast<std::int8_t>(value));
        return 2;
    }
    const auto narrow = static_cast<std::int32_t>(value);
    if (narrow == value) {
        at[0] = std::byte{kInt32};
        std::memcpy(at + 1, &narrow, 4);
        return 5;
    }
    at[0] = std::byte{kInt64};
    const std::int64_t wide = value;
    std::memcpy(at + 1, &wide, 8);
    return 9;
}

inline std::size_t put_double(std::byte* at, PyObject* obj) noexcept {
    at[0] = std::byte{kFloat};
    const double value = PyFloat_AS_DOUBLE(obj);
    std::memcpy(at + 1, &value, 8);
    return 9;
}

// One reference only: it can be met only once. Immortal singletons and one-character strings come back as
// themselves anyway.
inline bool met_once(PyObject* obj) noexcept { return Py_REFCNT(obj) == 1; }

// At a place with room for kSmallMax bytes; how many it wrote, 0: it is not small. Inside of a value it leaves out what
// has to be remembered.
template <bool kInside>
[[gnu::always_inline]] inline std::size_t put_small(PyObject* obj, std::byte* at) noexcept {
    PyTypeObject* const type = Py_TYPE(obj);
    if (type == &PyLong_Type) {
        long long value = 0;
        return small_int(obj, value) ? put_small_int(at, value) : 0;
    }
    if (type == &PyUnicode_Type) {
        if (!PyUnicode_IS_COMPACT_ASCII(obj)) return 0;
        const auto length = static_cast<std::size_t>(PyUnicode_GET_LENGTH(obj));
        if (length >= 0x80 || (kInside && length > 1 && !met_once(obj))) return 0;
        at[0] = std::byte{kStrAscii};
        at[1] = static_cast<std::byte>(length);
        copy_payload(at + 2, reinterpret_cast<const std::byte*>(PyUnicode_1BYTE_DATA(obj)), length);
        return length + 2;
    }
    if (type == &PyFloat_Type) return put_double(at, obj);
    if (type == &PyBytes_Type) {
        const auto length = static_cast<std::size_t>(PyBytes_GET_SIZE(obj));
        if (length >= 0x80 || (kInside && length > 1 && !met_once(obj))) return 0;
        at[0] = std::byte{kBytes};
        at[1] = static_cast<std::byte>(length);
        copy_payload(at + 2, reinterpret_cast<const std::byte*>(PyBytes_AS_STRING(obj)), length);
        return length + 2;
    }
    if (obj == Py_None) {
        at[0] = std::byte{kNone};
        return 1;
    }
    if (type == &PyBool_Type) {
        at[0] = obj == Py_True ? std::byte{kTrue} : std::byte{kFalse};
        return 1;
    }
    return 0;
}

// --- reading ---

// A short ASCII str at `at`, where there are `room` bytes, with the size of what was read. False where it is none; true
// and nullptr where there is an exception.
[[gnu::always_inline]] inline bool small_text(const std::byte* at, std::size_t room, PyObject*& made,
                                              std::size_t& size) {
    if (room < 2) return false;
    const auto length = static_cast<std::size_t>(at[1]);
    size = length + 2;
    if (length >= 0x80 || size > room) return false;
    if (length == 1) {  // the interpreter's own, as is the empty one
        made = PyUnicode_FromOrdinal(static_cast<std::uint8_t>(at[2]));
        return true;
    }
    made = PyUnicode_New(static_cast<Py_ssize_t>(length), 0x7F);
    if (made) copy_payload(reinterpret_cast<std::byte*>(PyUnicode_1BYTE_DATA(made)), at + 2, length);
    return true;
}

// The same for a value whose tag is known: None, a bool, an int or a float. advance() is told the size before the object
// is made, so that a caller who returns it has nothing left to do.
template <std::uint8_t kTag, class Advance>
[[gnu::always_inline]] inline bool small_scalar(const std::byte* at, std::size_t room, PyObject*& made,
                                                Advance advance) {
    if constexpr (kTag == kNone || kTag == kTrue || kTag == kFalse) {
        advance(1);
        made = Py_NewRef(kTag == kNone ? Py_None : kTag == kTrue ? Py_True : Py_False);
    } else if constexpr (kTag == kInt8) {
        if (room < 2) return false;
        advance(2);
        made = PyLong_FromLong(static_cast<std::int8_t>(at[1]));
    } else if constexpr (kTag == kInt32) {
        std::int32_t v = 0;
        if (room < 1 + sizeof v) return false;
        std::memcpy(&v, at + 1, sizeof v);
        advance(1 + sizeof v);
        made = PyLong_FromLong(v);
    } else {
        static_assert(kTag == kFloat);
        double v = 0;
        if (room < 1 + sizeof v) return false;
        std::memcpy(&v, at + 1, sizeof v);
        advance(1 + sizeof v);
        made = PyFloat_FromDouble(v);
    }
    return true;
}

// The same for all that put_small() writes most. What it leaves out the decoder knows.
[[gnu::always_inline]] inline bool small_value(const std::byte* at, std::size_t room, PyObject*& made,
                                               std::size_t& size) {
    const auto advance = [&size](std::size_t n) { size = n; };
    switch (static_cast<std::uint8_t>(*at)) {
    case kNone:
        return small_scalar<kNone>(at, room, made, advance);
    case kTrue:
        return small_scalar<kTrue>(at, room, made, advance);
    case kFalse:
        return small_scalar<kFalse>(at, room, made, advance);
    case kInt8:
        return small_scalar<kInt8>(at, room, made, advance);
    case kInt32:
        return small_scalar<kInt32>(at, room, made, advance);
    case kFloat:
        return small_scalar<kFloat>(at, room, made, advance);
    case kStrAscii:
        return small_text(at, room, made, size);
    case kBytes: {
        if (room < 2) return false;
        const auto length = static_cast<std::size_t>(at[1]);
        size = length + 2;
        if (length >= 0x80 || size > room) return false;
        made = PyBytes_FromStringAndSize(reinterpret_cast<const char*>(at + 2),
                                         static_cast<Py_ssize_t>(length));
        return true;
    }
    default:
        return false;
    }
}

}  // namespace interpchannels
