"""A tuple or list that contains itself by way of an object, and is looked at while it is being received.

An object's own code may hash it, index it or iterate it before all of its items have arrived.
"""

import pytest

from support import run_script

# What each builds has the name `value`; `found` is asked of what arrives.
CASES = {
    "tuple in a set": ("o = Bare(); value = (o, 1); o.x = {value}", "value in value[0].x"),
    "tuple in a frozenset": (
        "o = Bare(); value = (o, 1); o.x = frozenset([value])",
        "value in value[0].x",
    ),
    "tuple as a key": ("o = Bare(); value = (o, 1); o.x = {value: 2}", "value[0].x[value] == 2"),
    "named tuple in a set": (
        "o = Bare(); value = Point(o, 1); o.x = {value}",
        "value in value[0].x",
    ),
    "tuple in a tuple in a set": (
        "o = Bare(); value = (o, 1); o.x = {(value, 3)}",
        "(value, 3) in value[0].x",
    ),
    "tuple in a list first": (
        "o = Hashed(); l = []; value = (l, o, 1); l.append(value); o.x = l; k = {o}; l.append(k)",
        "value[1] in value[0][1]",
    ),
    "list in an object in a set": (
        "o = Hashed(); o.x = []; value = [1, {o}, 2]; o.x = value",
        "len(value) == 3",
    ),
    "list in an object as a key": (
        "o = Hashed(); o.x = []; value = [1, {o: 1}, 2]; o.x = value",
        "len(value) == 3",
    ),
    "tuple in an object, later in a set": (
        "o = Bare(); h = Hashed(); value = (o, 1); h.x = value; o.x = [h, {h}]",
        "value[0].x[0] in value[0].x[1]",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_seen_before_it_is_whole(name):
    build, found = CASES[name]
    run_script(
        f"""
        import gc
        from open_samples import Bare, Hashed, Point
        from interpchannels import create

        gc.disable()
        recv, send = create()
        {build}
        send.send(value)
        value = recv.recv()
        assert {found}
        """
    )


def test_without_objects_it_needs_no_pickle():
    run_script(
        """
        from interpchannels import create

        recv, send = create(pickle=False)
        inner = []
        value = (inner, {1: inner}, {(1, 2)})
        inner.append(value)
        send.send(value)
        value = recv.recv()
        assert value[0][0] is value and value[1][1] is value[0] and value[2] == {(1, 2)}
        """
    )
