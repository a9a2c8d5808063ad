"""Objects of classes that another interpreter can import."""

import enum
from dataclasses import dataclass
from typing import NamedTuple


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
