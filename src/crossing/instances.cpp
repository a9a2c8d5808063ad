#include "crossing/instances.hpp"

#include "crossing/context.hpp"
#include "crossing/encoder.hpp"
#include "crossing/registered.hpp"

namespace interpchannels {
namespace {

Borrowed slot_value(PyObject* obj, Py_ssize_t offset) {  // nullptr: not set
    const Section section(obj);
    return *reinterpret_cast<PyObject**>(reinterpret_cast<char*>(obj) + offset);
}

// An attribute of an instance by which pickle would be told something, since it looks for its hooks there too.
bool hides_a_hook(PyObject* key) noexcept {
    return PyUnicode_Check(key) && PyUnicode_GET_LENGTH(key) > 4 && PyUnicode_READ_CHAR(key, 0) == '_' &&
           PyUnicode_READ_CHAR(key, 1) == '_';
}

// The first two of what __reduce_ex__ gave, where they are a call of the class and all.
PyObject* plain_arguments(PyObject* reduced, PyTypeObject* type) noexcept {  // borrowed, or nullptr
    if (!PyTuple_CheckExact(reduced) || PyTuple_GET_SIZE(reduced) < 2) return nullptr;
    for (Py_ssize_t i = 2; i < PyTuple_GET_SIZE(reduced); ++i) {
        if (PyTuple_GET_ITEM(reduced, i) != Py_None) return nullptr;
    }
    PyObject* const arguments = PyTuple_GET_ITEM(reduced, 1);
    const bool plain =
        PyTuple_GET_ITEM(reduced, 0) == reinterpret_cast<PyObject*>(type) && PyTuple_CheckExact(arguments);
    return plain ? arguments : nullptr;
}

}  // namespace

// --- the encoder's side ---

Encoder::Step Encoder::classed(PyObject* obj) {
    const ClassPlan* const plan = classes_.plan_of(context_, obj);
    if (!plan) return PyErr_Occurred() ? kError : kIsForeign;
    const bool registered = plan->way == Way::kRegistered;
    // What is made of its parts has no place yet while they are written; and Python code could take another
    // reference to a registered object while it is being asked.
    std::uint8_t mark = 0;
    const std::int64_t known = remember(obj, mark, registered);
    if (known < -1) return kError;
    if (known >= 0) {
        const Remembered& one = remembered_[static_cast<std::size_t>(known)];
        if (one.open_tuple) return refer_to_open_tuple(known);
        return one.unfinished ? raise_contains_itself(obj) : refer(known);
    }
    // A named tuple with no hash of its own is as any tuple.
    const bool as_tuple = plan->way == Way::kNamedTuple && Py_TYPE(obj)->tp_hash == PyTuple_Type.tp_hash;
    if (!registered && !as_tuple) {
        has_objects_ = true;
        if (tuple_in_itself_) return kIsForeign;
    }
    const std::int64_t number = mark ? static_cast<std::int64_t>(remembered_.size()) - 1 : -1;
    switch (plan->way) {
    case Way::kInstance:
        return instance(obj, *plan, mark, number);
    case Way::kNamedTuple:
        return named_tuple(obj, *plan, mark, number);
    case Way::kEnum:
        return member(obj, *plan, mark, number);
    case Way::kReduced:
        return reduced(obj, *plan, mark, number);
    case Way::kRegistered:
        return registered_object(obj, *plan, mark, number);
    case Way::kForeign:
        break;
    }
    return kIsForeign;
}

Encoder::Step Encoder::raise_contains_itself(PyObject* obj) {
    PyErr_Format(PyExc_RecursionError, "a %s that contains itself cannot cross", Py_TYPE(obj)->tp_name);
    return kError;
}

Encoder::Step Encoder::instance(PyObject* obj, const ClassPlan& plan, std::uint8_t mark,
                                std::int64_t number) {
    const Py_ssize_t slots = PyTuple_GET_SIZE(plan.slots.get());
    for (Py_ssize_t i = 0; i < slots; ++i) {
        if (!slot_value(obj, plan.offsets[i]).get()) return kIsForeign;  // half made
    }
    PyRef dict;
    Py_ssize_t declared = 0, size = 0;
    if (plan.has_dict) {
        dict = PyRef(PyObject_GenericGetDict(obj, nullptr));
        if (!dict) return kError;
        if (!PyDict_CheckExact(dict.get())) return kIsForeign;
        const Section section(dict.get());
        size = PyDict_GET_SIZE(dict.get());
        const Py_ssize_t most = PyTuple_GET_SIZE(plan.names.get());
        bool in_order = true;
        Py_ssize_t at = 0;
        PyObject* key = nullptr;
        while (PyDict_Next(dict.get(), &at, &key, nullptr)) {
            in_order = in_order && declared < most && key == PyTuple_GET_ITEM(plan.names.get(), declared);
            if (in_order) {
                ++declared;
            } else if (hides_a_hook(key)) {
                return kIsForeign;
            }
        }
    }
    if (!put_tag(kInstance | mark) || !put_varint(plan.number) ||
        !put_varint(static_cast<std::uint64_t>(declared)) ||
        !put_varint(static_cast<std::uint64_t>(size - declared))) {
        return kError;
    }
    if (size == 0 && slots == 0) return kLeaf;
    Frame frame{};
    frame.obj = obj;
    frame.dict = dict.get();
    frame.size = size;
    frame.left = size - declared;
    frame.declared = declared;
    frame.number = number;
    frame.plan = &plan;
    frame.kind = kInstance;
    return open(frame);
}

Encoder::Step Encoder::next_of_instance(Frame& frame) {
    const ClassPlan& plan = *frame.plan;
    const auto changed = [&] {
        PyErr_Format(PyExc_RuntimeError, "%s object changed while it was being sent",
                     Py_TYPE(frame.obj)->tp_name);
        return kError;
    };
    while (frame.index < frame.declared) {
        PyObject* key = nullptr;
        PyObject* item = nullptr;
        Section section(frame.dict);
        if (PyDict_GET_SIZE(frame.dict) != frame.size ||
            !PyDict_Next(frame.dict, &frame.pos, &key, &item) ||
            key != PyTuple_GET_ITEM(plan.names.get(), frame.index)) {
            return changed();
        }
        ++frame.index;
        const Borrowed its_value(item);
        section.end();
        const Step step = value(its_value.get());
        if (step != kLeaf) return step;
    }
    if (frame.index == frame.declared) {
        if (frame.size > frame.declared) {
            const Step step = pairs(frame, frame.dict);
            if (step != kLeaf) return step;
        }
        ++frames_.back().index;  // `frame` may have moved, had a pair opened one of its own
    }
    Frame& now = frames_.back();
    for (;;) {
        const Py_ssize_t slot = now.index - now.declared - 1;
        if (slot >= PyTuple_GET_SIZE(plan.slots.get())) return kLeaf;
        ++now.index;
        const Borrowed item = slot_value(now.obj, plan.offsets[slot]);
        if (!item.get()) return changed();
        const Step step = value(item.get());
        if (step != kLeaf) return step;
    }
}

Encoder::Step Encoder::named_tuple(PyObject* obj, const ClassPlan& plan, std::uint8_t mark,
                                   std::int64_t number) {
    const Py_ssize_t size = PyTuple_GET_SIZE(obj);
    if (size != PyTuple_GET_SIZE(plan.names.get())) return kIsForeign;
    if (plan.has_dict) {
        const PyRef dict(PyObject_GenericGetDict(obj, nullptr));
        if (!dict) return kError;
        if (PyObject_Size(dict.get()) != 0) return PyErr_Occurred() ? kError : kIsForeign;
    }
    if (!put_tag(kNamedTuple | mark) || !put_varint(plan.number) ||
        !put_varint(static_cast<std::uint64_t>(size))) {
        return kError;
    }
    if (size == 0) return kLeaf;
    Frame frame{};
    if (number >= 0) remembered_[static_cast<std::size_t>(number)].open_tuple = true;
    frame.obj = obj;
    frame.size = size;
    frame.number = number;
    frame.plan = &plan;
    frame.kind = kNamedTuple;
    return open(frame);
}

Encoder::Step Encoder::member(PyObject* obj, const ClassPlan& plan, std::uint8_t mark,
                              std::int64_t number) {
    const PyRef its_value(PyObject_GetAttr(obj, PyTuple_GET_ITEM(plan.names.get(), 0)));
    if (!its_value || !put_tag(kEnum | mark) || !put_varint(plan.number)) return kError;
    if (PyLong_CheckExact(its_value.get()) || PyUnicode_CheckExact(its_value.get())) {
        return value(its_value.get());  // opens nothing
    }
    return open_part(obj, its_value.get(), plan, number, kEnum);
}

Encoder::Step Encoder::reduced(PyObject* obj, const ClassPlan& plan, std::uint8_t mark,
                               std::int64_t number) {
    const PyRef result(PyObject_CallMethodOneArg(obj, PyTuple_GET_ITEM(plan.names.get(), 0),
                                                 PyTuple_GET_ITEM(plan.names.get(), 1)));
    if (!result) return kError;
    PyObject* const arguments = plain_arguments(result.get(), Py_TYPE(obj));
    if (!arguments) return kIsForeign;
    const Py_ssize_t size = PyTuple_GET_SIZE(arguments);
    if (!put_tag(kReduced | mark) || !put_varint(plan.number) ||
        !put_varint(static_cast<std::uint64_t>(size))) {
        return kError;
    }
    if (size == 0) return kLeaf;
    if (number >= 0) remembered_[static_cast<std::size_t>(number)].unfinished = true;
    Frame frame{};
    frame.obj = arguments;
    frame.size = size;
    frame.number = number;
    frame.plan = &plan;
    frame.kind = kReduced;
    return open(frame);
}

Encoder::Step Encoder::registered_object(PyObject* obj, const ClassPlan& plan, std::uint8_t mark,
                                         std::int64_t number) {
    if (registered_depth_ >= static_cast<std::size_t>(Py_GetRecursionLimit())) {
        PyErr_Format(PyExc_RecursionError,
                     "%s objects are nested too deep to cross: to_shareable may have no end",
                     Py_TYPE(obj)->tp_name);
        return kError;
    }
    remembered_[static_cast<std::size_t>(number)].unfinished = true;
    const PyRef part(to_shareable(context_, plan, obj));
    if (!part) {
        if (!PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(PyExc_MemoryError) ||
            PyErr_ExceptionMatches(PyExc_RecursionError)) {
            return kError;
        }
        const PyRef cause(PyErr_GetRaisedException());
        raise_not_shareable(obj, cause.get());
        return kError;
    }
    if (!put_tag(kRegistered | mark) || !put_varint(plan.number)) return kError;
    const Step step = open_part(obj, part.get(), plan, number, kRegistered);
    if (step == kPushed) ++registered_depth_;
    return step;
}

Encoder::Step Encoder::open_part(PyObject* obj, PyObject* part, const ClassPlan& plan, std::int64_t number,
                                 Tag kind) {
    if (number >= 0) remembered_[static_cast<std::size_t>(number)].unfinished = true;
    Frame frame{};
    frame.obj = obj;
    frame.pending = part;
    frame.number = number;
    frame.plan = &plan;
    frame.kind = kind;
    return open(frame);
}

// --- the decoder's side ---

PyObject* new_instance(const ClassPlan& plan) {
    const PyRef none(PyTuple_New(0));
    return none ? PyBaseObject_Type.tp_new(plan.type, none.get(), nullptr) : nullptr;
}

int set_declared(const ClassPlan& plan, PyObject* obj, Py_ssize_t i, PyObject* item) {
    PyObject* const name = PyTuple_GET_ITEM(plan.names.get(), i);
    // As the class's own __init__ would set it, so that the object is laid out as one that was made here.
    return plan.settable ? PyObject_GenericSetAttr(obj, name, item) : set_named(obj, name, item);
}

int set_named(PyObject* obj, PyObject* key, PyObject* item) {
    const PyRef dict(PyObject_GenericGetDict(obj, nullptr));
    if (!dict) return -1;
    if (!PyUnicode_CheckExact(key)) return PyObject_SetItem(dict.get(), key, item);
    PyObject* mine = Py_NewRef(key);
    PyUnicode_InternInPlace(&mine);
    const int result = PyObject_SetItem(dict.get(), mine, item);
    Py_DECREF(mine);
    return result;
}

int set_slot(const ClassPlan& plan, PyObject* obj, Py_ssize_t i, PyObject* item) {
    const Py_ssize_t offset = plan.offsets[i];
    if (offset < 0) return PyObject_GenericSetAttr(obj, PyTuple_GET_ITEM(plan.slots.get(), i), item);
    PyObject*& slot = *reinterpret_cast<PyObject**>(reinterpret_cast<char*>(obj) + offset);
    Section section(obj);  // Python code may have been given the object before it is whole
    PyObject* const old = std::exchange(slot, Py_NewRef(item));
    section.end();
    Py_XDECREF(old);
    return 0;
}

PyObject* new_named_tuple(const ClassPlan& plan, Py_ssize_t size) {
    if (size != PyTuple_GET_SIZE(plan.names.get())) {
        PyErr_Format(PyExc_TypeError,
                     "cannot receive a %U.%U: it has %zd fields here and %zd where it was sent",
                     plan.module(), plan.qualname(), PyTuple_GET_SIZE(plan.names.get()), size);
        return nullptr;
    }
    return PyTuple_Type.tp_new(plan.type, plan.blank.get(), nullptr);
}

PyObject* made_of(Context& context, const ClassPlan& plan, PyObject* part) {
    switch (plan.way) {
    case Way::kRegistered:
        return from_shareable(context, plan, part);
    case Way::kReduced:
        return PyObject_CallObject(reinterpret_cast<PyObject*>(plan.type), part);
    default:
        break;
    }
    // Where Enum's own __new__ looks first; it is asked for what is not there.
    auto* const cls = reinterpret_cast<PyObject*>(plan.type);
    if (Py_TYPE(part) != plan.type) {
        const PyRef members(PyObject_GetAttr(cls, PyTuple_GET_ITEM(plan.names.get(), 1)));
        if (!members) return nullptr;
        if (PyDict_CheckExact(members.get())) {
            PyRef member = item_in(members.get(), part);
            if (member) return member.release();
            if (PyErr_Occurred()) {
                if (!PyErr_ExceptionMatches(PyExc_TypeError)) return nullptr;
                PyErr_Clear();  // not hashable
            }
        }
    }
    return PyObject_CallOneArg(cls, part);
}

}  // namespace interpchannels
