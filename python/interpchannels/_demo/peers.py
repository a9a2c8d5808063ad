"""The same job without channels: in this interpreter alone, and in a pool of processes."""

import multiprocessing
import signal
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker

from interpchannels._progress import Progress

from . import job
from .job import FileCount, Run, Tally

_CHUNKS_PER_WORKER = 16  # enough to keep all of them busy to the end
_LARGEST_CHUNK = 32  # from 16 to 54 files made no difference that could be measured


def run_alone(paths: Sequence[str], progress: Progress) -> Run:
    """Does the job in the calling interpreter. Ctrl-C ends it with what was done so far."""
    started = time.perf_counter()
    tally = Tally()
    interrupted = False
    try:
        with warnings.catch_warnings():
            job.be_quiet()
            for path in paths:
                tally.add(job.count(path, job.load(path)))
                progress.step()
    except KeyboardInterrupt:
        interrupted = True
    return Run("one interpreter", tally, time.perf_counter() - started, interrupted)


def run_processes(
    paths: Sequence[str], workers: int, progress: Progress, chunk: int | None = None
) -> Run:
    """Does the job in `workers` processes (start method spawn); this one reads and gathers.

    As with channels the files themselves are sent, `chunk` at a time, and results are merged as they come. Ctrl-C ends
    it with what was done so far.
    """
    started = time.perf_counter()
    tally = Tally()
    interrupted = False
    if chunk is None:
        chunk = max(1, min(_LARGEST_CHUNK, len(paths) // (workers * _CHUNKS_PER_WORKER)))
    files = ((path, job.load(path)) for path in paths)
    context = multiprocessing.get_context("spawn")
    try:
        with _interrupts_held():
            pool = context.Pool(workers, _begin)
        with pool:  # leaving it by an exception ends the processes at once
            for one in pool.imap_unordered(_count, files, chunk):
                tally.add(one)
                progress.step()
            pool.close()
            pool.join()
    except KeyboardInterrupt:
        interrupted = True
    title = f"multiprocessing, {workers} process{'es' * (workers > 1)}"
    return Run(title, tally, time.perf_counter() - started, interrupted)


def _begin() -> None:
    """Runs first in every process. Ctrl-C reaches them all; to end them is their parent's task."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    job.be_quiet()


def _count(file: tuple[str, bytes | None]) -> FileCount:
    return job.count(*file)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Holds Ctrl-C back for the block, here and in the processes started in it, which have yet to reach `_begin`."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # multiprocessing would start its tracker inside the block, and that lets signals through again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
