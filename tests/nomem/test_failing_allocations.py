"""Every operation with its n-th allocation failing, n from 1 on: see sweep.py for what is asked of each run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import support

HERE = Path(__file__).resolve().parent

# `make pytest` builds it, but for ThreadSanitizer, which has a malloc of its own.
FOLDER = os.environ.get("INTERPCHANNELS_FAILING_ALLOCATIONS", "")
LIBRARY = next(iter(Path(FOLDER).glob("failing_allocations*.so")), None) if FOLDER else None

pytestmark = pytest.mark.skipif(LIBRARY is None, reason="failing_allocations is not built")

# So many processes share the cases: one that crashes takes few along.
PROCESSES = 24


def run_cases(script: str, *args: str, status: int | None = 0) -> tuple[str, str]:
    """What a script said that has the modules of this folder, and whose allocations can fail."""
    done = support.run_script(
        f"import sys; sys.path[:0] = [{FOLDER!r}, {str(HERE)!r}]\n{script}",
        timeout=4 * support.HANG,  # before pytest ends it all
        args=args,
        env={
            # First of all, so before a sanitizer, which has to be told that this is meant.
            "LD_PRELOAD": f"{LIBRARY} {os.environ.get('LD_PRELOAD', '')}",
            "ASAN_OPTIONS": f"{os.environ.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0",
        },
        status=status,
    )
    return done.stdout, done.stderr


@pytest.mark.parametrize("share", range(PROCESSES))
def test_succeeds_or_raises_memory_error(share):
    out, err = run_cases("import cases; cases.main(sys.argv[1:])", f"{share}/{PROCESSES}")
    assert err == ""
    assert out.count(" runs") > 5


# Each is a fault that the sweep has to find.
FAULTS = {
    "forgets_a_reference": (
        "kept = []\n"
        "def operation():\n"
        "    try: return [1.5] * 100\n"
        "    except MemoryError: kept.append(bytearray(10)); raise\n"
        "def prepare(): return operation, lambda result, error: None",
        "leak",
    ),
    "forgets_a_channel": (
        "kept = []\n"
        "def prepare():\n"
        "    ends = interpchannels.create()\n"
        "    def check(result, error):\n"
        "        if error: kept.append(ends)\n"
        "    return (lambda: [1.5] * 100), check",
        "left behind",
    ),
    "turns_the_error_into_another": (
        "def operation():\n"
        "    try: return [1.5] * 100\n"
        "    except MemoryError: raise ValueError from None\n"
        "def prepare(): return operation, lambda result, error: None",
        "ValueError",
    ),
    "succeeds_by_halves": (
        "def prepare():\n"
        "    recv, send = interpchannels.create()\n"
        "    def operation():\n"
        "        send.send(1); return [1.5] * 100\n"
        "    def check(result, error): assert len(recv) == (error is None)\n"
        "    return operation, check",
        "AssertionError",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_control_the_sweep_finds(fault):
    code, said = FAULTS[fault]
    _, err = run_cases(
        f"import interpchannels, sweep\n{code}\nsweep.run(sweep.Case(prepare))", status=1
    )
    assert "AssertionError" in err
    assert said in err


def test_control_our_own_allocations_are_seen():
    """Without the preload the extension's would not fail, and the sweep would be content."""
    out, _ = run_cases(
        "import cases, failing_allocations as failing\n"
        "assert failing.watch()\n"
        "operation, check = cases.CASES['create'].prepare()\n"
        "print([type(failing.call(operation, failing.OURS, n, 1)[1]).__name__ for n in (1, 2, 3)])"
    )
    assert out == "['MemoryError', 'MemoryError', 'NoneType']\n"
