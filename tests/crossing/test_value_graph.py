"""The comparison that the other tests rest on: it finds what is the same, and above all what is not."""

import collections
import datetime
import decimal
import pickle
import struct

import crossing_samples as samples
import pytest
from hypothesis import given
from value_graph import assert_same, difference
from value_strategies import values


@given(values())
def test_pickle_round_trip_is_the_same(value):
    assert_same(value, value)
    assert_same(value, pickle.loads(pickle.dumps(value, 5)))


def nan(bits):
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


def cyclic(kind):
    made = []
    if kind == "self":
        made.append(made)
    elif kind == "two":
        made.append([made])
    elif kind == "tuple":
        made.append((made,))
    return made


word = "some word"
twin = "".join(["some ", "word"])
blob, blob_twin = bytes(bytearray(b"some")), bytes(bytearray(b"some"))
inner = [1]
key = ("k", 1)
DIFFERENT = {
    "type of a scalar": (1, True),
    "int and float": ([1], [1.0]),
    "value": ([1, 2], [1, 3]),
    "length": ([1, 2], [1, 2, 3]),
    "signed zero": (0.0, -0.0),
    "signed zero in complex": (complex(0, 0.0), complex(0, -0.0)),
    "payload of NaN": (nan(0x7FF8000000000001), nan(0x7FF8000000000002)),
    "sign of NaN": (nan(0x7FF8000000000000), nan(0xFFF8000000000000)),
    "list and tuple": ([], ()),
    "set and frozenset": (set(), frozenset()),
    "bytes and bytearray": (b"ab", bytearray(b"ab")),
    "order of keys": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "type of a key": ({1: 0}, {True: 0}),
    "type in a set": ({1}, {True}),
    "type deep in a set": ({("a", (1,))}, {("a", (1.0,))}),
    "element of a set": ({1, 2}, {1, 3}),
    "shared list became two": ([inner, inner], [[1], [1]]),
    "two lists became one": ([[1], [1]], [inner, inner]),
    "shared str became two": ([word, word], [word, twin]),
    "two strs became one": ([word, twin], [word, word]),
    "shared bytes became two": ([blob, blob], [blob, blob_twin]),
    "two bytes became one": ([blob, blob_twin], [blob, blob]),
    "key shared with a value": ({word: word}, {word: twin}),
    "tuple in a set shared with one outside": ([key, {key}], [key, {(*("k", 1)[:1], 1)}]),
    "cycle of another length": (cyclic("self"), cyclic("two")),
    "cycle through another type": (cyclic("two"), cyclic("tuple")),
    "cycle unrolled": (cyclic("self"), [[[]]]),
    "part of a slice": (slice(1, 2), slice(1, 3)),
    "range that is equal": (range(0), range(2, 1)),
    "subclass": (samples.MyInt(1), 1),
    "subclass of a list": (samples.MyList([1]), samples.MyList([2])),
    "attribute": (samples.Record("a", [1]), samples.Record("a", [2])),
    "sharing inside instances": (
        [inner, samples.Record("a", inner)],
        [[1], samples.Record("a", [1])],
    ),
    "Decimal": (decimal.Decimal("1.0"), decimal.Decimal("1.00")),
    "datetime": (datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 1, fold=1)),
    "enum": (samples.Colour.RED, samples.Colour.GREEN),
    "factory": (collections.defaultdict(list), collections.defaultdict(dict)),
    "readonly of a view": (memoryview(b"a"), memoryview(bytearray(b"a"))),
    "format of a view": (memoryview(b"aaaa"), memoryview(b"aaaa").cast("b")),
    "shape of a view": (memoryview(b"aaaa"), memoryview(b"aaaa").cast("B", (2, 2))),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_finds_the_difference(name):
    a, b = DIFFERENT[name]
    assert difference(a, b) is not None
    assert difference(b, a) is not None
    assert difference([0, {"x": a}], [0, {"x": b}]) is not None


@pytest.mark.parametrize("name", DIFFERENT)
def test_finds_none_where_there_is_none(name):
    for value in DIFFERENT[name]:
        assert difference(value, value) is None
        if not isinstance(value, memoryview):
            assert difference(value, pickle.loads(pickle.dumps(value, 5))) is None


def test_tells_where():
    assert difference({"a": [1, (2,)]}, {"a": [1, (3,)]}).startswith("item.values[0][1][0]: ")


def test_deep_values():
    a = b = None
    for _ in range(100_000):
        a, b = [a], [b]
    assert difference(a, b) is None
    b = [b]
    assert difference(a, b) is not None
