"""What the tests of the drop-in share: the module under test as `c`, and short forms of its functions.

The scripts that run in other processes and interpreters import it as well, so that it is light.
"""

from __future__ import annotations

import sys
from typing import Any

from support import IS_OURS, MODULE, load_module

c = load_module()

# What becomes of an item when its interpreter ends.
REMOVE, ERROR, REPLACE = 1, 2, 3
UNBOUND_OPS = (REMOVE, ERROR, REPLACE)

# 3.14 brought the fallback: what is done with an object that is not shareable by itself.
HAS_FALLBACK = sys.version_info >= (3, 14)
NO_FALLBACK, PICKLE = 0, 1

INFO_FIELDS = (
    "open",
    "closing",
    "closed",
    "count",
    "num_interp_send",
    "num_interp_send_released",
    "num_interp_recv",
    "num_interp_recv_released",
    "num_interp_both",
    "num_interp_both_released",
    "num_interp_both_send_released",
    "num_interp_both_recv_released",
    "send_associated",
    "send_released",
    "recv_associated",
    "recv_released",
)

# The start of a script in another process or interpreter.
PRELUDE = "from dropin import *\nfrom support import *\n"


# CPython's own list_all reads freed memory after a close().
LIST_ALL_CRASHES = not IS_OURS and sys.version_info < (3, 14)


def cpython_fault(what: str, *, fixed: tuple[int, int] | None = None, sure: bool = True) -> Any:
    """Marks a test of a fault of CPython's own module; `what` says what that was seen to do.

    `fixed` is the version that no longer has it; `sure` is False for a fault that only shows at times.
    """
    import pytest

    has_it = not IS_OURS and (fixed is None or sys.version_info < fixed)
    return pytest.mark.xfail(has_it, reason=f"{MODULE}: {what}", strict=sure)


def create(unboundop: int = REPLACE) -> Any:
    return c.create(unboundop)


def put(cid: Any, obj: Any = b"spam", unboundop: int = REPLACE) -> None:
    """Queue an object without waiting."""
    c.send(cid, obj, unboundop, blocking=False)


def get(cid: Any) -> Any:
    """Take an object that has to be there, and bound."""
    obj, unboundop = c.recv(cid)
    assert unboundop is None, unboundop
    return obj


def info(cid: Any) -> dict[str, Any]:
    """The fields of get_info() that are neither False nor 0."""
    found = c.get_info(cid)
    return {name: getattr(found, name) for name in INFO_FIELDS if getattr(found, name)}


def listed() -> list[int]:
    """The ids of all channels, in ascending order."""
    return sorted(int(cid) for cid, *_ in c.list_all())


def associated(cid: Any, *, send: bool) -> list[int]:
    return sorted(int(interp) for interp in c.list_interpreters(cid, send=send))
