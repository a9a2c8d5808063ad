"""The engine beside its peers, in the same shapes: `make bench-peers`.

Builds the peers that can be built here and says what is missing for the others. Then every program
runs the whole plan (bench/engine/plan.hpp) once in each repetition, so that a slow minute of the
machine slows them all; what counts is the median. Where the cores are busy with other work no
median tells much; then many short runs and their least (`--repetitions 15 --divide 5 --least`) come
closest to what the machine gives when it is left alone.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

_HERE = Path(__file__).resolve().parent
_OURS = "interpchannels"
# A program that is slower than this in one repetition is stuck.
_SECONDS = 300


@dataclass
class Program:
    """One column of the table."""

    who: str
    command: list[str]
    version: str
    keeps_fifo: bool = True
    samples: dict[str, list[float]] = field(default_factory=dict)

    def run(self, rows: Sequence[str]) -> str | None:
        """Runs the rows once; says what went wrong."""
        trouble = None
        try:
            done = subprocess.run([*self.command, *rows], stdout=subprocess.PIPE, timeout=_SECONDS)
            output = done.stdout
            if done.returncode:
                trouble = f"ended with status {done.returncode}"
        except subprocess.TimeoutExpired as stopped:
            output = stopped.stdout or b""
            trouble = f"not done within {_SECONDS} s"
        for line in output.decode().splitlines():
            row = json.loads(line)
            self.samples.setdefault(row["shape"], []).extend(row["samples"])
        return trouble


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=Path, required=True, help="where CMake built")
    parser.add_argument("--into", type=Path, required=True, help="where Rust and Go build")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--divide", type=int, default=1, metavar="N", help="messages by N")
    parser.add_argument("--least", action="store_true", help="print the least, not the median")
    parser.add_argument("--quick", action="store_true", help="one repetition, a tenth of it all")
    parser.add_argument("--row", metavar="TEXT", default="", help="only rows with this in the name")
    parser.add_argument(
        "--json", type=Path, help="write the samples there (default: INTO/peers.json)"
    )
    options = parser.parse_args()

    engine = options.programs.resolve() / "engine_bench"
    plan = _output([str(engine), "--list"]).split()
    rows = [row for row in plan if options.row in row.partition(":")[0]]
    if not rows:
        parser.error(f"no row has {options.row!r} in its name")
    repetitions, divide = (1, 10) if options.quick else (options.repetitions, options.divide)
    rows = [_divided(row, divide) for row in rows]

    programs, missing = _build(options.programs.resolve(), options.into.resolve())
    missing += _run_in_turns(programs, rows, repetitions)
    names = [row.partition(":")[0] for row in rows]
    _print(programs, names, repetitions, options.least)
    for note in missing:
        print(f"missing: {note}")
    path = options.json or options.into / "peers.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, programs, rows, missing)
    print(f"every sample: {path}")


def _divided(row: str, by: int) -> str:
    """With fewer messages; as many as up to four threads can share evenly."""
    head, _, messages = row.rpartition(":")
    return f"{head}:{max(4, int(messages) // by // 4 * 4)}"


# --- building ---


def _build(built: Path, into: Path) -> tuple[list[Program], list[str]]:
    into.mkdir(parents=True, exist_ok=True)
    programs = [Program(_OURS, [str(built / "engine_bench")], "this tree")]
    missing = []
    for build in (_rust, _go):
        try:
            programs += build(into)
        except _Missing as why:
            missing.append(str(why))
    moodycamel = built / "bench_moodycamel"
    if moodycamel.exists():
        programs.append(
            Program("moodycamel", [str(moodycamel)], _debian("libconcurrentqueue-dev"), False)
        )
    else:
        missing.append("moodycamel: its header isn't installed (Debian: libconcurrentqueue-dev)")
    programs.append(Program("mutex+deque", [str(built / "bench_mutex_deque")], "the C++ library's"))
    return programs, missing


class _Missing(Exception):
    """A peer that cannot be had here, and why."""


def _rust(into: Path) -> list[Program]:
    whos = ("crossbeam-channel", "kanal", "flume")
    everyone = ", ".join(whos)
    if not shutil.which("cargo"):
        raise _Missing(f"{everyone}: there is no cargo (https://rustup.rs)")
    target = into / "cargo"
    manifest = _HERE / "rust" / "Cargo.toml"
    command = [
        "cargo",
        "build",
        "--quiet",
        "--release",
        "--locked",
        "--manifest-path",
        str(manifest),
    ]
    if subprocess.run(command, env=os.environ | {"CARGO_TARGET_DIR": str(target)}).returncode:
        raise _Missing(f"{everyone}: cargo could not build them (see above)")
    versions = {}
    for package in (_HERE / "rust" / "Cargo.lock").read_text().split("[[package]]")[1:]:
        fields = dict(line.split(" = ", 1) for line in package.splitlines() if " = " in line)
        versions[fields["name"].strip('"')] = fields["version"].strip('"')
    program = str(target / "release" / "peers")
    return [Program(who, [program, "--who", who], versions[who]) for who in whos]


def _go(into: Path) -> list[Program]:
    if not shutil.which("go"):
        raise _Missing("Go: there is no Go toolchain (Debian: golang-go)")
    program = str(into / "go_peers")
    if subprocess.run(["go", "build", "-o", program, "."], cwd=_HERE / "go").returncode:
        raise _Missing("Go: could not be built (see above)")
    return [Program("Go", [program], _output(["go", "env", "GOVERSION"]).strip())]


def _debian(package: str) -> str:
    try:
        return _output(["dpkg-query", "-W", "-f", "${Version}", package])
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _output(command: Sequence[str]) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


# --- running ---


def _run_in_turns(programs: list[Program], rows: Sequence[str], repetitions: int) -> list[str]:
    wrong: dict[str, str] = {}
    for repetition in range(repetitions):
        # Another one begins each time.
        first = repetition % len(programs)
        for program in programs[first:] + programs[:first]:
            if program.who in wrong:
                continue
            if sys.stderr.isatty():
                note = f"\r\x1b[Krepetition {repetition + 1} of {repetitions}: {program.who}"
                print(note, end="", file=sys.stderr, flush=True)
            if trouble := program.run(rows):
                wrong[program.who] = trouble
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    return [f"{who}, some rows: {trouble}" for who, trouble in wrong.items()]


# --- what came of it ---


def _print(
    programs: Sequence[Program], names: Sequence[str], repetitions: int, least: bool
) -> None:
    of_samples: Callable[[list[float]], float] = min if least else median
    print(f"{os.cpu_count()} cores, {platform.machine()}; one integer a message, ns a message")
    print(
        f"{'Least' if least else 'Medians'} of {repetitions}. The last column: ours over the best peer that keeps FIFO."
    )
    table = [
        ["shape/capacity", *(p.who + ("" if p.keeps_fifo else "*") for p in programs), "ratio"]
    ]
    for name in names:
        of = {p.who: of_samples(p.samples[name]) for p in programs if p.samples.get(name)}
        others = [of[p.who] for p in programs if p.who in of and p.keeps_fifo and p.who != _OURS]
        ratio = f"{of[_OURS] / min(others):.2f}" if _OURS in of and others else "-"
        cells = [f"{of[p.who]:,.0f}" if p.who in of else "-" for p in programs]
        table.append([name, *cells, ratio])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    print()
    for row in table:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join(cells).rstrip())
    print()
    print("* keeps the order of each producer alone. -: it has no such thing.")
    print("Versions: " + ", ".join(f"{p.who} {p.version}" for p in programs))


def _write(
    path: Path, programs: Sequence[Program], rows: Sequence[str], missing: Sequence[str]
) -> None:
    report = {
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "versions": {p.who: p.version for p in programs},
        "plan": rows,
        "missing": missing,
        "rows": [
            {
                "who": p.who,
                "shape": shape,
                "ns_per_message": median(samples),
                "samples": samples,
            }
            for p in programs
            for shape, samples in p.samples.items()
        ],
    }
    with path.open("w", encoding="utf-8") as file:
        json.dump(report, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
