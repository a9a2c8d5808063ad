"""How a function gets into another interpreter.

One that can be imported goes by its module and name. A function of `__main__` cannot, since that is another
module over there: without a closure it goes by its code, with what it refers to in its module: modules by
name, functions likewise, and values that cross.
"""

from __future__ import annotations

import dis
import importlib
import marshal
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

# The function itself among the globals that it needs, under a name that no code can have.
_ENTRY = "interpchannels entry"


def pack_function(fn: Callable[..., Any]) -> tuple[Any, ...]:
    """Return what `unpack_function` makes a function of: native values, or `fn` itself for pickle."""
    if isinstance(fn, types.FunctionType) and fn.__module__ == "__main__":
        seen: dict[str, Any] = {}
        _pack_code(_ENTRY, fn, seen)
        return ("code", seen)
    module, name = getattr(fn, "__module__", None), getattr(fn, "__qualname__", None)
    if isinstance(module, str) and isinstance(name, str) and _lookup(module, name) is fn:
        return ("name", module, name)
    if isinstance(fn, types.FunctionType):
        raise ValueError(
            f"{module}.{name} cannot be imported by another interpreter: "
            "define it at the top level of a module"
        )
    return ("object", fn)  # a partial, a bound method, an instance: as pickle does it


def unpack_function(packed: tuple[Any, ...]) -> Callable[..., Any]:
    """Make the function, in the interpreter that is to run it."""
    kind = packed[0]
    if kind == "name":
        module, name = packed[1:]
        importlib.import_module(module)
        fn = _lookup(module, name)
        if fn is None:
            raise ImportError(f"cannot find {name} in {module}")
        return fn  # type: ignore[no-any-return]
    if kind == "object":
        return packed[1]  # type: ignore[no-any-return]
    parts = packed[1]
    namespace = sys.modules["__main__"].__dict__
    for key, part in parts.items():
        if part[0] == "module":
            namespace[key] = importlib.import_module(part[1])
        elif part[0] == "value":
            namespace[key] = part[1]
        else:
            _, code, name, defaults, kwdefaults = part
            made = types.FunctionType(marshal.loads(code), namespace, name, defaults)
            made.__kwdefaults__ = kwdefaults
            namespace[key] = made
    return namespace.pop(_ENTRY)  # type: ignore[no-any-return]


def _lookup(module: str, qualname: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


def _pack_code(key: str, fn: types.FunctionType, seen: dict[str, Any]) -> None:
    if fn.__closure__:
        raise ValueError(
            f"{fn.__name__} uses {', '.join(fn.__code__.co_freevars)} of an enclosing function, which "
            "cannot follow it into another interpreter: pass it as an argument"
        )
    seen[key] = (
        "code",
        marshal.dumps(fn.__code__),
        fn.__name__,
        fn.__defaults__,
        fn.__kwdefaults__,
    )
    for name in _global_names(fn.__code__):
        if name in seen or name not in fn.__globals__:
            continue  # a builtin, or a NameError over there as here
        value = fn.__globals__[name]
        if isinstance(value, types.ModuleType):
            seen[name] = ("module", value.__name__)
        elif isinstance(value, types.FunctionType) and value.__module__ == "__main__":
            _pack_code(name, value, seen)
        else:
            seen[name] = ("value", value)


def _global_names(code: types.CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)
