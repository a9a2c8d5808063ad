"""Timing: what a case is, and how cases are run in turns."""

import gc
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

# Does something n times and returns the seconds that it took.
type Batch = Callable[[int], float]


@dataclass
class Case:
    """One cell of a table. `measure(seconds)` measures for about that long and returns seconds an operation."""

    group: str
    value: str
    who: str
    measure: Callable[[float], float]
    samples: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.group}/{self.value}/{self.who}"

    @property
    def median(self) -> float:
        """Seconds an operation."""
        return median(self.samples)


def run_in_turns(cases: Sequence[Case], repetitions: int, seconds: float) -> None:
    """Measures each case once in each repetition, so that a slow minute of the machine slows them all."""
    for repetition in range(repetitions):
        if sys.stderr.isatty():
            note = f"\rrepetition {repetition + 1} of {repetitions}"
            print(note, end="", file=sys.stderr, flush=True)
        for case in cases:
            case.samples.append(case.measure(seconds))
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def per_operation(batch: Batch, seconds: float, least: int = 8) -> float:
    """Seconds an operation, of one batch that takes about `seconds`; smaller ones before it warm up.

    `least` is the size of the first.
    """
    gc.collect()
    gc.disable()
    try:
        count = least
        while (took := batch(count)) < seconds / 8:
            count *= 4
        count = max(1, int(count * seconds / took))
        return batch(count) / count
    finally:
        gc.enable()


def timer(work: Callable[[int], object]) -> Batch:
    """A batch from something that does its work n times."""

    def batch(count: int) -> float:
        started = time.perf_counter()
        work(count)
        return time.perf_counter() - started

    return batch
