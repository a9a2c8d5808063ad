"""Classes whose instances cross natively, and such as look like them and have to go to pickle."""

import collections
import copyreg
import dataclasses
import enum
import functools
from typing import Any, ClassVar, NamedTuple

# Natively -------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Plain:
    a: Any
    b: Any = None
    c: str = "default"


@dataclasses.dataclass(slots=True)
class Slotted:
    a: Any
    b: Any = None


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: Any
    b: Any = None


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenSlotted:
    a: Any
    b: Any = None


@dataclasses.dataclass(frozen=True, slots=True, weakref_slot=True)
class WithWeakrefSlot:
    a: Any


@dataclasses.dataclass
class Child(Plain):
    d: Any = 4


@dataclasses.dataclass(slots=True)
class SlottedChild(Slotted):
    d: Any = 4


@dataclasses.dataclass
class DictOverSlots(Slotted):
    """Slots of the base, a __dict__ of its own."""

    d: Any = 4


@dataclasses.dataclass(frozen=True)
class FrozenChildOfSlotted(FrozenSlotted):
    """It inherits the base's __getstate__, which takes the fields of the whole; one of them is in __dict__."""

    d: Any = 4


@dataclasses.dataclass
class WithInitVar:
    a: Any
    seed: dataclasses.InitVar[int] = 3
    shared: ClassVar[list[int]] = [1]
    made: Any = dataclasses.field(init=False)
    hidden: Any = dataclasses.field(default=None, repr=False, compare=False)

    def __post_init__(self, seed: int) -> None:
        self.made = seed * 2
        self.extra = "not a field"


@dataclasses.dataclass
class Unset:
    a: Any
    never: Any = dataclasses.field(init=False)


@dataclasses.dataclass(slots=True)
class UnsetSlot:
    a: Any
    never: Any = dataclasses.field(init=False)


@dataclasses.dataclass
class Box[T]:
    content: T


@dataclasses.dataclass
class Cached:
    a: int

    @functools.cached_property
    def double(self) -> int:
        return self.a * 2


class Bare:
    """No dataclass at all."""

    __hash__ = None  # type: ignore[assignment]  # a set of them could be laid over another in many ways

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


class Slots:
    __slots__ = ("__private", "x", "y")

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y, self.__private = x, y, "mine"


class Outer:
    @dataclasses.dataclass
    class Inner:
        a: Any


class WithProperty:
    """What lies in __dict__ under the property's name is not the property's."""

    def __init__(self, x: Any) -> None:
        self.__dict__["x"] = x

    @property
    def x(self) -> str:
        return "the property's"


@dataclasses.dataclass
class FieldBehindProperty:
    a: Any
    _x: Any = None


FieldBehindProperty.b = property(lambda self: self._x)  # type: ignore[attr-defined]


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"
    CRIMSON = "red"  # noqa: PIE796  # an alias
    TUPLE = (1, ("two", b"three"))
    UNHASHABLE = [1, 2]  # noqa: RUF012


class Number(enum.IntEnum):
    ONE = 1
    BIG = 2**70


class Text(enum.StrEnum):
    A = enum.auto()


class Permission(enum.Flag):
    R = 4
    W = 2
    X = 1


class IntPermission(enum.IntFlag):
    R = 4
    W = 2


class Planet(enum.Enum):
    EARTH = (5.9, 6.3)

    def __init__(self, mass: float, radius: float) -> None:
        self.mass, self.radius = mass, radius


class Point(NamedTuple):
    x: Any
    y: Any = 0


Old = collections.namedtuple("Old", "a b c", defaults=[3])  # type: ignore[name-match]
Old.__qualname__ = Old.__name__
Nothing = collections.namedtuple("Nothing", "")


class NamedChild(collections.namedtuple("_NamedChild", "left right")):
    """Its instances have a __dict__."""

    def total(self) -> Any:
        return self.left + self.right


# To pickle ------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class WithReduce:
    a: Any

    def __reduce__(self) -> Any:
        return WithReduce, (("reduced", self.a),)


@dataclasses.dataclass
class WithReduceEx:
    a: Any

    def __reduce_ex__(self, protocol: Any) -> Any:
        return WithReduceEx, (("reduced", protocol),)


@dataclasses.dataclass
class WithGetstate:
    a: Any

    def __getstate__(self) -> Any:
        return {"a": ("state", self.a)}


@dataclasses.dataclass
class WithSetstate:
    a: Any

    def __setstate__(self, state: Any) -> None:
        self.a = ("set", state["a"])


@dataclasses.dataclass
class WithNewArguments:
    a: Any

    def __new__(cls, *args: Any) -> Any:
        made = super().__new__(cls)
        made.args = args
        return made

    def __getnewargs__(self) -> Any:
        return ("new",)


@dataclasses.dataclass
class WithNew:
    a: Any

    def __new__(cls, *args: Any) -> Any:
        made = super().__new__(cls)
        made.made_by_new = True
        return made


@dataclasses.dataclass
class InCopyreg:
    a: Any


def _reduce_in_copyreg(value: InCopyreg) -> Any:
    return InCopyreg, (("copyreg", value.a),)


copyreg.pickle(InCopyreg, _reduce_in_copyreg)


@dataclasses.dataclass
class WithGetattr:
    a: Any

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


@dataclasses.dataclass
class WithGetattribute:
    a: Any

    def __getattribute__(self, name: str) -> Any:
        return super().__getattribute__(name)


class SlotsWithSetattr:
    __slots__ = ("x",)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, ("set", value))


class EnumByName(enum.Enum):
    A = 1

    __reduce_ex__ = enum.pickle_by_enum_name


class NamedWithNew(collections.namedtuple("_NamedWithNew", "x y")):
    __slots__ = ()

    def __new__(cls, x: Any, y: Any = "again") -> Any:
        return super().__new__(cls, ("new", x), y)


class NamedWithReduce(NamedTuple):
    x: Any

    def __reduce__(self) -> Any:
        return NamedWithReduce, (("reduced", self.x),)


def unfinished_slots() -> UnsetSlot:
    return UnsetSlot(1)
