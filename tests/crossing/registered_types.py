"""Classes for register(), with functions that can be imported; nothing is registered by the import."""

import threading
from typing import Any


class Money:
    """Holds what cannot cross."""

    def __init__(self, amount: Any, currency: str = "EUR") -> None:
        self.amount, self.currency = amount, currency
        self.lock = threading.Lock()

    def __eq__(self, other: object) -> bool:
        return type(other) is Money and vars_of(other) == vars_of(self)

    __hash__ = None  # type: ignore[assignment]


class Coin(Money):
    """A subclass that nobody registers."""


class Link:
    """May lead back to itself."""

    def __init__(self, to: Any = None) -> None:
        self.to = to


def vars_of(money: Any) -> tuple[Any, str]:
    return money.amount, money.currency


def money_to(money: Money) -> Any:
    return vars_of(money)


def money_from(value: Any) -> Money:
    return Money(*value)


def link_to(link: Link) -> Any:
    return link.to


def link_from(to: Any) -> Link:
    return Link(to)


def send_money(send: Any, amount: Any) -> None:
    """In a Worker: sends one, and one in what only pickle knows."""
    import collections

    send.send(Money(amount))
    send.send(collections.deque([Money(amount)]))


def registered_here() -> list[str]:
    from interpchannels import _interpchannels

    return sorted(name for _, name in _interpchannels._registrations())


def spawn_once_more(value: Any) -> Any:
    import interpchannels

    return interpchannels.spawn(echo, value).result()


def echo(value: Any) -> Any:
    return value


def double(value: Any) -> Any:
    """For a value with amounts in it."""
    return [Money(money.amount * 2) for money in value]


def forget_and_receive(recv: Any) -> Any:
    import interpchannels

    interpchannels.register(Money, None, None)
    return recv.recv()
