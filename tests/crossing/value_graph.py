"""Compare two values as graphs: the same types, contents, sharing and cycles.

Two values are the same where one can be laid over the other: each object of the one stands for exactly one object of
the other. That is asked of all objects whose identity pickle keeps: containers, str, bytes, bytearray and instances.
Empty and one-character immutables are left out, for Python itself shares those as it likes. So does a
receiver with equal keys of dicts: they may be one there, and what was one stays one. The walk is iterative.
"""

from __future__ import annotations

import collections
import copyreg
import struct
import types
from typing import Any

_SCALARS = (type(None), bool, int, float, complex, type(...), type(NotImplemented))
_GLOBALS = (type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType)
_CONTAINERS = (list, dict, set, frozenset, bytearray)


def difference(expected: Any, actual: Any) -> str | None:
    """Where and how two values differ first, or None where they are the same."""
    forward: dict[int, int] = {}
    backward: dict[int, int] = {}
    keys: set[int] = set()  # str that were met as keys of dicts
    found_keys: set[int] = set()
    alive: list[Any] = []  # what the walk itself makes, so that no id is used twice
    todo: list[tuple[Any, Any, Any]] = [(expected, actual, None)]
    while todo:
        a, b, path = todo.pop()
        if type(a) is not type(b):
            return f"{_show(path)}: {type(a).__name__} became {type(b).__name__}"
        if isinstance(a, _GLOBALS):
            if a is not b:
                return f"{_show(path)}: {a!r} became {b!r}"
            continue
        if _has_identity(a):
            known = id(a) in forward or id(b) in backward
            if type(a) is str and path and path[1].startswith(".keys["):
                keys.add(id(a))
                found_keys.add(id(b))
            if type(a) is str and id(a) in keys and id(b) in found_keys and a == b:
                backward.setdefault(id(b), id(a))
                if forward.setdefault(id(a), id(b)) == id(b):
                    continue
            if known:
                if forward.get(id(a)) != id(b) or backward.get(id(b)) != id(a):
                    return f"{_show(path)}: shared differently ({type(a).__name__})"
                continue
            forward[id(a)] = id(b)
            backward[id(b)] = id(a)
        elif _has_identity(b):
            return f"{_show(path)}: {a!r} became {b!r}"
        problem = _compare(a, b, path, todo, alive)
        if problem is not None:
            return f"{_show(path)}: {problem}"
    return None


def assert_same(expected: Any, actual: Any) -> None:
    """AssertionError that tells the first difference."""
    found = difference(expected, actual)
    assert found is None, found


def _has_identity(value: Any) -> bool:
    kind = type(value)
    if kind in (str, bytes, tuple):
        return len(value) > (0 if kind is tuple else 1)
    return kind in _CONTAINERS or not isinstance(value, (*_SCALARS, slice, range, memoryview))


def _compare(a: Any, b: Any, path: Any, todo: list[Any], alive: list[Any]) -> str | None:
    kind = type(a)
    if kind in (float, complex):
        return None if _bits(a) == _bits(b) else f"{a!r} became {b!r}"
    if kind in (*_SCALARS, str, bytes, bytearray):
        return None if a == b else f"{_clip(a)} became {_clip(b)}"
    if kind in (list, tuple):
        if len(a) != len(b):
            return f"{len(a)} elements became {len(b)}"
        todo.extend((x, y, (path, f"[{i}]")) for i, (x, y) in enumerate(zip(a, b, strict=True)))
    elif kind is dict:
        if len(a) != len(b):
            return f"{len(a)} keys became {len(b)}"
        pairs = zip(a.items(), b.items(), strict=True)
        for i, ((key, x), (other, y)) in enumerate(pairs):
            todo.append((x, y, (path, f".values[{i}]")))
            todo.append((key, other, (path, f".keys[{i}]")))
    elif kind in (set, frozenset):
        return _compare_sets(a, b, path, todo)
    elif kind in (slice, range):
        for name in ("start", "stop", "step"):
            todo.append((getattr(a, name), getattr(b, name), (path, f".{name}")))
    elif kind is memoryview:
        for name in ("format", "itemsize", "ndim", "shape", "readonly", "nbytes"):
            if getattr(a, name) != getattr(b, name):
                return f"{name} {getattr(a, name)!r} became {getattr(b, name)!r}"
        if a.tobytes() != b.tobytes():
            return "other contents"
    else:
        return _compare_instances(a, b, path, todo, alive)
    return None


def _compare_sets(a: Any, b: Any, path: Any, todo: list[Any]) -> str | None:
    ours, theirs = (collections.defaultdict(list) for _ in range(2))
    for element in a:
        ours[_key(element)].append(element)
    for element in b:
        theirs[_key(element)].append(element)
    if {k: len(v) for k, v in ours.items()} != {k: len(v) for k, v in theirs.items()}:
        return f"{_clip(a)} became {_clip(b)}"
    for key, elements in ours.items():
        for x, y in zip(elements, theirs[key], strict=True):
            todo.append((x, y, (path, f"{{{_clip(x)}}}")))
    return None


def _compare_instances(a: Any, b: Any, path: Any, todo: list[Any], alive: list[Any]) -> str | None:
    """By what pickle would take of them; what __reduce_ex__ makes on the fly has no identity of its own."""
    ours, theirs = _parts(a), _parts(b)
    alive += [ours, theirs]
    if ours.keys() != theirs.keys():
        return f"parts {sorted(ours)} became {sorted(theirs)}"
    for name, value in ours.items():
        todo.append((value, theirs[name], (path, f".{name}")))
    return None


def _parts(value: Any) -> dict[str, Any]:
    reduce = copyreg.dispatch_table.get(type(value))
    reduced = reduce(value) if reduce else value.__reduce_ex__(5)
    if isinstance(reduced, str):
        return {"global": value.__class__}
    function, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
    parts = {"function": function}
    parts |= {f"argument {i}": part for i, part in enumerate(arguments)}
    parts |= {f"item {i}": part for i, part in enumerate(items or ())}
    for i, (key, part) in enumerate(pairs or ()):
        parts |= {f"key {i}": key, f"value {i}": part}
    states = state if isinstance(state, tuple) else (state,)
    for i, one in enumerate(states):
        if isinstance(one, dict):  # attribute names: pickle interns them, so they have no identity
            parts |= {f"attribute {name}": part for name, part in one.items()}
        else:
            parts[f"state {i}"] = one
    return parts


def _key(element: Any) -> Any:
    """Equal for elements that are the same in type and content, whatever == says (1 and True, NaN and NaN)."""
    kind = type(element)
    if kind in (float, complex):
        return kind, _bits(element)
    if kind is tuple:
        return kind, tuple(map(_key, element))
    if kind is frozenset:
        return kind, frozenset(collections.Counter(map(_key, element)).items())
    if kind is slice:
        return kind, _key((element.start, element.stop, element.step))
    if kind is range:
        return kind, (element.start, element.stop, element.step)
    if kind in (*_SCALARS, str, bytes):
        return kind, element
    return kind, repr(element)


def _bits(value: float | complex) -> bytes:
    if isinstance(value, complex):
        return struct.pack("<dd", value.real, value.imag)
    return struct.pack("<d", value)


def _clip(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _show(path: Any) -> str:
    steps = []
    while path is not None:
        path, step = path
        steps.append(step)
    shown = steps[::-1]
    if len(shown) > 12:
        shown = [*shown[:6], f"...({len(shown) - 12} more)...", *shown[-6:]]
    return "item" + "".join(shown)
