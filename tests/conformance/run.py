#!/usr/bin/env python3
"""Runs CPython's own tests of `_interpchannels` on our module, unmodified.

The tests come out of the running Python's `test` package. Each of the two test modules runs in a process of its
own, twice: on CPython's `_interpchannels` (the baseline) and on ours, which hook/sitecustomize.py puts in its place
in every interpreter and in every process that a test starts. What is checked:

- inside a sub-interpreter, and in a new process, `_interpchannels` comes from our file;
- every test passes, and no process was started in a way that keeps our module out of it;
- 105 tests or more ran, as unittest counts them (skips included), and none was skipped that CPython's module runs.

Exit status: 0 if all of that holds, 1 if not, 2 for a wrong call, 77 where this Python has no such tests.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = ("test.test__interpchannels", "test.test_interpreters.test_channels")
MINIMUM = 105
NO_TESTS = 77
# A backstop for a test that hangs, in seconds.
HANG = float(os.environ.get("INTERPCHANNELS_TEST_HANG", "300"))


class Run:
    """What became of the tests, on one module."""

    def __init__(self, label):
        self.label = label
        self.origins = []  # (where, file)
        self.outcomes = {}  # test id -> (outcome, detail)
        self.processes = []  # [argv, has an environment of its own, executable]
        self.troubles = []

    def named(self, outcome):
        return sorted(test for test, (what, _) in self.outcomes.items() if what == outcome)


def absent_tests():
    """Why the tests can't be run on this Python, or None."""
    for module in MODULES:
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            found = None
        if found is None:
            return f"{module} is not there"
    return None


def find_extension(package_dir):
    for suffix in EXTENSION_SUFFIXES:
        file = package_dir / "interpchannels" / f"_interpchannels{suffix}"
        if file.is_file():
            return file.resolve()
    return None


def environment(file, package_dir):
    """The environment of a test process: with our hook in it, or, for the baseline, surely without."""
    env = dict(os.environ)
    env.pop("INTERPCHANNELS_CONFORMANCE_FILE", None)
    entries = [entry for entry in env.pop("PYTHONPATH", "").split(os.pathsep) if entry]
    if file is not None:
        entries = [str(HERE / "hook"), str(package_dir), *entries]
        env["INTERPCHANNELS_CONFORMANCE_FILE"] = str(file)
    if entries:
        env["PYTHONPATH"] = os.pathsep.join(entries)
    return env


def run_module(run, module, env, verbose):
    """Run one test module in a process and read its record into `run`."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as scratch:
        record = Path(scratch) / "record"
        record.touch()
        work = Path(scratch) / "work"
        work.mkdir()
        command = [
            sys.executable,
            "-X",
            "faulthandler",
            str(HERE / "child.py"),
            module,
            str(record),
        ]
        command.append("2" if verbose else "1")
        sink = None if verbose else subprocess.PIPE
        output, status = "", None
        try:
            done = subprocess.run(
                command,
                env=env,
                cwd=work,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=None if verbose else subprocess.STDOUT,
                text=True,
                errors="backslashreplace",
                timeout=HANG,
            )
            output, status = done.stdout or "", done.returncode
        except subprocess.TimeoutExpired as exc:
            run.troubles.append(f"{module} hangs ({HANG:g} s)")
            output = (exc.stdout or b"").decode(errors="backslashreplace") if not verbose else ""
        lines = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    current, done = read_record(run, lines)
    if status is not None and (status != 0 or not done) and not run.troubles:
        run.troubles.append(f"{module} ended with status {status}")
    if current is not None:
        run.troubles.append(f"{module} did not get beyond {current}")
        run.outcomes[current] = ("failed", "")
    failed = any(what == "failed" for what, _ in run.outcomes.values())
    if output and (failed or not done):
        print(output.rstrip())


def read_record(run, lines):
    """Read a record; return the test that it stopped in, and whether it is complete."""
    current, done = None, False
    for kind, *what in lines:
        if kind == "start":
            current = what[0]
        elif kind == "end":
            current = None
            run.outcomes[what[0]] = (what[1], what[2])
        elif kind == "origin":
            run.origins.append(what)
        elif kind == "process":
            run.processes.append(what)
        elif kind == "unavailable":
            run.troubles.append(what[0])
        elif kind == "done":
            done = True
    return current, done


def run_all(label, file, package_dir, verbose):
    run = Run(label)
    env = environment(file, package_dir)
    for module in MODULES:
        print(f"{label}: {module}", flush=True)
        run_module(run, module, env, verbose)
    for where, origin in dict(map(tuple, run.origins)).items():
        print(f"{label}: _interpchannels in {where}: {origin}")
    return run


def keeps_hook_out(argv, own_environment):
    """Whether a Python started like this would not see our hook."""
    if own_environment:
        return True
    for option in argv[1:]:
        if not option.startswith("-") or option in ("-c", "-m", "-"):
            return False
        if not option.startswith(("--", "-X", "-W")) and set("IES") & set(option):
            return True
        if "c" in option or "m" in option:
            return False
    return False


def judge(ours, baseline, file):
    """The reasons why this is not conformance; empty if there is none."""
    reasons = list(ours.troubles)
    if not ours.origins:
        reasons.append("it is unknown where _interpchannels came from")
    for where, origin in ours.origins:
        if os.path.realpath(origin) != str(file):
            reasons.append(f"_interpchannels in {where} is not ours: {origin}")
    for argv, own_environment, executable in ours.processes:
        if executable == sys.executable and keeps_hook_out(argv, own_environment):
            reasons.append(f"a test started a process that our module is kept out of: {argv}")
    for test in ours.named("failed"):
        reasons.append(f"failed: {test}")
    for test in sorted(set(ours.named("skipped")) - set(baseline.named("skipped"))):
        reasons.append(f"skipped on ours alone: {test} ({ours.outcomes[test][1]})")
    missing = sorted(set(baseline.outcomes) - set(ours.outcomes))
    if missing:
        reasons.append(f"{len(missing)} tests did not run on ours, the first being {missing[0]}")
    if len(ours.outcomes) < MINIMUM:
        reasons.append(f"{len(ours.outcomes)} tests ran, which is fewer than {MINIMUM}")
    return reasons


def summary(run):
    counts = {what: len(run.named(what)) for what in ("passed", "failed", "skipped")}
    other = len(run.outcomes) - sum(counts.values())
    text = ", ".join(f"{count} {what}" for what, count in counts.items())
    return text + (f", {other} expected failures" if other else "")


def print_skips(run):
    for test in run.named("skipped"):
        print(f"{run.label}: skipped: {test} ({run.outcomes[test][1]})")


def arguments():
    version = f"cp{sys.version_info.major}{sys.version_info.minor}"
    default = HERE.parent.parent / "build" / f"{version}-release" / "python"
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument(
        "--package-dir",
        type=Path,
        default=default,
        metavar="DIR",
        help="the folder that holds interpchannels/ with the extension (default: %(default)s)",
    )
    parser.add_argument("--baseline", action="store_true", help="run CPython's own module only")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the tests as they run")
    return parser.parse_args()


def main():
    args = arguments()
    python = f"CPython {sys.version.split()[0]}"
    file = None
    if not args.baseline:
        file = find_extension(args.package_dir)
        if file is None:
            print(
                f"conformance: no interpchannels/_interpchannels*.so for {python} in {args.package_dir}"
            )
            return 2
    absent = absent_tests()
    if absent is not None:
        print(
            f"conformance: {python} at {sys.executable} does not bring CPython's tests: {absent}. "
            "Debian has them in libpythonX.Y-testsuite. Nothing was run: 0 passed, 0 failed"
        )
        return NO_TESTS

    baseline = run_all("CPython's own", None, None, args.verbose)
    for trouble in baseline.troubles:
        print(f"{baseline.label}: {trouble}")
    if args.baseline:
        print_skips(baseline)
        for test in baseline.named("failed"):
            print(f"failed: {test}")
        print(f"baseline on {python}: {summary(baseline)}")
        return 1 if baseline.named("failed") or baseline.troubles else 0

    print(f"CPython's own: {summary(baseline)}")
    ours = run_all("ours", file, args.package_dir.resolve(), args.verbose)
    print_skips(ours)
    print(f"ours: processes that the tests started: {len(ours.processes)}")
    reasons = judge(ours, baseline, file)
    for reason in reasons:
        print(f"conformance: {reason}")
    verdict = "NOT conformant" if reasons else "conformant"
    print(f"conformance on {python}: {verdict}: {len(ours.outcomes)} tests run: {summary(ours)}")
    return 1 if reasons else 0


if __name__ == "__main__":
    sys.exit(main())
