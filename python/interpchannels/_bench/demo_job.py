"""The demo's job on two cores: over channels, in a pool of processes, and in two processes that say nothing.

Start-up counts on all sides. The silent processes are what the machine can give; each does half of the files.
"""

import io
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from interpchannels._demo import job, peers, run_channels
from interpchannels._demo.cli import find
from interpchannels._demo.job import Run, Tally
from interpchannels._progress import Progress

from . import child
from .measure import TIME, Case, Cell, Effort, Figures
from .rows import Row

_WORKERS = 2
_WORK = "work without start-up"
_FEW = 40


def rows() -> Iterator[Row]:
    """A rate of at least 0.9 of the peer's is a time of at most 1/0.9."""
    ours = Cell(Case("demo job: package", _channels, most=3))
    bare = Cell(Case("demo job: two bare processes", _bare, most=3))
    yield Row("demo job, two bare processes", ours, [bare], 1 / 0.9, 1 / 0.97)
    pools = [
        Cell(Case(f"demo job: multiprocessing, chunks of {chunk}", _processes(chunk), most=3))
        for chunk in (1, 4, 16)
    ]
    yield Row("demo job, multiprocessing", ours, pools, 1.0, 1 / 1.05)


def _paths(effort: Effort) -> list[str]:
    """The standard library, as the demo's default is, or some of its files; all in the system's memory."""
    paths = find()
    if effort.share < 1:
        paths = paths[:: max(1, len(paths) // _FEW)]
    for path in paths:
        job.load(path)
    return paths


def _channels(effort: Effort) -> Figures:
    return _timed(effort, lambda paths, progress: run_channels.run(paths, _WORKERS, progress))


def _processes(chunk: int) -> Callable[[Effort], Figures]:
    def measure(effort: Effort) -> Figures:
        return _timed(
            effort, lambda paths, progress: peers.run_processes(paths, _WORKERS, progress, chunk)
        )

    return measure


def _timed(effort: Effort, run: Callable[[Sequence[str], Progress], Run]) -> Figures:
    paths = _paths(effort)
    done = run(paths, Progress("", len(paths), io.StringIO()))
    if done.interrupted:  # it took the Ctrl-C that is meant for the bench
        raise KeyboardInterrupt
    if done.tally.files != len(paths):
        raise ValueError(f"{done.title}: {done.tally.files} of {len(paths)} files")
    return {TIME: done.seconds}


def _bare(effort: Effort) -> Figures:
    halves: list[list[str]] = [[], []]
    sizes = [0, 0]
    for path in sorted(_paths(effort), key=lambda path: Path(path).stat().st_size, reverse=True):
        lighter = sizes.index(min(sizes))
        halves[lighter].append(path)
        sizes[lighter] += Path(path).stat().st_size
    started = time.perf_counter()
    processes = [child.start(half, paths) for paths in halves]
    seconds = [child.result(process) for process in processes]
    return {TIME: time.perf_counter() - started, _WORK: max(seconds)}


def half(paths: list[str]) -> float:
    """Does the job of one process; the seconds of it."""
    started = time.perf_counter()
    job.be_quiet()
    tally = Tally()
    for path in paths:
        tally.add(job.count(path, job.load(path)))
    return time.perf_counter() - started
