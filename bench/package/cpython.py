"""CPython's own channels and queues, which differ in name and signature from version to version."""

import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

OLD = sys.version_info < (3, 13)
CHANNELS = "_xxinterpchannels" if OLD else "_interpchannels"
_INTERPRETERS = "_xxsubinterpreters" if OLD else "_interpreters"

channels: Any = importlib.import_module(CHANNELS)
_interpreters: Any = importlib.import_module(_INTERPRETERS)

# As source, since it runs in interpreters that can't import this. `send` doesn't wait for a receiver.
SEND = "send({0}, {1})" if OLD else "send({0}, {1}, blocking=False)"
RECV = "recv({0}, None)" if OLD else "recv({0}, None)[0]"


def new_channel() -> Any:
    """The ChannelID of a new channel of CPython's own module; the channel lives as long as it."""
    return channels.create() if OLD else channels.create(3)


def destroy(channel: Any) -> None:
    channels.destroy(channel)


class Queues:
    """What this CPython offers to a program that waits for another interpreter. All of it polls, every 10 ms.

    LookupError where it has nothing: before 3.14 it is in CPython's own tests, which not every installation has.
    """

    def __init__(self) -> None:
        if sys.version_info >= (3, 14):
            self._module, types = "concurrent.interpreters", ("Queue", "Queue")
        elif not OLD:
            self._module, types = "test.support.interpreters.queues", ("Queue", "Queue")
        else:
            self._module, types = "test.support.interpreters", ("SendChannel", "RecvChannel")
        self._put_type, self._get_type = types
        self.name = f"{self._module}.{self._get_type}"
        try:
            self._library: Any = importlib.import_module(self._module)
        except ImportError as problem:
            raise LookupError(f"{self._module} is missing: {problem}") from problem

    def create(self) -> tuple[int, Callable[[Any], object], Callable[[], Any]]:
        """The id of a new one, its put and its get; it lives as long as these."""
        if OLD:
            receiver, sender = self._library.create_channel()
            return int(receiver.id), sender.send_nowait, receiver.recv
        if sys.version_info >= (3, 14):
            queue = self._library.create_queue()
        else:
            queue = self._library.create(syncobj=True)  # the alternative pickles
        return queue.id, queue.put, queue.get

    def source(self, putting: int, getting: int) -> str:
        """Source that defines `put` and `get` for the queues of these ids."""
        methods = ("send_nowait", "recv") if OLD else ("put", "get")
        return (
            f"import {self._module} as library\n"
            f"put = library.{self._put_type}({putting}).{methods[0]}\n"
            f"get = library.{self._get_type}({getting}).{methods[1]}\n"
        )


@contextmanager
def interpreter(source: str) -> Iterator[None]:
    """Runs `source` in a thread and interpreter of its own. The block has to bring it to its end."""
    made = _interpreters.create()
    failures: list[object] = []

    def run() -> None:
        try:
            if OLD:
                _interpreters.run_string(made, source)
            elif failure := _interpreters.exec(made, source):
                failures.append(failure.formatted)
        except Exception as failure:
            failures.append(failure)
        if failures:  # the other side waits for something that won't come
            print("bench: in the other interpreter:", *failures, file=sys.stderr, flush=True)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    thread.join()
    _interpreters.destroy(made)
