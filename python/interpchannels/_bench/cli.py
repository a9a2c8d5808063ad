"""`python -m interpchannels bench`: runs the rows, prints the table, and writes JSON, Markdown and the plot."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from interpchannels._progress import Progress

# What takes long to import, or wants a module that a CPython may lack, is imported by run(): this file is also read by
# those who want the demo.

_BUSY = 0.05


def add_command(commands: Any) -> None:
    """Adds the command and its options to argparse's subparsers."""
    bench = commands.add_parser(
        "bench",
        help="measure the package beside its peers",
        description="Measures the package beside its peers, each row a ratio within this run, and prints what is "
        "promised of it and whether that holds. Takes a few minutes.",
    )
    bench.add_argument("--quick", action="store_true", help="less than half a minute, for a look")
    bench.add_argument(
        "--row",
        action="append",
        default=[],
        metavar="NAME",
        help="only this row, or those that have NAME in their names; may be given again",
    )
    bench.add_argument("--list", action="store_true", help="only print the names of the rows")
    bench.add_argument("--json", metavar="FILE", help="write every sample there")
    bench.add_argument("--markdown", metavar="FILE", help="write the table there, as Markdown")
    bench.add_argument("--plot", metavar="FILE", help="write the plot there, as SVG")
    bench.set_defaults(run=run, parser=bench)


def run(options: argparse.Namespace) -> int:
    """0; 130 where Ctrl-C ended it, with what was measured so far. Whether promises hold is for the reader."""
    from . import catalogue, machine, measure, plot, report
    from .rows import matching

    sections = catalogue.sections()
    if options.row:
        try:
            sections = matching(sections, options.row)
        except LookupError as problem:
            options.parser.error(f"{problem.args[0]}; --list prints all")
    if options.list:
        for section in sections:
            print(*(row.name for row in section.rows), sep="\n")
        return 0

    effort = measure.QUICK if options.quick else measure.FULL
    described = machine.describe()
    summary = machine.summary(described)
    print(summary, flush=True)
    started = time.monotonic()
    waits = machine.Waits()
    interrupted = False
    try:
        _measure(sections, effort)
    except KeyboardInterrupt:
        interrupted = True
    seconds = time.monotonic() - started
    share = described["waited for a core"] = waits.share

    print(f"medians of up to {effort.repetitions} samples; {seconds:.0f} s in all")
    if share is not None and share > _BUSY:
        print(f"NOT QUIET: {share:.0%} of the time the bench waited for a core that others had")
    print()
    print(*report.table(sections), sep="\n")
    if options.json:
        data = report.as_json(sections, described, options.quick, seconds)
        _write(options.json, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    if options.markdown:
        _write(options.markdown, "\n".join(report.markdown(sections, summary)) + "\n")
    if options.plot:
        _write(options.plot, plot.plot(sections, summary))
    if interrupted:
        print("interrupted: this is what was measured so far", file=sys.stderr)
        return 130
    return 0


def _measure(sections: Sequence[Any], effort: Any) -> None:
    from .measure import run_in_turns
    from .rows import cases_of

    total = sum(c.repetitions(effort) for s in sections for c in cases_of(s.rows))
    width = max(len(section.name) for section in sections)
    with Progress("bench".ljust(width), total, sys.stderr, "samples") as progress:
        for section in sections:
            progress.entitle(section.name.ljust(width))
            run_in_turns(cases_of(section.rows), effort, progress.step)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
