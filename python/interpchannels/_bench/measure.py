"""Timing: what a case is, how much work a run is worth, and how cases are sampled in turns.

A sample begins with smaller ones, which warm up and say how much fits into its time. Garbage collection is off while
the clock runs. Cases that are compared are sampled in turns, in one order and then in the other, so that a slow
minute of the machine slows them all.
"""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from statistics import median

# Does something n times and returns the seconds that it took.
type Batch = Callable[[int], float]
# What a sample is made of, by name; most have TIME alone. Times are in seconds, memory in bytes.
type Figures = dict[str, float]

TIME = "time"
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9}


@dataclass(frozen=True)
class Effort:
    """How much work a run is worth.

    repetitions: the samples of a case; few: the most of one that takes long. seconds: about how long a sample takes
    where it is many small operations. share: of a job that has a size of its own (files, channels, seconds of
    waiting); 1 is all of it.
    """

    repetitions: int
    few: int
    seconds: float
    share: float


FULL = Effort(11, 7, 0.05, 1.0)
QUICK = Effort(3, 1, 0.008, 0.1)


@dataclass(eq=False)
class Case:
    """One way of doing something.

    name: what is done, a colon, and who does it. measure: takes one sample. most: of a case that takes long, the most
    samples; None where it doesn't.
    """

    name: str
    measure: Callable[[Effort], Figures]
    most: int | None = None
    samples: dict[str, list[float]] = field(default_factory=dict)

    @property
    def who(self) -> str:
        return self.name.rpartition(": ")[2]

    def repetitions(self, effort: Effort) -> int:
        return effort.repetitions if self.most is None else min(self.most, effort.few)

    def sample(self, effort: Effort) -> None:
        for figure, value in self.measure(effort).items():
            self.samples.setdefault(figure, []).append(value)


@dataclass(frozen=True)
class Cell:
    """One figure of a case."""

    case: Case
    figure: str = TIME

    @property
    def median(self) -> float | None:
        """None where there is no sample: the run was ended early."""
        samples = self.case.samples.get(self.figure)
        return median(samples) if samples else None


def run_in_turns(cases: Sequence[Case], effort: Effort, step: Callable[[], object]) -> None:
    """Samples each case once in each repetition, and calls `step` after each sample."""
    for repetition in range(effort.repetitions):
        turn = [case for case in cases if repetition < case.repetitions(effort)]
        for case in turn if repetition % 2 == 0 else reversed(turn):
            case.sample(effort)
            step()


def per_operation(batch: Batch, seconds: float, least: int = 8) -> float:
    """Seconds an operation, of one batch that takes about `seconds`; `least` is the size of the first."""
    with quiet():
        count = fitting(batch, seconds, least)
        return batch(count) / count


def fitting(batch: Batch, seconds: float, least: int) -> int:
    """How many times fit into `seconds`; at least one."""
    batch(1)  # the first one also waits until the other side is there
    count = least
    while (took := batch(count)) < seconds / 8:
        count *= 4
    return max(1, int(count * seconds / took))


@contextmanager
def quiet() -> Iterator[None]:
    """No garbage collection in this interpreter within the block."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def timer(work: Callable[[int], object]) -> Batch:
    """A batch from something that does its work n times."""

    def batch(count: int) -> float:
        started = time.perf_counter()
        work(count)
        return time.perf_counter() - started

    return batch


def percentiles(latencies: Sequence[int]) -> Figures:
    """PERCENTILES of nanoseconds, in seconds: of each the least value that so many per cent don't exceed."""
    if not latencies:
        raise ValueError("percentiles of nothing")
    ordered = sorted(latencies)
    # Rounded before it goes up: 99.9 % of 1,000 is 999 and not a little more.
    ranks = {name: ceil(round(len(ordered) * p / 100, 6)) for name, p in PERCENTILES.items()}
    return {name: ordered[max(rank, 1) - 1] / 1e9 for name, rank in ranks.items()}
