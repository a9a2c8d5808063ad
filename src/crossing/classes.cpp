#include "crossing/classes.hpp"

#include <new>

#include "crossing/context.hpp"

namespace interpchannels {
namespace {

std::size_t slot_of(PyTypeObject* type) noexcept {
    return static_cast<std::size_t>((reinterpret_cast<std::uintptr_t>(type) * 0x9E3779B97F4A7C15ULL) >> 56);
}

// obj.name; nullptr without an exception where it has none.
PyObject* attribute(PyObject* obj, PyObject* name) {
    PyObject* const found = PyObject_GetAttr(obj, name);
    if (!found && PyErr_ExceptionMatches(PyExc_AttributeError)) PyErr_Clear();
    return found;
}

// As above; the common case is a module and a name in its dict.
PyObject* in_module(PyObject* module, PyObject* name) {
    if (PyModule_CheckExact(module)) {
        PyRef found = item_in(PyModule_GetDict(module), name);
        if (found) return found.release();
        if (PyErr_Occurred()) return nullptr;
    }
    return attribute(module, name);
}

// Imports the module and finds the class. nullptr with an exception that names both.
PyObject* import_class(PyObject* key, PyObject* path) {
    PyObject* const module_name = PyTuple_GET_ITEM(key, 0);
    PyObject* const qualname = PyTuple_GET_ITEM(key, 1);
    const PyRef module(PyImport_Import(module_name));
    if (!module) {
        if (!PyErr_ExceptionMatches(PyExc_ModuleNotFoundError)) return nullptr;
        const PyRef cause(PyErr_GetRaisedException());
        const PyRef name(PyUnicode_InternFromString("name"));
        const PyRef missing(name ? attribute(cause.get(), name.get()) : nullptr);
        if (PyErr_Occurred()) return nullptr;
        const PyRef message(PyUnicode_FromFormat(
            "cannot receive a %U.%U: this interpreter cannot import its module (%S); its sys.path may be "
            "another than the sender's",
            module_name, qualname, cause.get()));
        if (!message) return nullptr;
        PyErr_SetImportErrorSubclass(PyExc_ModuleNotFoundError, message.get(), missing.get(), nullptr);
        const PyRef raised(PyErr_GetRaisedException());
        PyException_SetCause(raised.get(), Py_NewRef(cause.get()));
        PyErr_SetRaisedException(Py_NewRef(raised.get()));
        return nullptr;
    }
    PyRef found(Py_NewRef(module.get()));
    for (Py_ssize_t i = 0; found && i < PyTuple_GET_SIZE(path); ++i) {
        found = PyRef(attribute(found.get(), PyTuple_GET_ITEM(path, i)));
    }
    if (found || PyErr_Occurred()) return found.release();
    const bool is_main = PyUnicode_CompareWithASCIIString(module_name, "__main__") == 0;
    PyErr_Format(
        PyExc_AttributeError,
        is_main ? "cannot receive a %U.%U: __main__ is another module in each interpreter, and this one "
                  "has no such class; put it into a module that both import"
                : "cannot receive a %U.%U: the module has no such class in this interpreter",
        module_name, qualname);
    return nullptr;
}

bool is_where_its_name_says(const ClassPlan& plan) {
    const PyRef found(find_class(plan.module(), plan.path.get()));
    PyErr_Clear();  // whoever needs it after all asks again
    return found && plan.is_for(reinterpret_cast<PyTypeObject*>(found.get()));
}

// For the class here that has the name: a new reference; nullptr with an exception that names it.
ClassPlan* find_receiving_plan(Context& context, const ClassName& name, std::uint32_t number) {
    const Ref<ClassPlan> named = Ref<ClassPlan>::adopt(make_named_plan(name, number));
    const PyRef found(named ? import_class(named->key.get(), named->path.get()) : nullptr);
    if (!found) return nullptr;
    if (!PyType_Check(found.get())) {
        PyErr_Format(PyExc_TypeError, "cannot receive a %U.%U: that is no class in this interpreter",
                     named->module(), named->qualname());
        return nullptr;
    }
    auto* const type = reinterpret_cast<PyTypeObject*>(found.get());
    Ref<ClassPlan> plan = Ref<ClassPlan>::adopt(make_plan(context, type, nullptr));
    if (!plan) return nullptr;
    if (plan->way == name.way && plan->number == number) {
        return plan.release();
    }
    if (plan->way == Way::kInstance && name.way == Way::kInstance)
        return make_plan_with(type, name, number);
    PyErr_Format(
        PyExc_TypeError,
        "cannot receive a %U.%U: the class of that name is another one in this interpreter than in "
        "the sender's; load the same version of the module in both",
        named->module(), named->qualname());
    return nullptr;
}

}  // namespace

ClassPlan::~ClassPlan() { PyMem_Free(offsets); }

PyObject* find_class(PyObject* module, PyObject* path) {
    PyObject* const modules = PyImport_GetModuleDict();  // borrowed
    PyRef found;
    if (PyDict_CheckExact(modules)) {
        found = item_in(modules, module);
    } else {
        found = PyRef(PyObject_GetItem(modules, module));
        if (!found && PyErr_ExceptionMatches(PyExc_KeyError)) PyErr_Clear();
    }
    for (Py_ssize_t i = 0; found && i < PyTuple_GET_SIZE(path); ++i) {
        found = PyRef(in_module(found.get(), PyTuple_GET_ITEM(path, i)));
    }
    return found.release();
}

int in_copyreg(Context& context, PyTypeObject* type) {
    if (!seen(context.copyreg_table)) {
        const PyRef module(PyImport_ImportModule("copyreg"));
        if (!module) return -1;
        PyObject* const table = PyObject_GetAttrString(module.get(), "dispatch_table");
        if (!table) return -1;
        set_once(context.copyreg_table, table);
    }
    return PySequence_Contains(seen(context.copyreg_table), reinterpret_cast<PyObject*>(type));
}

// --- ClassCache ---

ClassPlan* ClassCache::plan_of(Context& context, PyObject* obj, std::uint64_t use) {
    PyTypeObject* const type = Py_TYPE(obj);
    ClassPlan*& slot = by_type_[slot_of(type)];
    if (slot && slot->is_for(type, use)) return slot;
    ClassPlan* const plan = make_plan(context, type, obj);
    if (!plan) return nullptr;
    ClassPlan* const old = std::exchange(slot, plan);
    if (old) old->unref();
    return plan;
}

bool ClassCache::keep(std::uint64_t number, ClassPlan* plan) noexcept {
    while (by_number_.size() <= number) {
        if (!by_number_.push(nullptr)) return false;
    }
    plan->ref();
    ClassPlan* const old = std::exchange(by_number_[static_cast<std::size_t>(number)], plan);
    if (old) old->unref();
    return true;
}

void ClassCache::forget_types() noexcept {
    for (ClassPlan*& slot : by_type_) {
        if (ClassPlan* const old = std::exchange(slot, nullptr)) old->unref();
    }
}

void ClassCache::clear() noexcept {
    forget_types();
    while (!by_number_.empty()) {
        ClassPlan* const old = by_number_.back();
        by_number_.pop();
        if (old) old->unref();
    }
}

// --- ClassCaches ---

#ifdef Py_GIL_DISABLED

ClassCache* ClassCaches::take() noexcept {
    {
        SpinGuard guard(lock_);
        if (free_) return std::exchange(free_, free_->next_);
    }
    return new (std::nothrow) ClassCache;
}

void ClassCaches::give_back(ClassCache& cache) noexcept {
    SpinGuard guard(lock_);
    cache.next_ = free_;
    free_ = &cache;
}

void ClassCaches::clear() noexcept {
    for (;;) {
        ClassCache* one = nullptr;
        {
            SpinGuard guard(lock_);
            one = free_;
            if (one) free_ = one->next_;
        }
        if (!one) return;
        delete one;
    }
}

#endif

// --- ClassesInUse ---

void ClassesInUse::let_go() noexcept {
    while (!held_.empty()) {
        const Held held = held_.back();
        held_.pop();
        held.plan->unref();
        Py_XDECREF(held.type);
    }
}

bool ClassesInUse::hold(ClassPlan* plan) {
    if (!held_.push({plan, plan->type})) {
        PyErr_NoMemory();
        return false;
    }
    plan->ref();
    Py_XINCREF(plan->type);
    return true;
}

// False with MemoryError set.
bool ClassesInUse::begin(Context& context) {
    caches_ = &context.classes;
    cache_ = caches_->take();
    if (cache_) {
        use_ = cache_->next_use();
    } else {
        PyErr_NoMemory();
    }
    return cache_ != nullptr;
}

const ClassPlan* ClassesInUse::plan_of(Context& context, PyObject* obj) {
    if (!cache_ && !begin(context)) return nullptr;
    caches_->refresh(*cache_);
    ClassPlan* const plan = cache_->plan_of(context, obj, use_);
    if (!plan || plan->way == Way::kForeign) return nullptr;
    if (plan->checked == use_) return plan;
    if (!hold(plan)) return nullptr;
    if (plan->way != Way::kRegistered) {
        const PyRef found(find_class(plan->module(), plan->path.get()));
        if (found.get() != reinterpret_cast<PyObject*>(plan->type)) return nullptr;
        if (in_copyreg(context, plan->type) != 0) return nullptr;
    }
    plan->checked = use_;
    return plan;
}

const ClassPlan* ClassesInUse::numbered(Context& context, std::uint64_t number, Way way) {
    if (!cache_ && !begin(context)) return nullptr;
    ClassPlan* const kept = cache_->numbered(number);
    if (kept && kept->checked == use_ && kept->way == way) return kept;
    const ClassName* const name = numbered_class(number);
    if (!name || name->way != way) {
        PyErr_SetString(PyExc_SystemError, "malformed parcel");
        return nullptr;
    }
    if (kept) kept->ref();
    Ref<ClassPlan> plan = Ref<ClassPlan>::adopt(kept);
    if (way == Way::kRegistered) {
        if (!plan) plan = Ref<ClassPlan>::adopt(make_named_plan(*name, static_cast<std::uint32_t>(number)));
    } else if (!plan || !is_where_its_name_says(*plan.get())) {
        plan =
            Ref<ClassPlan>::adopt(find_receiving_plan(context, *name, static_cast<std::uint32_t>(number)));
    }
    if (!plan || !hold(plan.get())) return nullptr;
    plan->checked = use_;
    if (plan.get() != cache_->numbered(number) && !cache_->keep(number, plan.get())) {
        PyErr_NoMemory();
        return nullptr;
    }
    // held_ has a count of it, which the analyser does not follow.
    return plan.get();  // NOLINT(clang-analyzer-cplusplus.NewDelete)
}

}  // namespace interpchannels
