// What instances of a class cross as: a class is looked at once for each of its versions, so this may be slow.
//
// The rule: only what would be pickle's result anyway. A class with a word of its own in pickling (one of the
// hooks, an entry in copyreg's table, a __new__, attributes that Python code hands out) is pickle's, unless it is
// one of the few in the standard library that are known here by name.
#include <algorithm>
#include <new>
#include <string_view>

#include "crossing/classes.hpp"
#include "crossing/context.hpp"
#include "crossing/registered.hpp"
#include "interpreter/cpython_private.hpp"

namespace interpchannels {
namespace {

PyObject* as_object(PyTypeObject* type) noexcept { return reinterpret_cast<PyObject*>(type); }

// An attribute of a module that is loaded; nullptr, maybe with an exception, where it is not.
PyRef loaded(const char* module_name, const char* attribute) {
    const PyRef name(PyUnicode_FromString(module_name));
    const PyRef module(name ? PyImport_GetModule(name.get()) : nullptr);
    return PyRef(module ? PyObject_GetAttrString(module.get(), attribute) : nullptr);
}

// Looks at a class without asking its metaclass, as attribute access on an instance does. Once something failed
// every answer is no, and `failed` says so, with an exception set.
class Look {
public:
    explicit Look(PyTypeObject* type) noexcept : type_(type), mro_(PyRef::borrow(type->tp_mro)) {}

    PyRef attribute(PyObject* name) { return in(mro_.get(), name); }
    PyRef attribute(const char* text) {
        if (failed) return PyRef{};
        const PyRef name(PyUnicode_InternFromString(text));
        if (!name) failed = true;
        return name ? attribute(name.get()) : PyRef{};
    }
    bool lacks(const char* name) { return !attribute(name) && !failed; }
    // It is object's own.
    bool inherits(const char* name) {
        const PyRef mine = attribute(name);
        const PyRef objects = attribute_of(&PyBaseObject_Type, name);
        return mine.get() == objects.get() && !failed;
    }
    // It is that function of the module `dataclasses`.
    bool has_dataclass_function(const char* name, const char* its_name) {
        const PyRef mine = attribute(name);
        if (!mine || !PyFunction_Check(mine.get())) return false;
        const PyRef its = loaded("dataclasses", its_name);
        failed = !clear_refusal();
        return its && mine.get() == its.get();
    }
    // It is what `base` has, a class.
    bool has(const char* name, PyObject* base) {
        const PyRef mine = attribute(name);
        const PyRef its = attribute_of(reinterpret_cast<PyTypeObject*>(base), name);
        return mine && mine.get() == its.get();
    }
    // Nothing of its own decides how it is pickled, but for state, arguments and __new__.
    bool reduces_plainly() {
        return type_->tp_getattro == PyObject_GenericGetAttr && inherits("__reduce_ex__") &&
               inherits("__reduce__") && inherits("__class__") && lacks("__getnewargs_ex__");
    }
    bool has_plain_state() { return inherits("__getstate__") && lacks("__setstate__"); }

    bool failed = false;

private:
    PyRef attribute_of(PyTypeObject* type, const char* text) {
        if (failed) return PyRef{};
        Look other(type);
        PyRef found = other.attribute(text);
        failed = other.failed;
        return found;
    }
    PyRef in(PyObject* mro, PyObject* name) {
        for (Py_ssize_t i = 0; mro && i < PyTuple_GET_SIZE(mro) && !failed; ++i) {
            PyObject* const base = PyTuple_GET_ITEM(mro, i);
            if (!PyType_Check(base)) continue;
            const PyRef dict(PyType_GetDict(reinterpret_cast<PyTypeObject*>(base)));
            if (!dict) continue;
            PyRef found = item_in(dict.get(), name);
            if (found) return found;
            failed = PyErr_Occurred() != nullptr;
        }
        return PyRef{};
    }

    PyTypeObject* const type_;
    const PyRef mro_;
};

// --- names ---

// False with an exception, or without one where it cannot be said in UTF-8.
bool to_text(PyObject* str, std::string& text) {
    Py_ssize_t size = 0;
    const char* const utf8 = PyUnicode_AsUTF8AndSize(str, &size);
    if (!utf8) {
        if (PyErr_ExceptionMatches(PyExc_UnicodeError)) PyErr_Clear();
        return false;
    }
    text.assign(utf8, static_cast<std::size_t>(size));
    return true;
}

bool to_texts(PyObject* tuple, std::vector<std::string>& texts) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); ++i) {
        if (!to_text(PyTuple_GET_ITEM(tuple, i), texts.emplace_back())) return false;
    }
    return true;
}

PyObject* interned(const std::string& text) {
    PyObject* str = PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size()));
    if (str) PyUnicode_InternInPlace(&str);
    return str;
}

PyObject* all_interned(const std::vector<std::string>& texts) {
    PyRef tuple(PyTuple_New(static_cast<Py_ssize_t>(texts.size())));
    for (std::size_t i = 0; tuple && i < texts.size(); ++i) {
        PyObject* const str = interned(texts[i]);
        if (!str) return nullptr;
        PyTuple_SET_ITEM(tuple.get(), static_cast<Py_ssize_t>(i), str);
    }
    return tuple.release();
}

// key and path; both interned. False with an exception.
bool set_name(ClassPlan& plan, PyObject* module, PyObject* qualname) {
    plan.key = PyRef(PyTuple_Pack(2, module, qualname));
    const PyRef dot(PyUnicode_FromString("."));
    const PyRef parts(dot ? PyUnicode_Split(qualname, dot.get(), -1) : nullptr);
    plan.path = PyRef(parts ? PyList_AsTuple(parts.get()) : nullptr);
    if (!plan.key || !plan.path) return false;
    for (PyObject* const tuple : {plan.key.get(), plan.path.get()}) {  // nobody else has seen them
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); ++i) {
            PyUnicode_InternInPlace(&PyTuple_GET_ITEM(tuple, i));
        }
    }
    return true;
}

// The plan's number, once the rest is known. False as in to_text().
bool set_number(ClassPlan& plan) {
    ClassName name;
    name.way = plan.way;
    if (!to_text(plan.module(), name.module) || !to_text(plan.qualname(), name.qualname)) return false;
    if (plan.way == Way::kInstance &&
        (!to_texts(plan.names.get(), name.names) || !to_texts(plan.slots.get(), name.slots))) {
        return false;
    }
    const std::int64_t number = number_class(name);
    if (number < 0) {
        PyErr_NoMemory();
        return false;
    }
    plan.number = static_cast<std::uint32_t>(number);
    return true;
}

// --- instances ---

// Where the slot is in an instance, or -1 where `name` is not a plain slot of the class.
Py_ssize_t offset_of(Look& look, PyTypeObject* type, PyObject* name) {
    const PyRef found = look.attribute(name);
    if (!found || !Py_IS_TYPE(found.get(), &PyMemberDescr_Type)) return -1;
    auto* const member = reinterpret_cast<PyMemberDescrObject*>(found.get());
    const bool plain = member->d_member->type == Py_T_OBJECT_EX &&
                       !(member->d_member->flags & Py_READONLY) &&
                       PyType_IsSubtype(type, PyDescr_TYPE(member));
    return plain ? member->d_member->offset : -1;
}

// Finds the slots in the class. 1 where it has them all, 0 where not, -1 with an exception.
int set_offsets(ClassPlan& plan, Look& look, PyTypeObject* type) {
    const Py_ssize_t count = PyTuple_GET_SIZE(plan.slots.get());
    plan.offsets = PyMem_New(Py_ssize_t, static_cast<std::size_t>(count) + 1);
    if (!plan.offsets) {
        PyErr_NoMemory();
        return -1;
    }
    bool all = true;
    for (Py_ssize_t i = 0; i < count; ++i) {
        plan.offsets[i] = offset_of(look, type, PyTuple_GET_ITEM(plan.slots.get(), i));
        all = all && plan.offsets[i] >= 0;
    }
    return look.failed ? -1 : all ? 1 : 0;
}

// Attributes that are set as setattr would land in __dict__, where pickle puts them.
bool none_in_the_way(Look& look, PyObject* names) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); ++i) {
        const PyRef found = look.attribute(PyTuple_GET_ITEM(names, i));
        if (look.failed || (found && Py_TYPE(found.get())->tp_descr_set)) return false;
    }
    return !look.failed;
}

// Every name in `sequence` once, but for those in `without`; interned. nullptr with an exception.
PyRef unique_names(PyObject* sequence, PyObject* without) {
    const PyRef fast(PySequence_Fast(sequence, "names expected"));
    const PyRef list(fast ? PyList_New(0) : nullptr);
    if (!list) return PyRef{};
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(fast.get()); ++i) {
        PyObject* const name = PySequence_Fast_GET_ITEM(fast.get(), i);
        if (!PyUnicode_CheckExact(name)) continue;
        const int known = PySequence_Contains(list.get(), name);
        const int left_out = without ? PySequence_Contains(without, name) : 0;
        if (known < 0 || left_out < 0) return PyRef{};
        if (known || left_out) continue;
        PyObject* mine = Py_NewRef(name);
        PyUnicode_InternInPlace(&mine);
        const int failed = PyList_Append(list.get(), mine);
        Py_DECREF(mine);
        if (failed < 0) return PyRef{};
    }
    return PyRef(PyList_AsTuple(list.get()));
}

// The names of a dataclass's fields; empty for another class. nullptr with an exception.
PyRef field_names(PyTypeObject* type, Look& look) {
    if (look.lacks("__dataclass_fields__")) return PyRef(PyTuple_New(0));
    const PyRef names(look.failed ? nullptr : PyList_New(0));
    if (!names) return PyRef{};
    const PyRef function = loaded("dataclasses", "fields");
    const PyRef fields(function ? PyObject_CallOneArg(function.get(), as_object(type)) : nullptr);
    if (!fields || !PyTuple_Check(fields.get())) {
        return clear_refusal() ? PyRef(PyTuple_New(0)) : PyRef{};  // it only looks like a dataclass
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(fields.get()); ++i) {
        const PyRef name(PyObject_GetAttrString(PyTuple_GET_ITEM(fields.get(), i), "name"));
        if (!name || PyList_Append(names.get(), name.get()) < 0) return PyRef{};
    }
    return PyRef(PyList_AsTuple(names.get()));
}

bool is_hook(PyObject* name) {
    return PyUnicode_GET_LENGTH(name) > 4 && PyUnicode_READ_CHAR(name, 0) == '_' &&
           PyUnicode_READ_CHAR(name, 1) == '_';
}

// What copyreg takes for the names of all slots. nullptr with an exception.
PyRef slot_names(PyTypeObject* type) {
    const PyRef module(PyImport_ImportModule("copyreg"));
    const PyRef function(module ? PyObject_GetAttrString(module.get(), "_slotnames") : nullptr);
    return PyRef(function ? PyObject_CallOneArg(function.get(), as_object(type)) : nullptr);
}

// There is nothing in an instance but its __dict__ and its slots (the same sum is in object.__getstate__).
bool is_all_python(PyTypeObject* type, Py_ssize_t slots) {
    auto size = static_cast<std::size_t>(PyBaseObject_Type.tp_basicsize);
    if (type->tp_dictoffset && !PyType_HasFeature(type, Py_TPFLAGS_MANAGED_DICT)) size += sizeof(PyObject*);
    if (type->tp_weaklistoffset && !PyType_HasFeature(type, Py_TPFLAGS_MANAGED_WEAKREF)) {
        size += sizeof(PyObject*);
    }
    size += sizeof(PyObject*) * static_cast<std::size_t>(slots);
    return type->tp_itemsize == 0 && static_cast<std::size_t>(type->tp_basicsize) <= size;
}

// Values that are made in other ways and live in slots alone, which is all that their pickles restore.
bool is_known_by_slots(const ClassPlan& plan) {
    const auto is = [&](const char* module, const char* name) {
        return PyUnicode_CompareWithASCIIString(plan.module(), module) == 0 &&
               PyUnicode_CompareWithASCIIString(plan.qualname(), name) == 0;
    };
    return is("uuid", "UUID") || is("fractions", "Fraction");
}

// True where it is one; false, maybe with an exception, where not.
bool plan_instance(ClassPlan& plan, PyTypeObject* type, Look& look) {
    const bool known = is_known_by_slots(plan);
    if (!known && (!look.reduces_plainly() || !look.lacks("__getnewargs__") ||
                   type->tp_new != PyBaseObject_Type.tp_new)) {
        return false;
    }
    // A frozen dataclass with slots=True has its fields for its state.
    const bool by_fields = look.has_dataclass_function("__getstate__", "_dataclass_getstate") &&
                           look.has_dataclass_function("__setstate__", "_dataclass_setstate");
    if (look.failed || (!known && !by_fields && !look.has_plain_state())) return false;

    const PyRef fields = field_names(type, look);
    const PyRef all_slots = fields ? slot_names(type) : PyRef{};
    if (!all_slots) return false;
    if (!known && !by_fields) {
        if (!PyList_Check(all_slots.get()) || !is_all_python(type, PyList_GET_SIZE(all_slots.get())))
            return false;
        plan.has_dict = type->tp_dictoffset != 0;
        if (plan.has_dict) {
            const PyRef dict = look.attribute("__dict__");
            if (!dict || !Py_IS_TYPE(dict.get(), &PyGetSetDescr_Type)) return false;
        }
    }
    plan.slots = unique_names(by_fields ? fields.get() : all_slots.get(), nullptr);
    if (!plan.slots) return false;
    plan.names = plan.has_dict ? unique_names(fields.get(), plan.slots.get()) : PyRef(PyTuple_New(0));
    if (!plan.names || set_offsets(plan, look, type) != 1) return false;
    // Pickle sets slots with setattr, but those of the frozen and the known ones.
    if (PyTuple_GET_SIZE(plan.slots.get()) > 0 && !known && !by_fields &&
        type->tp_setattro != PyObject_GenericSetAttr) {
        return false;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(plan.names.get()); ++i) {
        if (is_hook(PyTuple_GET_ITEM(plan.names.get(), i))) return false;
    }
    plan.settable = none_in_the_way(look, plan.names.get());
    return !look.failed;
}

// --- enumerations ---

bool plan_enum(ClassPlan& plan, PyTypeObject* type, Look& look) {
    const PyRef enum_type = loaded("enum", "EnumType");
    const PyRef base(enum_type ? loaded("enum", "Enum") : PyRef{});
    if (!base || as_object(Py_TYPE(type)) != enum_type.get() || !PyType_Check(base.get())) {
        clear_refusal();
        return false;
    }
    if (!look.has("__reduce_ex__", base.get())) return false;
    // As the class gives it, since some classes hold it as a static method and others bare.
    const PyRef mine(PyObject_GetAttrString(as_object(type), "__new__"));
    const PyRef enums(mine ? PyObject_GetAttrString(base.get(), "__new__") : nullptr);
    if (!enums || mine.get() != enums.get()) return false;
    plan.names = PyRef(all_interned({"_value_", "_value2member_map_"}));
    return static_cast<bool>(plan.names);
}

// --- named tuples ---

// A function of the module of that name. False, maybe with an exception, where not.
bool is_function_of(PyObject* function, const char* module_name) {
    if (!function || !PyFunction_Check(function)) return false;
    const PyRef globals = loaded(module_name, "__dict__");
    clear_refusal();
    return globals && PyFunction_GetGlobals(function) == globals.get();
}

// dict[key]; nullptr, maybe with an exception, where it has none.
PyRef item_of(PyObject* dict, const char* key) {
    const PyRef name(PyUnicode_InternFromString(key));
    return name ? item_in(dict, name.get()) : PyRef{};
}

// The __new__ that collections.namedtuple() makes: it only packs its arguments. False, maybe with an exception, where
// it is another.
bool is_packing_new(PyObject* function) {
    if (!function || !PyFunction_Check(function)) return false;
    PyObject* const globals = PyFunction_GetGlobals(function);
    const PyRef tuples(PyObject_GetAttrString(as_object(&PyTuple_Type), "__new__"));
    const PyRef packs = tuples ? item_of(globals, "_tuple_new") : PyRef{};
    if (!packs || packs.get() != tuples.get()) return false;
    const PyRef name = item_of(globals, "__name__");
    if (!name || !PyUnicode_Check(name.get())) return false;
    const PyRef prefix(PyUnicode_FromString("namedtuple_"));
    return prefix && PyUnicode_Tailmatch(name.get(), prefix.get(), 0, PY_SSIZE_T_MAX, -1) == 1;
}

bool plan_named_tuple(ClassPlan& plan, PyTypeObject* type, Look& look) {
    if (!look.reduces_plainly() || !look.has_plain_state()) return false;
    const PyRef fields = look.attribute("_fields");
    const PyRef arguments = look.attribute("__getnewargs__");
    const PyRef made(look.failed ? nullptr : PyObject_GetAttrString(as_object(type), "__new__"));
    if (!made) return false;
    if (!fields || !PyTuple_CheckExact(fields.get()) || !is_function_of(arguments.get(), "collections") ||
        !is_packing_new(made.get())) {
        return false;
    }
    const Py_ssize_t size = PyTuple_GET_SIZE(fields.get());
    auto* const code = reinterpret_cast<PyCodeObject*>(PyFunction_GetCode(made.get()));
    if (code->co_argcount != size + 1) return false;
    plan.names = unique_names(fields.get(), nullptr);
    if (!plan.names || PyTuple_GET_SIZE(plan.names.get()) != size) return false;
    plan.has_dict = type->tp_dictoffset != 0;
    const PyRef nones(PyTuple_New(size));
    if (!nones) return false;
    for (Py_ssize_t i = 0; i < size; ++i) PyTuple_SET_ITEM(nones.get(), i, Py_NewRef(Py_None));
    plan.blank = PyRef(PyTuple_Pack(1, nones.get()));
    return static_cast<bool>(plan.blank);
}

// --- the standard library's values that pickle as a call of their class ---

bool is_known_by_call(const ClassPlan& plan) {
    struct Known {
        std::string_view module;
        std::string_view name;
    };
    static constexpr Known known[] = {
        {"datetime", "date"},
        {"datetime", "datetime"},
        {"datetime", "time"},
        {"datetime", "timedelta"},
        {"datetime", "timezone"},
        {"decimal", "Decimal"},
        {"pathlib", "PosixPath"},
        {"pathlib", "PurePosixPath"},
        {"pathlib", "PureWindowsPath"},
        {"pathlib", "WindowsPath"},
        {"pathlib._local", "PosixPath"},  // 3.13
        {"pathlib._local", "PurePosixPath"},
        {"pathlib._local", "PureWindowsPath"},
        {"pathlib._local", "WindowsPath"},
    };
    std::string module, name;
    if (!to_text(plan.module(), module) || !to_text(plan.qualname(), name)) return false;
    return std::any_of(std::begin(known), std::end(known),
                       [&](const Known& k) { return k.module == module && k.name == name; });
}

// Decides everything but kForeign, which it leaves. 0, or -1 with an exception.
int decide(Context& context, ClassPlan& plan, PyTypeObject* type, PyObject* obj) {
    const PyRef module(PyObject_GetAttrString(as_object(type), "__module__"));
    const PyRef qualname(module ? PyObject_GetAttrString(as_object(type), "__qualname__") : nullptr);
    if (!qualname) {
        return clear_refusal() ? 0 : -1;
    }
    if (!PyUnicode_CheckExact(module.get()) || !PyUnicode_CheckExact(qualname.get())) return 0;
    if (!set_name(plan, module.get(), qualname.get())) return -1;

    if (obj) {
        const int registered = is_registered(context, plan, type);
        if (registered < 0) return -1;
        if (registered) {
            plan.way = Way::kRegistered;
            return 0;
        }
        if (cpython::is_registered(obj)) return 0;
        // A class that is an instance of something that pickle is told how to reduce.
        PyTypeObject* const metaclass = Py_TYPE(type);
        const int reduced = metaclass == &PyType_Type ? 0 : in_copyreg(context, metaclass);
        if (reduced != 0) return reduced < 0 ? -1 : 0;
    }
    Look look(type);
    const bool by_call = is_known_by_call(plan);
    const bool is_enum = !by_call && !PyErr_Occurred() && plan_enum(plan, type, look);
    if (PyErr_Occurred()) return -1;  // the next looks would take it for theirs
    if (by_call) {
        const PyRef protocol(PyLong_FromLong(5));
        const PyRef name(protocol ? interned("__reduce_ex__") : nullptr);
        plan.names = PyRef(name ? PyTuple_Pack(2, name.get(), protocol.get()) : nullptr);
        if (plan.names) plan.way = Way::kReduced;
    } else if (is_enum) {
        plan.way = Way::kEnum;
    } else if (PyType_IsSubtype(type, &PyTuple_Type)) {
        if (plan_named_tuple(plan, type, look)) plan.way = Way::kNamedTuple;
    } else if (plan_instance(plan, type, look)) {
        plan.way = Way::kInstance;
    }
    return PyErr_Occurred() ? -1 : 0;
}

}  // namespace

ClassPlan* make_plan(Context& context, PyTypeObject* type, PyObject* obj) {
    auto plan = Ref<ClassPlan>::adopt(new (std::nothrow) ClassPlan);
    if (!plan) {
        PyErr_NoMemory();
        return nullptr;
    }
    unsigned before = 0;
    if constexpr (!kHasGil) {
        PyUnstable_Type_AssignVersionTag(type);
        before = version_of(type);
    }
    try {
        if (decide(context, *plan.get(), type, obj) < 0) return nullptr;
        if (plan->way != Way::kForeign && !set_number(*plan.get())) {
            if (PyErr_Occurred()) return nullptr;
            plan->way = Way::kForeign;
        }
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
        return nullptr;
    }
    // Last, since looking at a class can change it (copyreg leaves a note there). One that has changed too often
    // gets no tag.
    PyUnstable_Type_AssignVersionTag(type);
    plan->type = type;
    plan->tag = version_of(type);
    // Or it was another thread that changed it meanwhile. It is looked at once more then, for the next value.
    if (!kHasGil && plan->tag != before) plan->tag = 0;
    return plan.release();
}

ClassPlan* make_plan_with(PyTypeObject* type, const ClassName& name, std::uint32_t number) {
    auto plan = Ref<ClassPlan>::adopt(make_named_plan(name, number));
    if (!plan) return nullptr;
    PyUnstable_Type_AssignVersionTag(type);
    plan->tag = version_of(type);  // another thread may change it from here on
    Look look(type);
    plan->way = Way::kInstance;
    plan->names = PyRef(all_interned(name.names));
    plan->slots = PyRef(plan->names ? all_interned(name.slots) : nullptr);
    if (!plan->slots || set_offsets(*plan.get(), look, type) < 0) return nullptr;
    plan->has_dict = type->tp_dictoffset != 0;
    plan->settable = none_in_the_way(look, plan->names.get());
    if (look.failed) return nullptr;
    plan->type = type;
    return plan.release();
}

ClassPlan* make_named_plan(const ClassName& name, std::uint32_t number) {
    auto plan = Ref<ClassPlan>::adopt(new (std::nothrow) ClassPlan);
    if (!plan) {
        PyErr_NoMemory();
        return nullptr;
    }
    plan->way = name.way;
    plan->number = number;
    const PyRef module(interned(name.module));
    const PyRef qualname(module ? interned(name.qualname) : nullptr);
    if (!qualname || !set_name(*plan.get(), module.get(), qualname.get())) return nullptr;
    return plan.release();
}

}  // namespace interpchannels
