"""A value sent and received again in one thread: what the crossing and the queue cost, without any waiting."""

import marshal
import pickle
from array import array
from collections.abc import Callable, Iterator
from itertools import repeat
from queue import SimpleQueue
from typing import Any

import interpchannels
from interpchannels import _interpchannels

from . import cpython, values
from .measure import TIME, Batch, Case, Cell, Effort, Figures, per_operation, timer
from .rows import Row

_KEEP = 3  # the drop-in's number for it


def small() -> Iterator[Row]:
    """The smallest values: ends of the package beside a queue that passes a pointer, the drop-in beside CPython's."""
    budgets = {"None": (1.5, 1.1), "int": (1.5, 1.1), "str 16": (1.9, 1.5), "bytes 16": (1.9, 1.5)}
    ours = {
        name: _cell(f"pair, {name}: package", value, _ends) for name, value in values.SMALL.items()
    }
    for name, value in values.SMALL.items():
        yield Row(
            f"pair, {name}",
            ours[name],
            [_cell(f"pair, {name}: SimpleQueue", value, _simple_queue)],
            *budgets[name],
        )
    for name in ("None", "int"):
        value = values.SMALL[name]
        theirs = _cell(f"pair, {name}: {cpython.CHANNELS}", value, _cpython)
        yield Row(
            f"drop-in pair, {name}",
            _cell(f"pair, {name}: drop-in", value, _drop_in),
            [theirs],
            1 / 6,
            1 / 7.5,
        )
        yield Row(f"pair, {name}, {cpython.CHANNELS}", ours[name], [theirs], 1 / 5)


def containers() -> Iterator[Row]:
    """Built-in containers beside a round trip of what else makes bytes of them and back."""
    small: tuple[tuple[str, Any, float, float], ...] = (
        ("tuple of 100 ints", values.TUPLE, 1 / 2.3, 1 / 4),
        ("nested dict", values.NESTED, 1 / 3.8, 1 / 6),
    )
    for name, value, commit, moonshot in small:
        ours = _cell(f"{name}: package", value, _ends)
        yield Row(
            f"{name}, pickle 5",
            ours,
            [_cell(f"{name}: pickle 5", value, _pickle)],
            commit,
            moonshot,
        )
        if isinstance(value, tuple):
            yield Row(f"{name}, the objects", ours, [objects(name, "i", value)])
        else:
            yield Row(f"{name}, the objects", ours, [_cell(f"{name}: a literal", value, _literal)])
            yield Row(f"{name}, without tables", ours, [_without_tables(name, value)])
    for name, value in (
        ("page of 1,000 dicts", values.page()),
        ("100,000 floats", values.floats(100_000)),
        ("dict of 10,000", values.keyed()),
    ):
        ours = _cell(f"{name}: package", value, _ends)
        peer = _cell(f"{name}: marshal", value, _marshal)
        yield Row(f"{name}, marshal", ours, [peer], 1 / 1.5, 1 / 2)
        peer = _cell(f"{name}: pickle 5", value, _pickle)
        yield Row(f"{name}, pickle 5", ours, [peer], 1 / 2, 1 / 4)
        if name.startswith("page"):
            yield Row(f"{name}, without tables", ours, [_without_tables(name, value)])
        if name.endswith("floats"):
            yield Row(f"{name}, the objects", ours, [objects(name, "d", value)])


def objects(name: str, code: str, numbers: Any, each: bool = False) -> Cell:
    """What nobody can be quicker than: CPython makes the objects out of their bytes, and frees them.

    The time is that of all of them, or of `each`.
    """
    share = len(numbers) if each else 1
    array_of = array(code, numbers)

    def measure(effort: Effort) -> Figures:
        return {TIME: per_operation(_tolist(array_of), effort.seconds) / share}

    return Cell(Case(f"{name}: array.tolist", measure))


def _without_tables(name: str, value: object) -> Cell:
    """The same by way of CPython's functions for dicts, instead of their tables (dict_table.hpp)."""
    with_tables = _cell(f"{name}: without tables", value, _ends).case

    def measure(effort: Effort) -> Figures:
        before = _interpchannels._use_dict_tables(False)
        try:
            return with_tables.measure(effort)
        finally:
            _interpchannels._use_dict_tables(before)

    return Cell(Case(with_tables.name, measure))


def _literal(value: object) -> Batch:
    """The same objects out of bytecode: a dict and a list are made, and freed."""
    names: dict[str, Any] = {"repeat": repeat}
    exec(f"def work(count):\n    for _ in repeat(None, count): {value!r}", names)
    return timer(names["work"])


def _tolist(numbers: Any) -> Batch:
    def work(count: int, make: Any = numbers.tolist) -> None:
        for _ in repeat(None, count):
            make()

    return timer(work)


def instances() -> Iterator[Row]:
    """Instances of importable classes, which cross without pickle."""
    for name, value in (
        ("dataclass of 8", values.order(1)),
        ("named tuple", values.Point(1.5, 2.5, "somewhere")),
        ("enum member", values.State.OPEN),
        ("1,000 dataclasses", [values.order(number) for number in range(1_000)]),
    ):
        ours = _cell(f"{name}: package", value, _ends)
        yield Row(f"{name}, pickle 5", ours, [_cell(f"{name}: pickle 5", value, _pickle)], 1.0)


def _cell(name: str, value: object, way: Callable[[Any], Batch]) -> Cell:
    def measure(effort: Effort) -> Figures:
        return {TIME: per_operation(way(value), effort.seconds)}

    return Cell(Case(name, measure))


def _ends(value: object) -> Batch:
    receiver, sender = interpchannels.create()

    def work(count: int, send: Any = sender.send_nowait, recv: Any = receiver.recv_nowait) -> None:
        for _ in repeat(None, count):
            send(value)
            recv()

    sender.send_nowait(value)
    received = receiver.recv_nowait()
    if type(received) is not type(value) or received != value:
        raise ValueError(f"{value!r} arrived as {received!r}")
    return timer(work)


def _simple_queue(value: object) -> Batch:
    queue: SimpleQueue[Any] = SimpleQueue()

    def work(count: int, put: Any = queue.put, get: Any = queue.get) -> None:
        for _ in repeat(None, count):
            put(value)
            get()

    return timer(work)


def _drop_in(value: object) -> Batch:
    return _by_id(_interpchannels, _interpchannels.create(_KEEP), value)


def _cpython(value: object) -> Batch:
    channel = cpython.new_channel()
    if not cpython.OLD:
        return _by_id(cpython.channels, channel, value)

    def work(
        count: int, send: Any = cpython.channels.send, recv: Any = cpython.channels.recv
    ) -> None:
        for _ in repeat(None, count):
            send(channel, value)  # 3.12's never waits
            recv(channel)

    return timer(work)


def _by_id(module: Any, channel: object, value: object) -> Batch:
    def work(count: int, send: Any = module.send, recv: Any = module.recv) -> None:
        for _ in repeat(None, count):
            send(channel, value, blocking=False)
            recv(channel)

    return timer(work)


def _marshal(value: Any) -> Batch:
    def work(count: int, dumps: Any = marshal.dumps, loads: Any = marshal.loads) -> None:
        for _ in repeat(None, count):
            loads(dumps(value))

    return timer(work)


def _pickle(value: object) -> Batch:
    def work(count: int, dumps: Any = pickle.dumps, loads: Any = pickle.loads) -> None:
        for _ in repeat(None, count):
            loads(dumps(value, 5))

    return timer(work)
