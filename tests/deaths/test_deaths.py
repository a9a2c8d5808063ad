"""Short forms of `make deaths`. A failure names the seed and the round, and the command that has it again."""

import os
import random

import pytest

from deaths import batches, exits, forks, rounds
from support import ROUNDS

SEED = int(os.environ.get("INTERPCHANNELS_DEATHS_SEED", random.SystemRandom().randrange(10**6)))


def quiet(line):
    pass


def report(sums):
    return "\n".join(sums["faults"])


def test_interpreters_end_in_the_middle_of_everything():
    count = 18 * ROUNDS
    sums = batches.run(SEED, count, say=quiet)
    assert not sums["faults"], report(sums)
    assert sums["rounds"] == count
    assert sums["items"] > 10 * count
    # Ends were met, and not all of them on the same side of what they were to interrupt.
    for operation in rounds.OPERATIONS:
        assert any(moment.startswith(operation) for moment in sums["deaths"])
    assert sum(n for moment, n in sums["deaths"].items() if moment.endswith(" during")) > count / 10


def test_the_process_ends_in_the_middle():
    sums = exits.run(SEED, 5 * ROUNDS, say=quiet)
    assert not sums["faults"], report(sums)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork() here")
def test_forks_in_the_middle():
    sums = forks.run(SEED, 20 * ROUNDS, say=quiet)
    assert not sums["faults"], report(sums)


@pytest.mark.parametrize(
    "planted, what",
    [
        ("drop", "vanished"),
        ("double", "received twice"),
        ("refuse", "its send was refused"),
    ],
)
def test_a_planted_fault_is_found(monkeypatch, planted, what):
    monkeypatch.setenv("INTERPCHANNELS_DEATHS_PLANT", planted)
    sums = batches.run(SEED, 12, say=quiet)
    assert any(what in fault for fault in sums["faults"]), report(sums)
    assert all("ended its process" not in fault for fault in sums["faults"]), report(sums)
