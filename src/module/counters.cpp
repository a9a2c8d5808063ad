// The counters: of one channel (`end.stats()`), and of the process (`stats()`).
//
// Nothing is counted for them alone. A channel's figures are those that the queue and the lines of waiters need
// anyway, or that one writer at a time adds up with a plain store; the process's are their sums, made when they are
// asked for. So they are always on. Exact at rest; in motion each figure is one that was true a moment ago.
#include "channel/tables.hpp"
#include "crossing/buffer.hpp"
#include "module/ends.hpp"

namespace interpchannels {
namespace {

PyStructSequence_Field channel_fields[] = {
    {"sent", "items that a send delivered"},
    {"received", "items that were received or dropped"},
    {"queued", "items queued now"},
    {"bytes", "payload bytes of the items sent"},
    {"waiting_senders", "senders that wait now"},
    {"waiting_receivers", "receivers that wait now"},
    {"open_senders", "sending handles, in all interpreters and in queued items"},
    {"open_receivers", "receiving handles, likewise"},
    {nullptr, nullptr},
};
PyStructSequence_Desc channel_desc = {"interpchannels.ChannelStats",
                                      "The counters of a channel: what stats() of its ends returns.\n\n"
                                      ">>> recv, send = interpchannels.create()\n"
                                      ">>> send.stats().open_senders\n"
                                      "1",
                                      channel_fields, 8};

PyStructSequence_Field process_fields[] = {
    {"channels", "channels that create() made and that something still refers to"},
    {"open_senders", "their sending handles, in all interpreters and in queued items"},
    {"open_receivers", "their receiving handles, likewise"},
    {"queued", "items queued now"},
    {"queued_bytes", "payload bytes of these, what they lend included"},
    {"waiting_senders", "senders that wait now"},
    {"waiting_receivers", "receivers that wait now"},
    {"loans", "objects lent to items on their way, or not yet taken back by their interpreter"},
    {"buffers", "Buffers that have memory, here or on their way"},
    {nullptr, nullptr},
};
PyStructSequence_Desc process_desc = {"interpchannels.ProcessStats",
                                      "The counters of the process: what stats() returns.\n\n"
                                      ">>> interpchannels.stats().queued\n"
                                      "0",
                                      process_fields, 9};

// A new reference; nullptr with an exception set.
template <std::size_t kCount>
PyObject* filled(PyTypeObject* type, const std::uint64_t (&values)[kCount]) {
    PyRef self(PyStructSequence_New(type));
    if (!self) return nullptr;
    Py_ssize_t i = 0;
    for (const std::uint64_t value : values) {
        PyObject* const number = PyLong_FromUnsignedLongLong(value);
        if (!number) return nullptr;
        PyStructSequence_SetItem(self.get(), i++, number);
    }
    return self.release();
}

std::uint64_t open(const CountedChannel& channel, Direction direction) noexcept {
    return static_cast<std::uint64_t>(channel.open(direction));
}

}  // namespace

int add_stats_types(PyObject* module, ModuleState& state) {
    state.stats_type = PyStructSequence_NewType(&channel_desc);
    if (!state.stats_type || PyModule_AddType(module, state.stats_type) < 0) return -1;
    state.process_stats_type = PyStructSequence_NewType(&process_desc);
    return state.process_stats_type ? PyModule_AddType(module, state.process_stats_type) : -1;
}

PyObject* end_stats(PyObject* self, PyObject*) {
    const CountedChannel& channel = self_of(self).handle.channel();
    const ChannelStats s = channel.stats();
    return filled(self_of(self).state->stats_type,
                  {s.sent, s.received, s.queued, s.bytes, s.waiting_senders, s.waiting_receivers,
                   open(channel, Direction::kSend), open(channel, Direction::kRecv)});
}

// Attached; detaches for the table. A new reference.
PyObject* process_stats(PyObject* module, PyObject*) {
    std::ptrdiff_t count = 0;
    ChannelStats sum;
    std::uint64_t senders = 0;
    std::uint64_t receivers = 0;
    detached([&] {
        Ref<CountedChannel>* const list = package_table().list(count);
        for (std::ptrdiff_t i = 0; i < count; ++i) {
            const ChannelStats s = list[i]->stats();
            sum.queued += s.queued;
            sum.queued_bytes += s.queued_bytes;
            sum.waiting_senders += s.waiting_senders;
            sum.waiting_receivers += s.waiting_receivers;
            senders += open(*list[i], Direction::kSend);
            receivers += open(*list[i], Direction::kRecv);
        }
        package_table().free_list(list, count);
    });
    if (count < 0) return PyErr_NoMemory();
    return filled(state_of(module)->process_stats_type,
                  {static_cast<std::uint64_t>(count), senders, receivers, sum.queued, sum.queued_bytes,
                   sum.waiting_senders, sum.waiting_receivers,
                   static_cast<std::uint64_t>(Interpreter::outstanding_loans()),
                   static_cast<std::uint64_t>(BufferMemory::live())});
}

}  // namespace interpchannels
