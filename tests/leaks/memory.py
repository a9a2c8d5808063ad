"""Is memory flat? Ten million messages, a hundred thousand channels, two thousand interpreters.

    python tests/leaks/memory.py [--scale 0.1] [messages channels interpreters]

Each part runs in rounds; the resident memory after the last may be at most 2 % above that after a warm-up. CPython
itself leaves something behind with each interpreter that ends, so these are measured against as many that never
imported the package: what is left on top of that counts.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import interpchannels
import support

ROUNDS = 10
LIMIT = 0.02

# One of each way that a value goes: in the segment, on the heap, lent, as a block of memory, pickled, moved.
VALUES = [
    1,
    "text",
    None,
    2.5,
    (1, ("two", b"three")),
    {"a": [1, 2, {"b": None}]},
    list(range(50)),
    "e" * 500,
]
LARGE = [
    b"x" * 20_000,
    "\u20ac" * 10_000,
    bytearray(20_000),
    memoryview(b"y" * 20_000),
    ValueError("pickled"),
]


def resident() -> int:
    """Bytes, once what is free has gone back."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except AttributeError:
        pass
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


class Echo(threading.Thread):
    """Another interpreter that sends back the number of what it received, every thousand items."""

    def __init__(self, recv: object, send: object) -> None:
        super().__init__()
        self.interpreter = support.create_interpreter()
        self._code = f"""
            import pickle
            recv, send = pickle.loads({pickle.dumps((recv, send))!r})
            count = 0
            for item in recv:
                count += 1
                if count % 1000 == 0:
                    send.send(count)
            send.close()
        """

    def run(self) -> None:
        support.run_in(self.interpreter, self._code)
        support.destroy_interpreter(self.interpreter)


class Messages:
    """To another interpreter, each alone or in batches; at most some thousands are under way."""

    name, total = "messages", 10_000_000

    def __init__(self) -> None:
        recv, self._send = interpchannels.create()
        self._done, send = interpchannels.create()
        self._echo = Echo(recv, send)
        self._echo.start()
        self._credit = 4
        support.wait_until(lambda: recv.stats().open_receivers == 2)
        recv.close()
        send.close()

    def step(self, count: int) -> None:
        for _ in range(count // 1000):
            if self._credit == 0:
                self._done.recv()
                self._credit += 1
            self._credit -= 1
            self._send.send_many(VALUES * 100)  # 800
            for value in LARGE:
                self._send.send(value)
            for _ in range(195):
                self._send.send(7)

    def close(self) -> None:
        self._send.close()
        self._echo.join()
        self._done.close()


class Channels:
    name, total = "channels", 100_000

    def step(self, count: int) -> None:
        for number in range(count):
            recv, send = interpchannels.create(None if number % 2 else 5)
            send.send(number)
            send.send(["x" * 10_000, recv.clone()] if number % 10 == 0 else [number])
            recv.recv()
            if number % 3:
                recv.recv()
            if number % 4:
                send.close()

    def close(self) -> None: ...


class Interpreters:
    name, total = "interpreters", 2_000
    package = True

    def step(self, count: int) -> None:
        for _ in range(count):
            made = support.create_interpreter()
            if not self.package:
                support.run_in(
                    made, "import pickle, queue, threading, enum, marshal, dis, functools"
                )
            else:
                recv, send = interpchannels.create()
                support.run_in(
                    made,
                    f"""
                    import pickle, interpchannels
                    send = pickle.loads({pickle.dumps(send)!r})
                    send.send(["x" * 20_000, interpchannels.Queue(), {{"a": send}}])
                    other = interpchannels.create()
                    """,
                )
                recv.recv()
            support.destroy_interpreter(made)

    def close(self) -> None: ...


class BareInterpreters(Interpreters):
    package = False


PARTS: dict[str, Callable[[], Messages | Channels | Interpreters]] = {
    "messages": Messages,
    "channels": Channels,
    "interpreters": Interpreters,
    "bare": BareInterpreters,
}


def measure(name: str, scale: float) -> None:
    """One part, in a process of its own. Prints the memory after the warm-up, and after the last round."""
    part = PARTS[name]()
    count = max(int(part.total * scale) // ROUNDS, 1)
    part.step(count)
    part.step(count)
    first = resident()
    for _ in range(ROUNDS):
        part.step(count)
    last = resident()
    part.close()
    print(first, last)


def run(name: str, scale: float) -> tuple[int, int]:
    command = [sys.executable, __file__, "--part", name, "--scale", str(scale)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    first, last = map(int, done.stdout.split())
    return first, last


def main() -> int:
    parser = argparse.ArgumentParser(description="Is memory flat?")
    parser.add_argument("--scale", type=float, default=1.0, help="how much of it; 1: all")
    parser.add_argument("--part", choices=PARTS, help="one part, in this process")
    parser.add_argument("parts", nargs="*", default=["messages", "channels", "interpreters"])
    options = parser.parse_args()
    if options.part:
        measure(options.part, options.scale)
        return 0
    failed = 0
    for name in options.parts:
        first, last = run(name, options.scale)
        growth = last - first
        beside = ""
        if name == "interpreters":
            bare_first, bare_last = run("bare", options.scale)
            growth -= max(bare_last - bare_first, 0)
            beside = f"; {(bare_last - bare_first) / 1024:.0f} KiB without the package"
        flat = growth <= first * LIMIT
        failed += not flat
        print(
            f"{name:12} {int(PARTS[name].total * options.scale):>10,}  "  # type: ignore[attr-defined]
            f"{first / 1024:,.0f} KiB, then {last / 1024:,.0f} KiB ({growth / first:+.1%}{beside})"
            f"{'' if flat else '  NOT FLAT'}",
            flush=True,
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
