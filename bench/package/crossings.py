"""Two interpreters: how long a message and its answer take, and how many messages a second go one way.

The other end is set up anew for each sample and gone after it, so that no case is disturbed by another's threads.
"""

import threading
import time
from collections.abc import Callable, Iterator
from itertools import repeat
from queue import SimpleQueue
from typing import Any

import cpython
import far
from measure import Case, per_operation, timer

import interpchannels

PACKAGE = "package"
SIMPLE_QUEUE = "SimpleQueue, threads"
POLLED = f"{cpython.CHANNELS}, polled without pause"
ROUND_TRIP = "round trip"
ONE_WAY = "one way"

_ITEM = 1_000_000
_BATCH = 20_000  # the least that goes one way: a peer that polls sleeps between two of them
_ONE_WAY_VALUES: dict[str, Any] = {"int": _ITEM, "bytes 64": bytes(64)}


def cases() -> Iterator[Case]:
    """The cases; CPython's Queue is among them where this installation has one."""
    try:
        queues = cpython.Queues()
    except LookupError as problem:
        print(f"left out: {problem}")
        queues = None
    yield Case(ROUND_TRIP, "int", PACKAGE, _round_trip)
    yield Case(ROUND_TRIP, "int", SIMPLE_QUEUE, _thread_round_trip)
    if queues:
        yield Case(ROUND_TRIP, "int", queues.name, _queue_round_trip(queues))
    for name, value in _ONE_WAY_VALUES.items():
        yield Case(ONE_WAY, name, PACKAGE, _one_way(value))
        yield Case(ONE_WAY, name, SIMPLE_QUEUE, _thread_one_way(value))
        yield Case(ONE_WAY, name, POLLED, _polled_one_way(value))
        if queues:
            yield Case(ONE_WAY, name, queues.name, _queue_one_way(queues, value))


def _round_trip(seconds: float) -> float:
    far_requests, requests = interpchannels.create()
    replies, far_replies = interpchannels.create()
    with requests, replies:
        with far_requests, far_replies:
            worker = interpchannels.spawn(far.echo, far_requests, far_replies)
        taken = per_operation(_ask(requests.send, replies.recv), seconds)
    worker.join()
    return taken


def _thread_round_trip(seconds: float) -> float:
    requests: SimpleQueue[Any] = SimpleQueue()
    replies: SimpleQueue[Any] = SimpleQueue()
    thread = threading.Thread(target=far.thread_echo, args=(requests, replies))
    thread.start()
    taken = per_operation(_ask(requests.put, replies.get), seconds)
    requests.put(None)
    thread.join()
    return taken


def _queue_round_trip(queues: cpython.Queues) -> Callable[[float], float]:
    def measure(seconds: float) -> float:
        requests, replies = queues.create(), queues.create()
        source = queues.source(putting=replies, getting=requests)
        with cpython.interpreter(source + "while (item := get()) is not None: put(item)"):
            taken = per_operation(_ask(requests.put, replies.get), seconds)
            requests.put(None)
        return taken

    return measure


def _ask(send: Callable[[Any], object], recv: Callable[[], Any]) -> Callable[[int], float]:
    def work(count: int) -> None:
        for _ in repeat(None, count):
            send(_ITEM)
            recv()

    return timer(work)


def _one_way(value: object) -> Callable[[float], float]:
    def measure(seconds: float) -> float:
        far_orders, orders = interpchannels.create()
        items, far_items = interpchannels.create()
        with orders, items:
            with far_orders, far_items:
                worker = interpchannels.spawn(far.produce, far_orders, far_items, value)
            taken = per_operation(_order(orders.send, items.recv), seconds, _BATCH)
        worker.join()
        return taken

    return measure


def _thread_one_way(value: object) -> Callable[[float], float]:
    def measure(seconds: float) -> float:
        orders: SimpleQueue[Any] = SimpleQueue()
        items: SimpleQueue[Any] = SimpleQueue()
        thread = threading.Thread(target=far.thread_produce, args=(orders, items, value))
        thread.start()
        taken = per_operation(_order(orders.put, items.get), seconds, _BATCH)
        orders.put(None)
        thread.join()
        return taken

    return measure


def _queue_one_way(queues: cpython.Queues, value: object) -> Callable[[float], float]:
    def measure(seconds: float) -> float:
        orders, items = queues.create(), queues.create()
        source = queues.source(putting=items, getting=orders)
        source += (
            "while (count := get()) is not None:\n"
            f"    for _ in range(count): put({value!r})\n"
        )  # fmt: skip
        with cpython.interpreter(source):
            taken = per_operation(_order(orders.put, items.get), seconds, _BATCH)
            orders.put(None)
        return taken

    return measure


def _polled_one_way(value: object) -> Callable[[float], float]:
    def measure(seconds: float) -> float:
        orders, items = cpython.new_channel(), cpython.new_channel()
        source = (
            f"from {cpython.CHANNELS} import send, recv\n"
            "while True:\n"
            f"    while (count := {cpython.RECV.format(orders)}) is None: pass\n"
            "    if count < 0: break\n"
            f"    for _ in range(count): {cpython.SEND.format(int(items), repr(value))}\n"
        )
        names: dict[str, Any] = {"send": cpython.channels.send, "recv": cpython.channels.recv}
        exec(f"def order(item): {cpython.SEND.format(int(orders), 'item')}", names)
        exec(
            "def get():\n"
            f"    while (item := {cpython.RECV.format(items)}) is None: pass\n"
            "    return item\n",
            names,
        )
        with cpython.interpreter(source):
            taken = per_operation(_order(names["order"], names["get"]), seconds, _BATCH)
            names["order"](-1)
        cpython.destroy(orders)
        cpython.destroy(items)
        return taken

    return measure


def _order(order: Callable[[Any], object], get: Callable[[], Any]) -> Callable[[int], float]:
    """Orders items and takes them; the clock starts at the first, since a polling peer takes an order late."""

    def batch(count: int) -> float:
        order(count + 1)
        get()
        started = time.perf_counter()
        for _ in repeat(None, count):
            get()
        return time.perf_counter() - started

    return batch
