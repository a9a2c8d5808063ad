"""Channels between the Python interpreters of one process.

    recv, send = interpchannels.create()

`send` and `recv` are ends of one channel: give either to another interpreter and values flow, in order, each
interpreter on a core of its own. `spawn(fn, *args)` runs a function in an interpreter and thread of its own.

Every interpreter imports this anew, so it holds what every one needs. The rest is imported when it is first asked for.
"""

from __future__ import annotations

import os
from importlib import import_module
from threading import RLock

from interpchannels import _interpchannels
from interpchannels._interpchannels import (
    Buffer,
    ChannelClosedError,
    ChannelEmptyError,
    ChannelError,
    ChannelFullError,
    ChannelNotEmptyError,
    ChannelNotFoundError,
    ChannelStats,
    ItemInterpreterDestroyed,
    NotShareableError,
    ProcessStats,
    RecvChannel,
    SendChannel,
    __version__,
    register,
    select,
    stats,
)
from interpchannels._unbound import KEEP, UNBOUND, UNBOUND_ERROR, UNBOUND_REMOVE, UnboundItems

# What type checkers take as true; typing itself is more than the whole package takes to import.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from interpchannels._listing import ChannelInfo, list_all
    from interpchannels._queue import Queue
    from interpchannels._worker import RemoteError, Worker, spawn

__all__ = [
    "KEEP",
    "UNBOUND",
    "UNBOUND_ERROR",
    "UNBOUND_REMOVE",
    "Buffer",
    "ChannelClosedError",
    "ChannelEmptyError",
    "ChannelError",
    "ChannelFullError",
    "ChannelInfo",
    "ChannelNotEmptyError",
    "ChannelNotFoundError",
    "ChannelStats",
    "ItemInterpreterDestroyed",
    "NotShareableError",
    "ProcessStats",
    "Queue",
    "RecvChannel",
    "RemoteError",
    "SendChannel",
    "Worker",
    "__version__",
    "create",
    "list_all",
    "register",
    "select",
    "spawn",
    "stats",
]

# The engine counts in 64 bits; half of it leaves room for every sum.
_MAX_CAPACITY = 2**62


def create(
    capacity: int | None = None,
    *,
    unbounditems: UnboundItems = KEEP,
    pickle: bool = True,
) -> tuple[RecvChannel[Any], SendChannel[Any]]:
    """Make a channel and return its ends, `(recv, send)`.

    capacity: how many items may be queued. None: any number, and a send never waits; 0: a rendezvous, and a
    send waits until a receiver took the item.
    unbounditems: what becomes of queued items when the interpreter that sent them ends. KEEP: they arrive
    all the same; UNBOUND: UNBOUND arrives in their place; UNBOUND_ERROR: receiving one raises
    ItemInterpreterDestroyed; UNBOUND_REMOVE: they are dropped.
    pickle: False sends only what crosses without pickle, and raises NotShareableError for the rest.

    TypeError or ValueError for anything else. Never blocks; may be called in any interpreter and thread.

    >>> recv, send = interpchannels.create(capacity=8)
    >>> send.send("hello")
    >>> recv.recv()
    'hello'
    """
    if capacity is None:
        number = -1
    elif isinstance(capacity, bool) or not isinstance(capacity, int):
        raise TypeError(f"capacity must be None or an int >= 0, not {type(capacity).__name__}")
    elif capacity < 0:
        raise ValueError(f"capacity must be None or an int >= 0, not {capacity}")
    elif capacity > _MAX_CAPACITY:
        raise ValueError(f"capacity must be at most 2**62, not {capacity}; None is unbounded")
    else:
        number = capacity
    if not isinstance(unbounditems, UnboundItems):
        raise TypeError(
            f"unbounditems must be KEEP, UNBOUND, UNBOUND_ERROR or UNBOUND_REMOVE, not {unbounditems!r}"
        )
    return _interpchannels._create_ends(number, unbounditems._op, bool(pickle))


_LATER = {
    "ChannelInfo": "_listing",
    "Queue": "_queue",
    "RemoteError": "_worker",
    "Worker": "_worker",
    "list_all": "_listing",
    "spawn": "_worker",
}


# A fork waits until such an import is over: the child would wait for the thread that began it, for ever.
_importing = RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_importing.acquire,
        after_in_parent=_importing.release,
        after_in_child=_importing.release,
    )


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with _importing:
        value: object = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
