"""What `make bench` builds in C++ to measure beside, and is no part of an installed package.

INTERPCHANNELS_BENCH_HELPERS names the folder, where there is one.
"""

import importlib.machinery
import importlib.util
import os
import subprocess
from typing import Any


def _path(name: str) -> str | None:
    path = os.path.join(os.environ.get("INTERPCHANNELS_BENCH_HELPERS", ""), name)
    return path if os.path.isabs(path) and os.access(path, os.R_OK) else None


def has_futex() -> bool:
    """Whether futex_rounds() can be called."""
    return _path("futex_round_trip") is not None


def futex_rounds(count: int, think: int) -> tuple[list[int], float]:
    """Of `count` rounds through two bare futexes, with a thread that computes for `think` nanoseconds: the
    nanoseconds of each, and the waiter's CPU seconds in all of them."""
    path = _path("futex_round_trip")
    if path is None:
        raise LookupError("the futex helper isn't built")
    done = subprocess.run(
        [path, str(count), str(think)], check=True, stdout=subprocess.PIPE, text=True
    )
    cpu, *nanoseconds = map(int, done.stdout.split())
    return nanoseconds, cpu / 1e9


def calls() -> Any:
    """A module with the drop-in's send and recv, which do nothing; None where it isn't built for this Python.

    Its `recv(None)` returns `(None, None)`, any other `(1000000, None)`.
    """
    for suffix in importlib.machinery.EXTENSION_SUFFIXES[:1]:  # the one that tells the version
        path = _path("calls" + suffix)
        if path is not None:
            spec = importlib.util.spec_from_file_location("calls", path)
            if spec is None or spec.loader is None:
                raise ImportError(f"{path} can't be loaded")
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    return None
