"""A message to another interpreter and its answer: what waiting costs, as percentiles.

Every round is timed; the one reading of the clock that it takes is in all figures, ours and the peers'.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from time import perf_counter_ns
from typing import Any

import interpchannels

from . import cpython, ends, far, futex, values
from .measure import Case, Cell, Effort, Figures, fitting, percentiles, quiet, timer
from .rows import Row

MEDIAN, P99, CPU = "p50", "p99", "CPU a round"
_THINK = 200_000  # nanoseconds
_MOST_ROUNDS = 200_000


def rows() -> Iterator[Row]:
    """Both cores free; beside a busy thread; with a peer that lets the waiter fall asleep."""
    name = "round trip"
    ours = Case(f"{name}: package", lambda effort: _channels(effort.seconds))
    theirs = Case(f"{name}: SimpleQueue, threads", lambda effort: _threads(effort.seconds))
    yield Row(f"{name}, median", Cell(ours, MEDIAN), [Cell(theirs, MEDIAN)], 1 / 100, 1 / 200)
    yield Row(f"{name}, p99", Cell(ours, P99), [Cell(theirs, P99)])
    try:
        queues = cpython.Queues()
    except LookupError:
        pass
    else:
        queue = Case(f"{name}: {queues.name}", lambda effort: _queues(queues, effort), most=3)
        yield Row(f"{name}, CPython's Queue", Cell(ours, MEDIAN), [Cell(queue, MEDIAN)])

    # A thread waits for its turn in steps of 5 ms: fewer and longer samples.
    name = "round trip beside a busy thread"
    ours = Case(f"{name}: package", lambda effort: _channels(effort.seconds * 2, _busy), most=7)
    theirs = Case(
        f"{name}: SimpleQueue, threads",
        lambda effort: _threads(effort.seconds * 10, _busy),
        most=7,
    )
    yield Row(f"{name}, p99", Cell(ours, P99), [Cell(theirs, P99)], 1 / 100)

    name = "round trip, peer thinks 200 µs"
    ours = Case(f"{name}: package", _thinking, most=7)
    if futex.helper():
        theirs = Case(f"{name}: bare futex in C++", _futex, most=7)
    else:
        theirs = Case(f"{name}: os.eventfd", _eventfd, most=7)
    if futex.helper() or hasattr(os, "eventfd"):
        yield Row(f"{name}, {theirs.who}", Cell(ours, MEDIAN), [Cell(theirs, MEDIAN)], 1.1, 1.0)
        yield Row(f"CPU of its waiter, {theirs.who}", Cell(ours, CPU), [Cell(theirs, CPU)])
    yield Row("CPU of the waiter in such a round", Cell(ours, CPU), commit=20e-6)


@contextmanager
def _busy() -> Iterator[None]:
    """A thread of this interpreter that computes."""
    stop = threading.Event()
    thread = threading.Thread(target=far.be_busy, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _channels(seconds: float, beside: Callable[[], Any] = nullcontext) -> Figures:
    with ends.interpreter(far.echo) as (requests, replies), beside():
        return percentiles(_rounds(requests.send, replies.recv, seconds))


def _threads(seconds: float, beside: Callable[[], Any] = nullcontext) -> Figures:
    with ends.thread(far.thread_echo) as (requests, replies), beside():
        return percentiles(_rounds(requests.put, replies.get, seconds))


def _queues(queues: cpython.Queues, effort: Effort) -> Figures:
    requests, replies = queues.create(), queues.create()
    source = queues.source(putting=replies, getting=requests)
    with cpython.interpreter(source + "while (item := get()) is not None: put(item)"):
        try:
            return percentiles(_rounds(requests.put, replies.get, effort.seconds * 2))
        finally:
            requests.put(None)


def _thinking(effort: Effort) -> Figures:
    with ends.interpreter(far.think, _THINK) as (requests, replies):
        return _thoughtful_rounds(requests.send, replies.recv, effort)


def _eventfd(effort: Effort) -> Figures:
    requests, replies = os.eventfd(0), os.eventfd(0)
    worker = interpchannels.spawn(far.think_eventfd, requests, replies, _THINK)
    try:
        return _thoughtful_rounds(
            lambda item: os.eventfd_write(requests, 1), lambda: os.eventfd_read(replies), effort
        )
    finally:
        os.eventfd_write(requests, 2)
        worker.join()
        os.close(requests)
        os.close(replies)


def _futex(effort: Effort) -> Figures:
    count = _thoughtful_count(effort)
    latencies, cpu = futex.rounds(count, _THINK)
    return {**percentiles(latencies), CPU: cpu / count}


def _thoughtful_count(effort: Effort) -> int:
    """A round takes about 0.3 ms: some more of them than fit into the usual time of a sample."""
    return max(50, int(effort.seconds * 15_000))


def _thoughtful_rounds(
    send: Callable[[Any], object], recv: Callable[[], object], effort: Effort
) -> Figures:
    count = _thoughtful_count(effort)
    with quiet():
        _timed(send, recv, count // 10)
        cpu = time.thread_time()
        latencies = _timed(send, recv, count)
        cpu = time.thread_time() - cpu
    return {**percentiles(latencies), CPU: cpu / count}


def _rounds(send: Callable[[Any], object], recv: Callable[[], object], seconds: float) -> list[int]:
    """The nanoseconds of each of as many rounds as fit into `seconds`."""
    with quiet():
        count = fitting(timer(lambda count: _timed(send, recv, count)), seconds, 8)
        return _timed(send, recv, min(count, _MOST_ROUNDS))


def _timed(send: Callable[[Any], object], recv: Callable[[], object], count: int) -> list[int]:
    latencies = [0] * count
    before = perf_counter_ns()
    for number in range(count):
        send(values.INT)
        recv()
        now = perf_counter_ns()
        latencies[number] = now - before
        before = now
    return latencies
