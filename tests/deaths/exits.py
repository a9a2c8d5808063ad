"""The process ends in the middle: with threads, Workers and interpreters inside their operations, in several manners.

Nothing receives what is left, so it may be dropped. But no thread is cut off in a send that then is neither sent nor
refused, nothing is received twice, and the process ends by itself, with its own status, and silently.
"""

from __future__ import annotations

import os
import random
import re
import sys
import tempfile
import threading
import time
from pathlib import Path

import interpchannels
import support
from deaths import actors, rounds
from deaths.account import Ledger, faults, read_records

MANNERS = ("return", "return", "exit", "raise", "atexit")
STATUS = {"return": 0, "exit": 7, "raise": 1, "atexit": 0}

# What CPython itself says: of interpreters that are left, and, where a thread that it did not make was known to
# `threading`, of that.
NOISE = re.compile(
    r".*remaining subinterpreters.*\n?(  .*\n?)*"
    r"|Exception ignored in: <function _DeleteDummyThreadOnDel[^\n]*\n(?:[ \w].*\n)*",
)


# Before 3.14 CPython itself hangs or aborts, where an interpreter with a living thread, be it in time.sleep(), is left
# to the exit.
LEFT_TO_THE_EXIT = sys.version_info >= (3, 14)


def kill(interp: int, delay: float) -> None:
    time.sleep(delay)
    support.destroy_interpreter(interp)


def live(fd: int, specs: list) -> None:
    """A Worker: its actors are threads of its own, and it returns while they are at it."""
    for spec in specs:
        threading.Thread(target=actors.Actor(fd, spec)).start()


def play(seed: int, number: int, path: str) -> None:
    """Start a round and end the process in the middle of it."""
    round = rounds.Round(seed, number, Ledger(path))
    draw = random.Random(f"{seed}/{number}/exit")
    threads = []
    for home in round.homes:
        # In an interpreter that is ended while the process ends, or is left to the exit; or in a Worker.
        if draw.random() < 0.4:
            interp = support.create_interpreter()
            support.run_in(interp, round.boot_code())
            support.run_in(interp, rounds.LIVE, {"plan": round.plan(home)})
            if not LEFT_TO_THE_EXIT or draw.random() < 0.5:
                killer = threading.Thread(target=kill, args=(interp, draw.random() * 0.02))
                threads.append(killer)
        else:
            interpchannels.spawn(live, round.ledger.fd, round.plans[home] + round.late[home])
    for spec in round.here:
        threads.append(threading.Thread(target=actors.Actor(round.ledger.fd, spec)))
    for thread in threads:
        thread.start()
    if draw.random() < 0.5:
        round.let_go()
    manner = manner_of(seed, number)
    time.sleep(draw.choice((0, 0.002, 0.02, 0.2)) * draw.random())
    if manner == "exit":
        sys.exit(7)
    if manner == "raise":
        raise ZeroDivisionError("on purpose")
    if manner == "atexit":
        import atexit

        for spec in round.here:
            atexit.register(actors.Actor(round.ledger.fd, (*spec[:2], spec[2] + 128, *spec[3:])))
    sys.keep = round  # type: ignore[attr-defined]  # to the very end


def manner_of(seed: int, number: int) -> str:
    return random.Random(f"{seed}/{number}/manner").choice(MANNERS)


def run_one(seed: int, number: int) -> list[str]:
    """Have a process end in the middle of a round; return the faults."""
    manner = manner_of(seed, number)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ledger")
        code = f"from deaths import exits\nexits.play({seed}, {number}, {str(path)!r})\n"
        try:
            done = support.run_script(code, support.HANG, status=STATUS[manner])
        except AssertionError as error:
            return [f"exit {number} of seed {seed} ({manner}): {error}"]
        fd = os.open(path, os.O_RDONLY)
        records = read_records(fd)
        os.close(fd)
    found = []
    said = NOISE.sub("", done.stderr)
    if said and not (manner == "raise" and said.rstrip().endswith("ZeroDivisionError: on purpose")):
        found.append(f"said: {said}")
    round = rounds.Round(seed, number, None)  # its rules
    for cell in round.cells:
        mine = [record for record in records if record.cell == cell.number]
        found += faults(mine, cell.rules._replace(cut_off=True))
    for cell_number in round.results:
        mine = [record for record in records if record.cell == cell_number]
        found += faults(mine, round.cells[0].rules._replace(cut_off=True))
    return [f"exit {number} of seed {seed} ({manner}): {fault}" for fault in found]


def run(seed: int, count: int, first: int = 0, *, say=print) -> dict[str, object]:
    found: list[str] = []
    said = time.monotonic()
    for number in range(first, first + count):
        faulty = run_one(seed, number)
        found += faulty
        for fault in faulty:
            say(fault)
        if time.monotonic() - said > 10 or number == first + count - 1:
            said = time.monotonic()
            say(f"exits {number - first + 1}/{count}  faults {len(found)}")
    return {"exits": count, "faults": found}
