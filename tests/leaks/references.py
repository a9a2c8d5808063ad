"""A pytest plugin that looks for leaks: every test three times to warm up and three times more, counting.

    python -m pytest -p references tests/package

For a debug build of CPython, which counts references (`make leaks` brings one). After each of the last three runs the
references, the allocated blocks and the open descriptors of this process are compared with those before it, in all of
its interpreters: one of them that grew in each of the three is a leak, and fails the test. A single growth is a cache
that was filled, as CPython's own `regrtest -R 3:3` has it.

What a test does in processes of its own is not seen; those end, and LeakSanitizer asks them (allocations.py). So a test
that does nothing else is run once (`Watch`). A test that passes once and then fails is a failure here, since it was not
counted. The durations of `--durations` are those of all runs together.
`test_references.py` plants leaks, and looks whether they are found.
"""

from __future__ import annotations

import array
import gc
import linecache
import os
import re
import subprocess
import sys
import types
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

import interpchannels

WARM_UPS = 3
RUNS = 3
WHAT = ("references", "blocks", "descriptors")

# What every test gets. They are at rest before and after it, so they are not what a test does.
ALWAYS_THERE = {
    "counters_back",
    "both_echoes",
    "echo_here",
    "echo_there",
    "loans_back",
    "clean_table",
}

# Extensions that are not built for a debug CPython: what they take and give back is left out of its count of
# references, which therefore grows with each array: by 11 for np.arange(10.0).copy(). Blocks are counted all the same.
NOT_FOR_DEBUG = ("numpy", "uvloop")

_total = 0
_leaking: list[str] = []
_in_processes: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(sys, "gettotalrefcount"):
        raise pytest.UsageError(
            "this CPython counts no references: a debug build is needed (make leaks)"
        )


def pytest_collection_finish() -> None:
    # Hypothesis keeps and sets the state of NumPy's generator around each example, where NumPy is loaded: 53,000
    # references a test that NumPy does not count (NOT_FOR_DEBUG). Nobody draws from it, so it is told that it has it.
    entropy = sys.modules.get("hypothesis.internal.entropy")
    if entropy is not None and entropy.NP_RANDOM is None:
        entropy.NP_RANDOM = object()
    # What is there now stays, and need not be looked at each time.
    gc.collect()
    gc.freeze()


# Counting ---------------------------------------------------------------------------------------------------


def forget() -> None:
    """Drop what the standard library and ours keep of what ran, none of it without a bound."""
    re.purge()
    linecache.clearcache()
    for folder in sys.path_importer_cache.keys() - set(sys.path):
        sys.path_importer_cache.pop(folder)  # a test's own folder, which is another each time
    forget_hypothesis()
    # The plans of classes, at most 256 (src/crossing/classes.hpp); a class that a test made anew has a new one.
    interpchannels.register(ClassThatNeverCrosses, None, None)
    getattr(sys, "_clear_internal_caches", sys._clear_type_cache)()
    for _ in range(3):
        gc.collect()


class ClassThatNeverCrosses: ...


def forget_hypothesis() -> None:
    """Empty Hypothesis's cache of strategies: up to a thousand that a test makes anew, some fifty references each."""
    utils = sys.modules.get("hypothesis.strategies._internal.utils")
    if utils is not None:
        utils._STRATEGY_CACHE.clear()


def count(into: array.array[int]) -> None:
    forget()  # its variables are gone when this counts, and whatever is made here is freed before, or there in both
    into[2] = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    into[1] = sys.getallocatedblocks()
    into[0] = sys.gettotalrefcount()  # type: ignore[attr-defined]


# What does a test do here? ----------------------------------------------------------------------------------


class Watch:
    """Watches the calls that a test's own code makes: did it start a process, and use nothing of ours in this one?

    "Of ours" is every call of a function or a type of the package or of CPython's modules of interpreters, every call
    with something of theirs as its first argument, and every fixture that is neither pytest's nor one that all tests
    get. Without such a call there are no ends, Buffers or interpreters that could be used in other ways.
    """

    def __init__(self, item: pytest.Item) -> None:
        self.started_process = False
        self.used_ours = any(
            name not in ALWAYS_THERE and not (made.func.__module__ or "").startswith("_pytest.")
            for name, all_ in item._fixtureinfo.name2fixturedefs.items()  # type: ignore[attr-defined]
            for made in all_
        )

    @property
    def only_processes(self) -> bool:
        return self.started_process and not self.used_ours

    def __enter__(self) -> Watch:
        monitoring = sys.monitoring
        monitoring.use_tool_id(monitoring.PROFILER_ID, "references")
        monitoring.register_callback(monitoring.PROFILER_ID, monitoring.events.CALL, self._called)
        if not self.used_ours:
            monitoring.set_events(monitoring.PROFILER_ID, monitoring.events.CALL)
        return self

    def __exit__(self, *_: object) -> None:
        sys.monitoring.set_events(sys.monitoring.PROFILER_ID, 0)
        sys.monitoring.register_callback(
            sys.monitoring.PROFILER_ID, sys.monitoring.events.CALL, None
        )
        sys.monitoring.free_tool_id(sys.monitoring.PROFILER_ID)

    def _called(self, code: types.CodeType, offset: int, function: object, first: object) -> None:
        if function is subprocess.Popen:
            self.started_process = True
        if is_ours(function) or is_ours(first):
            self.used_ours = True
            sys.monitoring.set_events(sys.monitoring.PROFILER_ID, 0)


OURS = ("interpchannels", "_interp", "_xxinterp", "_xxsubinterp", "concurrent.")


def is_ours(thing: object) -> bool:
    kind = type(thing)
    asked = [kind]
    if kind in (types.FunctionType, types.BuiltinFunctionType) or isinstance(thing, type):
        asked.append(thing)  # type: ignore[arg-type]
    if kind in (types.MethodType, types.BuiltinMethodType):
        asked.append(type(thing.__self__))  # type: ignore[attr-defined]
    if kind in (types.MethodDescriptorType, types.WrapperDescriptorType):
        asked.append(thing.__objclass__)  # type: ignore[attr-defined]
    return any(str(getattr(each, "__module__", "")).startswith(OURS) for each in asked)


_watch: Watch | None = None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Any:
    if _watch is None:
        return (yield)
    with _watch:
        return (yield)


# Running ----------------------------------------------------------------------------------------------------


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
    global _total, _watch
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    # Memory for all that is noted between two counts, so that noting it adds nothing.
    zeros = [0] * len(WHAT)
    before, after = array.array("q", zeros), array.array("q", zeros)
    grown = [array.array("q", zeros) for _ in range(RUNS)]
    durations = array.array("d", [0.0, 0.0, 0.0])
    _watch = watch = Watch(item)
    try:
        reports = run_once(item, nextitem, True)
    finally:
        _watch = None
    add_durations(durations, reports)
    passed = all(report.passed for report in reports)
    if passed and watch.only_processes:
        _in_processes.append(item.nodeid)
    elif passed:
        for number in range(1, WARM_UPS + RUNS):
            reports = []  # those of the run before would count
            count(before)
            reports = run_once(item, nextitem, False)
            add_durations(durations, reports)
            passed = all(report.passed for report in reports)
            if not passed:
                break
            reports = []
            count(after)
            if number >= WARM_UPS:
                for i in range(len(WHAT)):
                    grown[number - WARM_UPS][i] = after[i] - before[i]
        if passed:
            _total += 1
            reports = [
                _passed(item, when, durations[i])
                for i, when in enumerate(("setup", "call", "teardown"))
            ]
            leaks = [
                f"{what} {[growth[i] for growth in grown]}"
                for i, what in enumerate(WHAT)
                if min(growth[i] for growth in grown) > 0
                and not (what == "references" and is_beside_uncounted(item))
            ]
            if leaks:
                _leaking.append(f"{item.nodeid}: {', '.join(leaks)}")
                reports[1].outcome = "failed"
                reports[1].longrepr = f"leaks in each of {RUNS} runs: {', '.join(leaks)}"
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def is_beside_uncounted(item: pytest.Item) -> bool:
    """Does the test use an extension that counts no references?"""
    used = {
        value.__name__
        for value in vars(item.module).values()  # type: ignore[attr-defined]
        if isinstance(value, types.ModuleType)
    }
    if "uvloop" in used and "uvloop" not in item.name:
        used.discard("uvloop")  # a file of tests of which some run on it
    return not used.isdisjoint(NOT_FOR_DEBUG)


def add_durations(durations: array.array[float], reports: list[pytest.TestReport]) -> None:
    for i, report in enumerate(reports):
        durations[i] += report.duration


def _passed(item: pytest.Item, when: Any, duration: float) -> pytest.TestReport:
    return pytest.TestReport(
        item.nodeid, item.location, dict(item.keywords), "passed", None, when, [], duration
    )


def pytest_terminal_summary(terminalreporter: Any) -> None:
    terminalreporter.write_line(
        f"leaks: {_total} tests, {WARM_UPS} runs to warm up and {RUNS} counted each; {len(_leaking)} leak, "
        f"{len(_in_processes)} more do all in processes of their own"
    )
    for line in _leaking:
        terminalreporter.write_line(f"  {line}")
