"""Records that are sent one by one: dicts whose keys their receiver has met before.

All of it with the tables of dicts read and written in place, and by way of CPython's own functions.
"""

import gc
import itertools
import random
import sys
import weakref

import pytest
from instance_samples import Plain
from value_graph import assert_same

import support
from interpchannels import _interpchannels, create, spawn


@pytest.fixture(autouse=True, params=[True, False], ids=["tables", "functions"])
def tables(request):
    before = _interpchannels._use_dict_tables(request.param)
    yield request.param
    _interpchannels._use_dict_tables(before)


@pytest.fixture
def channel():
    recv, send = create(pickle=False)
    with recv, send:
        yield recv, send


def again(channel, value, times=4):
    """Sends a value until its keys are known, and once more."""
    recv, send = channel
    for _ in range(times):
        send.send(value)
        got = recv.recv()
        assert_same(value, got)
    return got


def record(fields, *, first=0):
    return {f"field {n}": n for n in range(first, first + fields)}


@pytest.mark.parametrize("fields", [1, 2, 3, 5, 6, 8, 10, 11, 15, 16, 17, 30])
def test_the_same_keys_again_and_again(channel, fields):
    again(channel, record(fields))
    again(channel, [record(fields), record(fields)])
    again(channel, {"nested": record(fields), "beside": [record(fields)]})


def test_what_arrives_is_the_receivers_own(channel):
    """A record that was received and changed says nothing of the next one."""
    recv, send = channel
    for n in range(6):
        send.send({"first": n, "second": [n]})
        got = recv.recv()
        assert got == {"first": n, "second": [n]}
        got["third"] = 3
        del got["first"]
        got["second"].append(None)


def test_the_order_of_keys_tells_shapes_apart(channel):
    for order in itertools.permutations(("alpha", "beta", "gamma")):
        assert list(again(channel, dict.fromkeys(order, 1))) == list(order)


@pytest.mark.parametrize(
    "keys",
    [
        ("",),
        ("a",),
        ("a", "b", "c"),
        ("x" * 127,),
        ("x" * 128,),
        ("plain", "é"),
        ("plain", "\N{SNOWMAN}"),
        ("nul\0", "nul"),
        ("text", 1),
        (1, "text"),
        ("text", b"text"),
        tuple(f"{n:0127}" for n in range(16)),
    ],
    ids=lambda keys: repr(keys)[:30],
)
def test_keys_of_all_kinds(channel, keys):
    again(channel, {key: [key] for key in keys})
    again(channel, [{key: [key] for key in keys}, dict.fromkeys(keys, 1)])


@pytest.mark.parametrize("at", [0, 1, 3])
@pytest.mark.parametrize(
    "part",
    [{1, 2}, Plain(1, [2]), [[[[[[[[[[[1]]]]]]]]]]], 2**200, "é" * 300, b"x" * 300, (), []],
    ids=lambda value: repr(value)[:20],
)
def test_a_part_of_any_kind(channel, at, part):
    value = record(4)
    again(channel, value)
    value[f"field {at}"] = part
    again(channel, value)
    again(channel, [value, value, dict(value)])
    again(channel, {"inner": value, "again": value})


def test_what_a_key_shares(channel):
    key = "a key that is a value too"
    other = key[:5] + key[5:]
    assert other is not key
    again(channel, {key: key})
    again(channel, [other, key, {key: 1}, {key: key, "more": other}, {other: key}])
    again(channel, [key, {key: key}])
    one = {key: 1, "more": 2}
    again(channel, [one, {"more": one, key: one}, {key: {"more": one}}])


def test_one_that_leads_to_itself(channel):
    value = record(3)
    value["itself"] = value
    again(channel, value)
    again(channel, [value, {"way": value}])
    value["by way of a set of frames"] = Plain(value, {1})
    again(channel, value)


def test_more_shapes_than_are_kept(channel):
    recv, send = channel
    draw = random.Random(7)
    shapes = [record(1 + n % 16, first=n) for n in range(300)]
    for _ in range(3_000):
        value = draw.choice(shapes[: draw.choice((5, 50, 300))])
        send.send([value, draw.choice(shapes)])
        assert recv.recv()[0] == value


def test_one_shape_takes_anothers_place_while_both_are_received(channel):
    """An outer record's keys are in use when inner ones come that drive them out.

    They are one character long, so that they get no numbers, and are not read before they are needed.
    """
    for first in range(0, 3_000, 16):
        inner = [record(1, first=first + n) for n in range(16)]
        again(channel, {"o": inner, "a": inner[0], "l": record(2, first=first)}, times=3)


def test_keys_that_nobody_meets_again_are_not_kept(channel):
    recv, send = channel
    for n in range(50):
        send.send(record(16, first=n * 16))
        recv.recv()
    gc.collect()
    before = sys.getallocatedblocks()
    for n in range(50, 1_050):
        send.send(record(16, first=n * 16))
        recv.recv()
    gc.collect()
    assert sys.getallocatedblocks() - before < 200


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="all dicts are tracked")
def test_the_collector_knows_of_what_has_parts(channel):
    value = {"a list": 1, "a text": 2}
    assert not gc.is_tracked(again(channel, value))
    value["a list"] = [1]
    assert gc.is_tracked(again(channel, value))


def test_a_circle_by_way_of_a_record_is_collected(channel):
    class Part:
        pass

    got = again(channel, {"name": 1, "parts": []})
    part = Part()
    part.of = got
    got["parts"].append(part)
    gone = weakref.ref(part)
    del got, part
    gc.collect()
    assert gone() is None


def sum_of(recv, back):
    total = 0
    for value in recv:
        total += value["number"] + len(value["name"])
    back.send(total)


def test_another_interpreter_finds_its_keys():
    recv, send = create()
    back_recv, back = create()
    with back_recv, back:
        worker = spawn(sum_of, recv, back)
        recv.close()
        for n in range(1_000):
            send.send({"number": n, "name": f"n {n}"})
        send.close()
        assert back_recv.recv(timeout=support.HANG) == sum(n + len(f"n {n}") for n in range(1_000))
        worker.join()
