"""`spawn`: a function in an interpreter and a thread of its own.

The function and its arguments are encoded before `spawn` returns and decoded in the new interpreter (`_work`); the
result, or the exception, comes back the same way. Neither goes through a channel, so a Worker needs none.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from interpchannels import _interpchannels
from interpchannels._functions import find_culprit, pack_function
from interpchannels._gil import WITHOUT_GIL
from interpchannels._registered import pack_registrations

_BOOT = """\
import sys
sys.path[:] = {path!r}
from interpchannels import _work
_work.work()
"""


class RemoteError(_interpchannels.ChannelError):
    """What went wrong in a Worker: its text is the traceback there.

    It is the `__cause__` of the exception that `Worker.result()` raises, or is raised itself where that
    exception could not cross.

    >>> try:
    ...     interpchannels.spawn(int, "no number").result()
    ... except ValueError as error:
    ...     print(type(error.__cause__).__name__)
    RemoteError
    """


class Worker[R]:
    """A function that runs in an interpreter of its own; made by `spawn()`.

    Its thread is not a daemon: the process waits for it, as for any thread.

    >>> worker = interpchannels.spawn(pow, 2, 10)
    >>> worker.result()
    1024
    """

    def __init__(self, name: str, source: str, registrations: Any, task: Any) -> None:
        self._outcome: tuple[Any, ...] | None = None
        self._done = threading.Event()  # the interpreter has ended, and _outcome says how
        self._thread = threading.Thread(
            target=self._run, args=(source, registrations, task), name=name
        )
        self._thread.start()

    @property
    def name(self) -> str:
        """The name of the function, which is the thread's name too."""
        return self._thread.name

    def is_alive(self) -> bool:
        """Return True until the interpreter has ended. Never blocks.

        >>> worker = interpchannels.spawn(pow, 2, 10)
        >>> worker.join()
        >>> worker.is_alive()
        False
        """
        return not self._done.is_set()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the function has returned and its interpreter has ended.

        timeout: seconds, None for no limit; TimeoutError when they are over. An exception of the function is
        not raised here. From any thread of the interpreter that called `spawn()`.

        >>> recv, send = interpchannels.create()
        >>> worker = interpchannels.spawn(recv.recv)
        >>> try:
        ...     worker.join(timeout=0.01)
        ... except TimeoutError:
        ...     send.send("now it returns")
        >>> worker.join()
        """
        if timeout is not None:
            if not isinstance(timeout, (int, float)):
                raise TypeError(
                    f"timeout must be None or a number of seconds, not {type(timeout).__name__}"
                )
            if not timeout >= 0:
                raise ValueError(f"timeout must be None or a number of seconds >= 0, not {timeout}")
            timeout = min(timeout, threading.TIMEOUT_MAX)
        deadline = None if timeout is None else time.monotonic() + timeout
        # The main thread wakes now and then, to see a signal that another thread took; and without a GIL every thread,
        # to free what it made and another dropped: the Worker may be waiting for just that.
        wakes = threading.current_thread() is threading.main_thread() or WITHOUT_GIL
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if wakes:
                left = 0.1 if left is None else min(left, 0.1)
            # Not Thread.join(): in 3.12 one that a signal interrupts takes the thread for ended.
            if self._done.wait(left):
                return
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"{self.name} is still running after {timeout} seconds")

    def result(self, timeout: float | None = None) -> R:
        """Wait like `join()`, then return what the function returned, or raise what it raised.

        The exception's `__cause__` is a RemoteError with the traceback in the Worker. A result that cannot
        cross raises NotShareableError; TimeoutError as in `join()`.

        >>> interpchannels.spawn(sorted, [3, 1, 2]).result()
        [1, 2, 3]
        """
        self.join(timeout)
        assert self._outcome is not None
        kind, *rest = self._outcome
        if kind == "returned":
            return rest[0]  # type: ignore[no-any-return]
        exception, text = rest
        remote = RemoteError(text)
        if exception is None:
            raise remote
        raise exception from remote

    def __repr__(self) -> str:
        state = "running" if self.is_alive() else "ended"
        return f"<Worker {self.name} {state}>"

    def _run(self, source: str, registrations: Any, task: Any) -> None:
        try:
            outcome = _interpchannels._run_in_new_interpreter(source, registrations, task)
        except BaseException as error:
            outcome = ("raised", None, str(error))
        self._outcome = outcome or ("raised", None, "the Worker ended without a result")
        self._done.set()


def spawn[R](fn: Callable[..., R], /, *args: Any) -> Worker[R]:
    """Run `fn(*args)` in a new interpreter with a GIL of its own, in a thread of its own.

    The arguments are encoded before this returns, and `sys.path` is carried over. Ends among them arrive as
    handles of their own, which are let go when the function ends; close the ones that you keep no use for.

    fn is imported there by its module and name. A function or lambda of `__main__`, of a prompt or of a notebook
    goes by its code, if it has no closure; what it uses of its module goes with it: modules, functions, and
    values that cross, as they are now. A class of `__main__` cannot be found there. What `register()` was told
    here holds there too.

    NotShareableError or ValueError where fn or an argument cannot cross: it names the variable. May be called from
    any thread of any interpreter that allows threads; waits for nothing.

    >>> interpchannels.spawn(sum, [1, 2, 3]).result()
    6
    """
    if not callable(fn):
        raise TypeError(f"spawn() needs a function, not {type(fn).__name__}")
    packed = pack_function(fn)
    registrations = _interpchannels._pack(pack_registrations())
    try:
        task = _interpchannels._pack((packed, *args))
    except _interpchannels.NotShareableError as error:
        culprit = find_culprit(packed)
        if culprit is None:
            raise
        raise _interpchannels.NotShareableError(
            f"cannot send {_name(fn)}: {culprit} cannot cross between interpreters"
        ) from error
    entries: list[object] = list(sys.path)  # it may hold anything
    source = _BOOT.format(path=[entry for entry in entries if isinstance(entry, str)])
    _interpchannels._expect_worker(task)
    try:
        return Worker(_name(fn), source, registrations, task)
    except BaseException:  # no thread: what was moved is still ours
        _interpchannels._give_back(task)
        raise


def _name(fn: Callable[..., Any]) -> str:
    return getattr(fn, "__qualname__", None) or type(fn).__qualname__
