"""A value sent and received again in one thread: what the crossing and the queue cost, without any waiting."""

import marshal
import pickle
from collections.abc import Callable, Iterator
from itertools import repeat
from queue import SimpleQueue
from typing import Any

import cpython
import records
from measure import Batch, Case, per_operation, timer

import interpchannels
from interpchannels import _interpchannels

PACKAGE = "package"
DROP_IN = "drop-in"
SIMPLE_QUEUE = "SimpleQueue"
PICKLE = "pickle 5"
GROUP = "pair"

VALUES: dict[str, Any] = {
    "int": 1_000_000,
    "str 16": "sixteen letters!",
    "bytes 16": b"sixteen letters!",
    "tuple of 100 ints": tuple(range(1_000, 1_100)),
    "nested dict": {"id": 7, "name": "seven", "tags": {"of": ("a", "b"), "at": 1.5}},
    "dataclass of 8": records.order(1),
    "named tuple": records.Point(1.5, 2.5, "somewhere"),
    "enum member": records.State.OPEN,
    "1,000 dataclasses": [records.order(number) for number in range(1_000)],
}
# What the package has to be quicker with than pickle is.
INSTANCES = ("dataclass of 8", "named tuple", "enum member", "1,000 dataclasses")


def cases() -> Iterator[Case]:
    """A case for each value and way, but for values that a peer doesn't take."""
    for name, value in VALUES.items():
        ways = {
            PACKAGE: _ends(value),
            DROP_IN: _channel(_interpchannels, _interpchannels.create(3), value),
            SIMPLE_QUEUE: _simple_queue(value),
            cpython.CHANNELS: _channel(cpython.channels, cpython.new_channel(), value, cpython.OLD),
            "marshal": _copying(marshal, marshal.version, value),
            PICKLE: _copying(pickle, 5, value),
        }
        for who, batch in ways.items():
            if batch is not None:
                yield Case(GROUP, name, who, _measurer(batch))


def _measurer(batch: Batch) -> Callable[[float], float]:
    return lambda seconds: per_operation(batch, seconds)


def _ends(value: object) -> Batch:
    receiver, sender = interpchannels.create()

    def work(count: int, send: Any = sender.send, recv: Any = receiver.recv) -> None:
        for _ in repeat(None, count):
            send(value)
            recv()

    sender.send(value)
    _check(value, receiver.recv())
    return timer(work)


def _channel(module: Any, channel: object, value: object, old: bool = False) -> Batch | None:
    """For the drop-in and for what it stands in for; None where the module doesn't take the value."""
    send, recv = module.send, module.recv

    def work(count: int) -> None:
        for _ in repeat(None, count):
            send(channel, value, blocking=False)
            recv(channel)

    def work_old(count: int) -> None:
        for _ in repeat(None, count):
            send(channel, value)
            recv(channel)

    batch = timer(work_old if old else work)
    try:
        batch(1)
    except (TypeError, ValueError):  # NotShareableError is the one or the other
        if type(value) is int:
            raise
        return None
    return batch


def _simple_queue(value: object) -> Batch:
    queue: SimpleQueue[Any] = SimpleQueue()

    def work(count: int, put: Any = queue.put, get: Any = queue.get) -> None:
        for _ in repeat(None, count):
            put(value)
            get()

    return timer(work)


def _copying(module: Any, version: int, value: object) -> Batch | None:
    dumps, loads = module.dumps, module.loads
    try:
        dumps(value, version)
    except ValueError:  # marshal's
        return None

    def work(count: int) -> None:
        for _ in repeat(None, count):
            loads(dumps(value, version))

    return timer(work)


def _check(value: object, received: object) -> None:
    if type(received) is not type(value) or received != value:
        raise ValueError(f"{value!r} arrived as {received!r}")
