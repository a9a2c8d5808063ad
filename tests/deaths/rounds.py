"""Rounds: some interpreters, what goes on between them and this one, and their deaths, at random.

A round makes one or two interpreters and a few cells. A cell is one exchange (account.py): a channel, or two for a
select, with senders and receivers (actors.py) on both sides, in interpreters that die and in this one, which lives.
Each interpreter is ended by its owner, this one, while its threads are inside their operations, before they have
begun, or after they are through. Then what is left is received here, and the account of every cell is checked, and
that nobody waits and nothing is left over.

All choices come from a seed and the round's number, so a round can be had again; when exactly the end comes is the
scheduler's choice as well.
"""

from __future__ import annotations

import gc
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import interpchannels
import support
from deaths import actors
from deaths.account import BEGUN, DONE, KILL, Ledger, Record, Rules, faults
from interpchannels import _interpchannels as channels

OPERATIONS = ("send", "recv", "select", "async", "move", "spawn", "drop_in")

SENDS = ("plain", "plain", "timeout", "nowait", "many", "select")
RECEIVES = ("plain", "plain", "timeout", "nowait", "many", "iterate", "into", "select")
PAYLOADS = ("small", "small", "list", "loan", "text", "raw", "view", "object", "ends")
MOVED = ("buffer", "buffer", "buffers", "loan", "text")
UNBOUND = ("UNBOUND", "UNBOUND_ERROR", "UNBOUND_REMOVE")

# An interpreter of a round imports the extension alone.
BARE = """
import sys
sys.path[:] = {path!r}
package = type(sys)("interpchannels")
package.__path__ = {package!r}
sys.modules["interpchannels"] = package
"""
LIVE = "from deaths import actors; actors.live(plan)"


def boot_code(draw: random.Random, *, whole: bool = False) -> str:
    """Return what an interpreter runs first. whole: it needs more than the extension."""
    path = [str(support.TESTS)] + [p for p in support.search_path() if p != str(support.TESTS)]
    if whole or draw.random() < 0.05:
        return f"import sys; sys.path[:] = {path!r}\nimport interpchannels"
    return BARE.format(path=path, package=list(interpchannels.__path__))


class Cell:
    """One exchange: its lines, its actors by where they live (None: here), and its rules."""

    def __init__(
        self, number: int, draw: random.Random, operation: str, homes: list[Any], scale: int = 1
    ) -> None:
        self.scale = scale
        self.number = number
        self.draw = draw
        self.operation = operation
        self.actors: list[tuple[int | None, tuple[Any, ...]]] = []
        self.mortal: set[int] = set()
        self.dying: list[int] = []  # those of its home, with its operation
        self.who = 0
        self.in_order = True
        self.home = draw.choice(homes)
        self.homes = homes
        self.asynchronous = False

        self.capacity = draw.choice((None, 0, 0, 1, 3))
        side = {"send": "send", "recv": "recv"}.get(operation) or draw.choice(
            ("send", "recv", "both")
        )
        moves = operation == "move" or draw.random() < 0.15
        self.payloads = MOVED if moves else PAYLOADS
        raw = draw.random() < 0.15  # all of them, so that recv_into() can be used
        if raw:
            self.payloads = ("raw",)

        if operation == "drop_in":
            self.add_drop_in(side)
            return
        lanes = 2 if operation == "select" else 1
        unbound = draw.choice(UNBOUND) if draw.random() < 0.12 else None
        self.orphan = side == "recv" and unbound is None and draw.random() < 0.4
        self.shut = unbound is None and draw.random() < 0.04
        self.unbound = unbound
        policy = getattr(interpchannels, unbound or "KEEP")
        self.lines = [
            interpchannels.create(self.capacity, unbounditems=policy) for _ in range(lanes)
        ]

        # The side that dies, with the operation that the round is about; then those at the other end.
        many = 1 + (draw.random() < 0.4)
        if side in ("send", "both"):
            for _ in range(many):
                self.add("send", self.home, operation)
        if side in ("recv", "both"):
            for _ in range(many):
                self.add("recv", self.home, operation)
        # `both` may do without another; the other end may live in another one that dies.
        if side == "recv" or draw.random() < 0.3:
            for _ in range(1 + (draw.random() < 0.3)):
                self.add("send", self.somewhere(), None)
        if (side == "send" and draw.random() < 0.8) or (not self.orphan and draw.random() < 0.3):
            self.add("recv", None if draw.random() < 0.8 else self.home, None)

    def add_drop_in(self, side: str) -> None:
        """A channel of the drop-in's: who is here receives from it, which keeps it open."""
        self.payloads = ("small", "loan", "text")
        self.orphan = self.shut = False
        self.unbound = self.draw.choice(UNBOUND)
        cid = channels.create({"UNBOUND_REMOVE": 1, "UNBOUND_ERROR": 2, "UNBOUND": 3}[self.unbound])
        channels.recv(cid, None)
        self.lines = [(cid, cid)]
        for role in ("send", "recv"):
            if side in (role, "both") or role == "send":
                home = self.home if side in (role, "both") else None
                if home is not None:
                    self.dying.append(self.who)
                count = self.draw.choice((3, 10, 40))
                payload = self.draw.choice(self.payloads)
                self.add_spec(role, home, "drop_in", (cid,), payload, count)

    def somewhere(self) -> int | None:
        return self.draw.choice((None, None, None, *self.homes))

    def add(self, role: str, home: int | None, operation: str | None) -> None:
        draw = self.draw
        if operation is not None:
            self.dying.append(self.who)
        if operation in ("select", "async"):
            how = operation
        elif operation is None and draw.random() < 0.05:
            how = "async"
        else:
            how = draw.choice(SENDS if role == "send" else RECEIVES)
        if how == "async" and home is None and sys.version_info < (3, 13) and draw.random() < 0.5:
            how = "plain"
        ends = [recv if role == "recv" else send for recv, send in self.lines]
        if how not in ("select", "async"):
            ends = [draw.choice(ends)]
        if len(self.lines) > 1 or how == "async":
            self.in_order = False
        # Most are short, so that they are through now and then; some are long enough to be hit for certain.
        count = draw.choice((3, 10, 40, 200)) if role == "send" else draw.choice((5, 1000, 1000))
        if draw.random() < 0.3 and role == "send" and how != "plain":
            count = min(count, 40)
        payload = draw.choice(self.payloads)
        self.add_spec(role, home, how, tuple(ends), payload, min(count * self.scale, 50_000))

    def add_spec(self, role, home, how, ends, payload, count) -> tuple[Any, ...]:
        who = self.who
        self.who += 1
        # Those who receive with recv_into() know what comes.
        if role == "recv" and self.payloads == ("raw",):
            payload = "raw"
        elif role == "recv":
            payload = ""
        # A loop's garbage keeps ends until it is collected, and here nothing ends that.
        tidy = self.draw.random() < 0.5 or (home is None and how == "async")
        seed = self.draw.randrange(2**32)
        spec = (role, self.number, who, how, ends, payload, count, seed, tidy)
        if home is not None:
            self.mortal.add(who)
        elif how != "drop_in":
            # Who is here closes what it has; what crosses is a handle of its own anyway.
            spec = (*spec[:4], tuple(end.clone() for end in ends), *spec[5:])
        self.actors.append((home, spec))
        return spec

    @property
    def rules(self) -> Rules:
        return Rules(
            may_drop=self.orphan or self.shut,
            unbound=self.unbound,
            in_order=self.in_order,
            mortal=frozenset(self.mortal),
        )


class Round:
    """One round, from its seed and number."""

    def __init__(
        self,
        seed: int,
        number: int,
        ledger: Ledger | None,
        operation: str | None = None,
        *,
        alone: bool = False,
        beside: bool = False,
        scale: int = 1,
    ) -> None:
        """operation: what it is about, drawn otherwise. alone: there is no other interpreter, and nobody dies.
        beside: other rounds go on in this process, so its counters say nothing. scale: multiplies the items.
        """
        self.scale = scale
        self.beside = beside
        self.draw = random.Random(f"{seed}/{number}")
        self.ledger = ledger
        self.before = interpchannels.stats()
        self.first = number * 16 % (2**23)
        draw = self.draw
        self.homes: list[Any] = [None] if alone else list(range(1 + (draw.random() < 0.35)))
        wanted = [operation or draw.choice(OPERATIONS)]
        wanted += draw.choices(("send", "recv", "select", "move"), k=draw.randrange(3))
        self.cells: list[Cell] = []
        self.results: list[int] = []  # the cells of Workers' arguments and results
        self.plans: dict[int, list[tuple[Any, ...]]] = {home: [] for home in self.homes}
        self.late: dict[int, list[tuple[Any, ...]]] = {home: [] for home in self.homes}
        self.words: dict[int, tuple[Any, ...] | None] = dict.fromkeys(self.homes)
        self.here: list[tuple[Any, ...]] = []
        # The actors that each home starts, as (cell, who).
        self.living: dict[int, set[tuple[int, int]]] = {home: set() for home in self.homes}
        self.deaths: Counter[str] = Counter()
        self.found: list[str] = []
        for one in wanted:
            self.add_cell(one)
        self.operations = wanted

    def add_cell(self, operation: str) -> None:
        draw = self.draw
        number = self.first + len(self.cells) + len(self.results)
        cell = Cell(number, draw, operation, self.homes, self.scale)
        self.cells.append(cell)
        inner = []
        for home, spec in cell.actors:
            if home is None:
                self.here.append(spec)
                continue
            self.living[home].add((number, spec[2]))
            if operation == "spawn" and home == cell.home:
                inner.append(spec)
            else:
                self.plans[home].append(spec)
        if operation == "spawn":
            self.results.append(number + 1)
            spec = (
                "spawn",
                number + 1,
                0,
                "",
                tuple(inner),
                draw.choice(MOVED),
                1,
                draw.randrange(2**32),
                False,
            )
            self.plans[cell.home].append(spec)
        if cell.home is None or operation == "drop_in":
            return
        if draw.random() < 0.2:
            payload = cell.payloads[0]
            spec = cell.add_spec("send", cell.home, "plain", (cell.lines[0][1],), payload, 3)
            self.late[cell.home].append(spec)
        elif draw.random() < 0.2 and cell.payloads != ("raw",):
            self.words[cell.home] = (cell.lines[0][1], number, cell.who)
            cell.mortal.add(cell.who)
            cell.who += 1

    def lives(self) -> Counter[str]:
        """Count the interpreters that it makes, by what they import."""
        asynchronous = {
            home
            for cell in self.cells
            for home, spec in cell.actors
            if home is not None and spec[3] == "async"
        }
        kinds = Counter("async" if home in asynchronous else "bare" for home in self.homes)
        kinds["worker"] = len(self.results)
        return kinds

    # --- one round ---

    def run(self) -> list[str]:
        """Go round; return the faults."""
        draw = self.draw
        interpreters = [support.create_interpreter() for _ in self.homes]
        here_first = draw.random() < 0.5
        calls = self.start_here() if here_first else []
        unborn = draw.random() < 0.03  # it ends before it has taken its plan
        for home, interp in enumerate(interpreters):
            support.run_in(interp, self.boot_code())
            plan = self.plan(home)
            support.run_in(interp, "plan" if unborn else LIVE, {"plan": plan})
            del plan
        if not here_first:
            calls = self.start_here()
        ids = [
            recv.id for cell in self.cells if cell.operation != "drop_in" for recv, _ in cell.lines
        ]
        kept, shut = self.let_go()

        killers = [
            support.Call(self.kill, home, interp, draw.random())
            for home, interp in enumerate(interpreters)
        ]
        for end in shut:
            time.sleep(draw.random() * 0.002)
            end.shutdown(immediate=True)
            end.close()
        shut.clear()
        end = None
        for killer in killers:
            killer.result()
        calls += [support.Call(self.drain, number, recv, tuple(calls)) for number, recv in kept]
        kept.clear()
        for call in calls:
            call.result()
        del calls
        self.check(ids)
        return self.found

    def boot_code(self) -> str:
        # UNBOUND is an object of the package's.
        whole = any(
            cell.unbound == "UNBOUND" and cell.operation != "drop_in" for cell in self.cells
        )
        return boot_code(self.draw, whole=whole)

    def plan(self, home: int) -> Any:
        """Return a channel that holds what the interpreter of that home is to do."""
        recv, send = interpchannels.create()
        send.send((self.ledger.fd, self.plans[home], self.late[home], self.words[home]))
        return recv

    def let_go(self) -> tuple[list[tuple[int, Any]], list[Any]]:
        """Close the ends here that no actor has, but for those that drain and those that shut down.

        What is left keeps each channel's receiving side open, unless its cell is about that.
        """
        kept = []
        shut = []
        for cell in self.cells:
            kept += [(cell.number, recv) for recv, _ in cell.lines if not cell.orphan]
            shut += [cell.lines[0][1].clone()] if cell.shut else []
            cell.lines.clear()
            cell.actors.clear()
        for specs in (self.plans, self.late, self.words, self.here):
            specs.clear()
        return kept, shut

    def start_here(self) -> list[support.Call]:
        return [support.Call(actors.Actor(self.ledger.fd, spec)) for spec in self.here]

    def drain(self, number: int, recv: Any, others: Sequence[support.Call]) -> None:
        """Receive what is left: until the last sender is gone, or with the drop-in until nobody here sends any more."""
        how = "plain" if isinstance(recv, interpchannels.RecvChannel) else "drop_in"
        spec = ("recv", number, 255, how, (recv,), "", 2**30, 0, True)
        more = True
        while more:
            # A sender may have had no core for longer than the drop-in's receiver looks for items.
            more = how == "drop_in" and any(other.is_alive() for other in others)
            actor = actors.Actor(self.ledger.fd, spec)
            actor.late = 0
            actor()

    def kill(self, home: int, interp: int, seed: float) -> None:
        """End one interpreter, at a moment that is drawn."""
        draw = random.Random(seed)
        moment = draw.choice(
            ("at once", "soon", "in traffic", "in traffic", "in traffic", "through")
        )
        if moment == "soon":
            time.sleep(draw.random() * 0.004)
        elif moment == "in traffic":
            self.wait_for(BEGUN, home)
            goal = self.ledger.size() + draw.randrange(100)
            deadline = time.monotonic() + draw.random() * 0.005
            while self.ledger.size() < goal and time.monotonic() < deadline:
                time.sleep(0.0001)
        elif moment == "through":
            self.wait_for(DONE, home)
        self.ledger.log(KILL, home, 0)
        support.destroy_interpreter(interp)

    def wait_for(self, kind: bytes, home: int) -> None:
        """Wait until all actors of a home have written this; not for long, since some are blocked."""
        deadline = time.monotonic() + (0.5 if kind == BEGUN else 0.02)
        missing = self.living.get(home, set())
        while time.monotonic() < deadline:
            if missing <= {(r.cell, r.who) for r in self.ledger.read() if r.kind == kind}:
                return
            time.sleep(0.0005 if kind == BEGUN else 0.002)

    # --- afterwards ---

    def check(self, ids: list[int]) -> None:
        records = self.ledger.read()
        mine: dict[int, list[Record]] = {}
        for record in records:
            mine.setdefault(record.cell, []).append(record)
        for cell in self.cells:
            self.found += [
                f"cell {cell.number} ({cell.operation}): {fault}"
                for fault in faults(mine.get(cell.number, []), cell.rules)
            ]
        for number in self.results:
            self.found += [
                f"cell {number} (a Worker's arguments and result): {fault}"
                for fault in self.faults_of_worker(mine.get(number, []))
            ]
        self.count_moments(records)
        # Loans come back by and by; nothing else may be left.
        ids_left = set(ids)
        try:
            support.wait_until(lambda: self.is_back(ids_left), 1)
        except AssertionError:
            gc.collect()  # errors and tasks hold each other
        try:
            support.wait_until(lambda: self.is_back(ids_left), 10)
        except AssertionError:
            alive = [info for info in interpchannels.list_all() if info.id in ids_left]
            self.found.append(
                f"left behind: {interpchannels.stats()}, before: {self.before}, {alive}"
            )

    def is_back(self, ids: set[int]) -> bool:
        """Whether the round's channels are gone, and the counters where they were."""
        if any(info.id in ids for info in interpchannels.list_all()):
            return False
        return self.beside or all(
            now <= then for now, then in zip(interpchannels.stats(), self.before, strict=True)
        )

    def faults_of_worker(self, records: list[Record]) -> list[str]:
        # A result that nobody asks for goes with its Worker; an argument does not.
        arguments = [r for r in records if r.count == 0]
        results = [r for r in records if r.count != 0]
        mortal = frozenset((0,))
        return faults(arguments, Rules(mortal=mortal)) + faults(
            results, Rules(may_drop=True, mortal=mortal)
        )

    def count_moments(self, records: list[Record]) -> None:
        """Count, for each operation, whether the end came before, during or after it."""
        at: dict[tuple[int, int], str] = {}
        ended: set[int] = set()
        workers = {record.cell for record in records if record.kind == KILL and record.who == 255}
        for record in records:
            if record.kind in (BEGUN, DONE):
                key = record.cell, record.who
                at[key] = "during" if record.kind == BEGUN else "after"
            elif record.kind == KILL:
                for cell in self.cells:
                    # A Worker ends by itself; its cell is the one before that of its arguments.
                    worker = cell.operation == "spawn"
                    dies = (
                        cell.number + 1 == record.cell
                        if record.who == 255
                        else cell.home == record.who
                    )
                    if not dies or cell.number in ended:
                        continue
                    if worker and record.who != 255 and cell.number + 1 in workers:
                        continue
                    ended.add(cell.number)
                    for who in cell.dying:
                        self.deaths[f"{cell.operation} {at.get((cell.number, who), 'before')}"] += 1
