"""The job itself, which all three ways of running it share.

`load` reads one file, `count` tokenises it, and a `Tally` merges what `count` returned. Nothing here knows about
channels or processes, so that any interpreter and any process can import it. What travels is made of built-in types.
"""

import io
import tokenize
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from keyword import iskeyword

# What one file gave: its path, bytes, lines, tokens by kind, names with their counts, and why it does not parse.
type FileCount = tuple[str, int, int, dict[str, int], dict[str, int], str | None]

_KINDS = {
    tokenize.NUMBER: "numbers",
    tokenize.STRING: "strings",
    tokenize.FSTRING_START: "strings",
    tokenize.OP: "operators",
    tokenize.COMMENT: "comments",
}
if hasattr(tokenize, "TSTRING_START"):  # 3.14 and later
    _KINDS[tokenize.TSTRING_START] = "strings"
KINDS = ("names", "keywords", "numbers", "strings", "operators", "comments")

_TOKENS_BETWEEN_LOOKS = 4096


class Stopped(Exception):
    """`count` was told to stop in the middle of a file."""


def load(path: str) -> bytes | None:
    """The file's bytes, or None where it can't be read."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def count(path: str, data: bytes | None, stop: Callable[[], bool] = lambda: False) -> FileCount:
    """Tokenises one file; of a file that doesn't parse, what comes before the error counts.

    `data` is what `load` returned. `stop` is asked every few milliseconds; Stopped is raised when it says True.
    """
    if data is None:
        return path, 0, 0, {}, {}, "cannot be read"
    lines = data.count(b"\n") + (not data.endswith(b"\n") and data != b"")
    kinds: Counter[str] = Counter()
    names: Counter[str] = Counter()
    error = None
    try:
        for number, token in enumerate(tokenize.tokenize(io.BytesIO(data).readline)):
            if token.type == tokenize.NAME:
                if iskeyword(token.string):
                    kinds["keywords"] += 1
                else:
                    kinds["names"] += 1
                    names[token.string] += 1
            elif token.type in _KINDS:
                kinds[_KINDS[token.type]] += 1
            if number % _TOKENS_BETWEEN_LOOKS == 0 and stop():
                raise Stopped
    except Stopped:
        raise
    except (SyntaxError, tokenize.TokenError) as problem:
        error = f"{type(problem).__name__}: {problem}"
    except Exception as problem:  # the file may hold anything, and tokenize then raises anything
        error = type(problem).__name__  # without a message, which may name an address
    return path, len(data), lines, dict(kinds), dict(names), error


def be_quiet() -> None:
    """Turns the tokeniser's warnings about the files off, in this interpreter."""
    warnings.simplefilter("ignore")


@dataclass
class Tally:
    """What several files gave together. Two tallies of the same files are equal in whatever order they were added."""

    files: int = 0
    bytes: int = 0
    lines: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    names: Counter[str] = field(default_factory=Counter)
    errors: dict[str, str] = field(default_factory=dict)

    def add(self, one: FileCount) -> None:
        """Merges what `count` returned for one file."""
        path, size, lines, kinds, names, error = one
        self.kinds.update(kinds)
        self.names.update(names)
        if error is not None:
            self.errors[path] = error
        self.lines += lines
        self.bytes += size
        self.files += 1


@dataclass
class Traffic:
    """What went through one channel, in messages and in bytes."""

    messages: int
    bytes: int


@dataclass
class Run:
    """One way of doing the job: what came out, in how many seconds, and whether Ctrl-C ended it early."""

    title: str
    tally: Tally
    seconds: float
    interrupted: bool = False
    traffic: dict[str, Traffic] = field(default_factory=dict)
