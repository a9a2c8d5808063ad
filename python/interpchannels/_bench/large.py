"""Large values from one interpreter to another: bytes, bytes into memory that is there, and a Buffer that moves."""

import ctypes
import mmap
import time
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path

import interpchannels

from . import ends, far
from .measure import TIME, Batch, Case, Cell, Effort, Figures, per_operation, timer
from .rows import Row

_KIB, _MIB, _GIB = 2**10, 2**20, 2**30
_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def rows() -> Iterator[Row]:
    """Beside a bare copy of the same size; what moves, beside something small that moves."""
    # Where the system gives no huge pages there is no promise.
    huge = (0.4, 0.3) if _has_huge_pages() else (None, None)
    for name, size, budget in (("1 MiB", _MIB, (1.3, 1.05)), ("64 MiB", 64 * _MIB, huge)):
        ours = _cell(f"bytes of {name}: package", _received(size, into=False))
        peer = _cell(f"bytes of {name}: memcpy into a new mmap", _measured(_fresh_copies, size))
        yield Row(f"bytes of {name}", ours, [peer], *budget)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        peer = _cell("bytes of 64 MiB: memcpy into huge pages", _measured(_huge_copies, 64 * _MIB))
        yield Row("bytes of 64 MiB, huge pages", ours, [peer])
    ours = _cell("recv_into of 64 MiB: package", _received(64 * _MIB, into=True))
    peer = _cell("recv_into of 64 MiB: memcpy into warm memory", _measured(_warm_copies, 64 * _MIB))
    yield Row("recv_into of 64 MiB", ours, [peer], 1.3, 1.05)
    ours = _cell("moving a Buffer: 1 GiB", _moved(_GIB))
    peer = _cell("moving a Buffer: one of 1 KiB", _moved(_KIB))
    yield Row("moving a Buffer of 1 GiB", ours, [peer], 1.5, 1.0)


def _has_huge_pages() -> bool:
    """Unless the system says that there are none; in a container it may say nothing."""
    try:
        return "[never]" not in _HUGE_PAGES.read_text()
    except OSError:
        return True


def _cell(name: str, measure: Callable[[float], float]) -> Cell:
    def sample(effort: Effort) -> Figures:
        return {TIME: measure(effort.seconds)}

    return Cell(Case(name, sample))


def _measured(copies: Callable[[int], Batch], size: int) -> Callable[[float], float]:
    return lambda seconds: per_operation(copies(size), seconds, 1)


def _received(size: int, into: bool) -> Callable[[float], float]:
    def measure(seconds: float) -> float:
        memory = bytearray(b"x" * size) if into else bytearray()
        with ends.interpreter(far.produce, b"x" * size) as (orders, items):

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

            return per_operation(batch, seconds, 1)

    return measure


def _moved(size: int) -> Callable[[float], float]:
    """There and back, halved."""

    def measure(seconds: float) -> float:
        with ends.interpreter(far.echo) as (requests, replies):
            buffer = interpchannels.Buffer(size)

            def work(count: int) -> None:
                nonlocal buffer
                for _ in repeat(None, count):
                    requests.send(buffer)
                    buffer = replies.recv()

            return per_operation(timer(work), seconds) / 2

    return measure


def _warm_copies(size: int) -> Batch:
    source, memory = b"x" * size, bytearray(b"y" * size)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))

    def work(count: int) -> None:
        assert memory
        for _ in repeat(None, count):
            ctypes.memmove(address, source, size)

    return timer(work)


def _huge_copies(size: int) -> Batch:
    """What nobody can be quicker than who copies at all: fresh pages, as large as the system has them."""
    return _fresh_copies(size, huge=True)


def _fresh_copies(size: int, huge: bool = False) -> Batch:
    source = b"x" * size
    # Private, as a heap's is; mmap's default is memory that is shared with forks, which is slower.
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS

    def work(count: int) -> None:
        for _ in repeat(None, count):
            with mmap.mmap(-1, size, flags=flags) as memory:
                if huge:
                    memory.madvise(mmap.MADV_HUGEPAGE)
                target = ctypes.c_char.from_buffer(memory)
                ctypes.memmove(ctypes.addressof(target), source, size)
                del target

    return timer(work)
