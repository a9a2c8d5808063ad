"""Batches beside single sends in one thread, and what asking for the counters costs: they are always on."""

from collections.abc import Callable, Iterator
from itertools import repeat

import interpchannels

from . import values
from .measure import TIME, Batch, Case, Cell, Effort, Figures, per_operation, timer
from .rows import Row

_COUNT = 100


def rows() -> Iterator[Row]:
    """A float of 100; the counters of one end, and of the process where it has 100 channels."""
    many = _cell("a float of 100: send_many, recv_many", _many, _COUNT)
    single = _cell("a float of 100: one by one", _single, _COUNT)
    yield Row("pair, floats in batches of 100", many, [single], 1 / 2)
    yield Row("end.stats()", _cell("end.stats()", _end_stats))
    yield Row("stats() of 100 channels", _cell("stats() of 100 channels", _stats))


def _cell(name: str, way: Callable[[], Batch], each: int = 1) -> Cell:
    def measure(effort: Effort) -> Figures:
        return {TIME: per_operation(way(), effort.seconds) / each}

    return Cell(Case(name, measure))


def _many() -> Batch:
    recv, send = interpchannels.create()
    floats = values.floats(_COUNT)

    def work(count: int) -> None:
        for _ in repeat(None, count):
            send.send_many(floats)
            recv.recv_many(_COUNT)

    return timer(work)


def _single() -> Batch:
    recv, send = interpchannels.create()
    floats = values.floats(_COUNT)

    def work(count: int) -> None:
        for _ in repeat(None, count):
            for number in floats:
                send.send(number)
            for _number in floats:
                recv.recv()

    return timer(work)


def _end_stats() -> Batch:
    _recv, send = interpchannels.create()

    def work(count: int) -> None:
        for _ in repeat(None, count):
            send.stats()

    return timer(work)


def _stats() -> Batch:
    channels = [interpchannels.create() for _ in range(100)]

    def work(count: int) -> None:
        assert channels
        for _ in repeat(None, count):
            interpchannels.stats()

    return timer(work)
