"""Objects for test_hard_input.py that do something while they are sent, received or dropped; other interpreters import
this too."""

import interpchannels


def measure(recv, send):
    for value in recv:
        send.send((type(value).__name__, len(value), value[:1], value[-1:]))
        return


def made():
    return "made"


class Calls:
    """Calls a function of its own while it is pickled, and arrives as "made"."""

    def __init__(self, function):
        self._function = function

    def __reduce__(self):
        self._function()
        return made, ()


def rebuilt(item, send):
    send.send(item)
    return "rebuilt"


class Rebuilds:
    """Sends its item where it is received."""

    def __init__(self, item, send):
        self._parts = (item, send)

    def __reduce__(self):
        return rebuilt, self._parts


def fails():
    raise ZeroDivisionError("no")


class RebuildFails:
    def __reduce__(self):
        return fails, ()


class Key:
    """Calls `hook` when it is compared, or hashed; all have one hash."""

    hook = None

    def __init__(self, number, what):
        self.number = number
        self.what = what

    def _call(self, what):
        if self.what == what and Key.hook is not None:
            Key.hook()

    def __eq__(self, other):
        self._call("__eq__")
        return self.number == other.number

    def __hash__(self):
        # While it is unpickled it has no attributes yet, or not all.
        if getattr(self, "what", None):
            self._call("__hash__")
        return 1


class Dies:
    """Sends its text when the copy that was received goes."""

    def __init__(self, text, send):
        self.text = text
        self.send = send
        self.copy = False

    def __getstate__(self):
        return {"text": self.text, "send": self.send, "copy": True}

    def __del__(self):
        if self.copy:
            try:
                self.send.send(self.text)
            except interpchannels.ChannelClosedError:
                pass


class Exporter:
    """Memory whose release calls a function, once."""

    def __init__(self, function):
        self._function = function

    def __buffer__(self, flags):
        return memoryview(b"exported")

    def __release_buffer__(self, view):
        view.release()
        function, self._function = self._function, None
        if function is not None:
            function()
