"""What the bench says: the table for people, as text or Markdown, and everything as JSON."""

from collections.abc import Iterator, Sequence

from interpchannels._columns import aligned

from .load import RATE
from .measure import PERCENTILES, Cell
from .rows import Row, Section, cases_of

_HEAD = ("", "ours", "peer", "ratio", "commit", "moonshot", "holds")
_LATENCIES = ("latencies", *PERCENTILES, RATE)
_SCALES = {
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")),
    "B": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")),
}


def table(sections: Sequence[Section]) -> list[str]:
    """The rows as lines."""
    lines = [*aligned([_HEAD, *_cells(sections)]), ""]
    latencies = list(_latencies(sections))
    if latencies:
        lines += [*aligned([_LATENCIES, *latencies]), ""]
    return [*lines, _verdict(sections)]


def markdown(sections: Sequence[Section], summary: str) -> list[str]:
    """The same in Markdown."""
    lines = [summary + ".", "", *_piped([_HEAD, *_cells(sections)]), ""]
    latencies = list(_latencies(sections))
    if latencies:
        lines += [*_piped([_LATENCIES, *latencies]), ""]
    return [*lines, _verdict(sections)]


def as_json(
    sections: Sequence[Section], machine: dict[str, object], quick: bool, seconds: float
) -> dict[str, object]:
    """Every sample. Times are in seconds, memory in bytes; a row's limits are those of its ratio or of its figure."""
    return {
        "format": 1,
        "quick": quick,
        "seconds": seconds,
        "machine": machine,
        "rows": [_row(section.name, row) for section in sections for row in section.rows],
        "cases": {case.name: case.samples for case in cases_of(list(_rows(sections)))},
    }


def show(value: float | None, unit: str) -> str:
    """Three digits and a unit that suits them."""
    if value is None:
        return "-"
    scales = _SCALES[unit]
    scale, name = next((s for s in scales if abs(value) >= s[0]), scales[-1])
    return f"{_digits(value / scale)} {name}"


def show_ratio(ratio: float | None) -> str:
    """As a fraction where it is less than 1: 1/15 says more than 0.0667."""
    if ratio is None:
        return "-"
    if 0 < ratio < 0.95:
        return f"1/{_digits(1 / ratio)}"
    return _digits(ratio)


def show_value(row: Row) -> str:
    """What the row's promise is about."""
    return show_ratio(row.value) if row.peers else show(row.value, row.unit)


def show_limit(row: Row, limit: float | None) -> str:
    if limit is None:
        return "-"
    return "≤ " + (show_ratio(limit) if row.peers else show(limit, row.unit))


def _digits(number: float) -> str:
    if abs(number) >= 100:
        return f"{number:.0f}"
    text = f"{number:.3g}" if abs(number) >= 0.01 else f"{number:.2g}"
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def _cells(sections: Sequence[Section]) -> Iterator[tuple[str, ...]]:
    for row in _rows(sections):
        peer = row.peer
        yield (
            row.name,
            show(row.ours.median, row.unit),
            f"{peer.case.who} {show(peer.median, row.unit)}" if peer else "-",
            show_ratio(row.value) if row.peers else "-",
            show_limit(row, row.commit),
            show_limit(row, row.moonshot),
            _holds(row),
        )


def _holds(row: Row) -> str:
    if row.holds is None:
        return "-"
    if not row.holds:
        return "NO"
    return "moonshot" if row.moonshot_holds else "yes"


def _verdict(sections: Sequence[Section]) -> str:
    promised = [row for row in _rows(sections) if row.holds is not None]
    missed = [row.name for row in promised if not row.holds]
    line = f"{len(promised) - len(missed)} of {len(promised)} promises hold"
    return f"{line}; not: {'; '.join(missed)}" if missed else line


def _latencies(sections: Sequence[Section]) -> Iterator[tuple[str, ...]]:
    """Medians of the percentiles, of what was measured so."""
    for case in cases_of(list(_rows(sections))):
        if PERCENTILES.keys() <= case.samples.keys():
            times = [show(Cell(case, name).median, "s") for name in PERCENTILES]
            rate = Cell(case, RATE).median
            yield case.name, *times, "-" if rate is None else f"{rate:,.0f}"


def _row(section: str, row: Row) -> dict[str, object]:
    peer = row.peer
    return {
        "section": section,
        "name": row.name,
        "ours": _cell(row.ours),
        "peer": _cell(peer) if peer else None,
        "ratio": row.value if row.peers else None,
        "unit": row.unit,
        "commit": row.commit,
        "moonshot": row.moonshot,
        "holds": row.holds,
        "moonshot holds": row.moonshot_holds,
    }


def _cell(cell: Cell) -> dict[str, object]:
    return {"case": cell.case.name, "figure": cell.figure, "median": cell.median}


def _rows(sections: Sequence[Section]) -> Iterator[Row]:
    return (row for section in sections for row in section.rows)


def _piped(rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return [lines[0], "|---" + "|--:" * (len(rows[0]) - 1) + "|", *lines[1:]]
