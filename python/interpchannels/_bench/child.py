"""A function in a fresh process: for what is measured of a process as a whole, or of its beginning."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

_SOURCE = """\
import importlib, json, sys
path, module, name, arguments = json.loads(sys.argv[1])
sys.path[:] = path
print(json.dumps(getattr(importlib.import_module(module), name)(*arguments)))
"""


def start(function: Callable[..., Any], *arguments: object) -> "subprocess.Popen[str]":
    """Starts it. The function is of a module; its arguments and what it returns are JSON."""
    order = [sys.path, function.__module__, function.__qualname__, arguments]
    command = [sys.executable, "-c", _SOURCE, json.dumps(order)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def result(process: "subprocess.Popen[str]") -> Any:
    """Waits for what the function returns."""
    output, _ = process.communicate()
    if process.returncode != 0:
        raise ChildProcessError(f"a measuring process ended with status {process.returncode}")
    return json.loads(output)


def run(function: Callable[..., Any], *arguments: object) -> Any:
    """Both."""
    process = start(function, *arguments)
    try:
        return result(process)
    except BaseException:
        process.kill()
        process.wait()
        raise
