"""Importable classes that cross by pickle, well-behaved and not."""

import collections
import dataclasses
import enum
import pickle
from typing import Any, NamedTuple


@dataclasses.dataclass
class Record:
    """A plain dataclass."""

    name: str
    values: list[Any]
    parent: "Record | None" = None


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    """A frozen one with slots: it can be a key."""

    x: float
    y: float


class Node:
    """One link of a chain."""

    def __init__(self, child: Any = None) -> None:
        self.child = child


class Pair(NamedTuple):
    left: Any
    right: Any


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2**70


class Flags(enum.IntFlag):
    A = 1
    B = 2


class MyInt(int):
    pass


class MyFloat(float):
    pass


class MyComplex(complex):
    pass


class MyStr(str):
    pass


class MyBytes(bytes):
    pass


class MyBytearray(bytearray):
    pass


class MyTuple(tuple):
    pass


class MyList(list):
    pass


class MyDict(dict):
    pass


class MySet(set):
    pass


class MyFrozenset(frozenset):
    pass


class SlottedList(list):
    __slots__ = ("note",)


def counting_default() -> int:
    return 0


def default_dict() -> Any:
    made = collections.defaultdict(counting_default)
    made["x"] += 1
    return made


class ZeroCopy(bytearray):
    """Hands its memory to pickle protocol 5 out of band, as NumPy's arrays do."""

    def __reduce_ex__(self, protocol):
        if protocol >= 5:
            return type(self)._rebuild, (pickle.PickleBuffer(self), protocol)
        return type(self)._rebuild, (bytearray(self), protocol)

    @classmethod
    def _rebuild(cls, memory, protocol):
        with memoryview(memory) as view:
            made = cls(view)
        made.protocol = protocol
        made.arrived_as = type(memory).__name__
        return made


class FailsToLoad:
    """Sends well and raises while it is being received."""

    def __init__(self, error=ZeroDivisionError):
        self.error = error

    def __reduce__(self):
        return _raise, (self.error,)


def _raise(error):
    raise error("while being received")


class FailsToDump:
    """Raises while it is being sent."""

    def __init__(self, error=ZeroDivisionError):
        self.error = error

    def __reduce__(self):
        raise self.error("while being sent")


class Meddler:
    """Calls back while it is being encoded, and crosses as the text "meddled"."""

    def __init__(self, callback):
        self.callback = callback

    def __reduce__(self):
        self.callback()
        return str, ("meddled",)
