"""The operations of the package as cases for sweep.py, but for the values that they carry (values.py)."""

from __future__ import annotations

import atexit
import copy
import functools
import os
import pickle
import sys
import threading
from collections.abc import Callable
from typing import Any

import sweep
from failing_allocations import OURS

import interpchannels
import support

drop_in = interpchannels._interpchannels
CASES: dict[str, sweep.Case | sweep.Cold] = {}

LENT = 100_000

# CPython 3.12 and 3.13 free a function's code where there is no memory for the function: code of the standard library
# that makes one, or a generator expression, may not run while CPython's allocations fail.
FUNCTIONS_ARE_SAFE = sys.version_info >= (3, 14)


def case(name: str = "", **options: Any) -> Callable[[sweep.Prepare], sweep.Prepare]:
    """Enter a function as a case, under its own name unless another is given."""

    def enter(prepare: sweep.Prepare) -> sweep.Prepare:
        CASES[name or prepare.__name__] = sweep.Case(prepare, **options)
        return prepare

    return enter


def check_works(recv: Any, send: Any) -> None:
    """What is there is received; then what is sent arrives."""
    while len(recv):
        recv.recv()
    send.send("after")
    assert recv.recv(60) == "after"


def fails(expected: type[BaseException], function: Callable[..., Any], *args: Any) -> bool:
    """True where the call raises `expected`."""
    try:
        function(*args)
    except expected:
        return True
    return False


def raises(
    expected: type[BaseException], function: Callable[..., Any], *args: Any
) -> Callable[[], Any]:
    """fails() as an operation. It is made before memory fails."""
    return functools.partial(fails, expected, function, *args)


def simple(
    name: str,
    operation: Callable[[Any, Any], Any],
    expected: Callable[[Any, Any, Any], bool],
    **options: Any,
) -> None:
    """A case that changes nothing: `operation(recv, send)`, and `expected(result, recv, send)` where it succeeds."""
    kept = options.pop("items", ())
    capacity = options.pop("capacity", None)

    def prepare() -> tuple[sweep.Operation, sweep.Check]:
        recv, send = interpchannels.create(capacity)
        for item in kept:
            send.send(item)

        def check(result: Any, error: BaseException | None) -> None:
            if error is None:
                assert expected(result, recv, send), result
            check_works(recv, send)

        return (lambda: operation(recv, send)), check

    CASES[name] = sweep.Case(prepare, **options)


# --- making, looking, copying ---


@case()
def create():
    return interpchannels.create, lambda ends, error: error or check_works(*ends)


@case()
def create_with_capacity():
    return (lambda: interpchannels.create(5)), lambda ends, error: error or check_works(*ends)


def _pickled(end: Any) -> Any:
    try:
        return pickle.loads(pickle.dumps(end))
    except pickle.PicklingError as error:  # what CPython makes of a failed import
        raise MemoryError from error


for _name, _look in {
    "repr": repr,
    "hash": hash,
    "stats": lambda end: end.stats(),
    "len": len,
    "id": lambda end: end.id,
    "capacity": lambda end: end.capacity,
    "closed": lambda end: not end.closed,
}.items():
    simple(
        f"end_{_name}",
        lambda recv, send, look=_look: (look(recv), look(send)),
        lambda result, *_: True,
    )
for _name, _copy in {
    "clone": lambda end: end.clone(),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": _pickled,
}.items():
    simple(
        f"end_{_name}",
        lambda recv, send, copied=_copy: (copied(recv), copied(send)),
        lambda result, recv, send: result == (recv, send) and result[0] is not recv,
        what=(OURS,) if _name == "deepcopy" and not FUNCTIONS_ARE_SAFE else sweep.ALL,
        leaves=_name == "pickle",  # _pickle leaks a pickler that it could not make whole
    )
simple("end_eq", lambda recv, send: recv == send, lambda result, *_: result is False)
simple(
    "list_all", lambda recv, send: interpchannels.list_all(), lambda result, *_: len(result) == 1
)
simple(
    "process_stats",
    lambda recv, send: interpchannels.stats(),
    lambda result, *_: result.channels == 1,
)
simple("fileno", lambda recv, send: recv.fileno(), lambda result, *_: result >= 0)
simple("end_subscript", lambda recv, send: type(recv)[int], lambda result, *_: True)


# --- sending and receiving ---

simple(
    "send_nowait", lambda recv, send: send.send_nowait([1, "two"]), lambda *_: True, capacity=None
)
simple(
    "send_nowait_full",
    lambda recv, send: fails(interpchannels.ChannelFullError, send.send_nowait, "x" * LENT),
    lambda result, *_: result is True,
    capacity=1,
    items=("first",),
)
simple(
    "send_timeout",
    lambda recv, send: fails(TimeoutError, send.send, interpchannels.Buffer(10), 0),
    lambda result, *_: result is True,
    capacity=1,
    items=("first",),
)
simple(
    "rendezvous_nobody",
    lambda recv, send: fails(interpchannels.ChannelFullError, send.send_nowait, ["x" * LENT]),
    lambda result, *_: result is True,
    capacity=1,
    items=("first",),
)
simple(
    "recv_nowait_default",
    lambda recv, send: recv.recv_nowait("none"),
    lambda result, *_: result == "none",
)
simple(
    "recv_nowait_empty",
    lambda recv, send: fails(interpchannels.ChannelEmptyError, recv.recv_nowait),
    lambda result, *_: result is True,
)
simple(
    "recv_timeout",
    lambda recv, send: fails(TimeoutError, recv.recv, 1e-9),
    lambda result, *_: result is True,
)
simple(
    "recv_nowait",
    lambda recv, send: recv.recv_nowait(),
    lambda result, *_: result == [1],
    items=([1],),
)
simple("iterate", lambda recv, send: next(recv), lambda result, *_: result == [1], items=([1], [2]))


@case()
def iterate_to_the_end():
    recv, send = interpchannels.create()
    send.send_many(["one", ["two"], "x" * LENT])
    send.close()

    def check(result: Any, error: BaseException | None) -> None:
        if error is None:
            assert result == ["one", ["two"], "x" * LENT]
        while len(recv):
            recv.recv()
        assert fails(interpchannels.ChannelClosedError, recv.recv)

    return (lambda: list(recv)), check


@case()
def recv_closed():
    recv, send = interpchannels.create()
    send.close()

    def check(result: Any, error: BaseException | None) -> None:
        assert error or result is True
        assert recv.closed

    return raises(interpchannels.ChannelClosedError, recv.recv), check


@case()
def send_closed():
    recv, send = interpchannels.create()
    recv.close()
    return raises(
        interpchannels.ChannelClosedError, send.send, "x" * LENT
    ), lambda result, error: None


@case()
def send_to_who_waits():
    """The item is handed over: the receiver, in another thread, gets it or goes on waiting."""
    recv, send = interpchannels.create(0)
    receiver = support.Call(recv.recv)
    support.wait_until(lambda: recv.stats().waiting_receivers == 1)

    def check(result: Any, error: BaseException | None) -> None:
        if error is not None:
            send.send(["x" * LENT])
        assert receiver.result() == ["x" * LENT]

    return (lambda: send.send(["x" * LENT])), check


@case()
def recv_from_who_waits():
    """The sender, in another thread, is done once its item was taken, whatever the receiver makes of it."""
    recv, send = interpchannels.create(0)
    sender = support.Call(send.send, ["x" * LENT])
    support.wait_until(lambda: send.stats().waiting_senders == 1)

    def check(result: Any, error: BaseException | None) -> None:
        assert error or result == ["x" * LENT]
        if error is not None and recv.stats().waiting_senders:
            recv.recv()
        sender.result()

    return recv.recv, check


@case()
def send_that_waits():
    """A thread makes a place once somebody waits for one; where nobody ever does, the check says so."""
    recv, send = interpchannels.create(1)
    send.send("first")
    over = threading.Event()

    def make_place() -> None:
        support.wait_until(lambda: over.is_set() or send.stats().waiting_senders == 1)
        if not over.is_set():
            recv.recv()

    other = support.Call(make_place)

    def check(result: Any, error: BaseException | None) -> None:
        over.set()
        other.result()
        if error is None:
            assert recv.recv() == ["x" * LENT]
        check_works(recv, send)

    return (lambda: send.send(["x" * LENT])), check


# --- batches ---


def send_many_case(
    name: str, items: list[Any], iterable: Callable[[], Any], capacity: int | None = None
) -> None:
    def prepare() -> tuple[sweep.Operation, sweep.Check]:
        recv, send = interpchannels.create(capacity)
        values = iterable()

        def check(result: Any, error: BaseException | None) -> None:
            got = []
            while len(recv):
                got.append(recv.recv())
            assert got == items[: len(got)]  # those that went are the first
            if error is None:
                assert result == len(items) == len(got)
            else:
                assert getattr(error, "sent", len(got)) == len(got)
            check_works(recv, send)

        return (lambda: send.send_many(values)), check

    CASES[name] = sweep.Case(prepare)


_mixed = [1, "two", [3], "x" * LENT, None, {"five": 5}]
send_many_case("send_many_small", list(range(300)), lambda: range(300))
send_many_case("send_many_mixed", _mixed, lambda: list(_mixed))
send_many_case("send_many_iterator", _mixed, lambda: iter(_mixed))
send_many_case("send_many_bounded", _mixed, lambda: tuple(_mixed), 10)


@case()
def send_many_timeout():
    recv, send = interpchannels.create(2)

    def check(result: Any, error: BaseException | None) -> None:
        assert error or result == 2
        check_works(recv, send)

    def operation() -> Any:
        try:
            send.send_many([1, [2], 3], 0)
        except TimeoutError as late:
            return getattr(late, "sent", 2)

    return operation, check


@case()
def recv_many():
    recv, send = interpchannels.create()
    send.send_many(_mixed)

    def check(result: Any, error: BaseException | None) -> None:
        if error is None:
            assert result == _mixed
        check_works(recv, send)

    return recv.recv_many, check


@case()
def recv_many_empty():
    recv, send = interpchannels.create()

    def check(result: Any, error: BaseException | None) -> None:
        assert error or result is True
        check_works(recv, send)

    return raises(TimeoutError, recv.recv_many, 3, 0), check


def recv_into_case(name: str, item: Any) -> None:
    def prepare() -> tuple[sweep.Operation, sweep.Check]:
        recv, send = interpchannels.create()
        send.send(item)
        into = bytearray(len(bytes(item)))

        def check(result: Any, error: BaseException | None) -> None:
            if error is None:
                assert result == len(into)
                assert into == bytes(item)
            check_works(recv, send)

        return (lambda: recv.recv_into(into)), check

    CASES[name] = sweep.Case(prepare)


recv_into_case("recv_into", b"hello")
recv_into_case("recv_into_lent", b"x" * LENT)
recv_into_case("recv_into_bytearray", bytearray(LENT))
recv_into_case("recv_into_memoryview", memoryview(b"x" * LENT))

# --- select ---


def select_case(name: str, *, ready: bool, sends: bool, many: int = 1) -> None:
    def prepare() -> tuple[sweep.Operation, sweep.Check]:
        pairs = [interpchannels.create() for _ in range(many)]
        full_recv, full = interpchannels.create(1)
        full.send("full")
        recv, send = pairs[0]
        if ready:
            send.send([1])
        operations: list[Any] = [end for end, _ in pairs] + [
            (full, ["x" * LENT, interpchannels.Buffer(5)])
        ]
        if sends:
            operations[0] = (send, [2])

        def check(result: Any, error: BaseException | None) -> None:
            if error is None:
                assert result == ((send, None) if sends else (recv, [1]) if ready else "nothing")
            if sends:
                assert len(recv) == ready + (error is None)
            assert full_recv.recv() == "full"
            assert len(pairs) == many
            check_works(full_recv, full)
            check_works(recv, send)

        return (lambda: interpchannels.select(*operations, default="nothing")), check

    CASES[name] = sweep.Case(prepare)


select_case("select_recv", ready=True, sends=False)
select_case("select_send", ready=False, sends=True)
select_case("select_nothing", ready=False, sends=False)
select_case("select_many", ready=True, sends=False, many=40)


@case()
def select_timeout():
    recv, send = interpchannels.create()
    others = [interpchannels.create() for _ in range(20)]

    def check(result: Any, error: BaseException | None) -> None:
        assert error or result is True
        check_works(recv, send)
        for ends in others:
            check_works(*ends)

    ends = [recv, *[other for other, _ in others]]
    return raises(
        TimeoutError, functools.partial(interpchannels.select, *ends, timeout=1e-6)
    ), check


@case()
def select_that_waits():
    recv, send = interpchannels.create()
    other_recv, other_send = interpchannels.create(0)
    over = threading.Event()

    def send_once() -> None:
        support.wait_until(lambda: over.is_set() or recv.stats().waiting_receivers == 1)
        if not over.is_set():
            send.send([1])

    sender = support.Call(send_once)

    def check(result: Any, error: BaseException | None) -> None:
        over.set()
        sender.result()
        if error is None:
            assert result == (recv, [1])
        assert other_recv.stats().waiting_senders == 0
        check_works(recv, send)

    return (lambda: interpchannels.select(recv, (other_send, ["x" * LENT]))), check


# --- closing ---


def closing_case(name: str, close: Callable[[Any, Any], Any]) -> None:
    def prepare() -> tuple[sweep.Operation, sweep.Check]:
        recv, send = interpchannels.create()
        inner = interpchannels.create()
        send.send_many(["x" * LENT, [1], inner, interpchannels.Buffer(10), memoryview(b"abc")])

        def check(result: Any, error: BaseException | None) -> None:
            close(recv, send)  # idempotent, and done now at the latest
            while len(recv):
                recv.recv()
            assert send.closed

        return (lambda: close(recv, send)), check

    CASES[name] = sweep.Case(prepare)


closing_case("close_recv", lambda recv, send: recv.close())
closing_case("close_send", lambda recv, send: send.close())
closing_case("shutdown", lambda recv, send: send.shutdown())
closing_case("shutdown_immediate", lambda recv, send: recv.shutdown(immediate=True))


@case()
def close_with_who_waits():
    recv, send = interpchannels.create()
    receiver = support.Call(raises(interpchannels.ChannelClosedError, recv.recv))
    support.wait_until(lambda: recv.stats().waiting_receivers == 1)

    def check(result: Any, error: BaseException | None) -> None:
        send.close()
        assert receiver.result() is True

    return send.close, check


@case()
def with_statement():
    recv, send = interpchannels.create()

    def operation() -> None:
        with recv, send:
            pass

    def check(result: Any, error: BaseException | None) -> None:
        recv.close()
        send.close()

    return operation, check


@case()
def forget():
    """The last reference goes while memory fails: nothing may raise, and all is given back."""
    held = [interpchannels.create(), interpchannels.Queue(), interpchannels.Buffer(10)]
    held[0][1].send(["x" * LENT, held[1]])
    return held.clear, lambda result, error: None


# --- Queue ---


def queue_case(
    name: str,
    operation: Callable[[Any], Any],
    expected: Callable[[Any, Any], bool] = lambda result, queue: True,
    *,
    items: tuple[Any, ...] = (),
    maxsize: int = 0,
    leaves: bool = False,
) -> None:
    def prepare() -> tuple[sweep.Operation, sweep.Check]:
        queue = interpchannels.Queue(maxsize)
        for item in items:
            queue.put(item)

        def check(result: Any, error: BaseException | None) -> None:
            if error is None:
                assert expected(result, queue), result
            if queue.is_shutdown:
                return
            while not queue.empty():
                queue.get()
            while queue.unfinished_tasks:
                queue.task_done()
            queue.put("after")
            assert queue.get() == "after"
            queue.task_done()
            queue.join()

        return (lambda: operation(queue)), check

    CASES[f"queue_{name}"] = sweep.Case(prepare, leaves=leaves)


CASES["queue"] = sweep.Case(
    lambda: (interpchannels.Queue, lambda result, error: error or result.put(1))
)
queue_case("put", lambda queue: queue.put([1, "x" * LENT]), lambda _, queue: queue.qsize() == 1)
queue_case(
    "put_timeout",
    lambda queue: queue.put([1], timeout=1),
    lambda _, queue: queue.qsize() == 1,
    maxsize=1,
)
queue_case(
    "put_full",
    lambda queue: fails(interpchannels.ChannelFullError, queue.put, 2, True, 0),
    lambda result, _: result is True,
    items=(1,),
    maxsize=1,
)
queue_case(
    "put_nowait_full",
    lambda queue: fails(interpchannels.ChannelFullError, queue.put_nowait, 2),
    lambda result, _: result is True,
    items=(1,),
    maxsize=1,
)
queue_case("get", lambda queue: queue.get(), lambda result, _: result == [1], items=([1],))
queue_case(
    "get_timeout", lambda queue: queue.get(timeout=1), lambda result, _: result == [1], items=([1],)
)
queue_case(
    "get_empty",
    lambda queue: fails(interpchannels.ChannelEmptyError, queue.get, True, 0),
    lambda result, _: result is True,
)
queue_case(
    "get_nowait_empty",
    lambda queue: fails(interpchannels.ChannelEmptyError, queue.get_nowait),
    lambda result, _: result is True,
)
queue_case(
    "looks",
    lambda queue: (
        queue.qsize(),
        queue.empty(),
        queue.full(),
        queue.maxsize,
        repr(queue),
        hash(queue),
    ),
)
queue_case("task_done", lambda queue: queue.task_done(), items=(1,))
queue_case(
    "task_done_too_often",
    lambda queue: fails(ValueError, queue.task_done),
    lambda result, _: result is True,
)
queue_case("join", lambda queue: queue.join())
queue_case(
    "unfinished", lambda queue: queue.unfinished_tasks, lambda result, _: result == 2, items=(1, 2)
)
queue_case(
    "shutdown",
    lambda queue: queue.shutdown(),
    lambda _, queue: queue.is_shutdown,
    items=(1, "x" * LENT),
)
queue_case(
    "shutdown_immediate",
    lambda queue: queue.shutdown(immediate=True),
    lambda _, queue: queue.qsize() == 0,
    items=(1, "x" * LENT),
)
queue_case("close", lambda queue: queue.close(), lambda _, queue: queue.is_shutdown)
queue_case("eq", lambda queue: queue == queue, lambda result, _: result is True)
queue_case(
    "pickle", lambda queue: _pickled(queue), lambda result, queue: result == queue, leaves=True
)

# --- Buffer ---

CASES["buffer"] = sweep.Case(
    lambda: ((lambda: interpchannels.Buffer(10)), lambda result, error: error or len(result) == 10)
)
CASES["buffer_huge"] = sweep.Case(
    lambda: ((lambda: interpchannels.Buffer(5 << 20)), lambda result, error: error or len(result))
)
CASES["buffer_of_bytes"] = sweep.Case(
    lambda: (
        (lambda: interpchannels.Buffer(b"abc" * LENT)),
        lambda result, error: error or len(result),
    )
)


@case()
def buffer_use():
    buffer = interpchannels.Buffer(10)

    def operation() -> Any:
        with memoryview(buffer) as view:
            view[0] = 1
        return bytes(buffer), repr(buffer), buffer.detached

    def check(result: Any, error: BaseException | None) -> None:
        recv, send = interpchannels.create()
        send.send(buffer)  # no view is left
        assert len(recv.recv()) == 10

    return operation, check


@case()
def buffer_sent_with_a_view():
    """Refused, and all Buffers of the value are as they were."""
    recv, send = interpchannels.create()
    buffers = [interpchannels.Buffer(10), interpchannels.Buffer(20)]
    view = memoryview(buffers[1])

    def check(result: Any, error: BaseException | None) -> None:
        assert error or result is True
        view.release()
        assert [len(buffer) for buffer in buffers] == [10, 20]
        check_works(recv, send)

    return raises(BufferError, send.send, buffers), check


# --- what cannot cross ---


def refused_case(name: str, make: Callable[[], Any], **options: Any) -> None:
    def prepare() -> tuple[sweep.Operation, sweep.Check]:
        recv, send = interpchannels.create(**options)
        value = [interpchannels.Buffer(10), interpchannels.create(), "x" * LENT, {"a": make()}]

        def check(result: Any, error: BaseException | None) -> None:
            assert error or result is True
            assert len(value[0]) == 10
            assert len(recv) == 0
            check_works(recv, send)

        return raises(interpchannels.NotShareableError, send.send, value), check

    CASES[name] = sweep.Case(prepare)


refused_case("refused_lock", threading.Lock)
refused_case("refused_no_pickle", lambda: ValueError("no"), pickle=False)


@case()
def send_closed_end():
    recv, send = interpchannels.create()
    closed, _ = interpchannels.create()
    closed.close()

    def check(result: Any, error: BaseException | None) -> None:
        assert error or result is True
        check_works(recv, send)

    return raises(interpchannels.ChannelClosedError, send.send, ["x" * LENT, closed]), check


# --- registrations ---


class Registered:
    pass


def _to(obj: Registered) -> int:
    return 7


def _from(value: int) -> Registered:
    return Registered()


@case()
def register():
    interpchannels.register(Registered, None, None)

    def check(result: Any, error: BaseException | None) -> None:
        interpchannels.register(Registered, _to, _from)
        recv, send = interpchannels.create()
        send.send(Registered())
        assert type(recv.recv()) is Registered

    return (lambda: interpchannels.register(Registered, _to, _from)), check


@case()
def unregister():
    interpchannels.register(Registered, _to, _from)

    def check(result: Any, error: BaseException | None) -> None:
        interpchannels.register(Registered, None, None)

    return (lambda: interpchannels.register(Registered, None, None)), check


@case()
def list_registrations():
    return drop_in._registrations, lambda result, error: None


# --- what crosses into other interpreters, and out of them ---


@case()
def give_back():
    """What spawn() packs for a Worker, and takes back."""
    value = ["x" * LENT, interpchannels.create()]
    return (lambda: drop_in._pack(value)), lambda result, error: None


def other_interpreter_case(name: str, code: str) -> None:
    """Received from an interpreter that lives; what it lent goes back to it."""
    kept: dict[str, Any] = {}

    def prepare() -> tuple[sweep.Operation, sweep.Check]:
        if not kept:
            kept["interpreter"] = support.create_interpreter()
            atexit.register(support.destroy_interpreter, kept["interpreter"])
            support.run_in(
                kept["interpreter"],
                "import failing_allocations, gc, interpchannels, os, pickle; gc.freeze()",
            )
            kept["pipe"] = os.pipe()
        recv, send = interpchannels.create()
        # Not in the code's text: a free-threaded CPython keeps each constant until the interpreter ends.
        reader, writer = kept["pipe"]
        os.write(writer, pickle.dumps(send))
        support.run_in(
            kept["interpreter"],
            f"send = pickle.loads(os.read({reader}, 10_000)); {code}; del send",
        )

        def check(result: Any, error: BaseException | None) -> None:
            check_works(recv, send)
            # It takes back what came back, and forgets the names that it looked up.
            support.run_in(kept["interpreter"], "failing_allocations.blocks(); gc.collect()")

        return recv.recv, check

    CASES[name] = sweep.Case(prepare)


other_interpreter_case("recv_lent_from_another", "send.send(['x' * 100_000, b'y' * 100_000])")
other_interpreter_case("recv_huge_from_another", "send.send(b'y' * (5 << 20))")
other_interpreter_case(
    "recv_all_from_another", "send.send([interpchannels.Queue(), send, {1: 2}, memoryview(b'abc')])"
)


@case(what=(OURS,), leaves=True)
def end_of_an_interpreter():
    """It lent and sent, and ends while memory fails, ours alone: what is lost says so where it is received."""
    interpreter = support.create_interpreter()
    kept_recv, kept = interpchannels.create()
    recv, send = interpchannels.create(unbounditems=interpchannels.UNBOUND)
    removed_recv, removed = interpchannels.create(unbounditems=interpchannels.UNBOUND_REMOVE)
    cid = drop_in.create(1)
    drop_in.send(cid, 0, blocking=False)  # both ends are used here too
    drop_in.recv(cid)
    support.run_in(
        interpreter,
        f"""
        import interpchannels, pickle
        kept, send, removed = pickle.loads({pickle.dumps([kept, send, removed])!r})
        kept.send("x" * {LENT})
        send.send(1)
        removed.send(1)
        interpchannels._interpchannels.send({int(cid)}, 1, 1, blocking=False)
        """,
    )

    def check(result: Any, error: BaseException | None) -> None:
        assert error is None
        try:
            assert kept_recv.recv() == "x" * LENT
        except MemoryError as lost:
            assert "ended" in str(lost)
        check_works(kept_recv, kept)
        assert recv.recv() is interpchannels.UNBOUND
        check_works(recv, send)
        assert len(removed_recv) == 0
        check_works(removed_recv, removed)
        assert drop_in.get_count(cid) == 0
        for end in (kept, send, removed):
            assert end.stats().open_senders == 1

    return (lambda: support.destroy_interpreter(interpreter)), check


# --- what an interpreter does once ---

_ENDS = """
import sys
import interpchannels, values
recv, send = interpchannels.create()
"""
_WORKS = """
while len(recv): recv.recv()
send.send(values.Reducing([1]))
assert recv.recv() == values.Reducing([1])
"""

# What it imports is there already, since CPython's import of Python code is not what is looked at.
CASES["cold_import"] = sweep.Cold(
    f"""
import _imp, copyreg, importlib.util, queue, threading
try:
    import _interpreters
except ImportError:
    pass
spec = importlib.util.spec_from_file_location("interpchannels._interpchannels", {drop_in.__file__!r})
module = _imp.create_dynamic(spec)  # of ours, only what executes it
def operation():
    _imp.exec_dynamic(module)
""",
    f"del module{_ENDS}{_WORKS}",
    step=7,
    what=sweep.ALL
    if FUNCTIONS_ARE_SAFE
    else (OURS,),  # threading._register_atexit() makes a lambda
)
CASES["cold_send_pickled"] = sweep.Cold(
    f"{_ENDS}value = values.Reducing([1]); operation = lambda: send.send(value)", _WORKS
)
CASES["cold_recv_pickled"] = sweep.Cold(
    f"{_ENDS}import pickle; send.send(values.Reducing([1])); operation = recv.recv", _WORKS
)
CASES["cold_classes"] = sweep.Cold(
    f"{_ENDS}value = [values.Named(1, values.Colour.RED)]; operation = lambda: send.send(value)",
    _WORKS,
)
CASES["cold_queue"] = sweep.Cold(f"{_ENDS}operation = interpchannels.Queue", _WORKS)
