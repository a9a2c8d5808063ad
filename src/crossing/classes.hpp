// What an interpreter knows of the classes whose instances cross: a plan for each.
//
// A plan is made by looking at a class once (class_kinds.cpp) and holds until the class changes: CPython gives
// each version of each class a tag of its own, never used again, so an address and a tag name it. Plans
// therefore hold no class, and nothing stays alive because it once crossed. A class that has changed too often
// for CPython gets no more tags (3.13 and later stop at a thousand): it is looked at anew for each value.
//
// That a class can be found where its name says (`sys.modules`, then its qualified name) is asked once for each
// class in each value, on both sides, as pickle does: a class that was reloaded, replaced or deleted is never
// taken for another. ClassesInUse is that value's memory of it; it also keeps the plans and classes alive that
// are in use, since encoding and decoding may run Python code that changes everything.
//
// Where there is a GIL, an interpreter has one cache of plans. Where there is none, each value takes one for itself, and
// leaves it to the next: there are as many as there ever were threads at work at once.
#pragma once

#include <cstdint>

#include "channel/channel.hpp"
#include "channel/spin_lock.hpp"
#include "crossing/class_names.hpp"
#include "crossing/pod_vector.hpp"
#include "interpreter/without_gil.hpp"

namespace interpchannels {

struct Context;

// The tag of the class's version. Relaxed: CPython says nothing by it of what comes before or after.
inline unsigned version_of(const PyTypeObject* type) noexcept {
#ifdef Py_GIL_DISABLED
    return __atomic_load_n(&type->tp_version_tag, __ATOMIC_RELAXED);
#else
    return type->tp_version_tag;
#endif
}

// One version of one class, in one cache, and so one thread's at a time. Made and destroyed attached.
struct ClassPlan {
    ClassPlan() = default;
    ~ClassPlan();
    ClassPlan(const ClassPlan&) = delete;
    ClassPlan& operator=(const ClassPlan&) = delete;
    void ref() noexcept { ++refs; }
    void unref() noexcept {
        if (--refs == 0) delete this;
    }

    // A tag of 0 says nothing of the class: such a plan serves only the value that asked for it.
    bool is_for(PyTypeObject* other) const noexcept {
        return type == other && tag == version_of(other) && tag != 0;
    }
    bool is_for(PyTypeObject* other, std::uint64_t use) const noexcept {
        return is_for(other) || (type == other && tag == 0 && checked == use);
    }

    Way way = Way::kForeign;
    bool has_dict = false;  // kInstance: its instances have a __dict__ that crosses
    bool settable = false;  // kInstance: no attribute of the class stands in the way of `names`
    int refs = 1;
    unsigned tag = 0;
    PyTypeObject* type = nullptr;  // borrowed, and maybe gone; nullptr: kRegistered, where it is received
    std::uint32_t number = 0;
    std::uint64_t checked = 0;  // the last ClassesInUse that found it where its name says

    PyRef key;   // (module, qualname)
    PyRef path;  // the parts of the qualified name
    // A tuple of interned str. kInstance: as in ClassName; kNamedTuple: its fields; kEnum: the names of a member's
    // value and of the members by value; kReduced: the name of the method, and its argument.
    PyRef names;
    PyRef slots;  // kInstance: likewise
    PyRef blank;  // kNamedTuple: the arguments for a new one, full of None
    // kInstance: where in an instance each slot is; -1: setattr is to find it.
    Py_ssize_t* offsets = nullptr;

    PyObject* module() const noexcept { return PyTuple_GET_ITEM(key.get(), 0); }
    PyObject* qualname() const noexcept { return PyTuple_GET_ITEM(key.get(), 1); }
};

// Plans of an interpreter. Attached to it.
class ClassCache {
public:
    ClassCache() = default;
    ~ClassCache() { clear(); }
    ClassCache(const ClassCache&) = delete;
    ClassCache& operator=(const ClassCache&) = delete;

    // The plan for the class of `obj` in the value that `use` is the number of; borrowed until the next call of
    // anything. nullptr with an exception.
    ClassPlan* plan_of(Context& context, PyObject* obj, std::uint64_t use);
    // The plan that was last kept for a number, or nullptr; borrowed likewise.
    ClassPlan* numbered(std::uint64_t number) noexcept {
        return number < by_number_.size() ? by_number_[static_cast<std::size_t>(number)] : nullptr;
    }
    // False where memory failed.
    bool keep(std::uint64_t number, ClassPlan* plan) noexcept;

    std::uint64_t next_use() noexcept { return ++uses_; }
    // Forgets everything.
    void clear() noexcept;
    // Forgets what classes cross as, since register() was called.
    void forget_types() noexcept;

private:
    friend class ClassCaches;
    ClassCache* next_ = nullptr;                // among those that nobody uses
    std::uint64_t registrations_ = 0;           // the version of them that it has seen
    static constexpr std::size_t kTypes = 256;  // direct-mapped: of two that collide one is looked at again
    ClassPlan* by_type_[kTypes] = {};
    PodVector<ClassPlan*, 8> by_number_;
    std::uint64_t uses_ = 0;
};

// The caches of an interpreter. Attached to it.
class ClassCaches {
public:
    ClassCaches() = default;
    ~ClassCaches() { clear(); }
    ClassCaches(const ClassCaches&) = delete;
    ClassCaches& operator=(const ClassCaches&) = delete;

#ifdef Py_GIL_DISABLED
    // For one value; give it back. nullptr where memory failed.
    ClassCache* take() noexcept;
    void give_back(ClassCache& cache) noexcept;
    // To be called before each look at its types.
    void refresh(ClassCache& cache) noexcept {
        // Acquire pairs with the release in forget_types(): what was registered before is seen.
        const std::uint64_t now = registrations_.load(std::memory_order_acquire);
        if (cache.registrations_ == now) return;
        cache.registrations_ = now;
        cache.forget_types();
    }
    void forget_types() noexcept { registrations_.fetch_add(1, std::memory_order_release); }
    void clear() noexcept;

private:
    SpinLock lock_;  // protects free_ and what it leads to; a leaf
    ClassCache* free_ = nullptr;
    std::atomic<std::uint64_t> registrations_{0};
#else
    ClassCache* take() noexcept { return &only_; }
    static void give_back(ClassCache&) noexcept {}
    static void refresh(ClassCache&) noexcept {}
    void forget_types() noexcept { only_.forget_types(); }
    void clear() noexcept { only_.clear(); }

private:
    ClassCache only_;
#endif
};

// The classes in one value that is being encoded or decoded. Attached.
class ClassesInUse {
public:
    ClassesInUse() = default;
    ~ClassesInUse() {
        if (!held_.empty()) let_go();
        if (cache_) caches_->give_back(*cache_);
    }
    ClassesInUse(const ClassesInUse&) = delete;
    ClassesInUse& operator=(const ClassesInUse&) = delete;

    // The sender's question: how does `obj` cross? Borrowed from this object. nullptr with an exception, or
    // without one where its class is foreign. May run Python code.
    const ClassPlan* plan_of(Context& context, PyObject* obj);
    // The receiver's question: which class is it? Imports its module where nobody has. nullptr with an
    // exception: ModuleNotFoundError, AttributeError or TypeError that names the class. May run Python code.
    const ClassPlan* numbered(Context& context, std::uint64_t number, Way way);

private:
    bool begin(Context& context);
    bool hold(ClassPlan* plan);
    void let_go() noexcept;

    struct Held {
        ClassPlan* plan;     // strong
        PyTypeObject* type;  // strong, or nullptr
    };
    PodVector<Held, 4> held_;
    ClassCaches* caches_ = nullptr;
    ClassCache* cache_ = nullptr;
    std::uint64_t use_ = 0;
};

// class_kinds.cpp. A plan for a class by what the class is; nullptr with an exception. kForeign is an answer as
// well. `obj` is an instance that is to be sent; nullptr for a class that is to receive: then it counts only how
// an instance is made.
ClassPlan* make_plan(Context& context, PyTypeObject* type, PyObject* obj);
// For a class here whose attributes are not those of the sender's: with the sender's names.
ClassPlan* make_plan_with(PyTypeObject* type, const ClassName& name, std::uint32_t number);
// One that only names its class: for items of a registered class, which need not be there.
ClassPlan* make_named_plan(const ClassName& name, std::uint32_t number);

// The object that (module, path) stands for among the modules that are loaded: a new reference. nullptr with an
// exception, or without one where there is none.
PyObject* find_class(PyObject* module, PyObject* path);
// True where the class is in copyreg's table, so that pickle asks a function.
// -1 with an exception.
int in_copyreg(Context& context, PyTypeObject* type);

}  // namespace interpchannels
