"""Classes whose instances are met inside of what they contain."""

from typing import Any, NamedTuple


class Bare:
    x: Any


class Point(NamedTuple):
    left: Any
    right: Any


class Hashed:
    """Its hash looks at each thing in what it holds."""

    x: Any

    def __hash__(self) -> int:
        return sum(1 for item in self.x if item is not None and type(item) is int and item < 0)
