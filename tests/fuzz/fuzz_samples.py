"""What the fuzz targets of the crossing need in Python."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import enum
import fractions
import pathlib
import pickle
import uuid
from dataclasses import dataclass
from typing import Any, NamedTuple

import value_graph


class Plain:
    x: Any
    y: Any

    def __repr__(self) -> str:  # without an address, by which value_graph would tell two apart
        return "Plain"


@dataclass
class Record:
    a: Any = None
    b: Any = None


@dataclass(frozen=True)
class Frozen:
    a: Any = None


class Slotted:
    __slots__ = ("p", "q")

    def __init__(self, p: Any = None, q: Any = None) -> None:
        self.p, self.q = p, q


class Pair(NamedTuple):
    left: Any
    right: Any


class Colour(enum.Enum):
    RED = 1
    GREEN = "g"


class Hashed:
    """Hashes by what it holds, so its code looks at other objects while they are being made."""

    def __init__(self, x: Any = ()) -> None:
        self.x = x

    def __hash__(self) -> int:
        x = self.__dict__.get("x", ())
        if isinstance(x, tuple | list):
            for item in x:
                str(type(item))
        return 0

    def __repr__(self) -> str:
        return "Hashed"


CLASSES: list[type] = [Plain, Record, Slotted, Hashed]

VALUES: list[Any] = [
    Plain(),
    Record(1, 2),
    Frozen(3),
    Slotted(1, 2),
    Pair(1, 2),
    Hashed(),
    *Colour,
    datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC),
    datetime.timedelta(1),
    decimal.Decimal("1.5"),
    fractions.Fraction(1, 3),
    uuid.UUID(int=5),
    pathlib.PurePosixPath("/a"),
]


def loads(data: Any, *, buffers: Any) -> Any:
    """In the place of pickle's: the bytes of a fuzzer are no program to run."""
    return (bytes(data), list(buffers))


def use(value: Any) -> None:
    """Looks at all of a value, so that what lies behind it is read."""
    seen = set()
    todo = [value]
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        kind = type(one)
        if kind is memoryview:
            with contextlib.suppress(NotImplementedError, ValueError, UnicodeDecodeError):
                one.tolist()
            one.tobytes()
        elif kind is str:
            with contextlib.suppress(UnicodeError):
                one.upper().encode("utf-8", "surrogatepass").decode()
            hash(one)
        elif kind in (bytes, bytearray):
            bytes(one)
        elif kind in (list, tuple, set, frozenset, Pair):
            todo.extend(one)
        elif kind is dict:
            todo.extend(one)
            todo.extend(one.values())
        elif kind is slice:
            todo += [one.start, one.stop, one.step]
        elif kind in (Plain, Record, Frozen, Hashed):
            todo.append(vars(one))
        elif kind in (int, float, complex, range, *(type(v) for v in VALUES)):
            with contextlib.suppress(Exception):
                repr(one)


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value, 5))


difference = value_graph.difference
