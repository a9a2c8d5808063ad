"""Large values from one interpreter to another: bytes, bytes into memory that is there, and a Buffer that moves."""

import time
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import far
from measure import Batch, Case, per_operation, timer

import interpchannels

GROUP = "large"
RECV = "package, recv"
RECV_INTO = "package, recv_into"
MOVED = "package, a Buffer"
MEMCPY = "memcpy, one interpreter"
FRESH = "memcpy, fresh memory"

SIZES = {"1 KiB": 2**10, "1 MiB": 2**20, "64 MiB": 2**26}


def cases() -> Iterator[Case]:
    """A case for each size and way."""
    for name, size in SIZES.items():
        yield Case(GROUP, name, RECV, _received(size, into=False))
        yield Case(GROUP, name, RECV_INTO, _received(size, into=True))
        yield Case(GROUP, name, MOVED, _moved(size))
        yield Case(GROUP, name, MEMCPY, _measurer(_copies(size)))
        yield Case(GROUP, name, FRESH, _measurer(_fresh_copies(size)))


def _measurer(batch: Batch) -> Callable[[float], float]:
    return lambda seconds: per_operation(batch, seconds, 1)


def _received(size: int, into: bool) -> Callable[[float], float]:
    def measure(seconds: float) -> float:
        far_orders, orders = interpchannels.create()
        items, far_items = interpchannels.create()
        memory = bytearray(b"x" * size)

        def batch(count: int) -> float:
            orders.send(count)
            while len(items) < count:  # they are lent, so that nothing is copied yet
                time.sleep(0.0005)
            started = time.perf_counter()
            if into:
                for _ in repeat(None, count):
                    items.recv_into(memory)
            else:
                for _ in repeat(None, count):
                    items.recv()
            return time.perf_counter() - started

        with orders, items:
            with far_orders, far_items:
                worker = interpchannels.spawn(far.produce, far_orders, far_items, b"x" * size)
            taken = per_operation(batch, seconds, 1)
        worker.join()
        return taken

    return measure


def _moved(size: int) -> Callable[[float], float]:
    """There and back, halved."""

    def measure(seconds: float) -> float:
        far_requests, requests = interpchannels.create()
        replies, far_replies = interpchannels.create()
        with requests, replies:
            with far_requests, far_replies:
                worker = interpchannels.spawn(far.echo, far_requests, far_replies)
            buffer = interpchannels.Buffer(b"x" * size)

            def work(count: int) -> None:
                nonlocal buffer
                for _ in repeat(None, count):
                    requests.send(buffer)
                    buffer = replies.recv()

            taken = per_operation(timer(work), seconds)
        worker.join()
        return taken / 2

    return measure


def _copies(size: int) -> Batch:
    source, memory = b"x" * size, memoryview(bytearray(b"y" * size))

    def work(count: int) -> None:
        for _ in repeat(None, count):
            memory[:] = source

    return timer(work)


def _fresh_copies(size: int) -> Batch:
    source: Any = bytearray(b"x" * size)

    def work(count: int) -> None:
        for _ in repeat(None, count):
            bytes(source)

    return timer(work)
