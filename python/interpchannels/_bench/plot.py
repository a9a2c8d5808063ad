"""The table as one page of SVG: for each row a bar on a logarithmic scale, from the peer to our time.

A bar to the left is quicker than the peer, one to the right slower; it has the colour of its promise, and a stroke
where the promise lies. What has no peer is drawn over its limit in a second part.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from xml.sax.saxutils import escape

from .report import show_limit, show_value
from .rows import Row, Section

_WIDTH, _LEFT, _RIGHT = 1080, 430, 200  # of the page; of the names; of the numbers
_LINE, _BAR, _TOP = 19, 11, 92
_KEPT, _MISSED, _PLAIN, _INK, _PALE = "#2f855a", "#c53030", "#718096", "#1a202c", "#cbd5e0"
_STYLE = (
    f"text{{font:12px system-ui,sans-serif;fill:{_INK}}}"
    f".pale{{fill:{_PLAIN}}}.title{{font-size:18px;font-weight:600}}.part{{font-weight:600}}"
)


@dataclass(frozen=True)
class _Bar:
    name: str
    beside: str
    value: float
    commit: float | None
    moonshot: float | None
    holds: bool | None
    text: str


def plot(sections: Sequence[Section], summary: str) -> str:
    """The whole file."""
    rows = [row for section in sections for row in section.rows if row.value is not None]
    ratios = [_ratio(row) for row in rows if row.peers]
    shares = [_share(row) for row in rows if not row.peers and row.commit]
    lines: list[str] = []
    y = _TOP
    for bars, title, one in (
        (ratios, "our time over the peer's: less is better", "the peer"),
        (shares, "figures over their limits: less is better", "the limit"),
    ):
        if bars:
            lines += _part(bars, title, one, y)
            y += _LINE * (len(bars) + 4)
    return "\n".join([*_head(y, summary), *lines, "</svg>", ""])


def _ratio(row: Row) -> _Bar:
    assert row.value is not None
    peer = row.peer
    beside = f"beside {peer.case.who}" if peer and peer.case.who not in row.name else ""
    return _Bar(row.name, beside, row.value, row.commit, row.moonshot, row.holds, _text(row))


def _share(row: Row) -> _Bar:
    assert row.value is not None and row.commit
    return _Bar(row.name, "", row.value / row.commit, 1.0, None, row.holds, _text(row))


def _text(row: Row) -> str:
    limit = f"  ({show_limit(row, row.commit)})" if row.commit is not None else ""
    return show_value(row) + limit


def _head(height: float, summary: str) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" '
        f'width="{_WIDTH}" height="{height:.0f}" role="img">'
    )
    yield f"<style>{_STYLE}</style>"
    yield f'<rect width="{_WIDTH}" height="{height:.0f}" fill="#fff"/>'
    yield _write(20, 30, "interpchannels beside its peers, in the same run", "title")
    yield _write(20, 50, summary, "pale")
    x = 20.0
    for colour, text in (
        (_KEPT, "promise kept"),
        (_MISSED, "promise not kept"),
        (_PLAIN, "nothing promised"),
    ):
        yield _box(x, 62, 12, _BAR, colour)
        yield _write(x + 17, 72, text)
        x += 135
    yield _stroke(x + 4, 60, 15, _INK, 2.5)
    yield _write(x + 14, 72, "promise")
    yield _diamond(x + 94, 67.5)
    yield _write(x + 106, 72, "moonshot")


def _part(bars: Sequence[_Bar], title: str, one: str, top: float) -> Iterator[str]:
    scale = _Scale(bars)
    bottom = top + _LINE * (len(bars) + 1) + 8
    yield _write(20, top + 14, title, "part")
    for decade in scale.decades:
        x = scale.x(10.0**decade)
        yield _stroke(x, top + _LINE, bottom - top - _LINE, _PALE, 1)
        label = f"1/{10**-decade:,}" if decade < 0 else f"{10**decade:,}"
        yield _write(x, bottom + 14, label, "pale", "middle")
    yield _write(scale.x(1), top + 14, one, "", "middle")
    for number, bar in enumerate(bars):
        yield from _draw(bar, scale, top + _LINE * (number + 1) + 6)
    # Last, so that it lies over the bars.
    yield _stroke(scale.x(1), top + _LINE, bottom - top - _LINE, _INK, 1.5)


def _draw(bar: _Bar, scale: "_Scale", y: float) -> Iterator[str]:
    colour = _PLAIN if bar.holds is None else _KEPT if bar.holds else _MISSED
    x, one = scale.x(bar.value), scale.x(1)
    beside = f' <tspan class="pale">{escape(bar.beside)}</tspan>' if bar.beside else ""
    yield f'<text x="{_LEFT - 12}" y="{y + 10:.1f}" text-anchor="end">{escape(bar.name)}{beside}</text>'
    yield _box(min(x, one), y, max(1.5, abs(x - one)), _BAR, colour)
    if bar.commit is not None:
        yield _stroke(scale.x(bar.commit), y - 3, _BAR + 6, _INK, 2.5)
    if bar.moonshot is not None:
        yield _diamond(scale.x(bar.moonshot), y + _BAR / 2)
    yield _write(_WIDTH - _RIGHT + 14, y + 10, bar.text)


class _Scale:
    """Whole decades that hold all bars and marks."""

    def __init__(self, bars: Sequence[_Bar]) -> None:
        marks = [m for b in bars for m in (1.0, b.value, b.commit, b.moonshot) if m and m > 0]
        self._low, self._high = floor(log10(min(marks))), ceil(log10(max(marks)))
        if self._low == self._high:
            self._low -= 1
        self.decades = range(self._low, self._high + 1)

    def x(self, value: float) -> float:
        """A figure of 0 or less, which a difference may be, is drawn at the left edge."""
        place = log10(value) if value > 0 else self._low
        share = (max(place, self._low) - self._low) / (self._high - self._low)
        return _LEFT + share * (_WIDTH - _RIGHT - _LEFT)


def _write(x: float, y: float, text: str, style: str = "", anchor: str = "start") -> str:
    name = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{name}>{escape(text)}</text>'


def _box(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" fill="{colour}"/>'


def _stroke(x: float, y: float, height: float, colour: str, width: float) -> str:
    return (
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{x:.1f}" y2="{y + height:.1f}" '
        f'stroke="{colour}" stroke-width="{width}"/>'
    )


def _diamond(x: float, y: float) -> str:
    return (
        f'<path d="M{x:.1f} {y - 5:.1f}l4.5 5l-4.5 5l-4.5 -5z" '
        f'fill="#fff" stroke="{_INK}" stroke-width="1.2"/>'
    )
