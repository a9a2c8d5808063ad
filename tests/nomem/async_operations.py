"""The coroutines of the package as cases for sweep.py.

They are stepped by hand in a loop that counts as running, so that the only code that runs while memory fails is ours
and what it calls of asyncio.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import sweep
from operations import LENT, check_works

import interpchannels
import support
from interpchannels import _async

CASES: dict[str, sweep.Case | sweep.Cold] = {}

# One loop for all: its reactor is made when something waits on it for the first time.
_loop = asyncio.new_event_loop()

# Without a GIL a loop looks ten times a second whether there is something to free. Not here: while a timer runs,
# asyncio keeps some of those that were cancelled.
_async._keep_looking = lambda loop: None


async def _warm() -> None:
    recv, send = interpchannels.create()
    waits = asyncio.ensure_future(recv.recv_async())
    await asyncio.sleep(0)
    send.send(1)
    assert await waits == 1


def _in_loop(function: Callable[..., Any], *args: Any) -> Any:
    asyncio._set_running_loop(_loop)
    try:
        return function(*args)
    finally:
        asyncio._set_running_loop(None)


def _step(coroutine: Any) -> tuple[str, Any]:
    """("done", its result) or ("waits", its future)."""
    try:
        return "waits", coroutine.send(None)
    except StopIteration as stop:
        return "done", stop.value


async def _await(coroutine: Any) -> Any:
    return await coroutine


def _finish(coroutine: Any) -> Any:
    """Run what is left of a coroutine that waits: its future first, which is not its own task's."""

    async def rest() -> Any:
        while True:
            kind, value = _step(coroutine)
            if kind == "done":
                return value
            value._asyncio_future_blocking = False
            await asyncio.wait([value])

    return _loop.run_until_complete(asyncio.wait_for(rest(), support.HANG))


def step_case(
    name: str,
    start: Callable[[Any, Any], Any],
    *,
    items: tuple[Any, ...] = (),
    capacity: int | None = None,
    waits: bool = False,
) -> None:
    """The first step of a coroutine; where it `waits`, it is then let to its end."""

    def prepare() -> tuple[sweep.Operation, sweep.Check]:
        if _loop not in _warmed:
            _warmed.append(_loop)
            _loop.run_until_complete(_warm())
        recv, send = interpchannels.create(capacity)
        for item in items:
            send.send(item)
        coroutine = start(recv, send)

        def check(result: Any, error: BaseException | None) -> None:
            if error is None:
                kind, value = result
                assert kind == ("waits" if waits else "done")
                if waits:
                    value._asyncio_future_blocking = False
                    if send.stats().waiting_senders:
                        recv.recv()
                    else:
                        send.send("late")
                    assert _finish(coroutine) in ("late", None)
            coroutine.close()
            assert recv.stats()[4:6] == (0, 0)
            while len(recv):
                recv.recv()
            check_works(recv, send)

        return functools.partial(_in_loop, _step, coroutine), check

    CASES[name] = sweep.Case(prepare)


_warmed: list[Any] = []

step_case("recv_async", lambda recv, send: recv.recv_async(), items=([1, "x" * LENT],))
step_case("recv_async_waits", lambda recv, send: recv.recv_async(), waits=True)
step_case("anext", lambda recv, send: recv.__anext__(), items=([1],))
step_case("anext_waits", lambda recv, send: recv.__anext__(), waits=True)
step_case("send_async", lambda recv, send: send.send_async([1, "x" * LENT]))
step_case(
    "send_async_waits",
    lambda recv, send: send.send_async(["x" * LENT]),
    items=("full",),
    capacity=1,
    waits=True,
)
step_case(
    "send_async_waits_small",
    lambda recv, send: send.send_async("small"),
    items=("full",),
    capacity=1,
    waits=True,
)


def second_step_case(
    name: str, start: Callable[[Any, Any], Any], wake: Callable[[Any, Any], Any], **made: Any
) -> None:
    """The step after the wait: what was sent, or the place, is there."""

    def prepare() -> tuple[sweep.Operation, sweep.Check]:
        recv, send = interpchannels.create(**made)
        if made:
            send.send("full")
        coroutine = start(recv, send)
        _, future = _in_loop(_step, coroutine)
        future._asyncio_future_blocking = False
        wake(recv, send)
        _loop.run_until_complete(asyncio.wait([future], timeout=support.HANG))
        assert future.done()

        def check(result: Any, error: BaseException | None) -> None:
            assert error is not None or result[0] == "done"
            coroutine.close()
            assert recv.stats()[4:6] == (0, 0)
            while len(recv):
                recv.recv()
            check_works(recv, send)

        return functools.partial(_in_loop, _step, coroutine), check

    CASES[name] = sweep.Case(prepare)


second_step_case(
    "recv_async_woken",
    lambda recv, send: recv.recv_async(),
    lambda recv, send: send.send(["x" * LENT]),
)
second_step_case(
    "send_async_woken",
    lambda recv, send: send.send_async(["x" * LENT]),
    lambda recv, send: recv.recv(),
    capacity=1,
)


def made_case(name: str, make: Callable[[Any, Any], Any]) -> None:
    def prepare() -> tuple[sweep.Operation, sweep.Check]:
        recv, send = interpchannels.create()

        def check(result: Any, error: BaseException | None) -> None:
            if error is None:
                result.close()
            check_works(recv, send)

        return functools.partial(make, recv, send), check

    CASES[name] = sweep.Case(prepare)


made_case("recv_async_made", lambda recv, send: recv.recv_async())
made_case("send_async_made", lambda recv, send: send.send_async([1]))


@functools.partial(CASES.__setitem__, "async_given_up")
@sweep.Case
def async_given_up() -> tuple[sweep.Operation, sweep.Check]:
    """close() of one that waits."""
    recv, send = interpchannels.create()
    coroutine = recv.recv_async()
    _, future = _in_loop(_step, coroutine)
    future._asyncio_future_blocking = False

    def check(result: Any, error: BaseException | None) -> None:
        coroutine.close()
        assert recv.stats().waiting_receivers == 0
        check_works(recv, send)

    return functools.partial(_in_loop, coroutine.close), check


@functools.partial(CASES.__setitem__, "async_wake")
@sweep.Case
def async_wake() -> tuple[sweep.Operation, sweep.Check]:
    """The loop's callback, which completes the futures of what was woken: where it fails, the task is woken later."""
    recv, send = interpchannels.create()
    coroutine = recv.recv_async()
    _, future = _in_loop(_step, coroutine)
    future._asyncio_future_blocking = False
    reactor = _async._reactors[_loop]()
    assert reactor is not None
    send.send("woken")

    def check(result: Any, error: BaseException | None) -> None:
        _loop.run_until_complete(asyncio.wait([future], timeout=support.HANG))
        assert future.done()
        assert _finish(coroutine) == "woken"
        check_works(recv, send)

    return reactor.wake, check


# The first wait of a loop makes its reactor.
@functools.partial(CASES.__setitem__, "async_new_loop")
@sweep.Case
def async_new_loop() -> tuple[sweep.Operation, sweep.Check]:
    loop = asyncio.new_event_loop()
    recv, send = interpchannels.create()
    coroutine = recv.recv_async()

    def operation() -> Any:
        asyncio._set_running_loop(loop)
        try:
            return _step(coroutine)
        finally:
            asyncio._set_running_loop(None)

    def check(result: Any, error: BaseException | None) -> None:
        if error is None:
            result[1]._asyncio_future_blocking = False
        coroutine.close()

        async def works() -> None:
            waits = asyncio.ensure_future(recv.recv_async())
            await asyncio.sleep(0)
            send.send("after")
            assert await waits == "after"

        loop.run_until_complete(asyncio.wait_for(works(), support.HANG))
        loop.close()

    return operation, check
