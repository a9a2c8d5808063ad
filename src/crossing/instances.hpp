// Instances of importable classes, natively: dataclasses and other plain objects, members of enumerations, named
// tuples, a few values of the standard library, and registered types.
//
// What a class's instances cross as is its plan's (classes.hpp). The encoder's side are Encoder's own functions
// (instances.cpp); the decoder's are the functions below. Both work a part at a time, as containers do, so nothing
// here recurses.
//
// An instance goes as its class's number, then its attributes in the order of its __dict__: first those that the
// class declares, without their names, as far as they are the first ones; then the others, each with its name; then
// its slots. It is there before its parts are, so that they can refer to it.
#pragma once

#include "crossing/classes.hpp"
#include "crossing/format.hpp"
#include "interpreter/python.hpp"

namespace interpchannels {

// The way that a tag stands for.
constexpr Way way_of(int tag) noexcept {
    switch (tag) {
    case kInstance:
        return Way::kInstance;
    case kEnum:
        return Way::kEnum;
    case kNamedTuple:
        return Way::kNamedTuple;
    case kReduced:
        return Way::kReduced;
    case kRegistered:
        return Way::kRegistered;
    default:
        return Way::kForeign;
    }
}

// All attached; `item` and `key` are borrowed, results new references, failures nullptr or -1 with an exception.

// An instance without attributes.
PyObject* new_instance(const ClassPlan& plan);
// The attribute number i of those that the class declares.
int set_declared(const ClassPlan& plan, PyObject* obj, Py_ssize_t i, PyObject* item);
int set_named(PyObject* obj, PyObject* key, PyObject* item);
// Slot number i.
int set_slot(const ClassPlan& plan, PyObject* obj, Py_ssize_t i, PyObject* item);

// A named tuple of None, for its items to be put in.
PyObject* new_named_tuple(const ClassPlan& plan, Py_ssize_t size);

// kEnum, kReduced, kRegistered: what is made of its one part: the member's value; the arguments, a tuple; what
// to_shareable made.
PyObject* made_of(Context& context, const ClassPlan& plan, PyObject* part);

}  // namespace interpchannels
