"""Runs one of CPython's test modules and records, line by line, what became of each test.

run.py starts it, in a process of its own: `child.py MODULE RECORD-FILE VERBOSITY`. Every line of the record is a
JSON list, written when it happens, so that a crash tells which test it was in.
"""

import importlib
import json
import os
import subprocess
import sys
import unittest

NAME = "_interpchannels"

ORIGIN = f"""
import {NAME} as module
origin = getattr(module.__spec__, 'origin', None) or 'built in'
"""


class Record:
    def __init__(self, path):
        self.path = path

    def __call__(self, *what):
        # Opened each time: what is written stays written, whatever the test does to the process.
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(what) + "\n")


class Result(unittest.TextTestResult):
    """Writes down each test; a failed subtest fails its test."""

    record = None

    def startTest(self, test):
        super().startTest(test)
        self.record("start", test.id())
        self.outcome = ("passed", "")

    def stopTest(self, test):
        super().stopTest(test)
        self.record("end", test.id(), *self.outcome)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.outcome = ("skipped", reason)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.outcome = ("failed", "")

    def addError(self, test, err):
        super().addError(test, err)
        if isinstance(test, unittest.TestCase):
            self.outcome = ("failed", "")
        else:  # setUpClass or setUpModule: no startTest() came before
            self.record("end", str(test), "failed", "")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.outcome = ("failed", "")

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.outcome = ("expected failure", "")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.outcome = ("failed", "unexpected success")


def origin_in_interpreter(config):
    import _interpreters

    read, write = os.pipe()
    interp = _interpreters.create(config)
    try:
        code = ORIGIN + f"import os; os.write({write}, origin.encode())"
        failure = _interpreters.exec(interp, code)
        if failure is not None:
            return f"no file: {failure.formatted}"
        return os.read(read, 4096).decode()
    finally:
        _interpreters.destroy(interp)
        os.close(read)
        os.close(write)


def origin_in_process():
    done = subprocess.run(
        [sys.executable, "-c", ORIGIN + "print(origin)"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def record_origins(record):
    """Record where each kind of interpreter has the module from; return whether that is one file."""
    namespace = {}
    exec(ORIGIN, namespace)
    origins = {
        "the main interpreter": namespace["origin"],
        "an isolated sub-interpreter": origin_in_interpreter("isolated"),
        "a legacy sub-interpreter": origin_in_interpreter("legacy"),
        "a process that a test starts": origin_in_process(),
    }
    for where, origin in origins.items():
        record("origin", where, origin)
    return len(set(origins.values())) == 1


def watch_processes(record):
    """Record how each process is started: -I, -E and -S would keep the hook out of it."""

    def hook(event, args):
        if event == "subprocess.Popen":
            executable, argv, _, env = args
            record("process", [str(part) for part in argv], env is not None, str(executable))

    sys.addaudithook(hook)


def main():
    module, path, verbosity = sys.argv[1:]
    # The tests are to see nothing of this folder.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    record = Record(path)
    if not record_origins(record):
        # Two modules know nothing of each other's channels: tests would wait for ever.
        record("unavailable", f"{module}: not run, since interpreters differ in their {NAME}")
        return 1
    watch_processes(record)
    try:
        tests = unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(module))
    except unittest.SkipTest as exc:
        record("unavailable", f"{module} skips itself: {exc}")
        return 1
    Result.record = record
    runner = unittest.TextTestRunner(sys.stdout, verbosity=int(verbosity), resultclass=Result)
    result = runner.run(tests)
    record("done", result.testsRun)
    return 0


if __name__ == "__main__":
    sys.exit(main())
