"""How a function gets into another interpreter.

One that can be imported goes by its module and name. A function of `__main__` cannot, since that is another
module over there: without a closure it goes by its code, and what it refers to in its module goes with it: modules
and what can be imported by name, functions of `__main__` likewise, and values that cross.

Nothing of `__main__` is run again over there, unlike in `multiprocessing` and `Interpreter.call`, which import
the script anew: so a script needs no guard, and a prompt and a notebook have functions like any other. The price
is that classes of `__main__` do not get there.

A Worker imports this module too, so it imports little; what is seldom needed is imported where it is.
"""

from __future__ import annotations

import importlib
import marshal
import sys
import types

from interpchannels import _interpchannels

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

_MAIN = "__main__"
_ASYNC = 0x80 | 0x200  # inspect.CO_COROUTINE and CO_ASYNC_GENERATOR


def pack_function(fn: Callable[..., Any]) -> tuple[Any, ...]:
    """Return what `unpack_function` makes a function of: native values, and what pickle takes.

    ValueError where that cannot be.
    """
    from functools import partial

    code = getattr(fn, "__code__", None)
    if isinstance(code, types.CodeType) and code.co_flags & _ASYNC:
        raise ValueError(
            f"{fn.__qualname__} is an async function, and a coroutine cannot leave the interpreter that "
            "runs it: call asyncio.run() in a function that is not"
        )
    if type(fn) is partial:
        return ("partial", pack_function(fn.func), fn.args, fn.keywords)
    if isinstance(fn, types.FunctionType) and fn.__module__ == _MAIN:
        packing = _Packing(fn)
        return ("code", packing.functions, packing.names)
    name = _importable_name(fn)
    if name:
        return ("name", *name)
    if isinstance(fn, types.FunctionType):
        raise ValueError(
            f"{fn.__module__}.{fn.__qualname__} cannot be imported by another interpreter: "
            "define it at the top level of a module"
        )
    owner = fn if isinstance(fn, type) else type(getattr(fn, "__self__", fn))
    for of_main in (fn, owner):
        if getattr(of_main, "__module__", None) == _MAIN:
            raise ValueError(_of_main(of_main, "cannot run in another interpreter"))
    return ("object", fn)  # a bound method, an instance: as it crosses


def unpack_function(packed: tuple[Any, ...]) -> Callable[..., Any]:
    """Make the function, in the interpreter that is to run it."""
    kind, *rest = packed
    if kind == "partial":
        from functools import partial

        fn, args, keywords = rest
        return partial(unpack_function(fn), *args, **keywords)
    if kind == "code":
        return _unpack_code(*rest)
    return _unpack(packed, [])  # type: ignore[no-any-return]


def find_culprit(packed: tuple[Any, ...]) -> str | None:
    """Return the name of a global, or the part of a function, that cannot cross; None where all do."""
    if packed[0] == "partial":
        return find_culprit(packed[1])
    if packed[0] != "code":
        return None
    functions, names = packed[1:]
    parts = [(f"its global {name}", part) for name, part in names.items()]
    for _, name, defaults, kwdefaults in functions:
        parts += [(f"a default of {name}", part) for part in [*defaults, *kwdefaults.values()]]
    for what, part in parts:
        if part[0] == "value":
            try:
                _interpchannels._pack(part[1])
            except Exception:
                return what
    return None


class _Packing:
    """A function of `__main__` with all that it refers to there.

    functions: (code, name, defaults, kwdefaults) each, the function itself first; names: the globals. A part is
    ("module", its name, submodules), ("name", module, name), ("function", number) or ("value", object).
    """

    def __init__(self, fn: types.FunctionType) -> None:
        self.functions: list[tuple[Any, ...]] = []
        self.names: dict[str, tuple[Any, ...]] = {}
        self._globals = fn.__globals__
        self._numbers: dict[types.FunctionType, int] = {}
        self._add(fn)

    def _add(self, fn: types.FunctionType) -> int:
        if fn in self._numbers:
            return self._numbers[fn]
        if fn.__closure__:
            variables = ", ".join(fn.__code__.co_freevars)
            raise ValueError(
                f"{fn.__qualname__} uses {variables} of an enclosing function, which "
                "cannot follow it into another interpreter: pass it as an argument"
            )
        if fn.__globals__ is not self._globals:
            raise ValueError(
                f"{fn.__qualname__} has other globals than the function that uses it: put both into a module"
            )
        number = self._numbers[fn] = len(self.functions)
        self.functions.append(())  # its place, for what refers to it meanwhile
        self.functions[number] = (
            marshal.dumps(fn.__code__),
            fn.__name__,
            [self._part(fn, value) for value in fn.__defaults__ or ()],
            {key: self._part(fn, value) for key, value in (fn.__kwdefaults__ or {}).items()},
        )
        for path in _global_paths(fn.__code__):
            self._add_global(fn, *path)
        return number

    def _add_global(self, fn: types.FunctionType, name: str, *attributes: str) -> None:
        if name not in self._globals:
            return  # a builtin, or a NameError over there as here
        if name not in self.names:
            self.names[name] = ()  # as above
            self.names[name] = self._part(fn, self._globals[name])
        part = self.names[name]
        if part and part[0] == "module":
            part[2].extend(_submodules(part[1], attributes))

    def _part(self, fn: types.FunctionType, value: Any) -> tuple[Any, ...]:
        if isinstance(value, types.ModuleType):
            if value.__name__ == _MAIN:
                raise ValueError(
                    f"{fn.__qualname__} uses the module __main__, which is another one in each interpreter"
                )
            return ("module", value.__name__, [])
        if isinstance(value, types.FunctionType) and value.__module__ == _MAIN:
            return ("function", self._add(value))
        name = _importable_name(value)
        if name:
            return ("name", *name)
        if isinstance(value, type) and value.__module__ == _MAIN:
            raise ValueError(
                f"{fn.__qualname__} uses {_of_main(value, 'cannot be found by another interpreter')}"
            )
        return ("value", value)


def _unpack_code(
    functions: list[tuple[Any, ...]], names: dict[str, tuple[Any, ...]]
) -> Callable[..., Any]:
    namespace = sys.modules[_MAIN].__dict__
    made = [
        types.FunctionType(marshal.loads(code), namespace, name) for code, name, _, _ in functions
    ]
    for fn, (_, _, defaults, kwdefaults) in zip(made, functions, strict=True):
        fn.__defaults__ = tuple(_unpack(part, made) for part in defaults) or None
        if kwdefaults:
            fn.__kwdefaults__ = {key: _unpack(part, made) for key, part in kwdefaults.items()}
    for name, part in names.items():
        namespace[name] = _unpack(part, made)
    return made[0]


def _unpack(part: tuple[Any, ...], functions: list[types.FunctionType]) -> Any:
    kind, *rest = part
    if kind == "function":
        return functions[rest[0]]
    if kind == "module":
        for submodule in rest[1]:
            importlib.import_module(submodule)
        return importlib.import_module(rest[0])
    if kind == "name":
        module, name = rest
        importlib.import_module(module)
        found = _lookup(module, name)
        if found is None:
            raise ImportError(f"cannot find {name} in {module}")
        return found
    return rest[0]


def _importable_name(value: Any) -> tuple[str, str] | None:
    """(module, qualified name) of a function or class that others find by them."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module == _MAIN:
        return None
    return (module, name) if _lookup(module, name) is value else None


def _lookup(module: str, qualname: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


def _of_main(value: Any, problem: str) -> str:
    name = getattr(value, "__qualname__", None) or repr(value)
    kind = "class" if isinstance(value, type) else type(value).__qualname__
    return f"the {kind} {name} of __main__, which {problem}: put it into a module"


def _global_paths(code: types.CodeType) -> Iterator[list[str]]:
    """Each global that the code reads, followed by the attributes that it reads of it at once."""
    from dis import get_instructions

    path: list[str] = []
    for instruction in get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"):
            if path:
                yield path
            path = [str(instruction.argval)]
        elif path and instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            path.append(str(instruction.argval))
        elif path and instruction.opname != "PUSH_NULL":
            yield path
            path = []
    if path:
        yield path
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_paths(constant)


def _submodules(module: str, attributes: Iterable[str]) -> Iterator[str]:
    """Those of a module's attributes, and of theirs, that are modules under it: xml.etree.ElementTree."""
    for attribute in attributes:
        module = f"{module}.{attribute}"
        if module not in sys.modules:
            return
        yield module
