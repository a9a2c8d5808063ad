"""One operation after the other with its n-th allocation failing, n from 1 until nothing fails any more.

Runs in a process of its own, into which failing_allocations is preloaded. A case is a function that prepares an
operation and returns `(operation, check)`: `operation()` is what runs while allocations fail, and
`check(value, error)` looks at what became of it: that what failed has not happened, that what succeeded has, and that
the channel works. Around each run the driver holds the process to this:

- it succeeds or raises MemoryError;
- `interpchannels.stats()` is what it was, so no channel, handle, item, waiter, loan or Buffer is left;
- neither the extension nor CPython has more blocks: of whatever size, references that were not given back included.
"""

from __future__ import annotations

import dataclasses
import gc
import os
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import failing_allocations
from failing_allocations import OURS, PYTHON

import interpchannels
import support

# A case's two halves.
Operation = Callable[[], Any]
Check = Callable[[Any, BaseException | None], None]
Prepare = Callable[[], tuple[Operation, Check]]

ALL = (PYTHON | OURS, PYTHON, OURS)

# Which allocations, and how many fail from the n-th on; 0: all.
MODES = ((PYTHON | OURS, 1), (PYTHON | OURS, 0), (OURS, 0), (PYTHON, 0))

# No operation here needs as many.
LIMIT = 20_000


def _is_forgotten(error: BaseException) -> bool:
    """CPython 3.12 and 3.13: the error of a Python function, lost where there was no memory for its frame."""
    text = str(error)
    return (
        sys.version_info < (3, 14)
        and isinstance(error, SystemError)
        and (text == "error return without exception set" or text.startswith("<function "))
    )


@dataclasses.dataclass
class Case:
    prepare: Prepare
    # Whose allocations fail: all, but where CPython itself does not stand it.
    what: tuple[int, ...] = ALL
    # Each run leaves something by design, so blocks are not counted.
    leaves: bool = False


@dataclasses.dataclass
class Cold:
    """What an interpreter does once: `setup` defines `operation`, and `after` must work whatever became of it.

    Both are code that runs in a fresh interpreter each time.
    """

    setup: str
    after: str
    step: int = 1  # not every allocation, where there are many
    what: tuple[int, ...] = ALL


_IN_A_FRESH_ONE = """
import os
import failing_allocations
{setup}
value, error, seen = failing_allocations.call(operation, {what}, {n}, {count})
if error is not None and not isinstance(error, MemoryError):
    raise AssertionError(repr(error))
error = value = None
{after}
os.write({fd}, b"%d " % seen)
"""


def run_cold(case: Cold) -> None:
    assert failing_allocations.watch(), "the extension's allocations are not seen"
    stats = interpchannels.stats()
    runs = 0
    reader, writer = os.pipe()
    for what, count in MODES:
        if what not in case.what:
            continue
        n = 1
        fails = True
        while fails:
            interpreter = support.create_interpreter()
            code = _IN_A_FRESH_ONE.format(
                setup=textwrap.dedent(case.setup),
                what=what,
                n=n,
                count=count,
                after=textwrap.dedent(case.after),
                fd=writer,
            )
            where = f"(what={what}, n={n}, count={count})"
            try:
                support.run_in(interpreter, code)
            except support.RunFailed as error:
                raise AssertionError(f"{error} {where}") from None
            fails = int(os.read(reader, 100)) >= n
            support.destroy_interpreter(interpreter)
            left = interpchannels.stats()
            assert left == stats, f"left behind: {left} {where}"
            runs += 1
            n += case.step
    print(f"{runs} runs")


def _collect() -> None:
    gc.collect()
    # A free-threaded CPython puts off what it frees, until no thread can be reading it: a dict's keys, also those that
    # a collection frees. The next collection begins with them.
    gc.collect()


class Sweep:
    """All runs of one case."""

    def __init__(self, case: Case) -> None:
        self._prepare = case.prepare
        self._what = case.what
        self._leaves = case.leaves
        self.runs = 0
        self.failed = 0

    def all(self) -> None:
        assert failing_allocations.watch(), "the extension's allocations are not seen"
        gc.disable()
        # What is made once is made now: code, caches, memory that the engine keeps.
        for _ in range(3):
            self._once(PYTHON | OURS, LIMIT, 1)
        gc.collect()
        gc.freeze()  # what is there now need not be looked at each time
        for what, count in MODES:
            if what not in self._what:
                continue
            n = 0
            fails = True
            while fails:
                n += 1
                assert n < LIMIT
                fails = self._checked(what, n, count)

    def _checked(self, what: int, n: int, count: int) -> bool:
        """True where the n-th allocation was there to fail."""
        where = f"(what={what}, n={n}, count={count})"
        stats = interpchannels.stats()
        before = failing_allocations.blocks()
        try:
            error, seen = self._once(what, n, count)
        except Exception as wrong:
            raise AssertionError(f"{wrong!r} {where}") from wrong
        if seen < n:
            assert error is None, f"{error!r} with no allocation failing {where}"
        left = interpchannels.stats()
        if left != stats:
            gc.collect()  # the frames of an exception's context
            left = interpchannels.stats()
        assert left == stats, f"left behind: {left}, was {stats} {where}"
        if not self._leaves and any(
            now > then for now, then in zip(failing_allocations.blocks(), before, strict=True)
        ):
            self._check_leak(what, n, count, where)
        return seen >= n

    def _check_leak(self, what: int, n: int, count: int, where: str) -> None:
        """A leak is there at each run; what a run leaves once is a cache."""
        rounds = 8
        for _ in range(4):
            _collect()
            before = failing_allocations.blocks()
            for _ in range(rounds):
                self._once(what, n, count)
            _collect()
            after = failing_allocations.blocks()
            grown = [now - then for now, then in zip(after, before, strict=True)]
            if max(grown) < rounds:
                return
        raise AssertionError(
            f"{rounds} runs leak {grown[0]} blocks of ours, {grown[1]} of CPython {where}"
        )

    def _once(self, what: int, n: int, count: int) -> tuple[str | None, int]:
        """What it raised, as text (the exception itself would keep the frames), and the allocations seen."""
        operation, check = self._prepare()
        value, error, seen = failing_allocations.call(operation, what, n, count)
        if error is not None:
            error.__traceback__ = None
            self.failed += 1
            assert isinstance(error, MemoryError) or _is_forgotten(error), (
                f"{error!r}, its context {error.__context__!r}"
            )
        self.runs += 1
        check(value, error)
        return (None if error is None else repr(error)), seen


def run(case: Case | Cold) -> None:
    if isinstance(case, Cold):
        run_cold(case)
        return
    sweep = Sweep(case)
    sweep.all()
    print(f"{sweep.runs} runs, {sweep.failed} MemoryErrors")
