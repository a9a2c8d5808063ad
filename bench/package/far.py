"""What runs at the other end, in an interpreter or a thread of its own."""

from itertools import repeat
from queue import SimpleQueue
from typing import Any

from interpchannels import RecvChannel, SendChannel


def echo(requests: RecvChannel[Any], replies: SendChannel[Any]) -> None:
    """Sends back what comes, until no more comes."""
    send = replies.send
    for item in requests:
        send(item)


def produce(orders: RecvChannel[int], items: SendChannel[Any], value: object) -> None:
    """For each number that comes, sends `value` that many times."""
    send = items.send
    for count in orders:
        for _ in repeat(None, count):
            send(value)


def thread_echo(requests: "SimpleQueue[Any]", replies: "SimpleQueue[Any]") -> None:
    """`echo` for a thread; None is the last item."""
    put, get = replies.put, requests.get
    while (item := get()) is not None:
        put(item)


def thread_produce(
    orders: "SimpleQueue[int | None]", items: "SimpleQueue[Any]", value: object
) -> None:
    """`produce` for a thread; None is the last order."""
    put = items.put
    while (count := orders.get()) is not None:
        for _ in repeat(None, count):
            put(value)
