// A value through the encoder and the decoder, against what pickle makes of it.
//
// The bytes build a value: a list of nodes, each a leaf or a container or an object whose parts are earlier nodes (so
// parts are shared), and then edges from what can change to any node (so there are cycles). What arrives must be the
// same graph as what pickle makes of it, or, where pickle cannot (memoryviews, some cycles), as the value itself:
// tests/crossing/value_graph.py compares types, contents, sharing and cycles.
#include <cstring>
#include <vector>

#include "crossing/decoder.hpp"
#include "crossing/encoder.hpp"
#include "crossing/pickle.hpp"
#include "fuzz/embedded.hpp"
#include "interpreter/cpython_private.hpp"

namespace interpchannels::fuzz {
namespace {

struct Samples {
    PyRef classes, pickled, difference, pair, frozen, colours;
};
Samples& samples() {
    static auto* const made = [] {
        const PyRef module(must(PyImport_ImportModule("fuzz_samples")));
        const auto named = [&](const char* name) {
            return PyRef(must(PyObject_GetAttrString(module.get(), name)));
        };
        const PyRef colour = named("Colour");
        return new Samples{named("CLASSES"), named("pickled"), named("difference"),
                           named("Pair"),    named("Frozen"),  PyRef(must(PySequence_List(colour.get())))};
    }();
    return *made;
}

class Builder {
public:
    explicit Builder(Input& in) : in_(in) {}

    PyRef value() {
        const unsigned count = in_.below(24) + 1;
        for (unsigned i = 0; i < count && !in_.empty(); ++i) add();
        if (nodes_.empty()) return PyRef::borrow(Py_None);
        for (unsigned i = in_.below(4); i > 0; --i) edge();
        return PyRef(Py_NewRef(nodes_.back().obj.get()));
    }
    bool has_memoryview() const { return has_memoryview_; }

private:
    struct Node {
        PyRef obj;
        bool key;     // may be hashed, and compared with others of a set
        bool object;  // there is an instance in it: two such in a set could not be told apart
    };

    const Node& any() { return nodes_[in_.below(static_cast<unsigned>(nodes_.size()))]; }
    void keep(PyObject* made, bool key, bool object = false) {
        nodes_.push_back({PyRef(must(made)), key, object});
    }

    // Any bytes of the input, or a run of one.
    std::vector<std::uint8_t> some_bytes() {
        const std::uint8_t how = in_.byte();
        if (how < 240) {
            const std::size_t n = std::min<std::size_t>(how % 48, in_.left());
            const std::uint8_t* const from = in_.take(n);
            return {from, from + n};
        }
        static constexpr std::size_t kLong[] = {255,  256,    8191,
                                                8192, 70'000, 300'000};  // in place, heap, loan
        return std::vector<std::uint8_t>(kLong[how % 6], in_.byte());
    }

    void add() {
        switch (in_.below(20)) {
        case 0: {
            static PyObject* const constants[] = {Py_None, Py_True, Py_False, Py_Ellipsis,
                                                  Py_NotImplemented};
            return keep(Py_NewRef(constants[in_.below(5)]), true);
        }
        case 1:
            return keep(PyLong_FromLong(static_cast<std::int8_t>(in_.byte())), true);
        case 2: {
            auto bytes = some_bytes();
            bytes.push_back(0);
            return keep(cpython::int_from_bytes(bytes.data(), static_cast<Py_ssize_t>(std::min<std::size_t>(
                                                                  bytes.size(), 300))),
                        true);
        }
        case 3: {
            double number = 0;
            const std::size_t n = std::min(sizeof number, in_.left());
            std::memcpy(&number, in_.take(n), n);
            return keep(PyFloat_FromDouble(number), number == number);
        }
        case 4:
            return keep(PyComplex_FromDoubles(in_.byte() / 4.0, -in_.byte() / 4.0), true);
        case 5:
        case 6:
        case 7:
            return text();
        case 8:
        case 9: {
            const auto bytes = some_bytes();
            const auto* const at = reinterpret_cast<const char*>(bytes.data());
            const auto size = static_cast<Py_ssize_t>(bytes.size());
            switch (in_.below(4)) {
            case 0:
                return keep(PyByteArray_FromStringAndSize(at, size), false);
            case 1: {
                has_memoryview_ = true;
                const PyRef over(must(PyBytes_FromStringAndSize(at, size)));
                return keep(PyMemoryView_FromObject(over.get()), false);
            }
            default:
                return keep(PyBytes_FromStringAndSize(at, size), true);
            }
        }
        case 10:
        case 11:
            return sequence(false);
        case 12:
        case 13:
            return sequence(true);
        case 14:
            return dict();
        case 15:
            return set();
        case 16: {
            if (nodes_.empty()) return;
            const Node &a = any(), &b = any(), &c = any();
            return keep(PySlice_New(a.obj.get(), b.obj.get(), c.obj.get()), false,
                        a.object || b.object || c.object);
        }
        case 17: {
            const long start = in_.byte(), stop = in_.byte();
            return keep(PyObject_CallFunction(reinterpret_cast<PyObject*>(&PyRange_Type), "lll", start,
                                              stop, 1L + in_.byte() % 7),
                        true);
        }
        default:
            return object();
        }
    }

    void text() {
        const auto bytes = some_bytes();
        const unsigned kind = in_.below(4);
        std::vector<Py_UCS4> characters;
        for (const std::uint8_t b : bytes) {
            // ASCII, Latin-1, the basic plane with its surrogates, all planes.
            static constexpr Py_UCS4 kTimes[] = {0, 1, 257, 4369};
            characters.push_back(kind == 0 ? b & 0x7F : b * kTimes[kind]);
        }
        keep(PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, characters.data(),
                                       static_cast<Py_ssize_t>(characters.size())),
             true);
    }
    void sequence(bool tuple) {
        const unsigned count = nodes_.empty() ? 0 : in_.below(6);
        PyRef list(must(PyList_New(0)));
        bool key = tuple, object = false;
        for (unsigned i = 0; i < count; ++i) {
            const Node& node = any();
            key = key && node.key;
            object = object || node.object;
            must(PyList_Append(list.get(), node.obj.get()) == 0 ? Py_None : nullptr);
        }
        keep(tuple ? PyList_AsTuple(list.get()) : list.release(), key, object);
    }
    void dict() {
        const PyRef made(must(PyDict_New()));
        for (unsigned i = nodes_.empty() ? 0 : in_.below(5); i > 0; --i) {
            const Node &key = any(), &item = any();
            if (!key.key) continue;
            must(PyDict_SetItem(made.get(), key.obj.get(), item.obj.get()) == 0 ? Py_None : nullptr);
        }
        keep(Py_NewRef(made.get()), false);
    }
    void set() {
        const bool frozen = in_.byte() & 1;
        const PyRef list(must(PyList_New(0)));
        bool object = false;
        for (unsigned i = nodes_.empty() ? 0 : in_.below(5); i > 0; --i) {
            const Node& node = any();
            if (!node.key || (node.object && object)) continue;
            object = object || node.object;
            must(PyList_Append(list.get(), node.obj.get()) == 0 ? Py_None : nullptr);
        }
        keep(frozen ? PyFrozenSet_New(list.get()) : PySet_New(list.get()), frozen, object);
    }
    void object() {
        Samples& all = samples();
        const PyRef part(nodes_.empty() ? Py_NewRef(Py_None) : Py_NewRef(any().obj.get()));
        switch (in_.below(8)) {
        case 0:
            return keep(Py_NewRef(PyList_GET_ITEM(all.colours.get(), in_.below(2))), true);
        case 1:
            return keep(PyObject_CallFunctionObjArgs(all.pair.get(), part.get(), part.get(), nullptr),
                        false, true);
        case 2:
            return keep(PyObject_CallOneArg(all.frozen.get(), part.get()), false, true);
        default: {
            const unsigned which = in_.below(4);
            return keep(PyObject_CallNoArgs(PyList_GET_ITEM(all.classes.get(), which)),
                        which == 0 || which == 3, true);
        }
        }
    }
    // An object's attribute, an entry of a dict or list, becomes any node.
    void edge() {
        PyObject* const from = any().obj.get();
        PyObject* const to = any().obj.get();
        if (PyList_CheckExact(from)) {
            must(PyList_Append(from, to) == 0 ? Py_None : nullptr);
        } else if (PyDict_CheckExact(from)) {
            must(PyDict_SetItemString(from, "edge", to) == 0 ? Py_None : nullptr);
        } else {
            static const char* const names[] = {"x", "y", "a", "b", "p", "q"};
            if (PyObject_SetAttrString(from, names[in_.below(6)], to) < 0)
                PyErr_Clear();  // it has no such thing
        }
    }

    Input& in_;
    std::vector<Node> nodes_;
    bool has_memoryview_ = false;
};

void compare(PyObject* expected, PyObject* actual) {
    const PyRef found(
        must(PyObject_CallFunctionObjArgs(samples().difference.get(), expected, actual, nullptr)));
    if (found.get() == Py_None) return;
    const PyRef value(PyObject_ASCII(expected));
    PyErr_Clear();
    std::fprintf(stderr, "%s\nof %.2000s\n", PyUnicode_AsUTF8(found.get()),
                 value ? PyUnicode_AsUTF8(value.get()) : "a value");
    std::abort();
}

void round_trip(Input& in) {
    ModuleState& state = started();
    samples();
    Builder builder(in);
    const PyRef value = builder.value();
    const PyRef expected(PyObject_CallOneArg(samples().pickled.get(), value.get()));
    PyErr_Clear();

    Scratch scratch;
    Outgoing out;
    if (encode(state, value.get(), CrossingMode{}, out, scratch) < 0) {
        // What contains itself by way of something that is made from its parts; and then what pickle cannot either.
        const bool known = PyErr_ExceptionMatches(PyExc_RecursionError) || !expected;
        if (!known) must(nullptr);
        PyErr_Clear();
    } else {
        const PyRef actual(decode(state, out.parcel));
        if (actual) {
            if (expected) compare(expected.get(), actual.get());
            if (!expected || builder.has_memoryview()) compare(value.get(), actual.get());
            EXPECT(out.parcel.attachments == nullptr);
        } else {
            if (expected) must(nullptr);
            PyErr_Clear();
        }
    }
    out.reset();
    state.interpreter->drain();
    EXPECT(Interpreter::outstanding_loans() == 0);
    collect_sometimes();
}

}  // namespace
}  // namespace interpchannels::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace interpchannels::fuzz;
    Input in(data, size);
    round_trip(in);
    return 0;
}
