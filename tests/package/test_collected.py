"""The garbage collector sees that an object keeps its type, and so all that an interpreter has of ours.

Where it does not, one such object in the globals of a class that was registered keeps the whole interpreter's memory.
"""

import gc
import sys

import pytest

import interpchannels
from interpchannels import _interpchannels as drop_in
from support import create_interpreter, destroy_interpreter, run_in


def received_memory():
    recv, send = interpchannels.create()
    send.send(memoryview(b"x" * 100))
    return recv.recv().obj


def reactor():
    return drop_in._make_reactor()


KINDS = {
    "RecvChannel": lambda: interpchannels.create()[0],
    "SendChannel": lambda: interpchannels.create()[1],
    "Buffer": lambda: interpchannels.Buffer(10),
    "memory": received_memory,
    "ChannelID": lambda: drop_in.create(3),
    "reactor": reactor,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_type_is_seen(kind):
    made = KINDS[kind]()
    assert gc.is_tracked(made)
    assert type(made) in gc.get_referents(made)


IN_GLOBALS = {
    "ends": "kept = interpchannels.create()",
    "Buffer": "kept = interpchannels.Buffer(10)",
    "memory": "recv, send = interpchannels.create(); send.send(memoryview(b'x' * 100)); kept = recv.recv()",
    "Queue": "kept = interpchannels.Queue()",
    "ChannelID": "from interpchannels import _interpchannels; kept = _interpchannels.create(3)",
}


@pytest.mark.skipif(not hasattr(sys, "gettotalrefcount"), reason="a debug build counts")
@pytest.mark.parametrize("kind", IN_GLOBALS)
def test_nothing_of_an_ended_interpreter_is_left(kind):
    def growth(code):
        def count():
            for _ in range(3):
                gc.collect()
            return sys.gettotalrefcount()

        before = count()
        interp = create_interpreter()
        run_in(interp, code)
        destroy_interpreter(interp)
        return count() - before

    start = """
import interpchannels
class Registered:
    def __init__(self): pass
interpchannels.register(Registered, lambda it: (), lambda parts: Registered())
"""
    for code in (start, start + IN_GLOBALS[kind]):
        growth(code)
        assert min(growth(code) for _ in range(2)) < 60
