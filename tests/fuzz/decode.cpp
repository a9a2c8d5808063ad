// The decoder on arbitrary bytes: it makes a value or raises, reads nothing beyond them, and allocates no more than a
// small multiple of them.
//
// The first byte says how many attachments the parcel has, the next ones which; the rest are the parcel's bytes, alone
// in an allocation of exactly their size. What the decoder would hand to pickle goes to a function that does nothing,
// for pickle's own bytes are code. Some classes have numbers, so that instances are reached.
#include <cstring>

#include "crossing/attachments.hpp"
#include "crossing/buffer.hpp"
#include "crossing/decoder.hpp"
#include "crossing/encoder.hpp"
#include "crossing/pickle.hpp"
#include "fuzz/embedded.hpp"

namespace interpchannels::fuzz {
namespace {

PyObject* use = nullptr;  // fuzz_samples.use

ModuleState& prepared() {
    static ModuleState* const ready = [] {
        ModuleState& state = started();
        const PyRef samples(must(PyImport_ImportModule("fuzz_samples")));
        // Numbers the classes, and makes the plans of the receiving side.
        const PyRef values(must(PyObject_GetAttrString(samples.get(), "VALUES")));
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(values.get()); ++i) {
            Outgoing out;
            Scratch scratch;
            CrossingMode mode;
            mode.pickle = false;
            if (encode(state, PyList_GET_ITEM(values.get(), i), mode, out, scratch) < 0) must(nullptr);
            PyRef decoded(must(decode(state, out.parcel)));
        }
        state.pickle_loads = must(PyObject_GetAttrString(samples.get(), "loads"));
        use = must(PyObject_GetAttrString(samples.get(), "use"));
        return &state;
    }();
    return *ready;
}

Attachment* attachment(ModuleState& state, std::uint8_t kind) {
    switch (kind % 4) {
    case 0:
        return BufferMemory::make(kind);
    case 1: {
        static PyObject* const lent = must(PyBytes_FromStringAndSize(nullptr, 64));
        return Loan::make(*state.interpreter, lent, PyBytes_AS_STRING(lent), 64);
    }
    default: {
        Block* const block = Block::make(kind);
        if (block) std::memset(block->data(), kind, block->size());
        return block;
    }
    }
}

void decode_one(Input& in) {
    ModuleState& state = prepared();
    Parcel parcel;
    std::size_t attached = 0;
    Attachment** last = &parcel.attachments;
    for (unsigned i = in.below(5); i > 0; --i) {
        const std::uint8_t kind = in.byte();
        *last = attachment(state, kind);
        EXPECT(*last);
        last = &(*last)->next;
        attached += 256;
    }
    parcel.size = in.left();
    parcel.heap = static_cast<std::byte*>(std::malloc(parcel.size ? parcel.size : 1));
    if (parcel.size) std::memcpy(parcel.heap, in.take(parcel.size), parcel.size);
    parcel.data = parcel.heap;
    PyRef value;
    {
        // An empty dict or set is a byte or two, and some 500 bytes of memory. The table of interned names may grow at
        // any name, whatever this input is: some 400 KB.
        const Allowance allowance((1 << 20) + 512 * (parcel.size + attached));
        value = PyRef(decode(state, parcel));
        EXPECT((value.get() == nullptr) == (PyErr_Occurred() != nullptr));
        PyErr_Clear();
    }
    // What was made can be used.
    if (value) const PyRef used(must(PyObject_CallOneArg(use, value.get())));
    value = PyRef();
    parcel.reset();
    state.interpreter->drain();
    collect_sometimes();
}

}  // namespace
}  // namespace interpchannels::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace interpchannels::fuzz;
    Input in(data, size);
    decode_one(in);
    return 0;
}
