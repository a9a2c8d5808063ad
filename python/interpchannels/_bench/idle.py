"""The CPU that a process of 100 blocked receivers uses."""

import time
from collections.abc import Iterator

import interpchannels

from . import child, far
from .measure import Case, Cell, Effort, Figures
from .rows import Row

_SECONDS = 5.0
_INTERPRETERS, _THREADS = 4, 25
_CPU = "CPU"


def rows() -> Iterator[Row]:
    """25 in each of 4 interpreters; a shorter time counts as the whole 5 s."""
    case = Case("CPU of 100 blocked receivers", _measure, most=3)
    yield Row("CPU of 100 receivers blocked for 5 s", Cell(case, _CPU), commit=0.05)


def _measure(effort: Effort) -> Figures:
    seconds = max(1.0, _SECONDS * effort.share)
    return {_CPU: child.run(blocked, seconds) / seconds * _SECONDS}


def blocked(seconds: float) -> float:
    """The CPU seconds of this process while they are all blocked for so long."""
    channels = [interpchannels.create() for _ in range(_INTERPRETERS)]
    workers = [interpchannels.spawn(far.block, recv, _THREADS) for recv, _ in channels]
    while sum(recv.stats().waiting_receivers for recv, _ in channels) < _INTERPRETERS * _THREADS:
        time.sleep(0.01)
    time.sleep(0.1)  # they spin for a moment before they sleep
    before = time.process_time()
    time.sleep(seconds)
    used = time.process_time() - before
    for _, send in channels:
        send.close()
    for worker in workers:
        worker.result()
    return used
