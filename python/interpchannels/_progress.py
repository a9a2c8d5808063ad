"""A progress bar on a terminal, plain lines elsewhere."""

import shutil
import time
from types import TracebackType
from typing import Self, TextIO

_SECONDS_BETWEEN_DRAWINGS = 0.1
_PLAIN_LINES = 10


class Progress:
    """Shows how much of `total` files, or other units, is done, from `with` to the end of its block.

    On a terminal one line is drawn again and again and removed at the end; elsewhere a line is written for each tenth.
    """

    def __init__(self, title: str, total: int, stream: TextIO, units: str = "files") -> None:
        self._title = title
        self._total = total
        self._stream = stream
        self._units = units
        self._terminal = stream.isatty()
        self._done = 0
        self._started = time.monotonic()
        self._drawn = 0.0

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        if self._terminal:
            self._draw(self._started)
        else:
            self._write(f"{self._title}: {self._total:,} {self._units}\n")
        return self

    def entitle(self, title: str) -> None:
        """What comes now has this title."""
        self._title = title
        if self._terminal:
            self._draw(time.monotonic())

    def step(self) -> None:
        """One more is done."""
        self._done += 1
        if self._terminal:
            now = time.monotonic()
            if now - self._drawn >= _SECONDS_BETWEEN_DRAWINGS:
                self._draw(now)
        elif self._tenths(self._done) != self._tenths(self._done - 1):
            self._write(f"{self._title}: {self._done:,} of {self._total:,} {self._units}\n")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._terminal:
            self._write("\r\x1b[K")

    def _tenths(self, done: int) -> int:
        return done * _PLAIN_LINES // self._total

    def _draw(self, now: float) -> None:
        self._drawn = now
        numbers = f" {self._done:,}/{self._total:,} {self._units} {now - self._started:5.1f} s"
        columns = shutil.get_terminal_size().columns - 1
        width = min(40, columns - len(self._title) - len(numbers) - 3)
        line = self._title
        if width >= 5:
            full = width * self._done // self._total
            line += f" [{'#' * full}{'.' * (width - full)}]"
        self._write("\r" + (line + numbers)[:columns] + "\x1b[K")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
