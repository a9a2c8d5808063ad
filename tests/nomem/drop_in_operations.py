"""The drop-in's functions as cases for sweep.py, and our types in CPython's own registry."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from typing import Any

import sweep
from operations import LENT, fails

import interpchannels

drop_in = interpchannels._interpchannels
CASES: dict[str, sweep.Case | sweep.Cold] = {}

# An item is kept when its sender ends: CPython's op for UNBOUND.
OP = 3


def works(cid: Any) -> None:
    while drop_in.get_count(cid):
        drop_in.recv(cid)
    drop_in.send(cid, "after", blocking=False)
    assert drop_in.recv(cid) == ("after", None)


def case(
    name: str,
    operation: Callable[[Any], Any],
    expected: Callable[[Any, Any], bool] = lambda result, cid: True,
    *,
    items: tuple[Any, ...] = (),
    lives: bool = True,
    **options: Any,
) -> None:
    def prepare() -> tuple[sweep.Operation, sweep.Check]:
        cid = drop_in.create(OP)
        for item in items:
            drop_in.send(cid, item, blocking=False)

        def check(result: Any, error: BaseException | None) -> None:
            if error is None:
                assert expected(result, cid), result
            if lives:
                works(cid)
                drop_in.destroy(cid)

        return functools.partial(operation, cid), check

    CASES[f"drop_in_{name}"] = sweep.Case(prepare, **options)


@functools.partial(CASES.__setitem__, "drop_in_create")
@sweep.Case
def create() -> tuple[sweep.Operation, sweep.Check]:
    known = {int(row[0]) for row in drop_in.list_all()}

    def check(result: Any, error: BaseException | None) -> None:
        if error is None:
            works(result)
            drop_in.destroy(result)
        assert {int(row[0]) for row in drop_in.list_all()} == known

    return functools.partial(drop_in.create, OP), check


def send_nowait(item: Any, cid: Any) -> Any:
    return drop_in.send(cid, item, blocking=False)


def received(item: Any) -> Callable[[Any, Any], bool]:
    return lambda result, cid: drop_in.recv(cid) == (item, None)


for _name, _item in {
    "none": None,
    "str": "hello",
    "lent": b"x" * LENT,
    "tuple": (1, "two", (3.0, b"x" * LENT)),
}.items():
    case(f"send_{_name}", functools.partial(send_nowait, _item), received(_item))
    case(
        f"recv_{_name}",
        drop_in.recv,
        lambda result, cid, item=_item: result == (item, None),
        items=(_item,),
    )
if sys.version_info >= (3, 14):
    case("send_pickled", functools.partial(send_nowait, {"a": [1]}), received({"a": [1]}))
    case(
        "recv_pickled",
        drop_in.recv,
        lambda result, cid: result == ({"a": [1]}, None),
        items=({"a": [1]},),
    )
else:
    case(
        "send_refused",
        lambda cid: fails(ValueError, send_nowait, {"a": [1]}, cid),
        lambda result, cid: result is True,
    )
case("send_buffer", lambda cid: drop_in.send_buffer(cid, b"x" * LENT, blocking=False))
case(
    "send_timeout",
    lambda cid: fails(TimeoutError, functools.partial(drop_in.send, cid, (1,), timeout=0.0)),
)
case(
    "recv_default",
    lambda cid: drop_in.recv(cid, "none"),
    lambda result, cid: result == ("none", None),
)
case("recv_empty", lambda cid: fails(interpchannels.ChannelEmptyError, drop_in.recv, cid))
case("get_count", drop_in.get_count, lambda result, cid: result == 1, items=(1,))
case("get_info", drop_in.get_info, lambda result, cid: result.count == 1, items=(1,))
case("get_channel_defaults", drop_in.get_channel_defaults)
case(
    "list_all",
    lambda cid: drop_in.list_all(),
    lambda result, cid: any(row[0] == cid for row in result),
)
case("list_interpreters", lambda cid: drop_in.list_interpreters(cid, send=True), items=(1,))
case(
    "id_repr", lambda cid: (repr(cid), str(cid), int(cid), hash(cid), cid.end, cid == cid, cid == 5)
)
case("id_ends", lambda cid: (cid.send, cid.recv))
case("channel_id", lambda cid: drop_in._channel_id(int(cid), send=True))
case("channel_id_forced", lambda cid: drop_in._channel_id(1 << 40, force=True))
case(
    "not_found", lambda cid: fails(interpchannels.ChannelNotFoundError, drop_in.get_count, 1 << 40)
)
case("release", lambda cid: drop_in.release(cid, send=True), items=(1,), lives=False)
case("close", lambda cid: drop_in.close(cid, force=True), items=("x" * LENT, 1), lives=False)
case(
    "close_not_empty",
    lambda cid: fails(interpchannels.ChannelNotEmptyError, drop_in.close, cid),
    items=(1,),
)
case("destroy", drop_in.destroy, items=("x" * LENT, 1), lives=False)


# --- our types in CPython's registry: its own channels carry them ---


def registry_case(name: str, make: Callable[[], Any], kind: type) -> None:
    """Sent to, and received from, CPython's own channels: the first of what `make` gives; the rest is kept."""
    module_name = "_interpchannels" if sys.version_info >= (3, 13) else "_xxinterpchannels"
    try:
        cpython = importlib.import_module(module_name)
    except ImportError:
        return
    make_channel = (
        functools.partial(cpython.create, OP) if sys.version_info >= (3, 13) else cpython.create
    )
    options: dict[str, Any] = {"blocking": False} if sys.version_info >= (3, 13) else {}

    def prepare_send() -> tuple[sweep.Operation, sweep.Check]:
        cid = make_channel()
        made = make()

        def check(result: Any, error: BaseException | None) -> None:
            assert made
            if error is None:
                assert isinstance(_first(cpython.recv(cid)), kind)
            cpython.destroy(cid)

        return functools.partial(_call, cpython.send, cid, made[0], **options), check

    def prepare_recv() -> tuple[sweep.Operation, sweep.Check]:
        cid = make_channel()
        made = make()
        cpython.send(cid, made[0], **options)

        def check(result: Any, error: BaseException | None) -> None:
            assert made
            if error is None:
                assert isinstance(_first(result), kind)
            cpython.destroy(cid)

        return functools.partial(cpython.recv, cid), check

    CASES[f"registry_send_{name}"] = sweep.Case(prepare_send, what=(sweep.OURS,))
    CASES[f"registry_recv_{name}"] = sweep.Case(prepare_recv, what=(sweep.OURS,))


def _call(send: Callable[..., Any], *args: Any, **options: Any) -> Any:
    try:
        return send(*args, **options)
    except (
        TypeError,
        ValueError,
    ) as error:  # CPython 3.14: what failed in our function, whatever it was
        if type(error).__name__ != "NotShareableError":
            raise
        raise MemoryError from error


def _first(result: Any) -> Any:
    return result[0] if isinstance(result, tuple) else result


registry_case("end", interpchannels.create, interpchannels.RecvChannel)
registry_case("queue", lambda: (interpchannels.Queue(),), interpchannels.Queue)
registry_case("channel_id", lambda: (drop_in.create(OP),), drop_in.ChannelID)
