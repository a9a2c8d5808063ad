"""What importing the package takes more than importing `queue`, each in fresh processes, from compiled files."""

import os
import subprocess
import sys
from collections.abc import Iterator

from .measure import TIME, Case, Cell, Effort, Figures
from .rows import Row

_SOURCE = """\
import sys, time
sys.path[:] = sys.argv[1:]
started = time.perf_counter()
import {}
print(time.perf_counter() - started)
"""
_MORE, _OURS, _QUEUE = TIME, "interpchannels", "queue"


def rows() -> Iterator[Row]:
    """The difference of two processes that ran one after the other."""
    yield Row("import, more than queue's", Cell(Case("import", _measure)), commit=0.005)


def _measure(effort: Effort) -> Figures:
    queue, ours = _import("queue"), _import("interpchannels")
    return {_MORE: ours - queue, _OURS: ours, _QUEUE: queue}


def _import(name: str) -> float:
    command = [sys.executable, "-c", _SOURCE.format(name), *sys.path]
    # An installed package has its .pyc files; the first run leaves them where nobody did.
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=env)
    return float(run.stdout)
