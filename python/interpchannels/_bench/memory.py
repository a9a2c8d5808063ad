"""What channels and queued items take: by how much a fresh process grows, over how many were made.

All that they need counts, the two end objects of a channel included; the list that holds these does not.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import interpchannels

from . import child
from .measure import Case, Cell, Effort, Figures
from .rows import Row

_BYTES = "bytes"
_CHANNELS, _ITEMS, _BACKLOG = 100_000, 1_000_000, 10_000_000
_STATM = Path("/proc/self/statm")


def rows() -> Iterator[Row]:
    """Of each kind of growth; none where the system doesn't say how large a process is."""
    if not _STATM.exists():
        return
    unused = _cell("memory: channels never used", unused_channels, _CHANNELS)
    yield Row("memory of a channel never used", unused, commit=512, unit="B")
    drained = _cell("memory: channels drained", drained_channels, _CHANNELS)
    yield Row("memory of a channel drained", drained, commit=512, unit="B")
    queued = _cell("memory: queued ints", queued_ints, _ITEMS)
    yield Row("memory of a queued int", queued, commit=16, unit="B")
    backlog = Cell(Case("memory: backlog of 10,000,000 ints", _measure_backlog, most=3), _BYTES)
    yield Row("memory of a backlog of 10,000,000 ints", backlog, commit=200e6, unit="B")


def _cell(name: str, function: Callable[[int], int], count: int) -> Cell:
    def measure(effort: Effort) -> Figures:
        number = int(count * max(effort.share, 0.25))
        return {_BYTES: child.run(function, number) / number}

    return Cell(Case(name, measure, most=3), _BYTES)


def _measure_backlog(effort: Effort) -> Figures:
    number = int(_BACKLOG * effort.share)
    return {_BYTES: child.run(queued_ints, number) / number * _BACKLOG}


def unused_channels(count: int) -> int:
    """The bytes of so many."""
    return _growth(count, lambda recv, send: None)


def drained_channels(count: int) -> int:
    """The bytes of so many that had 10 items each."""

    def use(recv: Any, send: Any) -> None:
        for _ in range(10):
            send.send(1_000_000)
        for _ in range(10):
            recv.recv()

    return _growth(count, use)


def _growth(count: int, use: Callable[[Any, Any], object]) -> int:
    recvs: list[Any] = [None] * count
    sends: list[Any] = [None] * count
    kept: list[Any] = [interpchannels.create() for _ in range(100)]  # what the first ones set up
    for ends in kept:
        use(*ends)
    before = _resident()
    for number in range(count):
        recvs[number], sends[number] = recv, send = interpchannels.create()
        use(recv, send)
    return _resident() - before


def queued_ints(count: int) -> int:
    """The bytes of so many different ones in a channel that keeps the items of interpreters that end."""
    _recv, send = interpchannels.create(unbounditems=interpchannels.KEEP)
    send.send(1)
    before = _resident()
    for number in range(count):
        send.send(number)
    return _resident() - before


def _resident() -> int:
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
