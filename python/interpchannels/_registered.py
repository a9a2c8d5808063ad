"""How registrations get into the interpreters that `spawn` makes: their functions go as `spawn`'s do."""

from __future__ import annotations

from interpchannels import _interpchannels
from interpchannels._functions import find_culprit, pack_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def pack_registrations() -> dict[tuple[str, str], tuple[Any, ...]]:
    """Return what `_interpchannels._inherit` takes in the other interpreter.

    ValueError that names the class and the function, where one cannot get there. A class that nobody else can import
    is left out then, since its functions can hardly do without it.
    """
    packed: dict[tuple[str, str], tuple[Any, ...]] = {}
    for name, (_, to_shareable, from_shareable) in _interpchannels._registrations().items():
        try:
            packed[name] = (
                None,  # the class is looked up there when it is first met
                _pack(name, "to_shareable", to_shareable),
                _pack(name, "from_shareable", from_shareable),
            )
        except ValueError:
            if name[0] != "__main__" and "<locals>" not in name[1]:
                raise
    return packed


def _pack(name: tuple[str, str], role: str, fn: Callable[..., Any] | tuple[Any, ...]) -> Any:
    if isinstance(fn, tuple):
        return fn  # it came with spawn itself, and nobody has called it yet
    try:
        packed = pack_function(fn)
        culprit = find_culprit(packed)
    except ValueError as error:
        raise ValueError(f"{_what(name, role)}: {error}") from None
    if culprit:
        raise ValueError(f"{_what(name, role)}: {culprit} cannot cross")
    return packed


def _what(name: tuple[str, str], role: str) -> str:
    return f"{role} that is registered for {'.'.join(name)} cannot go to the new interpreter"
