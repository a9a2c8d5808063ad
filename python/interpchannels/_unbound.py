"""What becomes of queued items when the interpreter that sent them ends."""

from __future__ import annotations

from interpchannels import _interpchannels


class UnboundItems:
    """One of KEEP, UNBOUND, UNBOUND_ERROR and UNBOUND_REMOVE; each is itself in every interpreter."""

    __slots__ = ("_name", "_op")

    def __init__(self, name: str, op: int) -> None:
        self._name = name
        self._op = op

    def __repr__(self) -> str:
        return f"interpchannels.{self._name}"

    def __reduce__(self) -> str:
        return self._name


# The ops are CPython's; 0 is ours.
KEEP = UnboundItems("KEEP", 0)
UNBOUND_REMOVE = UnboundItems("UNBOUND_REMOVE", 1)
UNBOUND_ERROR = UnboundItems("UNBOUND_ERROR", 2)
UNBOUND = UnboundItems("UNBOUND", 3)

# UnboundItems pickles by the name that the package has for it.
UnboundItems.__module__ = "interpchannels"

_interpchannels._set_unbound(UNBOUND)
