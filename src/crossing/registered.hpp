// Types that say themselves how they cross: interpchannels.register(cls, to_shareable, from_shareable).
//
// Each interpreter has registrations of its own, by the class's module and qualified name, since that is what
// the other side knows of a class. An exact class only: a subclass may hold more than its parent.
//
// A registration that came with spawn() is stored as it travelled, and unpacked when its class is first met:
// so a Worker imports nothing for the sake of types that it never sees.
#pragma once

#include "crossing/classes.hpp"
#include "interpreter/python.hpp"

namespace interpchannels {

struct Context;

// Whether instances of `type`, of the plan's name, cross as register() says. Attached; may run Python code.
// -1 with an exception.
int is_registered(Context& context, const ClassPlan& plan, PyTypeObject* type);

// What its to_shareable makes of `obj`: a new reference. Attached; runs Python code.
PyObject* to_shareable(Context& context, const ClassPlan& plan, PyObject* obj);
// What its from_shareable makes of `value`: a new reference. NotShareableError, which says what to do, where
// this interpreter has no registration for the class. Attached; runs Python code.
PyObject* from_shareable(Context& context, const ClassPlan& plan, PyObject* value);

// For pickles: what a registered object becomes in one, a new reference; nullptr with an exception, or without
// one where its class is not registered. `asked`, a dict, remembers the objects of one pickle: pickle asks twice
// only for one that contains itself.
PyObject* reduce_registered(Context& context, PyObject* obj, PyObject* asked);
// What such a pickle calls: (number of the class, value).
PyObject* load_registered(Context& context, PyObject* args);

// register(cls, to_shareable, from_shareable)
PyObject* register_class(Context& context, PyObject* args, PyObject* kwargs);
// _registrations() -> {(module, qualname): (cls, to_shareable, from_shareable)}; cls None: as it travelled.
PyObject* list_registrations(Context& context);
// _inherit(registrations): as they travelled.
PyObject* inherit_registrations(Context& context, PyObject* registrations);

}  // namespace interpchannels
