"""The command line: `python -m interpchannels demo` and `python -m interpchannels bench`."""

import argparse
import io
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Never

from interpchannels._bench import cli as bench
from interpchannels._demo import cli as demo

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

_SECONDS_UNTIL_SECOND_INTERRUPT = 1.0


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> Never:
        self.exit(EXIT_USAGE, f"{self.prog}: error: {message}\n")


def main(arguments: Sequence[str]) -> int:
    """Runs a command and returns the exit code: the command's own, 2 (bad input) or 130 (Ctrl-C)."""
    parser = _Parser(prog="python -m interpchannels")
    commands = parser.add_subparsers(dest="command", required=True, metavar="{demo,bench}")
    demo.add_command(commands)
    bench.add_command(commands)
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may hold anything
    try:
        with _first_interrupt_only():
            code: int = options.run(options)
            return code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


@contextmanager
def _first_interrupt_only() -> Iterator[None]:
    """Lets the first Ctrl-C raise KeyboardInterrupt as ever, and no second one disturb the cleaning up.

    Should that take longer than it ever ought to, another Ctrl-C ends the process at once.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield  # ignored, or someone else's
        return
    first: float | None = None

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal first
        now = time.monotonic()
        if first is None:
            first = now
            raise KeyboardInterrupt
        if now - first > _SECONDS_UNTIL_SECOND_INTERRUPT:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
