"""Any nested value arrives equal to what pickle would bring: types, contents, sharing, cycles."""

import pickle
import struct

import pytest
from crossing_samples import Record
from hypothesis import given
from hypothesis import strategies as st
from value_graph import assert_same
from value_strategies import EDGES, floats, integers, text, values


@given(value=values())
def test_any_value(echo_here, value):
    got = echo_here(value)
    assert_same(value, got)
    assert_same(pickle.loads(pickle.dumps(value, 5)), got)


@given(value=values())
def test_any_value_to_another_interpreter_and_back(echo_there, value):
    assert_same(value, echo_there(value))


def by_pickle():
    return st.builds(Record, text, st.lists(integers, max_size=3))


@given(value=values(extra=by_pickle()))
def test_any_value_with_objects_among_it(echo_here, value):
    """What only pickle can carry does not change how the rest arrives."""
    got = echo_here(value)
    assert_same(pickle.loads(pickle.dumps(value, 5)), got)


@given(st.lists(values(max_nodes=8), max_size=6))
def test_one_after_another(echo_there, several):
    """Nothing of one value shows in the next."""
    for value in several:
        assert_same(value, echo_there(value))


# Scalars --------------------------------------------------------------------------------------------------


@given(value=integers)
def test_integers(echo_here, value):
    got = echo_here(value)
    assert type(got) is int and got == value


def test_integers_at_the_edges(echo):
    for value in EDGES:
        assert_same([value], echo([value]))
        assert_same(value, echo(value))


@pytest.mark.parametrize("bits", [1, 1000, 65_536, 8_000_000])
def test_long_integers(echo, bits):
    for value in (1 << bits, -(1 << bits), (1 << bits) - 1, 1 - (1 << bits)):
        got = echo(value)
        assert got == value


@given(value=floats)
def test_floats(echo_here, value):
    assert struct.pack("<d", echo_here(value)) == struct.pack("<d", value)


@pytest.mark.parametrize(
    "bits",
    [
        0x0000000000000000,
        0x8000000000000000,
        0x7FF0000000000000,
        0xFFF0000000000000,
        0x7FF8000000000000,
        0xFFF8000000000000,
        0x7FF8DEADBEEF0001,
        0xFFFFFFFFFFFFFFFF,
        0x0000000000000001,
        0x7FEFFFFFFFFFFFFF,
    ],
)
def test_floats_bit_by_bit(echo, bits):
    (value,) = struct.unpack("<d", struct.pack("<Q", bits))
    for got in (echo(value), echo([value])[0], echo(complex(value, value)).imag):
        assert struct.unpack("<Q", struct.pack("<d", got)) == (bits,)


def test_singletons(echo):
    for value in (None, True, False, ...):
        assert echo(value) is value
        assert echo([value])[0] is value
        assert echo({value: value}) == {value: value}


# Text and bytes -------------------------------------------------------------------------------------------

STRINGS = [
    "",
    "a",
    "\x00",
    "\x00\x00",
    "\x7f",
    "\x80",
    "\xff",
    "\u0100",
    "\ud800",
    "\udfff",
    "\ud800\udc00",  # two lone surrogates, not one character
    "\udc00\ud800",
    "a\ud800b",
    "\uffff",
    "\U00010000",
    "\U0010ffff",
    "\U0010ffff\ud800\xe9a",
]


@pytest.mark.parametrize("value", STRINGS, ids=ascii)
def test_strings(echo, value):
    for size in (1, 2, 7, 8, 100, 255, 256, 257, 5000):
        big = value * size
        got = echo(big)
        assert type(got) is str and got == big and len(got) == len(big)
        assert hash(got) == hash(big)


@pytest.mark.parametrize("character", ["a", "\xe9", "\u20ac", "\U0001f600", "\ud800"], ids=ascii)
def test_strings_of_every_length(echo_here, character):
    for length in [*range(300), 4095, 4096, 4097, 8191, 8192, 8193, 65_535, 65_536, 65_537]:
        value = character * length
        assert echo_here(value) == value


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_bytes_of_every_length(echo_here, kind):
    pattern = bytes(range(256)) * 300
    for length in [*range(300), 4095, 4096, 4097, 8191, 8192, 8193, 65_535, 65_536, 65_537]:
        value = kind(pattern[:length])
        got = echo_here(value)
        assert type(got) is kind and got == value


def test_a_bytearray_that_arrives_can_be_changed(echo):
    for length in (0, 3, 100_000):
        got = echo(bytearray(length))
        got += b"more"
        got[0] = 1
        assert len(got) == length + 4


# Containers -----------------------------------------------------------------------------------------------

EMPTY = [(), [], {}, set(), frozenset(), "", b"", bytearray(), range(0), slice(None)]


@pytest.mark.parametrize("value", EMPTY, ids=lambda value: type(value).__name__)
def test_empty(echo, value):
    assert_same(value, echo(value))
    assert_same([value, value], echo([value, value]))
    assert_same({"x": (value,)}, echo({"x": (value,)}))


def _same_numbers(expected, got):
    """Of the long ones, whose elements are plain numbers: telling where they differ would take seconds."""
    assert type(got) is type(expected) and got == expected
    assert set(map(type, got)) == set(map(type, expected))
    if type(got) is dict:
        assert list(got.items()) == list(expected.items())
        assert set(map(type, got.values())) == {int}


@pytest.mark.parametrize("length", [1, 2, 3, 4, 20, 255, 256, 257, 65_535, 65_536, 300_000])
def test_long_containers(echo, length):
    same = assert_same if length < 1000 else _same_numbers
    numbers = list(range(length))
    for kind in (list, tuple, set, frozenset):
        same(kind(numbers), echo(kind(numbers)))
    as_dict = {str(n): n for n in numbers}
    same(as_dict, echo(as_dict))


def test_order_of_keys(echo):
    value = {"z": 1, "a": 2, "m": 3}
    value["z2"] = value.pop("z")
    assert list(echo(value)) == ["a", "m", "z2"]


def test_keys_of_every_kind(echo):
    keys = [None, True, 2, 2.5, 1j, "s", b"b", (1, ("x",)), frozenset([1]), range(3), ...]
    assert_same(dict.fromkeys(keys, "v"), echo(dict.fromkeys(keys, "v")))
    assert_same(set(keys), echo(set(keys)))


def test_nan_as_key(echo):
    nan = float("nan")
    got = echo([nan, {nan: 1}, {nan}])
    assert len(got[1]) == len(got[2]) == 1


def test_sharing(echo):
    a, text, blob = [1], "a text of some length", b"bytes of some length"
    array = bytearray(b"an array")
    value = [a, a, (a,), {"k": a}, text, {text: text}, blob, {blob}, array, [array], slice(a)]
    assert_same(value, echo(value))


@pytest.mark.parametrize("shared", ["some word", "\u20ac" * 3, b"some bytes", 2**100], ids=ascii)
def test_sharing_among_the_keys_and_values_of_a_flat_dict(echo, shared):
    if not isinstance(shared, int):  # pickle keeps no int's identity either
        shared = shared[:1] + shared[1:]  # nobody else's
    got = echo({"first": shared, shared: 1, "last": shared})
    assert_same({"first": shared, shared: 1, "last": shared}, got)


def test_what_is_equal_but_not_shared_stays_apart(echo):
    value = [
        [1],
        [1],
        "".join(["ab", "cd"]),
        "".join(["ab", "cd"]),
        bytearray(b"x"),
        bytearray(b"x"),
    ]
    assert_same(value, echo(value))


def cycles():
    itself = []
    itself.append(itself)
    through_dict = {}
    through_dict["me"] = through_dict
    through_tuple = ([],)
    through_tuple[0].append(through_tuple)
    two = [[], []]
    two[0].append(two[1])
    two[1].append(two[0])
    long = tail = []
    for _ in range(500):
        tail.append([])
        tail = tail[0]
    tail.append(long)
    through_slice = slice([], None)
    through_slice.start.append(through_slice)
    key = (1, "key")
    through_value = {key: [key]}
    through_value[key].append(through_value)
    return [itself, through_dict, through_tuple, two, long, through_slice, through_value]


@pytest.mark.parametrize("index", range(7))
def test_cycles(echo, index):
    value = cycles()[index]
    got = echo(value)
    assert_same(value, got)
    assert_same([value, value], echo([value, value]))


def test_all_cycles_in_one_value(echo):
    value = cycles()
    value.append({"all": value})
    assert_same(value, echo(value))


def test_a_wide_and_shared_value(echo):
    """2 ** 40 paths, 40 objects: sharing is what makes this possible at all."""
    value = []
    for _ in range(40):
        value = [value, value]
    assert_same(value, echo(value))


@pytest.mark.parametrize(
    "value",
    [
        slice(1, 2, 3),
        slice(None, -(2**70), "x"),
        slice([1], {"x": 2}, (3,)),
        range(5),
        range(-5, 5, 2),
        range(2**100, 0, -(2**90)),
        range(5, 0),
    ],
)
def test_slices_and_ranges(echo, value):
    assert_same(value, echo(value))
    assert_same([value, (value,)], echo([value, (value,)]))
