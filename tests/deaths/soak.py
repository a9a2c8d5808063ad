"""A soak: rounds side by side without a pause, with signals, until the time is over or something is wrong.

Several threads go rounds (rounds.py), each with a ledger of its own. The main thread, whose blocked calls a signal
interrupts, talks with an interpreter of its own all the time; some handlers raise, in the middle of a send or a
receive, and the account has to hold all the same. What a raising handler interrupted is told exactly: a Buffer that
was sent is detached; and list.extend() keeps what it had received.

It ends with status 1 at the first fault of an account, where nothing moves any more (with the stacks of all threads),
and where memory grows more than CPython's own interpreters do: each of these leaves something behind in CPython, so
what it is is measured first, on lives that do the same but send nothing.
"""

from __future__ import annotations

import faulthandler
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from typing import Any

import interpchannels
import support
from deaths import actors, rounds
from deaths.account import GOT, KEPT, REFUSED, SENT, TRY, WRONG, Ledger, Rules, faults, number_of

RUNNERS = 2
SCALE = 8  # a life is longer than in `make deaths`: more operations for each interpreter


class Poke(Exception):
    """Raised by a signal's handler, where the main thread allows it."""


class Soak:
    def __init__(self, seed: int, seconds: float) -> None:
        self.seed = seed
        self.end = time.monotonic() + seconds
        self.begin = time.monotonic()
        self.lock = threading.Lock()  # protects the counters
        self.rounds = self.items = self.talks = 0
        self.lives: dict[str, int] = {"bare": 0, "async": 0, "worker": 0}
        self.signals = self.pokes = 0
        self.armed = False
        self.done = False  # the talk and the rounds are over; until then there are signals, which end a talk's wait
        self.wake = threading.Event()
        self.found: list[str] = []
        self.moved: dict[str, float] = {}  # when a thread of ours last came round
        self.memory: list[
            tuple[float, float, float]
        ] = []  # seconds, MB, and CPython's own share of them
        self.shares: dict[str, float] = {}

    def over(self) -> bool:
        return bool(self.found) or time.monotonic() >= self.end

    def come_round(self) -> None:
        self.moved[threading.current_thread().name] = time.monotonic()

    # --- the threads ---

    def go_rounds(self, runner: int, folder: str) -> None:
        ledger = Ledger(f"{folder}/runner{runner}")
        number = runner
        while not self.over():
            self.come_round()
            if actors.PLANTED == "hang":
                time.sleep(1e6)
            operation = rounds.OPERATIONS[number // RUNNERS % len(rounds.OPERATIONS)]
            try:
                one = rounds.Round(self.seed, number, ledger, operation, beside=True, scale=SCALE)
                lives = one.lives()
                found = one.run()
            except BaseException:
                found = [traceback.format_exc()]
                faulthandler.dump_traceback(all_threads=True)
            with self.lock:
                self.rounds += 1
                self.items += sum(record.kind == SENT for record in ledger.read())
                for kind, count in lives.items():
                    self.lives[kind] += count
                self.found += [f"round {number} of seed {self.seed}: {fault}" for fault in found]
            ledger.clear()
            number += RUNNERS
        self.moved.pop(threading.current_thread().name, None)
        ledger.close()

    def send_signals(self) -> None:
        draw = random.Random(f"{self.seed}/signals")
        main = threading.main_thread().ident
        assert main is not None
        while not self.done:
            time.sleep(draw.random() * 0.02)
            number = draw.choice((signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM))
            if draw.random() < 0.5:
                os.kill(os.getpid(), number)
            else:
                signal.pthread_kill(main, number)

    def on_signal(self, number: int, frame: Any) -> None:
        self.signals += 1
        if number == signal.SIGUSR2 and self.armed:
            self.armed = False
            self.pokes += 1
            raise Poke

    def watch(self) -> None:
        """Say every ten seconds how it goes, and end the process where nothing moves."""
        last, items = time.monotonic(), 0
        while not self.done:
            self.wake.wait(min(10, support.HANG))
            # Where even this thread does not come round, nobody does.
            faulthandler.dump_traceback_later(support.HANG * 3, exit=True)
            now = time.monotonic()
            for name, moved in list(self.moved.items()):
                if now - moved > support.HANG * 2:
                    print(f"hangs: {name}, for {now - moved:.0f} s", flush=True)
                    faulthandler.dump_traceback(all_threads=True)
                    os._exit(1)
            share = sum(self.shares.get(kind, 0) * count for kind, count in self.lives.items())
            self.memory.append((now - self.begin, resident(), share))
            print(
                f"{now - self.begin:5.0f} s  rounds {self.rounds}  lives {sum(self.lives.values())}  "
                f"talks {self.talks}  items {self.items}  {(self.items - items) / (now - last):.0f}/s  "
                f"signals {self.signals}  raised {self.pokes}  "
                f"memory {self.memory[-1][1]:.0f} MB, of interpreters that ended {share:.0f}  "
                f"faults {len(self.found)}",
                flush=True,
            )
            last, items = now, self.items
        faulthandler.cancel_dump_traceback_later()

    # --- the main thread ---

    def talk(self, number: int, folder: str) -> None:
        """Talk with one interpreter, for its life, while signals arrive."""
        draw = random.Random(f"{self.seed}/talk/{number}")
        ledger = Ledger(f"{folder}/talk")
        log = ledger.log
        there, to_there = interpchannels.create(draw.choice((0, 1, 3)))
        from_there, send = interpchannels.create(draw.choice((None, 0, 1, 3)))
        specs = [
            (
                "recv",
                1,
                1,
                draw.choice(("plain", "iterate", "select")),
                (there,),
                "",
                2**30,
                1,
                False,
            ),
            (
                "send",
                2,
                1,
                draw.choice(("plain", "many", "select")),
                (send,),
                "small",
                20_000,
                2,
                False,
            ),
        ]
        plan, put = interpchannels.create()
        interp = support.create_interpreter()
        support.run_in(interp, rounds.boot_code(draw))
        put.send((ledger.fd, specs, [], None))
        support.run_in(interp, rounds.LIVE, {"plan": plan})
        specs.clear()
        send.close()
        count = 0
        end = min(self.end, time.monotonic() + draw.random() * 3)
        while time.monotonic() < end and not self.found:
            for _ in range(20):
                item = number_of(1, 0, count)
                count += 1
                log(TRY, 0, item)
                buffer = interpchannels.Buffer(item.to_bytes(8, "big") * 40)
                try:
                    self.armed = True
                    to_there.send(buffer)
                    self.armed = False
                except Poke:
                    pass
                log(SENT if buffer.detached else REFUSED, 0, item)
                if not buffer.detached and bytes(buffer) != item.to_bytes(8, "big") * 40:
                    log(KEPT, 0, item)
                if count == 60_000:
                    end = 0
                    break
            self.take(from_there, log)
            self.come_round()
        killer = support.Call(support.destroy_interpreter, interp)
        while killer.is_alive():
            time.sleep(0.001)
        killer.result()
        # What is left of both: here is everybody who receives now.
        to_there.close()
        for item in there:
            self.write(log, 1, item)
        while not self.take(from_there, log):
            pass
        records = ledger.read()
        for cell in (1, 2):
            mine = [record for record in records if record.cell == cell]
            found = faults(mine, Rules(mortal=frozenset((1,))))
            self.found += [f"talk {number}, cell {cell}: {fault}" for fault in found]
        with self.lock:
            self.talks += 1
            self.lives["bare"] += 1
            self.items += sum(record.kind == SENT for record in records)
        ledger.close()

    def take(self, end: Any, log: Any) -> bool:
        """Receive until a handler raises; True where the channel is over."""
        taken: list[Any] = []
        over = False
        try:
            self.armed = True
            taken.extend(end)
            over = True
        except (Poke, interpchannels.ChannelClosedError):
            pass
        self.armed = False
        for value in taken:
            self.write(log, 0, value)
        return over

    def write(self, log: Any, who: int, value: Any) -> None:
        item = actors.item_of(value)
        log(GOT if item is not None else WRONG, who, item or 0)

    def run(self) -> int:
        with tempfile.TemporaryDirectory() as folder:
            if self.end - self.begin >= 60:  # else memory is not judged
                self.shares = measure_lives()
                kept = (f"{kind} {1024 * share:.0f} KiB" for kind, share in self.shares.items())
                print(
                    f"what is left of an interpreter that has ended: {', '.join(kept)}", flush=True
                )
            for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM):
                signal.signal(number, self.on_signal)
            threads = [
                threading.Thread(
                    target=self.go_rounds, args=(n, folder), name=f"runner {n}", daemon=True
                )
                for n in range(RUNNERS)
            ]
            signals = threading.Thread(target=self.send_signals, daemon=True)
            watch = threading.Thread(target=self.watch, daemon=True)
            for thread in (*threads, signals, watch):
                thread.start()
            talk = 0
            while not self.over():
                self.come_round()
                self.talk(talk, folder)
                talk += 1
            self.moved.pop(threading.main_thread().name, None)
            for thread in threads:
                thread.join()
            self.done = True
            self.wake.set()
            signals.join()
            watch.join()
        self.check_all()
        for fault in self.found:
            print(fault)
        print(
            f"soak of {time.monotonic() - self.begin:.0f} s: {len(self.found)} faults", flush=True
        )
        return 1 if self.found else 0

    def check_all(self) -> None:
        if not self.found:
            import gc

            gc.collect()
            try:
                support.wait_until(lambda: not any(interpchannels.stats()), 10)
            except AssertionError:
                self.found.append(f"left behind: {interpchannels.stats()}")
        self.found += faults_of_memory(self.memory)


def faults_of_memory(memory: list[tuple[float, float, float]]) -> list[str]:
    """Say whether memory grows steadily, by more than ended interpreters leave behind.

    memory: (seconds, MB of this process, MB that ended interpreters keep), every ten seconds. What lives at a moment
    goes up and down by some dozen MB, so it is the floors of the second and the last third that are compared.
    """
    third = len(memory) // 3
    if third < 3:
        return []
    # Lives differ, so what they keep is known to within a fifth or so.
    left = [resident - 1.2 * share for _, resident, share in memory]
    grown = min(left[2 * third :]) - min(left[third : 2 * third])
    print(f"memory in the last third, without what ended interpreters keep: {grown:+.0f} MB")
    return [f"memory grows by {grown:.0f} MB"] if grown > 20 else []


def resident() -> float:
    """This process's memory, in MB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


# The lives that are measured: they import and run what the others do, but have no channel.
LIVES = {
    "bare": "from deaths import actors",
    "async": "from deaths import actors; actors.import_asyncio(); import asyncio, interpchannels._async; "
    "asyncio.run(asyncio.sleep(0.001))",
    "worker": "import interpchannels; from deaths import actors",
}


def measure_lives() -> dict[str, float]:
    """Return how many MB of an interpreter stay when it has ended, for each kind of life."""
    shares = {}
    for kind in LIVES:
        command = [sys.executable, "-m", "deaths", "measure", kind]
        out = subprocess.run(
            command, check=True, capture_output=True, text=True, env=support.child_environment()
        ).stdout
        shares[kind] = json.loads(out)
    return shares


def measure(kind: str) -> float:
    sizes = []
    for _ in range(30):
        interp = support.create_interpreter()
        if kind != "worker":
            support.run_in(
                interp,
                rounds.BARE.format(
                    path=support.search_path(), package=list(interpchannels.__path__)
                ),
            )
        support.run_in(interp, LIVES[kind])
        support.destroy_interpreter(interp)
        sizes.append(resident())
    return max(0.0, (sizes[-1] - sizes[9]) / 20)
