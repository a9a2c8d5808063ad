"""Does the counter of references find the leaks that planted.py has, and nothing else?"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import support

HERE = Path(__file__).resolve().parent


@pytest.mark.skipif(
    not hasattr(sys, "gettotalrefcount"),
    reason="this CPython counts no references; make leaks brings one",
)
def test_planted_leaks():
    planted = HERE / "planted.py"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "references", "-v", str(planted)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        cwd=HERE.parent.parent,
        env=support.child_environment(),
    )
    names = re.findall(r"^def (test_\w+)", planted.read_text(), re.MULTILINE)
    leaking = set(
        re.findall(
            r"^  \S+::(test_\w+): (?:references|blocks|descriptors)", done.stdout, re.MULTILINE
        )
    )
    assert leaking == {name for name in names if name.startswith("test_leaks")}, done.stdout
    failed = set(re.findall(r"^FAILED \S+::(test_\w+)", done.stdout, re.MULTILINE))
    assert failed - leaking == {"test_fails_when_it_is_run_again"}, done.stdout
    assert "1 more do all in processes of their own" in done.stdout
    # What grew is what was planted.
    assert re.search(r"test_leaks_a_block: blocks \[1, 1, 1\]$", done.stdout, re.MULTILINE), (
        done.stdout
    )
    assert re.search(
        r"test_leaks_a_descriptor: descriptors \[1, 1, 1\]$", done.stdout, re.MULTILINE
    ), done.stdout
    assert re.search(
        r"test_leaks_a_reference: references \[1, 1, 1\]$", done.stdout, re.MULTILINE
    ), done.stdout
