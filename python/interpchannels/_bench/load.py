"""One-way latency in steps of offered load: messages are sent at given times, whether the last one arrived or not.

A latency counts from when the message ought to have been sent, so a sender that is held up shows in it. The load is a
share of the saturation, which each side has of its own: the rate at which messages arrive when the sender, with the
same reading of the clock, never waits.
"""

from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter_ns
from typing import Any

from . import ends, far
from .measure import Case, Cell, Effort, Figures, percentiles, quiet
from .rows import Row

STEPS = (10, 30, 60, 90)  # per cent of saturation
RATE, P99 = "messages a second", "p99"
_LEAST, _MOST = 500, 200_000
_AT_ONCE = 50_000  # messages that are sent without waiting


def rows() -> Iterator[Row]:
    """Nothing is promised of these."""
    for step in STEPS:
        name = f"offered load {step} %"
        yield Row(
            f"{name}, p99",
            Cell(Case(f"{name}: package", partial(_channel, step / 100), most=5), P99),
            [
                Cell(
                    Case(f"{name}: SimpleQueue, threads", partial(_threads, step / 100), most=5),
                    P99,
                )
            ],
        )


def _channel(share: float, effort: Effort) -> Figures:
    with ends.interpreter(far.offer_ints) as (orders, items):
        return _measure(orders.send, items.recv, share, effort)


def _threads(share: float, effort: Effort) -> Figures:
    with ends.thread(far.thread_offer) as (orders, items):
        return _measure(orders.put, items.get, share, effort)


def _measure(
    order: Callable[[Any], object], recv: Callable[[], int], share: float, effort: Effort
) -> Figures:
    """The saturation is measured anew for each sample, since it depends on what else the machine does."""
    with quiet():
        _run(order, recv, _AT_ONCE, 0)
        rate, _ = _run(order, recv, _AT_ONCE, 0)
        offered = rate * share
        count = min(_MOST, max(_LEAST, int(offered * effort.seconds * 4)))
        _, latencies = _run(order, recv, count, int(1e9 / offered))
    return {RATE: offered, **percentiles(latencies)}


def _run(
    order: Callable[[Any], object], recv: Callable[[], int], count: int, interval: int
) -> tuple[float, list[int]]:
    """The messages a second that arrived, and the nanoseconds of each."""
    latencies = [0] * count
    order((count, interval))
    started = due = recv()  # when the first one was to be sent
    latencies[0] = perf_counter_ns() - due
    for number in range(1, count):
        due = recv()
        latencies[number] = perf_counter_ns() - due
    return count / (perf_counter_ns() - started) * 1e9, latencies
