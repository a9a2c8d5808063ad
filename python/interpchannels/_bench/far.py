"""What runs at the other end, in an interpreter or a thread of its own. A thread takes None as the end."""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from queue import SimpleQueue
from time import perf_counter, perf_counter_ns
from typing import Any

from interpchannels import ChannelClosedError, RecvChannel, SendChannel


def echo(requests: RecvChannel[Any], replies: SendChannel[Any]) -> None:
    """Sends back what comes, until no more comes."""
    send = replies.send
    for item in requests:
        send(item)


def thread_echo(requests: "SimpleQueue[Any]", replies: "SimpleQueue[Any]") -> None:
    """`echo` for a thread."""
    put, get = replies.put, requests.get
    while (item := get()) is not None:
        put(item)


def think(requests: RecvChannel[Any], replies: SendChannel[Any], nanoseconds: int) -> None:
    """`echo` that computes for a while before each answer."""
    for item in requests:
        _compute(nanoseconds)
        replies.send(item)


def think_eventfd(requests: int, replies: int, nanoseconds: int) -> None:
    """The same between two eventfds; a 2 is the end."""
    while os.eventfd_read(requests) == 1:
        _compute(nanoseconds)
        os.eventfd_write(replies, 1)


def _compute(nanoseconds: int) -> None:
    until = perf_counter_ns() + nanoseconds
    while perf_counter_ns() < until:
        pass


def produce(orders: RecvChannel[int], items: SendChannel[Any], value: object) -> None:
    """For each number that comes, sends `value` that many times."""
    send = items.send
    for count in orders:
        for _ in repeat(None, count):
            send(value)


def thread_produce(
    orders: "SimpleQueue[int | None]", items: "SimpleQueue[Any]", value: object
) -> None:
    """`produce` for a thread."""
    put = items.put
    while (count := orders.get()) is not None:
        for _ in repeat(None, count):
            put(value)


def produce_batches(
    orders: RecvChannel[int], items: SendChannel[Any], batch: Sequence[object]
) -> None:
    """For each number that comes, sends at least so many items, in batches."""
    for count in orders:
        for _ in range(0, count, len(batch)):
            items.send_many(batch)


def produce_once(
    ready: SendChannel[None], go: RecvChannel[None], items: SendChannel[Any], count: int
) -> None:
    """Sends `count` ints when it is told to."""
    send = items.send
    ready.send(None)
    go.recv()
    for _ in repeat(None, count):
        send(1_000_000)


def consume_all(ready: SendChannel[Any], items: RecvChannel[Any]) -> None:
    """Says how many items came until no more came, and when that was."""
    ready.send(None)
    count = 0
    for _ in items:
        count += 1
    ready.send((count, perf_counter()))


def _offer(
    orders: Iterable[tuple[int, int]], send: Callable[[int], object], wait: Callable[[], object]
) -> None:
    """For each (count, interval) sends that many messages at given times, that many nanoseconds apart.

    A message is the time at which it ought to be sent; one that is late is sent at once, and the next ones keep to
    their times. `wait` is called again and again until it is time.
    """
    for count, interval in orders:
        due = perf_counter_ns()
        for _ in repeat(None, count):
            while perf_counter_ns() < due:
                wait()
            send(due)
            due += interval


def offer_ints(orders: RecvChannel[tuple[int, int]], items: SendChannel[int]) -> None:
    """Offers messages as each order says. It keeps its core meanwhile, since it has an interpreter of its own."""
    _offer(orders, items.send, lambda: None)


def thread_offer(orders: "SimpleQueue[tuple[int, int] | None]", items: "SimpleQueue[int]") -> None:
    """`offer_ints` for a thread, which has to let the receiver run meanwhile."""
    _offer(iter(orders.get, None), items.put, os.sched_yield)


def block(items: RecvChannel[Any], threads: int) -> None:
    """Waits in so many threads for what never comes, until the channel is closed."""

    def receive() -> None:
        try:
            items.recv()
        except ChannelClosedError:
            pass

    waiting = [threading.Thread(target=receive) for _ in range(threads)]
    for thread in waiting:
        thread.start()
    for thread in waiting:
        thread.join()


def be_busy(stop: threading.Event) -> None:
    """Keeps a core and an interpreter busy with Python code."""
    number = 0
    while not stop.is_set():
        for _ in range(1_000):
            number += 1
