"""What a figure holds for: the machine, the versions, the commit. What can't be found out is None."""

import os
import platform
import subprocess
import sys
from pathlib import Path

from interpchannels import __version__

_HERE = Path(__file__).resolve().parent


def describe() -> dict[str, object]:
    """Of this process, now."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "cores for this process": _usable_cores(),
        "memory": _memory(),
        "architecture": platform.machine(),
        "virtual": _virtual(),
        "system": platform.platform(),
        "libc": " ".join(platform.libc_ver()).strip() or None,
        "huge pages": _first_line("/sys/kernel/mm/transparent_hugepage/enabled"),
        "load before": _load(),
        "python": platform.python_version(),
        "python build": sys.version,
        "interpchannels": __version__,
        "commit": _commit(),
    }


def summary(machine: dict[str, object]) -> str:
    """In one line."""
    where = f"{machine['cpu'] or machine['architecture']}, {machine['cores']} cores"
    if machine["virtual"]:
        where += " (virtual)"
    what = f"CPython {machine['python']}, interpchannels {machine['interpchannels']}"
    if machine["commit"]:
        what += f" ({str(machine['commit'])[:12]})"
    return f"{where}; {what}"


class Waits:
    """What the calling thread has waited for a core since this was made, where the system counts that.

    A run on a machine that has other work is seen by it: what needs two cores is slowed by more than its peer.
    """

    def __init__(self) -> None:
        self._before = _scheduled()

    @property
    def share(self) -> float | None:
        """Of the time in which the thread wanted to run, from 0 to 1."""
        now = _scheduled()
        if self._before is None or now is None:
            return None
        ran, waited = (after - before for after, before in zip(now, self._before, strict=True))
        return waited / max(1, ran + waited)


def _scheduled() -> tuple[int, int] | None:
    """The nanoseconds that this thread has run, and that it has waited for a core."""
    lines = _lines("/proc/thread-self/schedstat")
    if not lines:
        return None
    ran, waited, _ = lines[0].split()
    return int(ran), int(waited)


def _cpu_model() -> str | None:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.processor() or None


def _virtual() -> bool | None:
    flags = [line for line in _lines("/proc/cpuinfo") if line.startswith("flags")]
    return "hypervisor" in flags[0].split() if flags else None


def _usable_cores() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _load() -> list[float] | None:
    return list(os.getloadavg()) if hasattr(os, "getloadavg") else None


def _commit() -> str | None:
    """That of the checkout that holds this file, with a + where files differ from it; None if it is none of ours."""
    top = _git("rev-parse", "--show-toplevel")
    if top is None or not (Path(top) / "python" / "interpchannels" / "_bench").is_dir():
        return None
    commit = _git("rev-parse", "HEAD")
    return f"{commit}+" if commit and _git("status", "--porcelain") else commit


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(_HERE), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _first_line(path: str) -> str | None:
    lines = _lines(path)
    return lines[0] if lines else None
