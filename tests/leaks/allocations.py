"""Does any allocation of ours get lost? LeakSanitizer is asked at the end of every process of a run of pytest.

    make allocation-leaks PYTEST_ARGS='tests/package tests/crossing'

For a build with AddressSanitizer. What is lost at the end of a process is nearly all CPython's own: strings that it
keeps for ever, and what hangs from them. So a report counts by the frame that asked for the memory: it has to be ours,
and what was lost must not hang from something else that was lost. Python's objects, of our types too, are not looked
at; references.py counts those. A fault that AddressSanitizer finds counts as well.

The child of a fork leaves alone what lay in the channels of its parent (channel/tables.cpp), so tests that fork are
left out.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCES = f"{Path(__file__).resolve().parents[2]}/src/"

HEAD = re.compile(r"(Direct|Indirect) leak of (\d+) byte")
FRAME = re.compile(r"\s+#\d+ 0x[0-9a-f]+ (?:in )?(.*)")
# What stands between malloc and whoever wanted the memory.
BETWEEN = re.compile(r"__interceptor_|operator new|libasan|libstdc\+\+|/include/c\+\+/")
# Its tracer sometimes crashes where threads of left interpreters are about to end. Then nothing was looked at.
GAVE_UP = "LeakSanitizer has encountered a fatal error"


def leaks(report: str) -> list[tuple[str, int, str, str]]:
    """Of one report: direct or indirect, how many bytes, the frame that asked for them, and all that is said."""
    found = []
    for block in report.split("\n\n"):
        head = HEAD.search(block)
        if not head:
            continue
        frames = [m[1] for m in map(FRAME.match, block.splitlines()) if m]
        asked = next((frame for frame in frames if not BETWEEN.search(frame)), "")
        found.append((head[1], int(head[2]), asked, block))
    return found


def is_ours(frame: str) -> bool:
    return SOURCES in frame or "_interpchannels" in frame


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        # Status 0, since every process of CPython loses something.
        options = (
            f"{os.environ.get('ASAN_OPTIONS', '')}:detect_leaks=1:exitcode=0:log_path={folder}/at"
        )
        run = subprocess.run(
            [sys.executable, "-m", "pytest", *sys.argv[1:]],
            env={**os.environ, "ASAN_OPTIONS": options},
        )
        reports = [path.read_text(errors="replace") for path in Path(folder).iterdir()]
    read = [report for report in reports if GAVE_UP not in report]
    faults = [report for report in read if "LeakSanitizer: detected memory leaks" not in report]
    theirs = hanging = 0
    lost = []
    for report in read:
        for kind, size, frame, said in leaks(report):
            if not is_ours(frame):
                theirs += size
            elif kind == "Indirect":
                hanging += size
            else:
                lost.append(said)
    print(
        f"allocations: {len(read)} processes reported, {len(reports) - len(read)} could not be looked at;",
        f"{theirs:,} bytes of CPython's, from which {hanging:,} of ours hang; {len(lost)} losses of ours",
    )
    for text in (*lost, *faults):
        print(text)
    return 1 if lost or faults or run.returncode or not read else 0


if __name__ == "__main__":
    sys.exit(main())
