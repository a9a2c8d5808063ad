"""register(): types that say themselves how they cross."""

import collections
import dataclasses
import gc
import sys
import threading

import pytest
import registered_types as types_of
from registered_types import Coin, Link, Money

import interpchannels
from interpchannels import NotShareableError, create, register, spawn
from support import run_quietly


@pytest.fixture(autouse=True)
def only_for_this_test():
    known = interpchannels._interpchannels._registrations()
    yield
    for module, name in interpchannels._interpchannels._registrations().keys() - known.keys():
        cls = sys.modules[module]
        for part in name.split("."):
            cls = getattr(cls, part, None)
        register(cls, None, None)


@pytest.fixture(params=[True, False], ids=["pickle", "no pickle"])
def channel(request):
    recv, send = create(pickle=request.param)
    yield recv, send
    send.close()
    recv.close()


@pytest.fixture
def money():
    register(Money, types_of.money_to, types_of.money_from)


def echoed(channel, value):
    recv, send = channel
    send.send(value)
    try:
        return recv.recv()
    finally:
        assert len(recv) == 0


def test_it_crosses(channel, money):
    value = Money(5)
    got = echoed(channel, value)
    assert got == value
    assert got is not value
    nested = {"a": [value, (Money(6), dataclass_with(value))], "b": {1: Money([value])}}
    got = echoed(channel, nested)
    assert got["a"][0] == value
    assert got["a"][1][0] == Money(6)
    assert got["b"][1].amount == [value]


@dataclasses.dataclass
class Holder:
    a: object


def dataclass_with(value):
    import instance_samples as samples

    return samples.Plain(value)


def test_one_object_twice(channel, money):
    value = Money(5)
    got = echoed(channel, [value, value, {"x": dataclass_with(value)}])
    assert got[0] is got[1] is got[2]["x"].a
    inner = [1]
    got = echoed(channel, [Money(inner), inner])
    assert got[0].amount is got[1]


def test_it_is_asked_once_for_each_object_and_value(channel):
    asked = []
    register(Money, lambda money: asked.append(money) or money.amount, Money)
    value = Money(1)
    assert echoed(channel, [value, value, (value,)])[2][0].amount == 1
    assert asked == [value]
    echoed(channel, [Money(1), Money(2)])
    assert len(asked) == 3


def test_inside_what_only_pickle_knows(money):
    channel = create()
    value = Money(5)
    got = echoed(channel, collections.deque([value, value, [value]]))
    assert got[0] == value
    assert got[0] is got[1] is got[2][0]
    recv, send = create()
    got = echoed(channel, collections.deque([Money((recv, 1)), recv]))
    assert got[0].amount[0] == got[1] == recv
    for end in (send, got[1]):
        end.close()


def test_an_exact_class_only(channel, money):
    with pytest.raises(NotShareableError, match="lock"):
        echoed(channel, Coin(5))
    register(Coin, types_of.money_to, lambda value: Coin(*value))
    assert type(echoed(channel, [Coin(5)])[0]) is Coin
    register(Coin, None, None)
    with pytest.raises(NotShareableError, match="lock"):
        echoed(channel, Coin(5))


def test_the_last_registration_counts(channel):
    register(Money, types_of.money_to, types_of.money_from)
    assert echoed(channel, Money(1)).currency == "EUR"
    register(Money, lambda money: (money.amount, "USD"), types_of.money_from)
    assert echoed(channel, Money(1)).currency == "USD"
    register(Money, types_of.money_to, lambda value: "made otherwise")
    assert echoed(channel, Money(1)) == "made otherwise"
    register(Money, None, None)
    register(Money, None, None)  # nothing to take back
    with pytest.raises(NotShareableError, match="lock"):
        echoed(channel, Money(1))


def test_it_comes_before_what_else_would_serve(channel):
    """Before an instance's own way, an enumeration's, CPython's registry and pickle's hooks; not before natives."""
    import datetime

    import instance_samples as samples

    cases = [samples.Plain(1), samples.Colour.RED, samples.Point(1, 2), samples.WithReduce(1)]
    cases.append(datetime.date(2000, 1, 1))
    for value in cases:
        register(type(value), lambda obj: type(obj).__name__, lambda name: ("registered", name))
        try:
            assert echoed(channel, [value]) == [("registered", type(value).__name__)]
        finally:
            register(type(value), None, None)
    assert echoed(channel, [samples.Plain(1), samples.Colour.RED]) == [
        samples.Plain(1),
        samples.Colour.RED,
    ]


def test_a_class_that_cannot_be_imported(channel):
    """The name is enough: the receiver has a class of its own for it."""

    class Local:
        pass

    register(Local, lambda obj: "local", lambda value: [value])
    try:
        assert echoed(channel, (Local(), 1)) == (["local"], 1)
    finally:
        register(Local, None, None)


def test_functions_and_classes_can_be_registered(channel):
    def function():
        return 1

    register(type(function), lambda f: f.__name__, lambda name: f"function {name}")
    try:
        assert echoed(channel, [function]) == ["function function"]
    finally:
        register(type(function), None, None)


# Cycles ---------------------------------------------------------------------------------------------------


def test_an_object_that_contains_itself():
    register(Link, types_of.link_to, types_of.link_from)
    for pickle in (True, False):
        channel = create(pickle=pickle)
        link = Link()
        link.to = link
        with pytest.raises(RecursionError, match="Link"):
            echoed(channel, link)
        link.to = [1, {"x": (link,)}]
        with pytest.raises(RecursionError, match="Link"):
            echoed(channel, [link])
        got = echoed(channel, link.to)  # a list is there before what lies in it
        assert got[1]["x"][0].to is got
        assert echoed(channel, Link(Link(Link()))).to.to.to is None
    with pytest.raises(RecursionError):
        echoed(create(), collections.deque([link]))


def test_to_shareable_without_an_end():
    register(Link, lambda link: Link(link), types_of.link_from)
    for value in (Link(), [Link()], collections.deque([Link()])):
        with pytest.raises(RecursionError):
            echoed(create(), value)


def test_as_deep_as_the_recursion_limit():
    register(Link, types_of.link_to, types_of.link_from)
    link = None
    for _ in range(sys.getrecursionlimit() - 1):
        link = [Link(link)]
    got = echoed(create(), link)
    depth = 0
    while got:
        got, depth = got[0].to, depth + 1
    assert depth == sys.getrecursionlimit() - 1
    with pytest.raises(RecursionError, match="Link"):
        echoed(create(), Link(Link(link)))


# Errors ---------------------------------------------------------------------------------------------------


def test_bad_arguments():
    for wrong in (3, "Money", None, Money(1), list[int]):
        with pytest.raises(TypeError, match="class"):
            register(wrong, str, str)
    for arguments in ((None, str), (str, None), (1, str), (str, "x")):
        with pytest.raises(TypeError, match=r"to_shareable|from_shareable"):
            register(Money, *arguments)
    with pytest.raises(TypeError):
        register(Money)
    assert register(cls=Money, to_shareable=str, from_shareable=str) is None
    recv, _send = create()
    for native in (None, True, 1, 1.0, 1j, "", b"", bytearray(), (), [], {}, set(), frozenset(), slice(1), range(1),
                   ..., NotImplemented, memoryview(b""), recv):  # fmt: skip
        with pytest.raises(ValueError, match="crosses already"):
            register(type(native), str, str)


@pytest.mark.parametrize(
    "error", [ValueError("no good"), NotShareableError("nor that"), OSError(3, "x")]
)
def test_to_shareable_raises(error):
    def fails(money):
        raise error

    register(Money, fails, types_of.money_from)
    recv, send = create()
    for value, path in ((Money(1), "item"), ({"a": [1, Money(1)]}, "item['a'][1]"),
                        (dataclass_with(Money(1)), "item.a")):  # fmt: skip
        with pytest.raises(NotShareableError) as caught:
            send.send(value)
        assert f"cannot send {path}: Money object" in str(caught.value)
        assert caught.value.__cause__ is error
        assert len(recv) == 0
    with pytest.raises(NotShareableError) as caught:
        send.send(collections.deque([Money(1)]))
    assert caught.value.__cause__ is error
    # What stays with it until the next run: the traceback, which holds this call, and notes of pickle's (from 3.14 on).
    error.__traceback__ = None
    error.__dict__.clear()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError, RecursionError])
def test_to_shareable_raises_what_goes_through(error):
    def fails(money):
        raise error

    register(Money, fails, types_of.money_from)
    recv, send = create()
    with pytest.raises(error):
        send.send([Money(1)])
    assert len(recv) == 0


def test_to_shareable_returns_what_cannot_cross(channel):
    register(Money, lambda money: [1, money.lock], types_of.money_from)
    recv, send = channel
    with pytest.raises(NotShareableError) as caught:
        send.send({"a": [Money(1)]})
    assert "lock" in str(caught.value)
    assert "to_shareable(item['a'][0])[1]" in str(caught.value)
    assert len(recv) == 0


def test_from_shareable_raises(channel):
    def fails(value):
        raise ZeroDivisionError("while being received")

    register(Money, types_of.money_to, fails)
    recv, send = channel
    send.send([1, Money(1)])
    send.send("next")
    with pytest.raises(ZeroDivisionError):
        recv.recv()
    assert recv.recv() == "next"


def test_a_receiver_without_a_registration(channel, money):
    recv, send = channel
    send.send(Money(1))
    send.send([Money(2)])
    register(Money, None, None)
    for _ in range(2):
        with pytest.raises(NotShareableError, match=r"registered_types\.Money.*register\(\) there"):
            recv.recv()
    assert len(recv) == 0


def test_a_registration_that_goes_away_meanwhile(channel):
    def forget(money):
        register(Money, None, None)
        gc.collect()
        return money.amount

    for _ in range(20):
        register(Money, forget, types_of.money_from)
        recv, send = channel
        with pytest.raises(NotShareableError):
            send.send([Money(1), Money(2)])
        assert len(recv) == 0


def test_references_are_given_back(channel, money):
    value = [Money(1), Money([2])]
    for warm in (True, False):
        before = [sys.getrefcount(each) for each in (value[0], types_of.money_to, Money)]
        for _ in range(100):
            echoed(channel, value)
        if not warm:
            assert [
                sys.getrefcount(each) for each in (value[0], types_of.money_to, Money)
            ] == before


# Other interpreters ---------------------------------------------------------------------------------------


def test_workers_inherit(money):
    assert "Money" in spawn(types_of.registered_here).result()
    values = [Money(1), Money(2)]
    assert spawn(types_of.double, values).result() == [Money(2), Money(4)]
    assert spawn(types_of.spawn_once_more, Money(3)).result() == Money(3)
    recv, send = create()
    worker = spawn(types_of.send_money, send, [7])
    send.close()
    first, second = recv
    assert first == Money([7])
    assert second[0] == Money([7])
    worker.join()


def test_later_registrations_do_not_get_there(money):
    recv, send = create()
    worker = spawn(types_of.forget_and_receive, recv)
    send.send(Money(1))
    with pytest.raises(NotShareableError, match=r"register\(\) there"):
        worker.result()


def test_nothing_is_imported_for_types_that_are_not_met():
    out = run_quietly(
        """
        import interpchannels
        import registered_types as types_of

        def loaded():
            import sys
            return "registered_types" in sys.modules

        def loaded_by(money):
            import sys
            return "registered_types" in sys.modules, money.amount

        interpchannels.register(types_of.Money, types_of.money_to, types_of.money_from)
        print(interpchannels.spawn(loaded).result(), interpchannels.spawn(loaded_by, types_of.Money(3)).result())
        """
    )
    assert out == "False (True, 3)\n"


def test_functions_of_main_go_there():
    out = run_quietly(
        """
        import decimal
        import interpchannels
        from registered_types import Money, echo

        unit = decimal.Decimal("0.01")

        def cents(money):
            return int(money.amount / unit)

        interpchannels.register(Money, cents, lambda cents: Money(cents * unit))
        got = interpchannels.spawn(echo, [Money(decimal.Decimal(3)), Money(decimal.Decimal("0.5"))]).result()
        print(*[money.amount for money in got])
        """
    )
    assert out == "3.00 0.50\n"


@pytest.mark.parametrize("role", ["to_shareable", "from_shareable"])
def test_a_function_that_cannot_go_there(role):
    captured = 1
    functions = {"to_shareable": types_of.money_to, "from_shareable": types_of.money_from}
    functions[role] = lambda value: captured
    register(Money, **functions)
    with pytest.raises(ValueError, match=rf"{role} that is registered for registered_types\.Money"):
        spawn(types_of.echo, 1)
    out = run_quietly(
        f"""
        import threading
        import interpchannels
        from registered_types import Money, echo

        lock = threading.Lock()
        def locked(value):
            with lock: return Money(1)
        def outer():
            captured = 1
            return lambda value: captured
        for function in (locked, outer()):
            functions = dict(to_shareable=str, from_shareable=str) | {{{role!r}: function}}
            interpchannels.register(Money, **functions)
            try:
                interpchannels.spawn(echo, 1)
            except ValueError as error:
                print(error)
        """
    )
    first, second = out.splitlines()
    for line, what in ((first, "lock"), (second, "captured")):
        assert line.startswith(f"{role} that is registered for registered_types.Money cannot go")
        assert what in line


def test_a_class_of_main_is_left_out():
    out = run_quietly(
        """
        import interpchannels
        from registered_types import registered_here

        class Mine: pass
        class Other: pass
        interpchannels.register(Mine, lambda obj: 1, lambda value: Mine())
        interpchannels.register(Other, lambda obj: 1, lambda value: "in its place")
        print(interpchannels.spawn(registered_here).result())
        print(interpchannels.spawn(lambda obj: obj, Other()).result())
        try:
            interpchannels.spawn(lambda obj: obj, Mine()).result()
        except interpchannels.NotShareableError as error:
            print(error)
        """
    )
    names, arrived, error = out.splitlines()
    assert names == "['Other']"
    assert arrived == "in its place"
    assert "__main__.Mine" in error


OPEN_CONTAINERS = """
    import random
    import interpchannels

    class Part:
        "It crosses as the container that it lies in, and looks at it, or changes it, before all of it has arrived."
        def __init__(self, whole=None): self.whole = whole
    def arrived(whole):
        seen.append(repr(whole))
        act(whole)
        return Part(whole)
    interpchannels.register(Part, lambda part: part.whole, arrived)

    class Key:
        def __init__(self, whole=None): self.whole = whole
        def __hash__(self):
            seen.append(repr(getattr(self, "whole", None)))
            return 1
        __eq__ = object.__eq__
    interpchannels.register(Key, lambda key: key.whole, Key)

    recv, send = interpchannels.create()
    seen = []
    def act(whole): pass
    def echoed(value):
        send.send(value)
        return recv.recv()
"""


def test_a_container_that_is_looked_at_before_all_of_it_has_arrived():
    run_quietly(
        OPEN_CONTAINERS
        + """
    for kind in (list, tuple):
        part = Part()
        whole = part.whole = kind([1, "two", part, 4.0])
        got = echoed(whole)
        assert type(got) is kind and len(got) == 4 and (got[0], got[1], got[3]) == (1, "two", 4.0)
        assert got[2].whole is got
    assert seen == ["[1, 'two', None, None]", "(1, 'two', None, None)"]

    seen.clear()
    part = Part()
    whole = part.whole = {"a": 1, "part": part, "z": 26}
    got = echoed(whole)
    assert list(got) == ["a", "part", "z"] and got["part"].whole is got
    assert seen == ["{'a': 1}"]

    seen.clear()
    key = Key()
    inner = {key: 1}
    whole = key.whole = [inner, 2]
    seen.clear()
    got = echoed(whole)
    assert got[1] == 2 and next(iter(got[0])).whole is got
    assert seen == ["[None, None]"]
    """
    )


def test_a_list_that_is_changed_before_all_of_it_has_arrived():
    run_quietly(
        OPEN_CONTAINERS
        + """
    changes = {
        "clear": lambda whole: whole.clear(),
        "pop": lambda whole: whole.pop(),
        "append": lambda whole: whole.extend(range(1000)),
        "fill": lambda whole: whole.__setitem__(slice(None), [object() for _ in whole]),
        "reverse": lambda whole: whole.reverse(),
        "other memory": lambda whole: (whole.extend(range(10_000)), whole.__delitem__(slice(-10_000, None))),
    }
    for name, act in changes.items():
        for size in (1, 2, 3, 20, 300):
            for place in {0, size // 2, size - 1}:
                part = Part()
                whole = part.whole = [["x", n] for n in range(size)]
                whole[place] = part
                try:
                    got = echoed(whole)
                except RuntimeError as error:
                    assert str(error) == "list changed size while it was being received"
                    assert name in ("clear", "pop", "append")
                else:
                    assert len(got) == size and type(got[place]) is Part
                    assert name not in ("clear", "append"), name
                    if name == "fill":
                        assert got[place + 1:] == [["x", n] for n in range(place + 1, size)]
                assert len(recv) == 0
    """
    )


def test_a_channel_end_in_what_to_shareable_returns(channel):
    recv, send = create()
    register(Link, lambda link: [recv, 1], types_of.link_from)
    got = echoed(channel, Link())
    assert got.to[0] == recv
    send.send("through it")
    assert got.to[0].recv() == "through it"
    assert recv.stats().open_receivers == 2
    for end in (got.to[0], send, recv):
        end.close()


def test_threads_that_register_while_others_send():
    run_quietly(
        """
        import sys, threading
        import interpchannels
        from registered_types import Money, money_from, money_to

        sys.setswitchinterval(1e-6)
        interpchannels.register(Money, money_to, money_from)
        stop = False

        def change():
            while not stop:
                interpchannels.register(Money, lambda money: money_to(money), lambda value: money_from(value))

        thread = threading.Thread(target=change)
        thread.start()
        recv, send = interpchannels.create()
        try:
            for n in range(3000):
                send.send([Money(n), {"x": Money(n)}])
                got = recv.recv()
                assert got == [Money(n), {"x": Money(n)}]
        finally:
            stop = True
            thread.join()
        """
    )


def test_lock_is_the_reason(channel):
    """The negative control of this file: without register() nothing of it crosses."""
    with pytest.raises(NotShareableError):
        echoed(channel, Money(1))
    assert isinstance(Money(1).lock, type(threading.Lock()))
