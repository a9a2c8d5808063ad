"""CPython's own channels and queues, which differ in name and signature from version to version."""

import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

OLD = sys.version_info < (3, 13)
PUBLIC = sys.version_info >= (3, 14)  # concurrent.interpreters
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
    """The Queue that this CPython offers to a program that waits for another interpreter. It polls, every 10 ms.

    LookupError where there is none: 3.12 has none at all, that of 3.13 is in CPython's own `test` package, which not
    every installation has.
    """

    name = "interpreters.Queue"

    def __init__(self) -> None:
        if OLD:
            raise LookupError("CPython's Queue: 3.12 has none")
        self._module = "concurrent.interpreters" if PUBLIC else "test.support.interpreters.queues"
        try:
            library: Any = importlib.import_module(self._module)
        except ImportError as problem:
            raise LookupError(f"{self._module}: {problem}") from problem
        # 3.13's would pickle without syncobj.
        self._create = library.create_queue if PUBLIC else partial(library.create, syncobj=True)

    def create(self) -> Any:
        """A new one."""
        return self._create()

    def source(self, putting: Any, getting: Any) -> str:
        """Source that defines `put` and `get` for these queues."""
        return (
            f"from {self._module} import Queue\n"
            f"put = Queue({putting.id}).put\n"
            f"get = Queue({getting.id}).get\n"
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
    try:
        yield
    finally:
        thread.join()
        _interpreters.destroy(made)
