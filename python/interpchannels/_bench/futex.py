"""The bare futex: a helper in C++ that `make bench` builds, beside which a parked waiter is measured.

It isn't part of an installed package. INTERPCHANNELS_BENCH_FUTEX names it where it is.
"""

import os
import subprocess


def helper() -> str | None:
    """The path of the helper; None where there is none."""
    path = os.environ.get("INTERPCHANNELS_BENCH_FUTEX", "")
    return path if path and os.access(path, os.X_OK) else None


def rounds(count: int, think: int) -> tuple[list[int], float]:
    """Of `count` rounds with a thread that computes for `think` nanoseconds: the nanoseconds of each, and the waiter's
    CPU seconds in all of them."""
    path = helper()
    if path is None:
        raise LookupError("the futex helper isn't built")
    done = subprocess.run(
        [path, str(count), str(think)], check=True, stdout=subprocess.PIPE, text=True
    )
    cpu, *nanoseconds = map(int, done.stdout.split())
    return nanoseconds, cpu / 1e9
