"""How many instructions a send and a receive take, and whether that has grown: `make counts`.

Counts are stable where times are not. valgrind's callgrind counts the instructions of a process
that does N pairs and of one that does 2N; the difference over N is what a pair takes, without the
start of Python. What is compared are the instructions of our extension alone, since those of
CPython depend on how it was built; the total is kept for information.

Compilers differ, so there is a file for each Python, compiler and machine. Where there is none for
this one, that is said and nothing is compared: `--update` writes it.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pairs import VALUES

_HERE = Path(__file__).resolve().parent
_PAIRS = 5_000
_LIMIT = 1.05
_OURS, _ALL = "extension", "process"

type Counts = dict[str, dict[str, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True, help="the build folder")
    parser.add_argument("--update", action="store_true", help="keep what is counted now")
    parser.add_argument("--times", type=int, default=1, help="count so often; says how far apart")
    options = parser.parse_args()

    if not shutil.which("valgrind"):
        sys.exit("counts: valgrind isn't installed (Debian or Ubuntu: apt install valgrind)")
    build = options.build.resolve()
    file = _HERE / f"{_key(build)}.json"
    counts = _count(build)
    for _ in range(options.times - 1):
        again = _count(build)
        for name, count in counts.items():
            apart = abs(again[name][_OURS] / count[_OURS] - 1)
            print(f"counted again: {name}, {again[name][_OURS]:.1f}, {apart:.3%} apart")

    known: Counts = json.loads(file.read_text()) if file.exists() else {}
    grown = [name for name, count in counts.items() if _say(name, count, known.get(name))]
    if options.update:
        file.write_text(json.dumps(counts, indent=2) + "\n")
        print(f"written: {file.name}")
    elif not known:
        print(f"NOTICE: nothing was compared. There is no {file.name} in bench/counts/;")
        print("        `make counts ARGS=--update` writes it for this Python and compiler.")
    elif grown:
        sys.exit(
            f"counts: {', '.join(grown)} grew by more than {_LIMIT - 1:.0%}; "
            "find out why, or `make counts ARGS=--update` where it is worth that"
        )


def _say(name: str, count: dict[str, float], known: dict[str, float] | None) -> bool:
    """Prints a line; true where the count has grown beyond the limit."""
    line = f"{name:8} {count[_OURS]:8.1f} instructions of the extension in a pair"
    line += f", {count[_ALL]:.0f} of the process"
    if known is None:
        print(line)
        return False
    ratio = count[_OURS] / known[_OURS]
    verdict = (
        "GROWN" if ratio > _LIMIT else "less: --update keeps the gain" if ratio < 0.95 else "ok"
    )
    print(f"{line}; kept: {known[_OURS]:.1f}, {ratio - 1:+.2%}: {verdict}")
    return ratio > _LIMIT


def _key(build: Path) -> str:
    """Such as cp313-gnu-12.2.0-x86_64: the Python, the compiler that CMake found, and the machine."""
    (found,) = build.glob("CMakeFiles/*/CMakeCXXCompiler.cmake")
    fields = dict(re.findall(r'set\((CMAKE_CXX_COMPILER_\w+) "([^"]*)"\)', found.read_text()))
    compiler = fields["CMAKE_CXX_COMPILER_ID"].lower()
    version = fields["CMAKE_CXX_COMPILER_VERSION"]
    python = "cp{}{}".format(*sys.version_info)
    return f"{python}-{compiler}-{version}-{platform.machine()}"


def _count(build: Path) -> Counts:
    counts: Counts = {}
    for name in VALUES:
        once, twice = (_instructions(build, name, count) for count in (_PAIRS, 2 * _PAIRS))
        ours = {object_ for object_ in twice if Path(object_).name.startswith("_interpchannels")}
        if not ours:
            sys.exit("counts: callgrind saw no instruction of the extension")
        counts[name] = {
            _OURS: round(sum(twice[o] - once[o] for o in ours) / _PAIRS, 1),
            _ALL: round((twice.total() - once.total()) / _PAIRS, 1),
        }
    return counts


def _instructions(build: Path, name: str, count: int) -> Counter[str]:
    """By the file that they are in."""
    # A Python that looks for its modules by the environment may not find them elsewhere; only what
    # would change the count is set.
    environment = os.environ | {"PYTHONPATH": str(build / "python"), "PYTHONHASHSEED": "0"}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind"
        command = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}"]
        command += ["--compress-strings=no", "--compress-pos=no"]
        command += [sys.executable, str(_HERE / "pairs.py"), name, str(count)]
        subprocess.run(command, env=environment, check=True)
        with out.open(encoding="utf-8", errors="replace") as lines:
            return _by_object(lines)


def _by_object(lines: Iterable[str]) -> Counter[str]:
    """Sums up callgrind's output: `ob=` names a file, `LINE COST` is a cost in it.

    The line after `calls=` is what the callee took, which is counted where it stands itself.
    """
    costs: Counter[str] = Counter()
    object_ = ""
    callees = False
    for line in lines:
        if line.startswith("ob="):
            object_ = line[3:].strip()
        elif line.startswith("calls="):
            callees = True
        elif line[:1].isdigit():
            if not callees:
                costs[object_] += int(line.split()[1])
            callees = False
    return costs


if __name__ == "__main__":
    main()
