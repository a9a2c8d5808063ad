"""Helpers that the Python tests share: interpreters by version, and scripts in processes of their own.

A test that could crash or hang puts its body into `run_script`: a small process that has to end by itself with
status 0. The limit there is a backstop for a hang, never a measurement.

Sub-interpreters and child processes find the package because `sys.path` is passed along to them.

`INTERPCHANNELS_TEST_MODULE` names the module that the tests of the drop-in import. The default is ours;
`INTERPCHANNELS_TEST_MODULE=_interpchannels` runs them on CPython's own, to see what CPython does.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import subprocess
import sys
import sysconfig
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 13):
    import _interpreters
else:
    import _xxsubinterpreters as _interpreters

TESTS = Path(__file__).resolve().parent
OURS = "interpchannels._interpchannels"
MODULE = os.environ.get("INTERPCHANNELS_TEST_MODULE", OURS)
IS_OURS = MODULE == OURS

# The default of a hang's backstop, in seconds. Machines under load and sanitizers may raise it.
HANG = float(os.environ.get("INTERPCHANNELS_TEST_HANG", "60"))

# A debug build of CPython, where references are counted (tests/leaks/references.py): each test is run six times.
COUNTED = hasattr(sys, "gettotalrefcount")


def load_module(name: str = MODULE) -> Any:
    """Import the drop-in module that is under test."""
    return importlib.import_module(name)


def search_path() -> list[str]:
    """`sys.path` as another interpreter or process needs it: absolute, this folder in it, no empty entry."""
    path = [os.path.abspath(entry) for entry in sys.path if entry]
    if str(TESTS) not in path:
        path.append(str(TESTS))
    return path


# Interpreters ---------------------------------------------------------------------------------------------

# 3.12 destroys an interpreter when its last id object goes, so these are kept until destroy_interpreter().
_ids: dict[int, Any] = {}


class RunFailed(Exception):
    """The code that ran in another interpreter raised; the message holds what it raised."""


def create_interpreter(*, own_gil: bool = True) -> int:
    """Make an interpreter (isolated and with its own GIL, or one that shares ours) and return its id."""
    if sys.version_info >= (3, 13):
        return _interpreters.create("isolated" if own_gil else "legacy")
    interp = _interpreters.create(isolated=own_gil)
    _ids[int(interp)] = interp
    # 3.12 takes the thread that imports `threading` first for that interpreter's main one, and at its end waits for it
    # for ever, if another thread ends it. So this thread, which is likely to end it, is the first.
    _interpreters.run_string(interp, "import threading")
    return int(interp)


def destroy_interpreter(interp: int) -> None:
    """End an interpreter that create_interpreter() made."""
    _interpreters.destroy(interp)
    _ids.pop(interp, None)


def list_interpreters() -> list[int]:
    """The ids of all interpreters, the main one included."""
    found = _interpreters.list_all()
    return [int(item[0]) if isinstance(item, tuple) else int(item) for item in found]


def run_in(interp: int, code: str, shared: dict[str, Any] | None = None) -> None:
    """Run code in `__main__` of another interpreter, with `shared` as globals; RunFailed if it raises."""
    prelude = (
        "import sys as _sys\n"
        f"_sys.path.extend(p for p in {search_path()!r} if p not in _sys.path)\n"
        "del _sys\n"
    )
    source = prelude + textwrap.dedent(code)
    if sys.version_info >= (3, 13):
        failure = _interpreters.exec(interp, source, shared or {})
        if failure is not None:
            display = getattr(failure, "errdisplay", None)
            raise RunFailed(display or failure.formatted)
        return
    try:
        _interpreters.run_string(interp, source, shared or {})
    except _interpreters.RunFailedError as exc:
        raise RunFailed(str(exc)) from None


class RunThread(threading.Thread):
    """run_in() in a thread of its own; join_and_check() raises what the code raised."""

    def __init__(self, interp: int, code: str, shared: dict[str, Any] | None = None) -> None:
        super().__init__(daemon=True)
        self._todo = (interp, code, shared)
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            run_in(*self._todo)
        except BaseException as exc:  # handed to whoever joins
            self.failure = exc

    def join_and_check(self, timeout: float = HANG) -> None:
        self.join(timeout)
        if self.is_alive():
            raise AssertionError(f"the thread of interpreter {self._todo[0]} hangs")
        if self.failure is not None:
            raise self.failure


def run_in_thread(interp: int, code: str, shared: dict[str, Any] | None = None) -> RunThread:
    """Start run_in() in a thread and return that thread."""
    thread = RunThread(interp, code, shared)
    thread.start()
    return thread


# Processes ------------------------------------------------------------------------------------------------


def child_environment(**extra: str) -> dict[str, str]:
    """The environment of a child process that finds what this process finds."""
    env = dict(os.environ)
    env["PYTHONPATH"] = os.pathsep.join(search_path())
    env["INTERPCHANNELS_TEST_MODULE"] = MODULE
    # A child's error text is compared as text: no colours.
    env.pop("FORCE_COLOR", None)
    env["NO_COLOR"] = "1"
    env.update(extra)
    return env


# Freed memory that is used after all is found sooner with malloc. A free-threaded CPython has an allocator of its own
# and no other.
PLAIN_MALLOC = {} if sysconfig.get_config_var("Py_GIL_DISABLED") else {"PYTHONMALLOC": "malloc"}


def run_script(
    code: str,
    timeout: float = HANG,
    *,
    args: tuple[str, ...] = (),
    options: tuple[str, ...] = (),
    env: dict[str, str] | None = None,
    status: int | None = 0,
) -> subprocess.CompletedProcess[str]:
    """Run a script in a Python process of its own and return what became of it.

    `options` are the interpreter's own (`-X`, `-W`), `args` the script's, `env` is added to the environment.
    AssertionError where it hangs, or where it ends with another status than `status` (None: any will do).
    """
    command = [sys.executable, "-X", "faulthandler", *options, "-c", textwrap.dedent(code), *args]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="backslashreplace",
        env=child_environment(**(env or {})),
    ) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            # faulthandler prints where every thread stands.
            process.send_signal(signal.SIGABRT)
            try:
                out, err = process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                out, err = process.communicate()
            raise AssertionError(
                _report(f"the script hangs ({timeout:g} s)", code, out, err)
            ) from None
        except BaseException:
            process.kill()
            raise
    if status is not None and process.returncode != status:
        headline = f"the script ended with {_name(process.returncode)}, not {status}"
        raise AssertionError(_report(headline, code, out, err))
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _name(status: int) -> str:
    if status < 0:
        try:
            return signal.Signals(-status).name
        except ValueError:
            pass
    return f"status {status}"


def _report(headline: str, code: str, out: str, err: str) -> str:
    numbered = "\n".join(
        f"{number:4} {line}" for number, line in enumerate(textwrap.dedent(code).split("\n"), 1)
    )
    parts = [
        headline,
        "--- script",
        numbered,
        "--- stdout",
        out.rstrip(),
        "--- stderr",
        err.rstrip(),
    ]
    return "\n".join(parts)


def run_quietly(code: str, **options: Any) -> str:
    """run_script() for a script that has to say nothing on stderr; returns what it said on stdout."""
    done = run_script(code, **options)
    if done.stderr:
        raise AssertionError(_report("the script wrote to stderr", code, done.stdout, done.stderr))
    return done.stdout


# Waiting --------------------------------------------------------------------------------------------------


def has_gil() -> bool:
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


# How often the tests of lives and deaths go round.
ROUNDS = int(os.environ.get("INTERPCHANNELS_ROUNDS", "5"))


def wait_until(condition: Callable[[], Any], timeout: float = HANG) -> None:
    """Return once condition() is true: for a state that nothing announces, such as "that thread is blocked"."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"still not so after {timeout:g} s")
        time.sleep(0.001)


class Call(threading.Thread):
    """One call in a thread of its own; result() returns what it returned and raises what it raised."""

    def __init__(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        super().__init__(daemon=True)
        self._call: Any = (fn, args, kwargs)
        self._value: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        fn, args, kwargs = self._call
        self._call = None
        try:
            self._value = fn(*args, **kwargs)
        except BaseException as exc:  # handed to whoever asks for the result
            self._error = exc

    def result(self, timeout: float = HANG) -> Any:
        deadline = time.monotonic() + timeout
        # Not in one go: without a GIL what another thread drops is freed by the thread that made it, once that runs.
        while self.is_alive() and time.monotonic() < deadline:
            self.join(0.1)
        if self.is_alive():
            raise AssertionError(f"the call hangs ({timeout:g} s)")
        if self._error is not None:
            raise self._error
        return self._value
