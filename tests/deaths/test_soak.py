"""The soak for some seconds; and what it is to find, it finds."""

import subprocess
import sys

import pytest

import support
from deaths import soak


def run(seconds, **environment):
    """Soak in a process of its own; return its status and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "deaths", "soak", "--seconds", str(seconds)],
        cwd=support.TESTS,
        env=support.child_environment(**support.PLAIN_MALLOC, **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="backslashreplace",
        timeout=5 * support.HANG,
    )
    return done.returncode, done.stdout


def test_it_finds_nothing():
    status, said = run(4)
    assert status == 0, said
    assert "0 faults" in said and "seed" in said


@pytest.mark.parametrize("planted, what", [("drop", "vanished"), ("double", "received twice")])
def test_a_planted_fault_is_found(planted, what):
    status, said = run(30, INTERPCHANNELS_DEATHS_PLANT=planted)
    assert status == 1, said
    assert what in said, said


def test_a_hang_is_found():
    """A thread that does not come round, which here is one of the rounds' that sleeps."""
    status, said = run(60, INTERPCHANNELS_DEATHS_PLANT="hang", INTERPCHANNELS_TEST_HANG="2")
    assert status == 1, said
    assert "hangs: runner" in said and "most recent call first" in said, said


def test_growing_memory_is_found():
    def memory(grows, leaves, goes_up_and_down=40):
        return [
            (10.0 * n, 100.0 + grows * n + (n * 7 % 3) * goes_up_and_down / 2, leaves * n)
            for n in range(30)
        ]

    assert soak.faults_of_memory(memory(4.0, 0.0))
    assert soak.faults_of_memory(memory(20.0, 10.0))
    assert not soak.faults_of_memory(memory(0.0, 0.0))
    # As much as CPython's interpreters leave behind, and a little more.
    assert not soak.faults_of_memory(memory(12.0, 10.0))
    assert not soak.faults_of_memory(memory(4.0, 0.0)[:6])  # too short to tell
