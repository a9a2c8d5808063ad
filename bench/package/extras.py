"""Batches beside single sends, and what the counters cost: they are always on, and only asking costs."""

from collections.abc import Callable, Iterator
from itertools import repeat

from measure import Batch, Case, per_operation, timer

import interpchannels

GROUP = "extras"
MANY = "send_many, recv_many"
SINGLE = "send, recv"
ASKED = "asked"
FLOATS = "a float of 100"
END_STATS = "end.stats()"
STATS = "stats() of 100 channels"

_COUNT = 100


def cases() -> Iterator[Case]:
    """One way of doing it in each case."""
    yield Case(GROUP, FLOATS, MANY, _each_of(_many()))
    yield Case(GROUP, FLOATS, SINGLE, _each_of(_single()))
    yield Case(GROUP, END_STATS, ASKED, _whole(_end_stats()))
    yield Case(GROUP, STATS, ASKED, _whole(_stats()))


def _whole(batch: Batch) -> Callable[[float], float]:
    return lambda seconds: per_operation(batch, seconds)


def _each_of(batch: Batch) -> Callable[[float], float]:
    return lambda seconds: per_operation(batch, seconds) / _COUNT


def _many() -> Batch:
    recv, send = interpchannels.create()
    floats = [n / 7 for n in range(_COUNT)]

    def work(count: int) -> None:
        for _ in repeat(None, count):
            send.send_many(floats)
            recv.recv_many(_COUNT)

    return timer(work)


def _single() -> Batch:
    recv, send = interpchannels.create()
    floats = [n / 7 for n in range(_COUNT)]

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
