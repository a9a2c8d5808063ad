"""Messages to one receiver from one sender, in interpreters: how long each takes when nobody waits for answers."""

import time
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

from . import cpython, ends, far, pairs, values
from .measure import TIME, Case, Cell, Effort, Figures, per_operation
from .rows import Row

_LEAST = 20_000  # the least that goes one way: a peer that polls sleeps between two of them
_BATCH = 100
POLLED = f"{cpython.CHANNELS}, polled"


def rows() -> Iterator[Row]:
    """The peer is what this CPython has for it: its Queue from 3.14 on, before that its channels, without pause."""
    queues = cpython.Queues() if cpython.PUBLIC else None
    for name, value, commit, moonshot in (
        ("int", values.INT, 1 / 15, 1 / 30),
        ("bytes 64", bytes(64), 1 / 12, 1 / 25),
    ):
        ours = _cell(f"one way, {name}: package", _channel(value))
        if queues:
            peer = _cell(f"one way, {name}: {queues.name}", _queue(queues, value))
        else:
            peer = _cell(f"one way, {name}: {POLLED}", _polled(value))
        yield Row(f"one way, {name}", ours, [peer], commit, moonshot)
        threads = _cell(f"one way, {name}: SimpleQueue, threads", _threads(value))
        yield Row(f"one way, {name}, SimpleQueue", ours, [threads])
    floats = values.floats(_BATCH)
    single = _cell("one way, float: one by one", _channel(floats[1]))
    batches = _cell("one way, float: batches of 100", _batches(floats))
    name = "one way, floats in batches of 100"
    yield Row(name, batches, [single], 1 / 2, 1 / 3)
    yield Row(f"{name}, the objects", batches, [pairs.objects(name, "d", floats, each=True)])


def _cell(name: str, measure: Callable[[float], float]) -> Cell:
    def sample(effort: Effort) -> Figures:
        return {TIME: measure(effort.seconds)}

    return Cell(Case(name, sample))


def _channel(value: object) -> Callable[[float], float]:
    def measure(seconds: float) -> float:
        with ends.interpreter(far.produce, value) as (orders, items):
            return per_operation(_order(orders.send, items.recv), seconds, _LEAST)

    return measure


def _batches(batch: list[float]) -> Callable[[float], float]:
    def measure(seconds: float) -> float:
        with ends.interpreter(far.produce_batches, batch) as (orders, items):

            def take(count: int) -> float:
                # Whole batches, so that none is left over; the clock starts at the first of them.
                wanted = -(-count // _BATCH) * _BATCH
                orders.send(wanted + _BATCH)
                left = wanted + _BATCH - len(items.recv_many(_BATCH))
                started, counted = time.perf_counter(), left
                while left > 0:
                    left -= len(items.recv_many(_BATCH))
                return (time.perf_counter() - started) * count / counted

            return per_operation(take, seconds, _LEAST)

    return measure


def _threads(value: object) -> Callable[[float], float]:
    def measure(seconds: float) -> float:
        with ends.thread(far.thread_produce, value) as (orders, items):
            return per_operation(_order(orders.put, items.get), seconds, _LEAST)

    return measure


def _queue(queues: cpython.Queues, value: object) -> Callable[[float], float]:
    def measure(seconds: float) -> float:
        orders, items = queues.create(), queues.create()
        source = queues.source(putting=items, getting=orders)
        source += (
            "while (count := get()) is not None:\n"
            f"    for _ in range(count): put({value!r})\n"
        )  # fmt: skip
        with cpython.interpreter(source):
            try:
                return per_operation(_order(orders.put, items.get), seconds, _LEAST)
            finally:
                orders.put(None)

    return measure


def _polled(value: object) -> Callable[[float], float]:
    def measure(seconds: float) -> float:
        orders, items = cpython.new_channel(), cpython.new_channel()
        source = (
            f"from {cpython.CHANNELS} import send, recv\n"
            "while True:\n"
            f"    while (count := {cpython.RECV.format(orders)}) is None: pass\n"
            "    if count < 0: break\n"
            f"    for _ in range(count): {cpython.SEND.format(int(items), repr(value))}\n"
        )
        names: dict[str, Any] = {"send": cpython.channels.send, "recv": cpython.channels.recv}
        exec(f"def order(item): {cpython.SEND.format(int(orders), 'item')}", names)
        exec(
            "def get():\n"
            f"    while (item := {cpython.RECV.format(items)}) is None: pass\n"
            "    return item\n",
            names,
        )
        with cpython.interpreter(source):
            try:
                taken = per_operation(_order(names["order"], names["get"]), seconds, _LEAST)
            finally:
                names["order"](-1)
        cpython.destroy(orders)
        cpython.destroy(items)
        return taken

    return measure


def _order(order: Callable[[Any], object], get: Callable[[], Any]) -> Callable[[int], float]:
    """Orders items and takes them; the clock starts at the first, since a polling peer takes an order late."""

    def batch(count: int) -> float:
        order(count + 1)
        get()
        started = time.perf_counter()
        for _ in repeat(None, count):
            get()
        return time.perf_counter() - started

    return batch
