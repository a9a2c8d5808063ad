"""Several senders and receivers, each an interpreter, on one channel; and two pairs on two channels.

What counts is the time until all has arrived, over the number of messages. All wait until each of them is there.
"""

from collections.abc import Callable, Iterator
from time import perf_counter

import interpchannels

from . import far
from .measure import TIME, Case, Cell, Effort, Figures
from .rows import Row

# Long enough that the time slices of more threads than cores even out: in a job of 20 ms chance decides which of
# them have a core.
_MESSAGES = 2_000_000


def rows() -> Iterator[Row]:
    """Each beside one sender and one receiver."""
    single = _cell("contention: 1 to 1", lambda count: _run(count, 1, 1))
    for senders, receivers in ((4, 1), (1, 4), (4, 4)):
        ours = _cell(f"contention: {senders} to {receivers}", _crowd(senders, receivers))
        yield Row(
            f"{senders} to {receivers}, each an interpreter", ours, [single], 1 / 0.5, 1 / 0.8
        )
    pairs = _cell("contention: two pairs", lambda count: _run(count, 1, 1, 2))
    yield Row("two pairs on two channels", pairs, [single], 1.0)


def _cell(name: str, run: Callable[[int], float]) -> Cell:
    def measure(effort: Effort) -> Figures:
        return {TIME: run(int(_MESSAGES * max(effort.share, 0.25)))}

    return Cell(Case(name, measure, most=7))


def _crowd(senders: int, receivers: int) -> Callable[[int], float]:
    return lambda count: _run(count, senders, receivers)


def _run(messages: int, senders: int, receivers: int, channels: int = 1) -> float:
    """Seconds a message, of `messages` in all; senders and receivers are those of each channel."""
    each = messages // (senders * channels)
    reports, report = interpchannels.create()
    starts, start = interpchannels.create()
    workers = []
    with reports, start:
        with report, starts:
            for _ in range(channels):
                items, far_items = interpchannels.create()
                with items, far_items:
                    for _ in range(receivers):
                        workers.append(interpchannels.spawn(far.consume_all, report, items))
                    for _ in range(senders):
                        workers.append(
                            interpchannels.spawn(far.produce_once, report, starts, far_items, each)
                        )
        for _ in workers:
            reports.recv()
        started = perf_counter()
        for _ in range(senders * channels):
            start.send(None)
        ends: list[tuple[int, float]] = list(reports)
    for worker in workers:
        worker.result()
    count = sum(number for number, _ in ends)
    if count != each * senders * channels:
        raise ValueError(f"{each * senders * channels} messages were sent, {count} arrived")
    return (max(end for _, end in ends) - started) / count
