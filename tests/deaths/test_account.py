"""The account itself: it finds each fault that it is there to find, and nothing where there is none."""

import pytest

from deaths.account import (
    CLOSED,
    ERROR,
    GOT,
    KEPT,
    REFUSED,
    SENT,
    TRY,
    UNBOUND,
    WRONG,
    Record,
    Rules,
    faults,
    number_of,
)

RECEIVER = 9
KEEP = Rules()
DROPS = Rules(may_drop=True)
MORTAL = Rules(mortal=frozenset({0}))


def record(kind, count, sender=0):
    who = RECEIVER if kind in (GOT, WRONG, UNBOUND) else sender
    return Record(kind, who, number_of(1, sender, count))


def of(text):
    """Records from a text such as `T0 S0 G0`: a kind and a count; small letters are those of sender 1."""
    return [
        record(word[:1].upper().encode(), int(word[1:]), int(word[0].islower()))
        for word in text.split()
    ]


@pytest.mark.parametrize(
    "text, rules",
    [
        ("", KEEP),
        ("T0 S0 G0", KEEP),
        ("T0 G0 S0", KEEP),  # the receiver may be quicker with its pen
        ("T0 R0 T1 S1 G1", KEEP),
        ("T0 T1 T2 S0 S1 S2 G0 G1 G2", KEEP),
        ("T0 S0 T1 S1 G0", DROPS),
        ("T0 C0", DROPS),
        ("T0 C0", MORTAL),
        ("T0 S0 t0 s0 g0 G0", KEEP),
        ("T0 S0 U0", Rules(unbound="UNBOUND", mortal=frozenset({0}))),
        ("T0 S0", Rules(unbound="UNBOUND_REMOVE", mortal=frozenset({0}))),
        ("T0 S0 T1 S1 G1 G0", Rules(in_order=False)),
        ("T0 S0 T1 C1 G0", Rules(cut_off=True)),
    ],
)
def test_a_right_account(text, rules):
    assert faults(of(text), rules) == []


@pytest.mark.parametrize(
    "text, rules, what",
    [
        ("T0 S0", KEEP, "vanished"),
        ("T0 S0 T1 S1 G1", DROPS, "vanished in the middle"),
        ("T0 S0 G0 G0", DROPS, "received twice"),
        ("T0 T0 S0 G0", KEEP, "tried twice"),
        ("T0 R0 G0", DROPS, "its send was refused"),
        ("T0 C0 G0", DROPS, "its send was refused"),
        ("G0", DROPS, "nobody sent it"),
        ("T0", DROPS, "cut off"),
        ("T0", Rules(cut_off=True), "cut off"),
        ("T0 S0 R0 G0", KEEP, "both sent and refused"),
        ("T0 C0", KEEP, "refused as closed, and it was open"),
        ("T0 S0 T1 S1 G1 G0", KEEP, "out of order"),
        ("T0 S0 U0", KEEP, "unbound items where items are kept"),
        ("T0 S0 T1 S1 U0", Rules(unbound="UNBOUND", mortal=frozenset({0})), "2 items became 1"),
        ("T0 S0", Rules(unbound="UNBOUND_REMOVE"), "its sender lives"),
    ],
)
def test_a_fault(text, rules, what):
    assert any(what in fault for fault in faults(of(text), rules))


@pytest.mark.parametrize("kind", [WRONG, KEPT, ERROR])
def test_what_is_always_a_fault(kind):
    for rules in (KEEP, DROPS, MORTAL, Rules(cut_off=True)):
        assert faults([*of("T0 S0 G0"), record(kind, 0)], rules)


def test_kinds_differ():
    kinds = [TRY, SENT, CLOSED, REFUSED, GOT, WRONG, UNBOUND, KEPT, ERROR]
    assert len(set(kinds)) == len(kinds)
