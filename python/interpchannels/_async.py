"""Which reactor an event loop has: the part of asyncio that the extension leaves to Python.

A loop gets its reactor when something on it has to wait for the first time, and with it one descriptor that
the loop watches for all of its waits. The loop holds the reactor, as the callback of that descriptor, and so do
the waits; when the loop is closed and the waits are gone, the descriptor is closed.
"""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING

from interpchannels._gil import WITHOUT_GIL
from interpchannels._interpchannels import _make_reactor

if TYPE_CHECKING:
    from interpchannels._interpchannels import _Reactor

_reactors: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.ref[_Reactor]]
_reactors = weakref.WeakKeyDictionary()


def enter_loop() -> tuple[_Reactor, asyncio.Future[None]]:
    """Return the running loop's reactor and a new future; called by the extension."""
    loop = asyncio.get_running_loop()
    known = _reactors.get(loop)
    reactor = known() if known is not None else None
    if reactor is None:
        reactor = _make_reactor()
        loop.add_reader(reactor.fileno(), reactor.wake)
        try:
            _reactors[loop] = weakref.ref(reactor)
            if WITHOUT_GIL:
                _keep_looking(loop)
        except MemoryError:  # the loop would hold one that nobody uses
            loop.remove_reader(reactor.fileno())
            raise
    return reactor, loop.create_future()


def _keep_looking(loop: asyncio.AbstractEventLoop) -> None:
    """Run ten times a second, without a GIL.

    What another thread dropped is freed by the thread that made it, once it runs. That may be an end, whose channel
    closes with it, and the loop is asleep until it does.
    """
    loop.call_later(0.1, _keep_looking, loop)
