"""The values that the encoder and the decoder are given, one of each way that they have.

`make()` makes each anew, so that a reference which is not given back is a block that is left.
"""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import itertools
import pathlib
import pickle
import sys
import types
from collections.abc import Callable
from typing import Any

import interpchannels

drop_in = interpchannels._interpchannels

BIG = 100_000  # lent, or on the heap
HUGE = 5 << 20  # on pages of its own


@dataclasses.dataclass
class Point:
    x: int
    y: Any


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    name: str
    value: Any


class Pair(collections.namedtuple("Pair", "left right")):
    __slots__ = ()


Named = collections.namedtuple("Named", "first second")


class Colour(enum.Enum):
    RED = "red"


class Registered:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Registered) and self.value == other.value

    __hash__ = None  # type: ignore[assignment]


def to_shareable(obj: Registered) -> tuple[str, Any]:
    return ("registered", obj.value)


def from_shareable(value: tuple[str, Any]) -> Registered:
    return Registered(value[1])


class Reducing:
    """Goes through pickle, and so does all that is in it."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __reduce__(self) -> tuple[Any, ...]:
        return (Reducing, (self.value,))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reducing) and self.value == other.value

    __hash__ = None  # type: ignore[assignment]


class OutOfBand(bytearray):
    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return (OutOfBand, (pickle.PickleBuffer(self),))


class Words(list[Any]):
    """A subclass of what crosses natively."""


_numbers = itertools.count()
_module = types.ModuleType("nomem_new_classes")
sys.modules["nomem_new_classes"] = _module


def new_class_instance() -> Any:
    """Of a class that nobody has sent yet."""
    name = f"New{next(_numbers)}"
    cls = type(name, (), {"__module__": "nomem_new_classes", "__slots__": ("a", "__dict__")})
    setattr(_module, name, cls)
    made = cls()
    made.a, made.b = 1, "two"
    return made


def is_new(value: Any) -> bool:
    delattr(_module, type(value).__name__)
    return (value.a, value.b) == (1, "two")


def self_referring() -> list[Any]:
    made: list[Any] = [1, {}]
    made[1]["self"] = made
    return made


def nested(depth: int) -> list[Any]:
    made: list[Any] = []
    for number in range(depth):
        made = [made, number]
    return made


def matrix() -> memoryview:
    return memoryview(array.array("d", range(2000))).cast("B").cast("d", [20, 100])


def forgotten(make: Callable[[], Any]) -> Callable[[], Any]:
    """The classes are looked at anew."""

    def made() -> Any:
        interpchannels.register(Registered, to_shareable, from_shareable)
        return make()

    return made


def is_end(value: Any) -> bool:
    return type(value) in (interpchannels.RecvChannel, interpchannels.SendChannel)


def buffer(size: int) -> interpchannels.Buffer:
    made = interpchannels.Buffer(size)
    with memoryview(made) as view:
        view[:3] = b"abc"
    return made


def with_ends(wrap: Callable[[Any], Any]) -> Callable[[], Any]:
    def made() -> Any:
        recv, send = interpchannels.create()
        return wrap(
            [recv, send, interpchannels.Queue(), buffer(100), b"x" * BIG, memoryview(b"abc")]
        )

    return made


def equals(value: Any) -> Callable[[Any], bool]:
    return lambda received: type(received) is type(value) and received == value


# name: (make, is it what was sent?); the second is given what was received.
VALUES: dict[str, tuple[Callable[[], Any], Callable[[Any], bool]]] = {
    "none": (lambda: None, equals(None)),
    "int": (lambda: 12345, equals(12345)),
    "big_int": (lambda: 7**300, equals(7**300)),
    "huge_int": (lambda: 1 << 200_000, equals(1 << 200_000)),
    "float": (lambda: 1.5, equals(1.5)),
    "complex": (lambda: 1 + 2j, equals(1 + 2j)),
    "str": (lambda: "hello", equals("hello")),
    "latin1_str": (lambda: "h\xe9llo" * 10, equals("h\xe9llo" * 10)),
    "ucs2_str": (lambda: "\u20ac" * 100, equals("\u20ac" * 100)),
    "ucs4_str": (lambda: "\U0001f600" * 100, equals("\U0001f600" * 100)),
    "lent_str": (lambda: "x" * BIG, equals("x" * BIG)),
    "lent_ucs4_str": (lambda: "\U0001f600" * BIG, equals("\U0001f600" * BIG)),
    "bytes": (lambda: b"hello" * 100, equals(b"hello" * 100)),
    "lent_bytes": (lambda: b"x" * BIG, equals(b"x" * BIG)),
    "huge_bytes": (lambda: b"x" * HUGE, equals(b"x" * HUGE)),
    "bytearray": (lambda: bytearray(BIG), equals(bytearray(BIG))),
    "tuple": (lambda: (1, "two", (3.0, None)), equals((1, "two", (3.0, None)))),
    "long_list": (lambda: [True, None] * 5000, equals([True, None] * 5000)),
    "list_of_lists": (
        lambda: [[number, str(number)] for number in range(100)],
        equals([[number, str(number)] for number in range(100)]),
    ),
    "shared": (
        lambda: [text := "a shared text", text, [text]],
        equals(["a shared text"] * 2 + [["a shared text"]]),
    ),
    "many_shared": (
        lambda: [part for number in range(200) for part in [[number]] * 2],
        equals([[number] for number in range(200) for _ in range(2)]),
    ),
    "nested": (lambda: nested(200), equals(nested(200))),
    "self_referring": (
        self_referring,
        lambda value: value[1]["self"] is value and not value[1].clear(),
    ),
    "dict": (
        lambda: {"a": 1, "b": [2], (3, 4): {"c": None}},
        equals({"a": 1, "b": [2], (3, 4): {"c": None}}),
    ),
    "big_dict": (
        lambda: {str(number): (number,) for number in range(200)},
        equals({str(number): (number,) for number in range(200)}),
    ),
    "numbers": (
        lambda: ([number / 3 for number in range(2000)], *range(2**40, 2**40 + 600)),
        equals(([number / 3 for number in range(2000)], *range(2**40, 2**40 + 600))),
    ),
    "rows": (
        lambda: [{"name": str(number), "more": [number]} for number in range(20)],
        equals([{"name": str(number), "more": [number]} for number in range(20)]),
    ),
    "rows_with_sets": (
        lambda: [{"name": 1, "all": [[{"set": {number}, "last": ()}]]} for number in range(5)],
        equals([{"name": 1, "all": [[{"set": {number}, "last": ()}]]} for number in range(5)]),
    ),
    "set": (lambda: {1, "two", (3,)}, equals({1, "two", (3,)})),
    "frozenset": (lambda: frozenset([1, "two", (3,)]), equals(frozenset([1, "two", (3,)]))),
    "slice": (lambda: slice(1, "two", None), equals(slice(1, "two", None))),
    "range": (lambda: range(0, 10**20, 3), equals(range(0, 10**20, 3))),
    "memoryview": (lambda: memoryview(b"abc" * 1000), lambda value: value == b"abc" * 1000),
    "matrix": (matrix, lambda value: value.shape == (20, 100) and value == matrix()),
    "buffer": (lambda: buffer(100), lambda value: bytes(value)[:3] == b"abc"),
    "huge_buffer": (lambda: buffer(HUGE), lambda value: bytes(value)[:3] == b"abc"),
    "buffers": (
        lambda: [buffer(10), [both := buffer(20), both]],
        lambda value: [len(value[0]), len(value[1][0])] == [10, 20] and value[1][0] is value[1][1],
    ),
    "ends": (lambda: interpchannels.create(), lambda value: all(map(is_end, value))),
    "queue": (lambda: interpchannels.Queue(3), lambda value: value.maxsize == 3),
    "channel_id": (lambda: drop_in.create(3), lambda value: type(value) is drop_in.ChannelID),
    "dataclass": (lambda: Point(1, [2]), equals(Point(1, [2]))),
    "new_dataclass": (forgotten(lambda: Point(1, [2])), equals(Point(1, [2]))),
    "slotted": (forgotten(lambda: Slotted("a", {})), equals(Slotted("a", {}))),
    "named_tuple": (forgotten(lambda: Named(1, "x" * BIG)), equals(Named(1, "x" * BIG))),
    "named_tuple_subclass": (forgotten(lambda: Pair(1, [2])), equals(Pair(1, [2]))),
    "enum": (forgotten(lambda: [Colour.RED, Colour.RED]), equals([Colour.RED, Colour.RED])),
    "datetime": (
        forgotten(lambda: datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC)),
        equals(datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC)),
    ),
    "decimal": (forgotten(lambda: decimal.Decimal("1.5")), equals(decimal.Decimal("1.5"))),
    "path": (
        forgotten(lambda: pathlib.PurePosixPath("/a/b")),
        equals(pathlib.PurePosixPath("/a/b")),
    ),
    "new_class": (new_class_instance, is_new),
    "list_subclass": (lambda: Words([1, "two"]), equals(Words([1, "two"]))),
    "registered": (forgotten(lambda: Registered([1])), equals(Registered([1]))),
    "registered_in_pickle": (
        forgotten(lambda: Reducing([Registered(1), Registered([2])])),
        equals(Reducing([Registered(1), Registered([2])])),
    ),
    "exception": (lambda: ValueError("no", 1), lambda value: value.args == ("no", 1)),
    "function": (lambda: [to_shareable, Point], equals([to_shareable, Point])),
    "pickled": (lambda: Reducing({"a": [1, "x" * BIG]}), equals(Reducing({"a": [1, "x" * BIG]}))),
    "out_of_band": (
        lambda: [OutOfBand(b"x" * BIG)] * 2,
        lambda value: value[0] is value[1] and len(value[0]) == BIG,
    ),
    "everything": (
        with_ends(lambda parts: parts),
        lambda value: is_end(value[0]) and is_end(value[1]),
    ),
    "everything_pickled": (
        with_ends(Reducing),
        lambda value: is_end(value.value[0]) and is_end(value.value[1]),
    ),
}
