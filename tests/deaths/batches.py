"""Many rounds, in processes of some dozen each: CPython gives back little of what an interpreter took.

A process that crashes or hangs is told by the round that it was in, with the command that has this round again. Every
other process runs with PYTHONMALLOC=malloc, where freed memory that is used after all is found sooner.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import support
from deaths import rounds
from deaths.account import SENT, Ledger

BATCH = 60


def play(seed: int, first: int, count: int, progress: str, scale: int = 1) -> int:
    """Go `count` rounds in this process, each with `scale` times as many items.

    Faults go to stdout; the last line is a sum, as JSON.
    """
    deaths: Counter[str] = Counter()
    items = bad = 0
    ledger = Ledger(progress + ".ledger")
    at = os.open(progress, os.O_WRONLY)
    for number in range(first, first + count):
        os.pwrite(at, b"%12d" % number, 0)
        faulthandler.dump_traceback_later(support.HANG * 1.5, exit=True)
        operation = rounds.OPERATIONS[number % len(rounds.OPERATIONS)]
        one = rounds.Round(seed, number, ledger, operation, scale=scale)
        try:
            found = one.run()
        except BaseException:
            faulthandler.dump_traceback(all_threads=True)
            traceback.print_exc()
            os._exit(3)  # what hangs would keep it
        for fault in found:
            print(f"round {number}: {fault}")
        bad += bool(found)
        deaths += one.deaths
        items += sum(record.kind == SENT for record in ledger.read())
        ledger.clear()
    faulthandler.cancel_dump_traceback_later()
    ledger.close()
    print(json.dumps({"rounds": count, "bad": bad, "items": items, "deaths": deaths}), flush=True)
    return 1 if bad else 0


def run(seed: int, count: int, first: int = 0, *, scale: int = 1, say=print) -> dict[str, object]:
    """Go `count` rounds; say each fault at once, and return the sums and all faults."""
    deaths: Counter[str] = Counter()
    faults: list[str] = []
    items = done = 0
    begin = said = time.monotonic()
    while done < count:
        here = min(BATCH, count - done)
        got, out = batch(seed, first + done, here, scale, (first + done) // BATCH % 2 == 1)
        faults += out
        for fault in out:
            say(fault)
        done += here
        deaths.update(got.get("deaths", {}))
        items += got.get("items", 0)
        if time.monotonic() - said > 10 or done == count:
            said = time.monotonic()
            rate = done / (said - begin)
            say(f"rounds {done}/{count}  {rate:.1f}/s  items {items}  faults {len(faults)}")
    return {"rounds": done, "items": items, "deaths": dict(deaths), "faults": faults}


def batch(
    seed: int, first: int, count: int, scale: int, plain_malloc: bool
) -> tuple[dict, list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        progress = Path(folder, "progress")
        progress.write_text(f"{first}")
        command = [
            sys.executable,
            "-m",
            "deaths",
            "batch",
            str(seed),
            str(first),
            str(count),
            str(progress),
            str(scale),
        ]
        env = support.child_environment(**(support.PLAIN_MALLOC if plain_malloc else {}))
        with subprocess.Popen(
            command,
            env=env,
            cwd=support.TESTS,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
        ) as process:
            try:
                out, err = process.communicate(timeout=support.HANG * (count + 2))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGABRT)
                out, err = process.communicate()
        lines = out.splitlines()
        sums = {}
        if lines and lines[-1].startswith("{"):
            sums = json.loads(lines.pop())
        if process.returncode in (0, 1) and sums:
            return sums, lines + (err.splitlines()[-40:] if lines else [])
        number = int(progress.read_text())
        return sums, [
            *lines,
            f"round {number} of seed {seed} ended its process with {process.returncode}; once more: "
            f"make deaths ARGS='--seed {seed} --first {number} --rounds 1 --scale {scale} --exits 0 --forks 0'",
            *err.splitlines()[-120:],
        ]
