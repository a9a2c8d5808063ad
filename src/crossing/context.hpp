// What the crossing needs to know of the interpreter that it works in: its types, errors and token.
//
// One per interpreter, inside the module's state; the module fills it, and the hooks are how the crossing
// makes and reads objects whose types live above it.
//
// What is set later than the module's execution any thread may be setting: it is read with seen().
#pragma once

#include "channel/associated_ends.hpp"
#include "channel/counted_ends.hpp"
#include "crossing/classes.hpp"
#include "crossing/shapes.hpp"
#include "interpreter/interpreter.hpp"
#include "interpreter/python.hpp"

namespace interpchannels {

// What a ChannelID says.
struct ChannelIdParts {
    Ref<AssociatedChannel> channel;  // empty where it was forced onto an id without a channel
    std::int64_t cid = -1;
    int end = 0;  // 1 send, -1 recv, 0 both
    bool resolve = false;
};

struct Context {
    Interpreter* interpreter = nullptr;
    PyTypeObject* recv_type = nullptr;
    PyTypeObject* send_type = nullptr;
    PyTypeObject* channel_id_type = nullptr;
    PyTypeObject* queue_type = nullptr;  // the package's Queue, once that is imported
    PyTypeObject* memory_type = nullptr;
    PyTypeObject* buffer_type = nullptr;
    PyObject* not_shareable_error = nullptr;
    PyObject* channel_closed_error = nullptr;
    PyObject* item_destroyed_error = nullptr;  // ItemInterpreterDestroyed
    PyObject* pickler_type = nullptr;          // made on first use
    PyObject* pickle_loads = nullptr;
    PyObject* load_attachment = nullptr;  // the functions that our pickles name
    PyObject* load_registered = nullptr;
    PyObject* copyreg_table = nullptr;  // on first use
    // {(module, qualname): (cls, to_shareable, from_shareable)}; made on first use
    PyObject* registrations = nullptr;
    ClassCaches classes;
    ShapeCache shapes;

    // Hooks, all attached to this interpreter.
    EndHandle& (*end_handle)(PyObject* end) = nullptr;
    // Takes over one count. A new reference, or nullptr with an exception and the count dropped.
    PyObject* (*make_end)(Context&, Ref<CountedChannel>, Direction) = nullptr;
    // A Queue's two ends, of one channel. False with an exception set.
    bool (*queue_ends)(Context&, PyObject* queue, PyRef& recv, PyRef& send) = nullptr;
    // A new reference; imports the package where nobody has yet.
    PyObject* (*make_queue)(Context&, PyObject* recv, PyObject* send) = nullptr;
    ChannelIdParts (*read_channel_id)(PyObject* id) = nullptr;
    // Takes over one id count where the parts have a channel; as above.
    PyObject* (*make_channel_id)(Context&, ChannelIdParts) = nullptr;
};

}  // namespace interpchannels
