// The process's list of classes whose instances have crossed, by number: what an interpreter says to another
// instead of a class, which is its own.
//
// An entry holds what both sides have to agree on: the name, how instances cross, and the names of the
// attributes that go without their names. It is text on the C heap, so no interpreter's end touches it. A
// class that changes its attributes becomes another entry. Entries are never removed: a parcel may lie in a
// queue for ever, and a program has as many of them as it has classes.
//
// Knows nothing of Python. The lock is a leaf, held while one entry is looked up or added, by attached
// threads only: so no thread of an interpreter that forks holds it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace interpchannels {

// How instances of a class cross.
enum class Way : std::uint8_t {
    kForeign,     // not by way of their class: pickle decides
    kInstance,    // attributes into a new object, as pickle's default does
    kEnum,        // a member, by its value
    kNamedTuple,  // items into a new tuple of the class
    kReduced,     // a call of the class
    kRegistered,  // as register() says
};

struct ClassName {
    Way way = Way::kForeign;
    std::string module;
    std::string qualname;
    std::vector<std::string> names;  // kInstance: the first attributes, usually; and those in slots
    std::vector<std::string> slots;
};

// The number of the entry that is equal to `name`, made where there was none; -1 where memory failed.
std::int64_t number_class(const ClassName& name) noexcept;

// nullptr for a number that was never given. Stays where it is.
const ClassName* numbered_class(std::uint64_t number) noexcept;

}  // namespace interpchannels
