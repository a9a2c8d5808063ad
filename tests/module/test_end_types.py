"""_register_end_types: objects of these two types cross as ends, by their `_id`."""

import sys

import pytest
from dropin import HAS_FALLBACK, NO_FALLBACK, PRELUDE, c, cpython_fault, create, get, put

from support import run_in, run_script

ENDS = """
class End:
    def __init__(self, cid):
        self._id = cid

class Send(End):
    pass

class Recv(End):
    pass

c._register_end_types(Send, Recv)
"""

MESSAGE = "'_id' attribute must be an _interpchannels.ChannelID object, not {}"


def make_types():
    namespace = {"c": c}
    exec(ENDS, namespace)
    return namespace["Send"], namespace["Recv"]


# Registering ----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [1, None, "Send", object()])
def test_only_types(value):
    with pytest.raises(TypeError, match=r"^expected a type for 'send'$"):
        c._register_end_types(value, int)
    with pytest.raises(TypeError, match=r"^expected a type for 'recv'$"):
        c._register_end_types(type("Send", (), {}), value)
    with pytest.raises(TypeError, match=r"^expected a type for 'send'$"):
        c._register_end_types(value, value)


def test_two_types():
    with pytest.raises(TypeError):
        c._register_end_types()
    with pytest.raises(TypeError):
        c._register_end_types(type("Send", (), {}))
    c._register_end_types(send=type("Send", (), {}), recv=type("Recv", (), {}))


def test_again():
    for _ in range(3):
        send, recv = make_types()
        c._register_end_types(send, recv)
        c._register_end_types(recv, send)
        c._register_end_types(send, recv)
        cid = create()
        put(cid, send(cid.send))
        assert type(get(cid)) is send


def test_registered_types_go_with_their_interpreter(interpreter):
    run_in(interpreter, "from dropin import *\n" + ENDS)
    cid = create()
    run_in(
        interpreter,
        f"put({int(cid)}, Send(c._channel_id({int(cid)}, send=True))); get({int(cid)})",
    )


# Crossing -------------------------------------------------------------------------------------


def test_arrives_as_the_type_of_its_end():
    send, recv = make_types()
    cid = create()
    put(cid, send(cid.send))
    put(cid, recv(cid.recv))
    first, second = get(cid), get(cid)
    assert (type(first), type(second)) == (send, recv)
    assert first._id == cid.send
    assert second._id == cid.recv
    assert first._id is not cid.send


def test_arrives_as_the_other_interpreters_type(interpreter):
    """Each interpreter has types of its own."""
    send, recv = make_types()
    cid = create()
    run_in(interpreter, "from dropin import *\n" + ENDS)
    run_in(
        interpreter,
        """
        assert type(end) is Send and type(end._id) is c.ChannelID and end._id.end == "send"
        put(end._id, Recv(end._id.recv))
        """,
        {"end": send(cid.send)},
    )
    arrived = get(cid)
    assert type(arrived) is recv
    assert arrived._id == cid.recv


def test_inside_a_tuple():
    send, recv = make_types()
    cid = create()
    put(cid, (1, (send(cid.send), recv(cid.recv))))
    number, (first, second) = get(cid)
    assert (number, type(first), type(second)) == (1, send, recv)


def test_keeps_its_channel_alive():
    send, _ = make_types()
    carrier, carried = create(), create()
    number = int(carried)
    put(carrier, send(carried.send))
    del carried
    assert c.get_count(number) == 0
    arrived = get(carrier)
    assert c.get_count(number) == 0
    del arrived
    with pytest.raises(c.ChannelNotFoundError):
        c.get_count(number)


def test_a_type_that_fails_to_arrive():
    """What its type raises reaches the receiver, and the channel goes on."""

    class Send:
        def __init__(self, cid):
            if working:
                self._id = cid
            else:
                raise ZeroDivisionError

    working = True
    c._register_end_types(Send, type("Recv", (), {}))
    cid = create()
    put(cid, Send(cid.send))
    put(cid, "next")
    working = False
    with pytest.raises(ZeroDivisionError):
        c.recv(cid)
    assert get(cid) == "next"


# An `_id` that is none ------------------------------------------------------------------------

VALUES = ["object()", "5", "None", "'spam'", "2**80", "Send(cid)", "End"]


@cpython_fault("it takes the memory of any object for a ChannelID", fixed=(3, 14))
@pytest.mark.parametrize("value", VALUES)
def test_id_that_is_no_channel_id(value):
    """CPython 3.13 takes any object's memory for a ChannelID; 3.14.10 raises this TypeError.

    From 3.14 on that is the cause of a NotShareableError, or the object is pickled, as for any other type.
    """
    script = PRELUDE + "cid = create()\n" + ENDS
    if HAS_FALLBACK:
        script += (
            f"send = lambda: c.send(cid, Send({value}), REPLACE, {NO_FALLBACK}, blocking=False)"
        )
    else:
        script += f"send = lambda: put(cid, Send({value}))"
    script += """
try:
    send()
except (TypeError, ValueError) as exc:
    chain = [exc]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    message = MESSAGE.format(type(VALUE).__name__)
    assert any(type(one) is TypeError and message in str(one) for one in chain), chain
else:
    raise AssertionError("it went")
assert c.get_count(cid) == 0
put(cid, 1)
assert get(cid) == 1
""".replace("MESSAGE", repr(MESSAGE)).replace("VALUE", value)
    run_script(script)


@pytest.mark.skipif(not HAS_FALLBACK, reason="3.14 brought the fallback")
def test_id_that_is_no_channel_id_with_the_fallback():
    run_script(
        PRELUDE
        + "cid = create()\n"
        + ENDS
        + """
put(cid, Send(5))
arrived = get(cid)
assert type(arrived) is Send and arrived._id == 5
"""
    )


@pytest.mark.parametrize("ends", ["", "del end._id"])
def test_no_id_at_all(ends):
    run_script(
        PRELUDE
        + "cid = create()\n"
        + ENDS
        + """
end = Send.__new__(Send)
args = (0,) if HAS_FALLBACK else ()
try:
    c.send(cid, end, REPLACE, *args, blocking=False)
except (AttributeError, TypeError, ValueError):
    pass
else:
    raise AssertionError("it went")
assert c.get_count(cid) == 0
"""
    )


@pytest.mark.skipif(sys.version_info < (3, 13), reason="3.12 has another interface")
def test_id_that_is_no_channel_id_shared_with_exec():
    run_script(
        PRELUDE
        + "cid = create()\n"
        + ENDS
        + """
import _interpreters
interp = create_interpreter()
try:
    _interpreters.exec(interp, "", {"end": Send(object())})
except (TypeError, ValueError):
    pass
else:
    raise AssertionError("it went")
destroy_interpreter(interp)
"""
    )


# _resolve -------------------------------------------------------------------------------------


def test_resolve_makes_an_end_of_an_id(interpreter):
    """An id made with `_resolve` arrives as an end, where it has one and the other side has the types."""
    run_in(interpreter, "from dropin import *\n" + ENDS)
    cid = create()
    for flags, expected in (
        ({"send": True}, "Send"),
        ({"recv": True}, "Recv"),
        ({}, "c.ChannelID"),
    ):
        resolved = c._channel_id(cid, _resolve=True, **flags)
        run_in(interpreter, f"assert type(x) is {expected}, x", {"x": resolved})
        plain = c._channel_id(cid, **flags)
        run_in(interpreter, "assert type(x) is c.ChannelID, x", {"x": plain})


def test_resolve_falls_back_to_the_id(interpreter):
    run_in(
        interpreter,
        """
        from dropin import *
        def refuse(cid):
            raise ZeroDivisionError
        c._register_end_types(*(type(name, (), {"__new__": lambda cls, cid: refuse(cid)}) for name in "SR"))
        """,
    )
    resolved = c._channel_id(create(), _resolve=True, send=True)
    run_in(interpreter, "assert type(x) is c.ChannelID and x.end == 'send', x", {"x": resolved})
