"""Each of the values sent, and received, as cases for sweep.py."""

from __future__ import annotations

from typing import Any

import sweep
from failing_allocations import OURS
from operations import FUNCTIONS_ARE_SAFE, check_works
from values import VALUES

import interpchannels

CASES: dict[str, sweep.Case] = {}

# The numbers of classes are kept for as long as the process lives.
LEAVES = {"new_class"}

# To look at a dataclass calls dataclasses.fields(), which has a generator expression.
MAKES_FUNCTIONS = {"new_dataclass", "slotted"}


def send_case(name: str) -> sweep.Prepare:
    make, same = VALUES[name]

    def prepare() -> tuple[sweep.Operation, sweep.Check]:
        recv, send = interpchannels.create()
        value = make()

        def check(result: Any, error: BaseException | None) -> None:
            assert len(recv) == (error is None)
            if error is not None:
                send.send(value)  # what it moved has come back
            assert same(recv.recv())
            check_works(recv, send)

        return (lambda: send.send(value)), check

    return prepare


def recv_case(name: str) -> sweep.Prepare:
    make, same = VALUES[name]

    def prepare() -> tuple[sweep.Operation, sweep.Check]:
        recv, send = interpchannels.create()
        send.send(make())

        def check(result: Any, error: BaseException | None) -> None:
            if error is None:
                assert same(result)
                assert len(recv) == 0
            check_works(recv, send)

        return recv.recv, check

    return prepare


for _name in VALUES:
    _options: dict[str, Any] = {"leaves": _name in LEAVES}
    if _name in MAKES_FUNCTIONS and not FUNCTIONS_ARE_SAFE:
        _options["what"] = (OURS,)
    CASES[f"send_{_name}"] = sweep.Case(send_case(_name), **_options)
    CASES[f"recv_{_name}"] = sweep.Case(recv_case(_name), **_options)
