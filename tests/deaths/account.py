"""The account: what was tried, sent, refused and received, whatever became of the interpreters that did it.

Each fact is one record of eight bytes, appended to a file by os.write(), which needs no lock, no buffer and no
channel, and which the death of an interpreter cannot take back. An item has a number: its cell (one exchange over one
channel, or over the lanes of a select), its sender in it, and how many that sender had before.

`faults()` reads the account of one cell. Every item has to be one of three: received once, refused with an error, or
dropped by a rule that the cell is under (docs/reliability.md has the rules). Never twice, never vanished, and no
sender that went without saying how its send ended.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from typing import NamedTuple

SIZE = 8

# A sender's: before the call; it returned; it raised because the channel is closed; it raised for another reason.
TRY, SENT, CLOSED, REFUSED = b"T", b"S", b"C", b"R"
# A receiver's: an item, whole; one that is not as it was sent; what stands for an item of an interpreter that ended.
GOT, WRONG, UNBOUND = b"G", b"W", b"U"
# A refused Buffer that has not its memory, or a sent one that still has.
KEPT = b"K"
# An actor's: it is about to do its first operation; it is through; an error that is none of the above.
BEGUN, DONE, ERROR = b"B", b"D", b"X"
# The killer's: from here on the interpreter of that number ends.
KILL = b"!"


def number_of(cell: int, sender: int, count: int) -> int:
    """Return the number of a sender's count-th item."""
    return cell << 24 | sender << 16 | count


class Record(NamedTuple):
    kind: bytes
    who: int  # the actor, as its cell counts them
    item: int

    @property
    def cell(self) -> int:
        return self.item >> 24

    @property
    def sender(self) -> int:
        return self.item >> 16 & 255

    @property
    def count(self) -> int:
        return self.item & 65535


def make_log(fd, write=os.write):
    """Return log(kind, who, item) for a ledger's descriptor; it works until the very end of an interpreter."""

    def log(kind, who, item, write=write, fd=fd):
        write(fd, kind + who.to_bytes(1, "big") + item.to_bytes(6, "big"))

    return log


class Ledger:
    """The file. One process has one at a time for each round that goes on in it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self.log = make_log(self.fd)

    def read(self) -> list[Record]:
        return read_records(self.fd)

    def size(self) -> int:
        return os.fstat(self.fd).st_size // SIZE

    def clear(self) -> None:
        os.ftruncate(self.fd, 0)

    def close(self) -> None:
        os.close(self.fd)
        os.unlink(self.path)


def read_records(fd: int) -> list[Record]:
    data = os.pread(fd, os.fstat(fd).st_size, 0)
    return [
        Record(data[i : i + 1], data[i + 1], int.from_bytes(data[i + 2 : i + SIZE], "big"))
        for i in range(0, len(data), SIZE)
    ]


class Rules(NamedTuple):
    """What a cell is under."""

    # Its last receiver may go, or somebody shuts it down at once: what is queued then is dropped.
    may_drop: bool = False
    # create()'s unbounditems, by name; None is KEEP.
    unbound: str | None = None
    # One line, one receiver at a time: what was received of a sender comes in order, and what is dropped comes last.
    in_order: bool = True
    # Those who live in interpreters that may end, and may be refused for it.
    mortal: frozenset[int] = frozenset()
    # The process may have ended: nothing that was queued has to be received.
    cut_off: bool = False


def faults(records: list[Record], rules: Rules) -> list[str]:
    """Return what is wrong with the account of one cell, in words."""
    found: list[str] = []
    items: dict[bytes, Counter[int]] = defaultdict(Counter)
    for record in records:
        items[record.kind][record.item] += 1
    tried, got = items[TRY], items[GOT]
    sent = items[SENT]
    refused = items[REFUSED] + items[CLOSED]

    def say(what: str, which) -> None:
        which = sorted(which)
        if which:
            names = ", ".join(f"{item >> 16 & 255}:{item & 65535}" for item in which[:5])
            found.append(f"{what}: {len(which)} ({names}{', ...' if len(which) > 5 else ''})")

    say("tried twice", [item for item, count in tried.items() if count > 1])
    say("received twice", [item for item, count in got.items() if count > 1])
    say("received, and nobody sent it", got.keys() - tried.keys())
    say("received, and its send was refused", got.keys() & refused.keys())
    say("both sent and refused", sent.keys() & refused.keys())
    say(
        "neither sent nor refused: its sender was cut off",
        tried.keys() - sent.keys() - refused.keys(),
    )
    say("not as it was sent", items[WRONG].keys())
    say("a Buffer whose memory is with the wrong one", items[KEPT].keys())
    say("an unexpected error", items[ERROR].keys())
    if not rules.may_drop and not rules.cut_off:
        immortal = [item for item in items[CLOSED] if item >> 16 & 255 not in rules.mortal]
        say("refused as closed, and it was open", immortal)

    missing = sent.keys() - got.keys()
    unbound = sum(items[UNBOUND].values())
    if rules.unbound is None and unbound:
        found.append(f"unbound items where items are kept: {unbound}")
    if rules.may_drop or rules.cut_off:
        pass
    elif rules.unbound is None:
        say("vanished", missing)
    else:
        say(
            "vanished, and its sender lives",
            [i for i in missing if i >> 16 & 255 not in rules.mortal],
        )
        if rules.unbound != "UNBOUND_REMOVE" and unbound != len(missing):
            found.append(f"{len(missing)} items became {unbound} unbound ones")
    if rules.in_order:
        last_got: dict[int, int] = {}
        by_receiver: dict[tuple[int, int], int] = {}
        for record in records:
            if record.kind != GOT:
                continue
            last_got[record.sender] = max(last_got.get(record.sender, -1), record.count)
            before = by_receiver.get((record.who, record.sender), -1)
            if record.count < before:
                found.append(
                    f"out of order at {record.who}: {record.sender}:{record.count} after {before}"
                )
            by_receiver[record.who, record.sender] = record.count
        say(
            "vanished in the middle",
            [item for item in missing if item & 65535 < last_got.get(item >> 16 & 255, -1)],
        )
    return found
