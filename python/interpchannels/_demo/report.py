"""What the demo prints at the end: sections of lines."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from interpchannels._columns import aligned

from .job import KINDS, Run, Tally, Traffic

_MOST_ERRORS_NAMED = 5


def sections(runs: Sequence[Run], files: int, top: int) -> Iterator[list[str]]:
    """All that is to be said of one to three runs: over channels, in one interpreter, in processes.

    `files` is how many there were to do, `top` how many of the most frequent names to give.
    """
    channels = runs[0]
    yield list(_counts(channels.tally, files))
    if top and channels.tally.names:
        yield _names(channels.tally, top)
    yield _traffic(channels.traffic)
    yield _times(runs)


def differences(runs: Sequence[Run]) -> Iterator[str]:
    """A line for each field in which a run's tally differs from the run before it; none if all are equal."""
    for one, other in pairwise(runs):
        for field in vars(one.tally):
            if getattr(one.tally, field) != getattr(other.tally, field):
                yield f"{field}: {one.title} and {other.title} differ"


def _counts(tally: Tally, files: int) -> Iterator[str]:
    done = "" if tally.files == files else f" of {files:,}"
    yield from aligned(
        [
            ("files", f"{tally.files:,}{done}"),
            ("bytes", f"{tally.bytes:,}"),
            ("lines", f"{tally.lines:,}"),
            *((kind, f"{tally.kinds[kind]:,}") for kind in KINDS),
            ("with errors", f"{len(tally.errors):,}"),
        ]
    )
    errors = sorted(tally.errors.items())
    for path, error in errors[:_MOST_ERRORS_NAMED]:
        yield _printable(f"    {path}: {error}")
    if len(errors) > _MOST_ERRORS_NAMED:
        yield f"    and {len(errors) - _MOST_ERRORS_NAMED:,} more"


def _printable(text: str) -> str:
    """A file's name or text may hold a newline or an order to the terminal; these are shown as in a literal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _names(tally: Tally, top: int) -> list[str]:
    # By count, then by name: most_common() alone leaves the order of equals to chance.
    names = sorted(tally.names.items(), key=lambda item: (-item[1], item[0]))[:top]
    title = f"top {len(names)} names" if len(names) > 1 else "top name"
    return aligned([(title, ""), *((name, f"{count:,}") for name, count in names)])


def _traffic(channels: dict[str, Traffic]) -> list[str]:
    rows = [(name, f"{t.messages:,}", f"{t.bytes:,}") for name, t in channels.items()]
    return aligned([("through the channels", "messages", "bytes"), *rows])


def _times(runs: Sequence[Run]) -> list[str]:
    """A speed-up is given of, and over, what was done to its end."""
    channels, *peers = runs
    alone = peers[0] if peers else None
    processes = peers[1] if len(peers) > 1 else None
    rows = [("", "seconds", "speed-up")]
    for run in (*peers, channels):
        speedup = ""
        if run.interrupted:
            speedup = f"interrupted after {run.tally.files:,} files"
        elif alone and not alone.interrupted:
            speedup = f"{alone.seconds / run.seconds:.2f}"
        rows.append((run.title, f"{run.seconds:.2f}", speedup))
    lines = aligned(rows)
    if processes and not processes.interrupted:
        lines.append(f"channels over multiprocessing: {processes.seconds / channels.seconds:.2f}")
    return lines
