"""fork() in the middle of traffic: in the child every channel is closed and nothing hangs; the parent does not notice.

No other interpreter is alive, for then CPython itself ends the child. All actors are threads of the one that forks, so
the fork finds them with any lock held; the child has none of these threads. The account is the parent's.
"""

from __future__ import annotations

import os
import signal
import time
import traceback
from typing import Any

import interpchannels
import support
from deaths import actors, rounds
from deaths.account import Ledger, faults

# Of one process.
FORKS = 20


def play(seed: int, first: int, count: int, path: str) -> None:
    """Fork `count` times, in as many rounds as are over meanwhile; AssertionError where something is wrong."""
    ledger = Ledger(path)
    number = first * 64
    forked = 0
    while forked < count:
        round = rounds.Round(seed, number, ledger, rounds.OPERATIONS[number % 5], alone=True)
        number += 1
        calls = round.start_here()
        ends = [end.clone() for cell in round.cells for line in cell.lines for end in line]
        kept, shut = round.let_go()
        for end in shut:
            end.close()
        while forked < count and any(call.is_alive() for call in calls):
            fork(ends, round.draw.random() < 0.3)
            forked += 1
            if round.draw.random() < 0.3:
                break
        while ends:
            ends.pop().close()
        calls += [support.Call(round.drain, cell, recv, tuple(calls)) for cell, recv in kept]
        kept.clear()
        for call in calls:
            call.result()
        for cell in round.cells:
            mine = [record for record in ledger.read() if record.cell == cell.number]
            found = faults(mine, cell.rules)
            assert not found, (number - 1, cell.operation, found)
        ledger.clear()
    ledger.close()


def fork(ends: list[Any], whole: bool) -> None:
    """Fork; the child looks at all channels and exits, through the whole of CPython's finalization or not."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(int(support.HANG / 2))  # a child that hangs is killed
        try:
            in_child(ends)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        if whole:
            raise SystemExit(0)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert status == 0, status


def in_child(ends: list[Any]) -> None:
    for end in ends:
        assert end.closed, end
        if isinstance(end, interpchannels.SendChannel):
            buffer = interpchannels.Buffer(b"mine")
            for call in (
                end.send,
                end.send_nowait,
                lambda one, end=end: interpchannels.select((end, one)),
            ):
                refused(call, buffer)
            assert bytes(buffer) == b"mine"
            refused(end.send_many, [1, 2])
        else:
            for call in (end.recv, end.recv_nowait, end.recv_many, end.fileno):
                refused(call)
            refused(interpchannels.select, end)
    recv, send = interpchannels.create(1)
    call = support.Call(recv.recv)
    support.wait_until(lambda: send.stats().waiting_receivers == 1)
    send.send(actors.make("loan", 5))
    assert actors.item_of(call.result()) == 5
    for end in ends:
        end.close()


def refused(call: Any, *arguments: Any) -> None:
    try:
        value = call(*arguments)
    except (interpchannels.ChannelClosedError, ValueError):
        return
    raise AssertionError(f"{call} returned {value!r}")


def run_one(seed: int, first: int, count: int) -> list[str]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        code = f"from deaths import forks\nforks.play({seed}, {first}, {count}, {folder + '/ledger'!r})\n"
        try:
            support.run_script(code, 2 * support.HANG, options=("-W", "ignore::DeprecationWarning"))
        except AssertionError as error:
            return [f"forks {first} of seed {seed}: {error}"]
    return []


def run(seed: int, count: int, first: int = 0, *, say=print) -> dict[str, object]:
    found: list[str] = []
    said = time.monotonic()
    for done in range(0, count, FORKS):
        here = min(FORKS, count - done)
        faulty = run_one(seed, first + done // FORKS, here)
        found += faulty
        for fault in faulty:
            say(fault)
        if time.monotonic() - said > 10 or done + here == count:
            said = time.monotonic()
            say(f"forks {done + here}/{count}  faults {len(found)}")
    return {"forks": count, "faults": found}
