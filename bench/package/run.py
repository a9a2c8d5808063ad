"""The package beside `queue.SimpleQueue` and CPython's own channels and queues: `python bench/package/run.py`."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cpython
import crossings
import extras
import large
import pairs
from measure import Case, run_in_turns

_REPETITIONS, _SECONDS = 11, 0.05
_QUICK_REPETITIONS, _QUICK_SECONDS = 3, 0.01


@dataclass
class Budget:
    """What is promised: `ours` takes at most `limit` times as long as `theirs`."""

    what: str
    ours: Case
    theirs: Case
    limit: float

    @property
    def ratio(self) -> float:
        return self.ours.median / self.theirs.median

    @property
    def kept(self) -> bool:
        return self.ratio <= self.limit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the time, for a look")
    parser.add_argument("--json", metavar="FILE", help="write every sample there as well")
    options = parser.parse_args()

    cases = [*pairs.cases(), *crossings.cases(), *large.cases(), *extras.cases()]
    if options.quick:
        run_in_turns(cases, _QUICK_REPETITIONS, _QUICK_SECONDS)
    else:
        run_in_turns(cases, _REPETITIONS, _SECONDS)

    print(f"CPython {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}")
    print(f"Medians of {len(cases[0].samples)}. In brackets: times what the package takes.")
    _print_pairs([case for case in cases if case.group == pairs.GROUP])
    _print_round_trips([case for case in cases if case.group == crossings.ROUND_TRIP])
    _print_one_way([case for case in cases if case.group == crossings.ONE_WAY])
    _print_large([case for case in cases if case.group == large.GROUP])
    _print_extras([case for case in cases if case.group == extras.GROUP])
    print()
    budgets = list(_budgets(cases))
    for budget in budgets:
        verdict = "ok" if budget.kept else "NO"
        print(f"{verdict}  {budget.what}: {budget.ratio:.3f}, to be at most {budget.limit:g}")
    if options.json:
        _write(options.json, cases, budgets)


def _budgets(cases: Sequence[Case]) -> Iterator[Budget]:
    of = {case.name: case for case in cases}
    own = cpython.CHANNELS
    yield Budget(
        f"send and recv of an int, over {own}'s",
        of[f"{pairs.GROUP}/int/{pairs.PACKAGE}"],
        of[f"{pairs.GROUP}/int/{own}"],
        1 / 5,
    )
    for value in pairs.INSTANCES:
        yield Budget(
            f"send and recv of {value}, over a round trip of pickle 5",
            of[f"{pairs.GROUP}/{value}/{pairs.PACKAGE}"],
            of[f"{pairs.GROUP}/{value}/{pairs.PICKLE}"],
            1,
        )
    yield Budget(
        f"{extras.FLOATS} by {extras.MANY}, over {extras.SINGLE}",
        of[f"{extras.GROUP}/{extras.FLOATS}/{extras.MANY}"],
        of[f"{extras.GROUP}/{extras.FLOATS}/{extras.SINGLE}"],
        1 / 2,
    )
    yield Budget(
        "round trip between interpreters, over SimpleQueue's between threads",
        of[f"{crossings.ROUND_TRIP}/int/{crossings.PACKAGE}"],
        of[f"{crossings.ROUND_TRIP}/int/{crossings.SIMPLE_QUEUE}"],
        1,
    )
    yield Budget(
        "moving a Buffer of 64 MiB, over moving one of 1 KiB",
        of[f"{large.GROUP}/64 MiB/{large.MOVED}"],
        of[f"{large.GROUP}/1 KiB/{large.MOVED}"],
        2,
    )
    yield Budget(
        "recv_into of 64 MiB, over memcpy",
        of[f"{large.GROUP}/64 MiB/{large.RECV_INTO}"],
        of[f"{large.GROUP}/64 MiB/{large.MEMCPY}"],
        1.5,
    )


def _print_pairs(cases: Sequence[Case]) -> None:
    rows = list(dict.fromkeys(case.value for case in cases))
    columns = list(dict.fromkeys(case.who for case in cases))
    of = {(case.value, case.who): case for case in cases}
    table = [["send and recv in one thread, ns", *columns]]
    for row in rows:
        ours = of[row, pairs.PACKAGE]
        cells = [_cell(of.get((row, column)), ours, 1e9, ".0f") for column in columns]
        table.append([row, *cells])
    _print_table(table)


def _print_round_trips(cases: Sequence[Case]) -> None:
    ours = cases[0]
    table = [["round trip between two interpreters, µs", ""]]
    table += [[case.who, _cell(case, ours, 1e6, ",.2f")] for case in cases]
    _print_table(table)


def _print_one_way(cases: Sequence[Case]) -> None:
    _print_by_way(cases, crossings.PACKAGE, "one way, ns a message", 1e9, ",.0f")


def _print_large(cases: Sequence[Case]) -> None:
    _print_by_way(cases, large.RECV, "large values, µs each", 1e6, ",.2f")


def _print_extras(cases: Sequence[Case]) -> None:
    table = [["batches and counters, ns", ""]]
    table += [[f"{case.value}: {case.who}", f"{case.median * 1e9:,.0f}"] for case in cases]
    _print_table(table)


def _print_by_way(cases: Sequence[Case], first: str, title: str, unit: float, form: str) -> None:
    rows = list(dict.fromkeys(case.who for case in cases))
    columns = list(dict.fromkeys(case.value for case in cases))
    of = {(case.who, case.value): case for case in cases}
    table = [[title, *columns]]
    for row in rows:
        ours = [of[first, column] for column in columns]
        cells = [_cell(of[row, c], o, unit, form) for c, o in zip(columns, ours, strict=True)]
        table.append([row, *cells])
    _print_table(table)


def _cell(case: Case | None, ours: Case, unit: float, form: str) -> str:
    if case is None:
        return "-"
    number = format(case.median * unit, form)
    return number if case is ours else f"{number} ({case.median / ours.median:,.2f})"


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print()
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join(cells).rstrip())


def _write(path: str, cases: Sequence[Case], budgets: Sequence[Budget]) -> None:
    report = {
        "python": sys.version,
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "unit": "seconds an operation",
        "cases": {case.name: {"median": case.median, "samples": case.samples} for case in cases},
        "budgets": [
            {"what": b.what, "ratio": b.ratio, "limit": b.limit, "kept": b.kept} for b in budgets
        ],
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=2)
        file.write("\n")


if __name__ == "__main__":
    main()
