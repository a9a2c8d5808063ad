"""A row of the table: what is compared with what, and what is promised of it.

All rows point one way: the less, the better. With a peer a row is a ratio, our time over the peer's; without one it is
a figure of its own, in seconds or bytes. A promise is the most that it may be: `commit` has to hold, `moonshot` is
aimed at. A rate of at least 15 times the peer's is a time of at most 1/15.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from .measure import Case, Cell


@dataclass(frozen=True)
class Row:
    """Where there are several peers, the best of them counts. `unit` is "s" or "B"."""

    name: str
    ours: Cell
    peers: Sequence[Cell] = ()
    commit: float | None = None
    moonshot: float | None = None
    unit: str = "s"

    @property
    def cases(self) -> list[Case]:
        return list(dict.fromkeys(cell.case for cell in (self.ours, *self.peers)))

    @property
    def peer(self) -> Cell | None:
        """The best one, None where there is none or none was sampled."""
        sampled = [(cell.median, number) for number, cell in enumerate(self.peers)]
        times = [(time, number) for time, number in sampled if time is not None]
        return self.peers[min(times)[1]] if times else None

    @property
    def value(self) -> float | None:
        """What the promise is about: the ratio, or our own figure; None where it wasn't measured."""
        ours = self.ours.median
        if not self.peers or ours is None:
            return ours
        peer = self.peer
        theirs = peer.median if peer else None
        return ours / theirs if theirs else None

    @property
    def holds(self) -> bool | None:
        """None where nothing is promised, or nothing was measured."""
        return _holds(self.value, self.commit)

    @property
    def moonshot_holds(self) -> bool | None:
        return _holds(self.value, self.moonshot)


@dataclass(frozen=True)
class Section:
    """Rows whose cases are sampled in turns. Making a row costs nothing: what it needs is made by its samples."""

    name: str
    rows: Sequence[Row]


def matching(sections: Sequence[Section], wanted: Sequence[str]) -> list[Section]:
    """The sections with the rows that have one of the names, or where no row has it, that have it in their name.

    LookupError where there is no such row.
    """
    names = [row.name for section in sections for row in section.rows]
    chosen: set[str] = set()
    for name in wanted:
        found = {name} if name in names else {n for n in names if name.casefold() in n.casefold()}
        if not found:
            raise LookupError(f"no row has {name!r} in its name")
        chosen |= found
    few = [Section(s.name, [row for row in s.rows if row.name in chosen]) for s in sections]
    return [section for section in few if section.rows]


def cases_of(rows: Sequence[Row]) -> list[Case]:
    """Each case once, in the order of the rows."""
    return list(dict.fromkeys(case for row in rows for case in row.cases))


def _holds(value: float | None, limit: float | None) -> bool | None:
    return None if value is None or limit is None else value <= limit
