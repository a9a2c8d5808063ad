"""What a Worker's interpreter runs: the task that `spawn` left for its thread.

It imports little: every Worker does so, and starts no sooner.
"""

from __future__ import annotations

import sys
import threading

from interpchannels import _interpchannels
from interpchannels._functions import unpack_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def work() -> None:
    """Run this thread's task; in the Worker's interpreter."""
    _interpchannels._enter_worker()
    if sys.version_info < (3, 13):
        # 3.12 takes the thread that imports threading first for the main one. asyncio.run() asks for a SIGINT handler
        # there, and gets an object of the main interpreter's. From 3.13 on a Worker's thread is not a main thread.
        threading._active.pop(threading.get_ident(), None)  # type: ignore[attr-defined]
    try:
        value = _call()
    except BaseException as error:
        from traceback import clear_frames, format_exception

        text = "".join(format_exception(error))
        clear_frames(error.__traceback__)  # they hold the arguments
        _leave(error, text)
        return
    try:
        _interpchannels._leave_result(("returned", value))
    except Exception as error:
        from traceback import format_exception

        _leave(error, "".join(format_exception(error)))


def _leave(error: BaseException, text: str) -> None:
    # SystemExit and KeyboardInterrupt are the Worker's own: they must not end whoever asks.
    bare = error.with_traceback(None) if isinstance(error, Exception) else None
    try:
        _interpchannels._leave_result(("raised", bare, text))
    except Exception:
        _interpchannels._leave_result(("raised", None, text))


def _call() -> Any:
    _interpchannels._inherit(_interpchannels._take_task())
    packed, *args = _interpchannels._take_task()
    fn = unpack_function(packed)
    del packed
    return fn(*args)
