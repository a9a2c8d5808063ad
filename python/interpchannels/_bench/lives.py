"""Channels that are made, used and let go, one at a time: whether the millionth takes longer than the thousandth."""

from collections.abc import Iterator
from statistics import median
from time import perf_counter

import interpchannels

from . import child
from .measure import Case, Cell, Effort, Figures
from .rows import Row

_CHANNELS = 1_000_000
_WINDOW = 1_000
_EARLY, _LATE = "at 1,000", "at the end"


def rows() -> Iterator[Row]:
    """In one process, windows of 1,000 channels: the last tenth of them beside those from the thousandth on."""
    case = Case("a channel's life: after a thousand", _measure, most=5)
    yield Row(
        "a channel's life after a million",
        Cell(case, _LATE),
        [Cell(case, _EARLY)],
        1.5,
    )


def _measure(effort: Effort) -> Figures:
    windows = int(_CHANNELS * effort.share) // _WINDOW
    times = child.run(live, windows)
    return {_EARLY: median(times[1:11]), _LATE: median(times[-(windows // 10) :])}


def live(windows: int) -> list[float]:
    """The seconds a channel takes, of each window."""
    return [_window() for _ in range(windows)]


def _window() -> float:
    started = perf_counter()
    for _ in range(_WINDOW):
        recv, send = interpchannels.create()
        send.send(1)
        recv.recv()
        send.close()
        recv.close()
    return (perf_counter() - started) / _WINDOW
