"""The command line: `python -m interpchannels demo [DIR] [--workers N] [--glob PATTERN] [--top K]`."""

import argparse
import os
import sys
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from interpchannels._progress import Progress

from . import job, peers, report, run_channels
from .job import Run

EXIT_DIFFERENT = 1
EXIT_INTERRUPTED = 130

_MOST_WORKERS = 256
_EVERY_MODULE = "**/*.py"
# Folders in the standard library's own that aren't part of it.
_NOT_STANDARD = {"site-packages", "dist-packages"}


def add_command(commands: Any) -> None:
    """Adds the command and its options to argparse's subparsers."""
    demo = commands.add_parser(
        "demo",
        help="tokenise Python files in several interpreters, beside one and beside processes",
        description="Tokenises the files under DIR three times: in N interpreters that are joined by channels, in "
        "one interpreter, and in N processes. Prints what was counted and how long each took.",
    )
    demo.add_argument(
        "dir", nargs="?", metavar="DIR", help="default: the standard library of this Python"
    )
    demo.add_argument(
        "--workers",
        type=_workers,
        default=min(os.cpu_count() or 1, _MOST_WORKERS),
        metavar="N",
        help="interpreters, and processes, that tokenise (default: one for each core)",
    )
    demo.add_argument(
        "--glob",
        default=_EVERY_MODULE,
        metavar="PATTERN",
        help="which files under DIR (default: **/*.py)",
    )
    demo.add_argument(
        "--top",
        type=_top,
        default=10,
        metavar="K",
        help="how many of the most frequent names to print (default: 10)",
    )
    demo.set_defaults(run=run, parser=demo)


def run(options: argparse.Namespace) -> int:
    """0, 1 (results differ) or 130 (Ctrl-C); exits with 2 where the input is bad."""
    try:
        paths = find(options.dir, options.glob)
    except ValueError as problem:
        options.parser.error(str(problem))
    return _demo(paths, options.workers, options.top)


def _demo(paths: Sequence[str], workers: int, top: int) -> int:
    ways: Sequence[tuple[str, Callable[[Progress], Run]]] = (
        ("channels", lambda progress: run_channels.run(paths, workers, progress)),
        ("one interpreter", lambda progress: peers.run_alone(paths, progress)),
        ("multiprocessing", lambda progress: peers.run_processes(paths, workers, progress)),
    )
    runs: list[Run] = []
    try:
        # So that all three find the files in memory: the first to run would pay for the disk otherwise.
        for path in paths:
            job.load(path)
        for title, run in ways:
            with Progress(title, len(paths), sys.stderr) as progress:
                runs.append(run(progress))
            if runs[-1].interrupted:
                break
    except KeyboardInterrupt:  # between two of them
        if not runs:
            raise
    for section in report.sections(runs, len(paths), top):
        print(*section, sep="\n", end="\n\n")
    if len(runs) < len(ways) or runs[-1].interrupted:
        print("interrupted: this is what was done so far")
        return EXIT_INTERRUPTED
    differences = list(report.differences(runs))
    if differences:
        print("THE RESULTS DIFFER", *differences, sep="\n", file=sys.stderr)
        return EXIT_DIFFERENT
    print("the three results are equal")
    return 0


def find(folder: str | None = None, pattern: str = _EVERY_MODULE) -> list[str]:
    """The paths of the files that match, sorted; without a folder, of the standard library.

    ValueError says what is wrong with the folder or the pattern.
    """
    if folder == "":
        raise ValueError("DIR is empty")
    root = Path(sysconfig.get_path("stdlib") if folder is None else folder)
    try:
        if not root.exists():
            raise ValueError(f"no such directory: {str(root)!r}")
        if not root.is_dir():
            raise ValueError(f"not a directory: {str(root)!r}")
    except OSError as problem:
        raise ValueError(f"cannot look at {str(root)!r}: {problem.strerror}") from None
    try:
        found = [path for path in root.glob(pattern) if path.is_file()]
    except (OSError, ValueError, NotImplementedError) as problem:
        raise ValueError(f"cannot look for {pattern!r} in {str(root)!r}: {problem}") from None
    if folder is None:
        found = [p for p in found if _NOT_STANDARD.isdisjoint(p.relative_to(root).parts)]
    if not found:
        raise ValueError(f"no file matches {pattern!r} in {str(root)!r}")
    return sorted(map(str, found))


def _workers(text: str) -> int:
    return _whole_number(text, 1, _MOST_WORKERS)


def _top(text: str) -> int:
    return _whole_number(text, 0, None)


def _whole_number(text: str, least: int, most: int | None) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"not a whole number: {text!r}") from None
    if number < least or (most is not None and number > most):
        limits = f"at least {least}" if most is None else f"from {least} to {most}"
        raise argparse.ArgumentTypeError(f"must be {limits}, not {number}")
    return number
