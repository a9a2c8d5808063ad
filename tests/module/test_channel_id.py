"""ChannelID: what it is, what it equals, and that it keeps its channel alive."""

import copy
import decimal
import fractions
import gc
import operator
import pickle

import pytest
from dropin import PRELUDE, c, cpython_fault, create, get, listed, put

from support import destroy_interpreter, run_in, run_script

FORCED = 987_654_321


# What it is -----------------------------------------------------------------------------------


def test_not_instantiable():
    with pytest.raises(TypeError, match=r"ChannelID' instances$"):
        c.ChannelID(0)
    with pytest.raises(TypeError):
        type("Sub", (c.ChannelID,), {})()


def test_immutable():
    with pytest.raises(TypeError):
        c.ChannelID.attribute = 1
    with pytest.raises(AttributeError):
        create().attribute = 1
    with pytest.raises(AttributeError):
        create().end = "send"


def test_is_an_index():
    cid = create()
    number = int(cid)
    assert type(number) is int
    assert operator.index(cid) == number
    assert range(number + 1)[cid] == number
    assert hex(cid) == hex(number)
    assert float(cid) == float(number)
    with pytest.raises(TypeError):
        cid + 1


def test_is_not_an_int():
    cid = create()
    assert not isinstance(cid, int)
    assert bool(c._channel_id(0, force=True))


def test_str_and_repr():
    cid = create()
    number = int(cid)
    assert str(cid) == f"{cid}" == str(number)
    assert repr(cid) == f"ChannelID({number})"
    assert repr(cid.send) == f"ChannelID({number}, send=True)"
    assert repr(cid.recv) == f"ChannelID({number}, recv=True)"


def test_hash():
    cid = create()
    assert hash(cid) == hash(cid.send) == hash(cid.recv) == hash(int(cid))


def test_ends():
    cid = create()
    assert (cid.end, cid.send.end, cid.recv.end) == ("both", "send", "recv")
    assert cid.send.recv.end == "recv"
    assert cid.recv.send == cid.send
    assert type(cid.send) is c.ChannelID


def test_neither_copied_nor_pickled():
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            attempt(create())


# What it equals -------------------------------------------------------------------------------


def test_equal_by_id_and_end():
    one, other = create(), create()
    again = c._channel_id(int(one))
    assert one == one == again
    assert one is not again
    assert one != other
    assert one != one.send
    assert one.send != one.recv
    assert one.send == one.send
    assert (one != again) is False


@pytest.mark.parametrize("convert", [int, float, complex, fractions.Fraction, decimal.Decimal])
def test_equal_to_numbers_by_id_alone(convert):
    cid = create()
    number = convert(int(cid))
    assert cid == number
    assert number == cid
    assert cid.send == number
    assert (cid != number) is False
    assert cid != number + 1


@pytest.mark.parametrize("other", [-1, 2**63, 2**70, -(2**70), "0", b"0", None, [], object(), 0.5])
def test_equal_to_nothing_else(other):
    cid = c._channel_id(0, force=True)
    assert (cid == other) is False
    assert cid != other


def test_equal_asks_a_number():
    class Number:
        def __int__(self):
            return 0

        def __eq__(self, other):
            return other == 0

        __hash__ = None

    assert c._channel_id(0, force=True) == Number()
    assert c._channel_id(1, force=True) != Number()


def test_equal_passes_an_error_on():
    class Number:
        def __float__(self):
            return 0.0

        def __eq__(self, other):
            raise ZeroDivisionError

        __hash__ = None

    with pytest.raises(ZeroDivisionError):
        operator.eq(c._channel_id(0, force=True), Number())


@pytest.mark.parametrize("compare", [operator.lt, operator.le, operator.gt, operator.ge])
def test_not_ordered(compare):
    cid = create()
    with pytest.raises(TypeError):
        compare(cid, cid)
    with pytest.raises(TypeError):
        compare(cid, 1)


@cpython_fault("SystemError: error return without exception set")
def test_equal_without_the_module():
    """CPython looks its module up in sys.modules to compare two ids, and fails if it is not there."""
    run_script(
        PRELUDE
        + """
import sys
one, two = create(), create()
del sys.modules[MODULE]
assert one == one and one != two and one == int(one)
assert repr(one) and hash(one) == hash(int(one)) and one.send.end == "send"
"""
    )


# _channel_id ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "end"),
    [
        ({}, "both"),
        ({"send": True}, "send"),
        ({"send": True, "recv": False}, "send"),
        ({"send": False}, "both"),
        ({"recv": True}, "recv"),
        ({"recv": True, "send": False}, "recv"),
        ({"recv": False}, "both"),
        ({"send": True, "recv": True}, "both"),
        ({"send": "yes"}, "send"),
    ],
)
def test_flags(flags, end):
    assert c._channel_id(create(), **flags).end == end
    assert c._channel_id(FORCED, force=True, **flags).end == end


def test_flags_that_leave_no_end():
    with pytest.raises(ValueError, match=r"^'send' and 'recv' cannot both be False$"):
        c._channel_id(FORCED, send=False, recv=False)


def test_end_of_another_id_is_the_default():
    cid = create()
    assert c._channel_id(cid.send).end == "send"
    assert c._channel_id(cid.send, send=False).end == "send"
    assert c._channel_id(cid.recv, recv=False).end == "recv"
    assert c._channel_id(cid.send, recv=True).end == "recv"
    assert c._channel_id(cid.send, send=True, recv=True).end == "both"
    assert c._channel_id(id=cid, _resolve=True) == cid


def test_of_a_missing_channel():
    with pytest.raises(c.ChannelNotFoundError, match=rf"^channel {FORCED} not found$"):
        c._channel_id(FORCED)
    forced = c._channel_id(FORCED, force=True)
    assert forced == FORCED
    assert forced.send.end == "send"
    with pytest.raises(c.ChannelNotFoundError):
        c.get_count(forced)


def test_of_a_closed_channel():
    cid = create()
    c.close(cid)
    assert c._channel_id(int(cid)) == cid
    assert cid.recv.end == "recv"


# It keeps its channel alive -------------------------------------------------------------------


def test_the_last_one_to_die_destroys_the_channel():
    cid = create()
    number = int(cid)
    put(cid)
    end, again = cid.send, c._channel_id(number)
    del cid
    assert c.get_count(number) == 1
    del end
    assert c.get_count(number) == 1
    del again
    with pytest.raises(c.ChannelNotFoundError):
        c.get_count(number)


def test_a_number_keeps_nothing_alive():
    number = int(create())
    assert number not in listed()


def test_list_all_keeps_alive_what_it_lists():
    cid = create()
    number = int(cid)
    found = c.list_all()
    del cid
    assert c.get_count(number) == 0
    del found
    assert number not in listed()


def test_dying_after_destroy():
    cid = create()
    c.destroy(cid)
    with pytest.raises(c.ChannelNotFoundError):
        c.get_count(cid)
    end = cid.send
    del cid, end
    gc.collect()


def test_one_in_a_queue_keeps_its_channel_alive():
    carrier, carried = create(), create()
    number = int(carried)
    put(carried, 42)
    put(carrier, carried.send)
    del carried
    gc.collect()
    assert c.get_count(number) == 1
    arrived = get(carrier)
    assert arrived == number and arrived.end == "send"
    assert get(number) == 42
    del arrived
    assert number not in listed()


def test_one_in_a_queue_goes_with_the_queue():
    carrier, carried = create(), create()
    number = int(carried)
    put(carrier, carried)
    put(carrier, (1, (carried.recv,)))
    del carried
    assert number in listed()
    c.destroy(carrier)
    assert number not in listed()


def test_held_by_another_interpreter(interpreter):
    cid = create()
    number = int(cid)
    run_in(interpreter, "kept = cid", {"cid": cid})
    del cid
    assert c.get_count(number) == 0
    run_in(interpreter, "assert repr(kept) == f'ChannelID({kept})'; del kept, cid")
    assert number not in listed()


def test_held_by_an_interpreter_that_ends(interpreter):
    cid = create()
    number = int(cid)
    run_in(interpreter, "kept = cid", {"cid": cid})
    del cid
    destroy_interpreter(interpreter)
    assert number not in listed()


@pytest.mark.parametrize("end", ["both", "send", "recv"])
def test_crosses_with_its_end(interpreter, end):
    cid = create()
    sent = cid if end == "both" else getattr(cid, end)
    run_in(interpreter, f"assert cid.end == {end!r} and cid == {int(cid)}", {"cid": sent})
    put(cid, sent)
    arrived = get(cid)
    assert arrived == sent and arrived is not sent


def test_arrives_where_the_module_was_not_imported_yet(interpreter):
    run_in(interpreter, "assert type(cid).__name__ == 'ChannelID'", {"cid": create()})


@cpython_fault("the forced id, which was never counted, is counted out: the channel is destroyed")
def test_a_forced_id_is_older_than_its_channel():
    """CPython counts a forced id of a missing channel neither in nor, once it is there, correctly out.

    An id forced for number n before channel n exists destroys channel n when it dies, under those who use it.
    """
    number = int(create()) + 3
    forced = c._channel_id(number, force=True)
    channels = [create() for _ in range(5)]
    assert number in listed()
    del forced
    assert number in listed()
    put(number, 1)
    assert get(number) == 1
    assert len(channels) == 5
