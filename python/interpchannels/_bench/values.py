"""What is sent: small values, containers, and objects of classes that another interpreter can import."""

import enum
from dataclasses import dataclass
from typing import Any, NamedTuple

INT = 1_000_000
SMALL: dict[str, Any] = {
    "None": None,
    "int": INT,
    "str 16": "sixteen letters!",
    "bytes 16": b"sixteen letters!",
}
TUPLE = tuple(range(1_000, 1_100))
NESTED = {"a": 1, "b": [1, 2, 3], "c": "hello"}


@dataclass
class Order:
    """A record as programs have them: eight fields of the usual types."""

    number: int
    customer: str
    article: str
    pieces: int
    price: float
    paid: bool
    tags: tuple[str, ...]
    note: str | None = None


class Point(NamedTuple):
    """Three fields."""

    x: float
    y: float
    name: str


class State(enum.Enum):
    """Members by a text."""

    OPEN = "open"
    CLOSED = "closed"


def order(number: int) -> Order:
    """One of many, with values of its own."""
    customer = f"customer {number % 97}"
    return Order(
        number, customer, f"article {number}", 3, number * 0.25, number % 2 == 0, ("new", customer)
    )


def page() -> list[dict[str, Any]]:
    """A page of a JSON interface: 1,000 dicts of 8 fields of mixed types."""
    return [
        {
            "id": 7_000_000 + number,
            "name": f"person {number}",
            "email": f"person{number}@example.org",
            "active": number % 3 != 0,
            "score": number / 7,
            "tags": ["new", f"group {number % 10}"],
            "manager": None if number % 5 == 0 else 7_000_000 + number // 5,
            "joined": f"2024-{number % 12 + 1:02}-{number % 28 + 1:02}T08:00:00Z",
        }
        for number in range(1_000)
    ]


def floats(count: int) -> list[float]:
    """Floats of all sizes."""
    return [number / 7 for number in range(count)]


def keyed() -> dict[str, int]:
    """A dict of 10,000 str keys."""
    return {f"key {number}": number for number in range(10_000)}
