// The error classes: one set for each interpreter, siblings under ChannelError, each also what users of
// `queue` and of CPython's interpreters catch.
#include "module/state.hpp"

namespace interpchannels {
namespace {

// A class `name` under ChannelError and, where it is not null, `second` (stolen).
PyObject* error_class(PyObject* module, ModuleState& state, const char* name, const char* doc,
                      PyObject* second) {
    const PyRef other(second);
    const PyRef bases(second ? PyTuple_Pack(2, state.channel_error, second)
                             : PyTuple_Pack(1, state.channel_error));
    if (!bases) return nullptr;
    const PyRef full(PyUnicode_FromFormat("interpchannels.%s", name));
    const char* const text = full ? PyUnicode_AsUTF8(full.get()) : nullptr;
    if (!text) return nullptr;
    PyRef made(PyErr_NewExceptionWithDoc(text, doc, bases.get(), nullptr));
    if (!made || PyModule_AddObjectRef(module, name, made.get()) < 0) return nullptr;
    return made.release();
}

// module.name, or nullptr without an exception where it does not have it.
PyObject* optional(const char* module, const char* name) {
    const PyRef imported(PyImport_ImportModule(module));
    PyObject* const found = imported ? PyObject_GetAttrString(imported.get(), name) : nullptr;
    if (!found &&
        (PyErr_ExceptionMatches(PyExc_AttributeError) || PyErr_ExceptionMatches(PyExc_ImportError))) {
        PyErr_Clear();
    }
    return found;
}

}  // namespace

int add_errors(PyObject* module, ModuleState& state) {
    state.channel_error = PyErr_NewExceptionWithDoc(
        "interpchannels.ChannelError",
        "An operation on a channel failed: what all errors of channels have in common.\n\n"
        ">>> recv, send = interpchannels.create()\n"
        ">>> try:\n"
        "...     recv.recv_nowait()\n"
        "... except interpchannels.ChannelError as error:\n"
        "...     print(type(error).__name__)\n"
        "ChannelEmptyError",
        PyExc_RuntimeError, nullptr);
    if (!state.channel_error || PyModule_AddObjectRef(module, "ChannelError", state.channel_error) < 0) {
        return -1;
    }
    const PyRef queue(PyImport_ImportModule("queue"));
    if (!queue) return -1;
    PyObject* const empty = PyObject_GetAttrString(queue.get(), "Empty");
    PyObject* const full = empty ? PyObject_GetAttrString(queue.get(), "Full") : nullptr;
    if (!full) {
        Py_XDECREF(empty);
        return -1;
    }
    PyObject* shut_down = optional("queue", "ShutDown");  // 3.13 and newer
    if (!shut_down && PyErr_Occurred()) return -1;
    PyObject* not_shareable = optional("_interpreters", "NotShareableError");
    if (!not_shareable) {
        if (PyErr_Occurred()) return -1;
        not_shareable = Py_NewRef(PyExc_ValueError);
    }

    const auto add = [&](PyObject*& slot, const char* name, const char* doc, PyObject* second) {
        slot = error_class(module, state, name, doc, second);
        return slot != nullptr;
    };
    const bool added =
        add(state.not_found_error, "ChannelNotFoundError",
            "There is no such channel: of the drop-in, whose channels are named by their ids.\n\n"
            ">>> interpchannels._interpchannels.get_count(2**40)\n"
            "Traceback (most recent call last):\n"
            "...\n"
            "interpchannels.ChannelNotFoundError: channel 1099511627776 not found",
            nullptr) &&
        add(state.not_empty_error, "ChannelNotEmptyError",
            "A channel of the drop-in may not be closed while it holds items.\n\n"
            ">>> channel = interpchannels._interpchannels.create(3)\n"
            ">>> interpchannels._interpchannels.send(channel, 'item', blocking=False)\n"
            ">>> interpchannels._interpchannels.close(channel, recv=True)\n"
            "Traceback (most recent call last):\n"
            "...\n"
            "interpchannels.ChannelNotEmptyError: channel ...\n"
            ">>> interpchannels._interpchannels.destroy(channel)",
            nullptr) &&
        add(state.item_destroyed_error, "ItemInterpreterDestroyed",
            "The interpreter that sent the item has ended, and the item with it.\n\n"
            ">>> recv, send = interpchannels.create(unbounditems=interpchannels.UNBOUND_ERROR)\n"
            ">>> interpchannels.spawn(send.send, 'item').join()\n"
            ">>> recv.recv()\n"
            "Traceback (most recent call last):\n"
            "...\n"
            "interpchannels.ItemInterpreterDestroyed: the interpreter that sent this item to channel ... "
            "has ended, and the item with it",
            nullptr);
    if (!added) {
        Py_DECREF(empty);
        Py_DECREF(full);
        Py_XDECREF(shut_down);
        Py_DECREF(not_shareable);
        return -1;
    }
    // Each steals its second base, whether it succeeds or not.
    const bool first = add(state.empty_error, "ChannelEmptyError",
                           "There is no item to receive now. Also a queue.Empty.\n\n"
                           ">>> recv, send = interpchannels.create()\n"
                           ">>> recv.recv_nowait()\n"
                           "Traceback (most recent call last):\n"
                           "...\n"
                           "interpchannels.ChannelEmptyError: channel ... is empty: use recv(), which "
                           "waits, or pass a default",
                           empty);
    const bool second = add(state.full_error, "ChannelFullError",
                            "There is no place for an item now. Also a queue.Full.\n\n"
                            ">>> recv, send = interpchannels.create(capacity=0)\n"
                            ">>> send.send_nowait(1)\n"
                            "Traceback (most recent call last):\n"
                            "...\n"
                            "interpchannels.ChannelFullError: no receiver is waiting on channel ... "
                            "(capacity 0): use send(), which waits for one",
                            full);
    const bool third = add(
        state.channel_closed_error, "ChannelClosedError",
        "The channel, or the handle, is closed for this operation. Also a queue.ShutDown, from 3.13 on.\n\n"
        ">>> recv, send = interpchannels.create()\n"
        ">>> send.close()\n"
        ">>> recv.recv()\n"
        "Traceback (most recent call last):\n"
        "...\n"
        "interpchannels.ChannelClosedError: cannot recv from channel ...: it is closed and drained; stop "
        "receiving",
        shut_down);
    const bool fourth = add(state.not_shareable_error, "NotShareableError",
                            "The value, or a part of it, cannot cross to another interpreter.\n\n"
                            ">>> import threading\n"
                            ">>> recv, send = interpchannels.create()\n"
                            ">>> send.send({'a': [1, threading.Lock()]})\n"
                            "Traceback (most recent call last):\n"
                            "...\n"
                            "interpchannels.NotShareableError: cannot send item['a'][1]: _thread.lock "
                            "object cannot cross between ...",
                            not_shareable);
    return first && second && third && fourth ? 0 : -1;
}

}  // namespace interpchannels
