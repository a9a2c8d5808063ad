"""A pytest plugin that looks for leaks: every test three times to warm up and three times more, counting.

    python -m pytest -p references tests/package

For a debug build of CPython, which counts references (`make leaks` brings one). After each of the last three runs the
references, the allocated blocks and the open descriptors of this interpreter are compared with those before it: one of
them that grew in each of the three is a leak, and fails the test. A single growth is a cache that was filled, as
CPython's own `regrtest -R 3:3` has it. What a test does in processes and interpreters of its own is not seen; those
end, and `counters_back` (tests/conftest.py) asks the process's counters after every test.
"""

from __future__ import annotations

import gc
import linecache
import os
import re
import sys
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

WARM_UPS = 3
RUNS = 3
WHAT = ("references", "blocks", "descriptors")

_total = 0
_leaking: list[str] = []
_once_only: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(sys, "gettotalrefcount"):
        raise pytest.UsageError(
            "this CPython counts no references: a debug build is needed (make leaks)"
        )


def pytest_collection_finish() -> None:
    # What is there now stays, and need not be looked at each time.
    gc.collect()
    gc.freeze()


def count() -> tuple[int, int, int]:
    # What the standard library keeps of what ran.
    re.purge()
    linecache.clearcache()
    for folder in sys.path_importer_cache.keys() - set(sys.path):
        sys.path_importer_cache.pop(folder)  # a test's own folder, which is another each time
    getattr(sys, "_clear_internal_caches", sys._clear_type_cache)()
    for _ in range(3):
        gc.collect()
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    return sys.gettotalrefcount(), sys.getallocatedblocks(), descriptors  # type: ignore[attr-defined]


def run_once(
    item: pytest.Item, nextitem: pytest.Item | None, first: bool
) -> list[pytest.TestReport]:
    item._initrequest()  # type: ignore[attr-defined]  # as for a test that has not run yet
    stack = item.session._setupstate.stack
    notes = []
    if not first:
        info = item._fixtureinfo  # type: ignore[attr-defined]
        notes = [entry[0] for entry in stack.values()]
        notes += [made._finalizers for all_ in info.name2fixturedefs.values() for made in all_]
    lengths = [len(each) for each in notes]
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    # Pytest notes the end of a session's or a module's fixture once for each test that used it.
    for each, length in zip(notes, lengths, strict=True):
        del each[length:]
    item._report_sections.clear()  # what it printed
    return reports


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    global _total
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    grown: list[tuple[int, ...]] = []
    reports: list[pytest.TestReport] = []
    outcome: list[tuple[str | None, float]] = []
    for number in range(WARM_UPS + RUNS):
        reports = []  # those of the run before would count
        before = count()
        reports = run_once(item, nextitem, number == 0)
        if any(not report.passed for report in reports):
            if number > 0:  # it uses up what it is given: an iterator among the parameters, say
                _once_only.append(item.nodeid)
                reports = [_passed(item, when, duration) for when, duration in outcome]
            break
        outcome = [(report.when, report.duration) for report in reports]
        reports = []
        after = count()
        if number >= WARM_UPS:
            grown.append(tuple(now - then for now, then in zip(after, before, strict=True)))
        reports = [_passed(item, when, duration) for when, duration in outcome]
    if len(grown) == RUNS:
        _total += 1
        leaks = [
            f"{what} {[growth[i] for growth in grown]}"
            for i, what in enumerate(WHAT)
            if min(growth[i] for growth in grown) > 0
        ]
        if leaks:
            _leaking.append(f"{item.nodeid}: {', '.join(leaks)}")
            reports[1].outcome = "failed"
            reports[1].longrepr = f"leaks in each of {RUNS} runs: {', '.join(leaks)}"
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _passed(item: pytest.Item, when: Any, duration: float) -> pytest.TestReport:
    return pytest.TestReport(
        item.nodeid, item.location, dict(item.keywords), "passed", None, when, [], duration
    )


def pytest_terminal_summary(terminalreporter: Any) -> None:
    terminalreporter.write_line(
        f"leaks: {_total} tests, {WARM_UPS} runs to warm up and {RUNS} counted each; {len(_leaking)} leak, "
        f"{len(_once_only)} can run only once"
    )
    for line in _leaking:
        terminalreporter.write_line(f"  {line}")
