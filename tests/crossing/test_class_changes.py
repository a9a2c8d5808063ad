"""Classes that change, move, go away or are not there: the class that has the name now, or an error that says so."""

import importlib
import os
import sys
import textwrap

import crossing_functions
import pytest

import support
from interpchannels import NotShareableError, create, spawn
from support import run_quietly


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module that only this test knows, imports it, and again when it is called again."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    name = "module_of_one_test"

    def write(source):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        importlib.invalidate_caches()
        known = sys.modules.get(name)
        return importlib.reload(known) if known else importlib.import_module(name)

    yield write
    sys.modules.pop(name, None)


@pytest.fixture
def channel():
    recv, send = create(pickle=False)
    yield recv, send
    send.close()
    recv.close()


DATACLASS = """
    from dataclasses import dataclass

    @dataclass{options}
    class Item:
        a: object
        b: object = 2
"""


@pytest.mark.parametrize("options", ["", "(slots=True)", "(frozen=True, slots=True)"])
def test_a_reloaded_class(module, channel, options):
    recv, send = channel
    source = DATACLASS.format(options=options)
    old = module(source).Item
    send.send(old(1))
    assert type(recv.recv()) is old
    queued = old("queued")
    send.send(queued)
    new = module(source + "        c: object = 3\n").Item
    assert new is not old
    # The class of the sender's object is not the one that has the name any more.
    with pytest.raises(NotShareableError):
        send.send(old(1))
    send.send(new(1))
    received = recv.recv()  # what was queued before
    assert type(received) is new
    assert (received.a, received.b) == ("queued", 2)
    received = recv.recv()
    assert type(received) is new
    assert (received.a, received.b, received.c) == (1, 2, 3)


def test_a_class_that_loses_a_slot(module, channel):
    recv, send = channel
    item = module(DATACLASS.format(options="(slots=True)")).Item
    send.send(item(1, 5))
    module("""
        from dataclasses import dataclass
        @dataclass(slots=True)
        class Item:
            a: object
    """)
    with pytest.raises(AttributeError, match="b"):
        recv.recv()
    assert len(recv) == 0


def test_a_class_that_becomes_something_else(module, channel):
    recv, send = channel
    item = module(DATACLASS.format(options="")).Item
    for source in (
        "import enum\nclass Item(enum.Enum):\n    A = 1\n",
        "from typing import NamedTuple\nclass Item(NamedTuple):\n    a: object\n",
        "class Item(list): pass\n",
    ):
        send.send(item(1))
        module(source)
        with pytest.raises(TypeError, match=r"module_of_one_test\.Item.*another one"):
            recv.recv()
        item = module(DATACLASS.format(options="")).Item
    send.send(item(1))
    module("Item = 3\n")
    with pytest.raises(TypeError, match="no class"):
        recv.recv()


def test_a_class_that_goes_away(module, channel):
    recv, send = channel
    loaded = module(DATACLASS.format(options=""))
    item = loaded.Item(1)
    send.send(item)
    send.send(item)
    cls = loaded.Item
    del loaded.Item
    with pytest.raises(AttributeError, match=r"module_of_one_test\.Item"):
        recv.recv()
    with pytest.raises(NotShareableError):
        send.send(item)
    loaded.Item = cls
    assert recv.recv() == item
    send.send(item)
    assert recv.recv() == item


def test_hooks_that_come_later(channel):
    """A class is looked at again once it has changed; and a base of it counts."""
    import instance_samples as samples

    recv, send = channel
    value = samples.Child(1, 2, d=3)
    send.send(value)
    assert recv.recv() == value
    for cls in (samples.Child, samples.Plain):
        for hook in (
            "__reduce_ex__",
            "__reduce__",
            "__getstate__",
            "__getnewargs__",
            "__getattr__",
        ):
            setattr(cls, hook, lambda self, *args: ())
            with pytest.raises(NotShareableError):
                send.send(value)
            delattr(cls, hook)
            send.send(value)
            assert recv.recv() == value
    samples.Child.new_attribute = 1
    del samples.Child.new_attribute
    send.send(value)
    assert recv.recv() == value


def test_a_property_that_comes_later(channel):
    """Attributes go where pickle would put them, whatever the class has under their names now."""
    import instance_samples as samples

    recv, send = channel
    value = samples.Plain("in the instance")
    send.send(value)
    send.send(value)
    assert recv.recv() == value
    samples.Plain.a = property(lambda self: "the property's", lambda self, value: None)
    try:
        got = recv.recv()
        assert got.a == "the property's"
        assert vars(got) == vars(value)
    finally:
        del samples.Plain.a


def test_copyreg_that_comes_later(channel):
    import copyreg

    import instance_samples as samples

    recv, send = channel
    value = samples.Slotted(1)
    send.send(value)
    assert recv.recv() == value
    copyreg.dispatch_table[samples.Slotted] = lambda value: (samples.Slotted, (2,))
    try:
        with pytest.raises(NotShareableError):
            send.send(value)
    finally:
        del copyreg.dispatch_table[samples.Slotted]
    send.send(value)
    assert recv.recv() == value


def test_classes_do_not_live_for_ever(module, channel):
    import gc
    import weakref

    recv, send = channel
    source = DATACLASS.format(options="")
    gone = []
    for _ in range(5):
        item = module(source).Item
        gone.append(weakref.ref(item))
        send.send([item(1), item(2)])
        assert type(recv.recv()[1]) is item
        del item
    gc.collect()
    assert [ref() for ref in gone[:-1]] == [None] * 4


# Other interpreters ---------------------------------------------------------------------------------------


def test_a_module_that_is_not_imported_there_yet(module):
    """It is imported by receiving."""
    item = module(DATACLASS.format(options="")).Item
    recv, send = create()
    back_recv, back_send = create()
    worker = spawn(crossing_functions.imported_by_receiving, recv, back_send, "module_of_one_test")
    send.send(item(1, [2]))
    assert back_recv.recv() == (False, True, "Item", 1, [2])
    worker.join()


def test_a_module_that_cannot_be_found_there(tmp_path, monkeypatch):
    recv, send = create()
    back_recv, back_send = create()
    worker = spawn(crossing_functions.receive_errors, recv, back_send)
    recv.close()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "only_the_sender_has_it.py").write_text(
        "from dataclasses import dataclass\n@dataclass\nclass Item:\n    a: object\n"
    )
    import only_the_sender_has_it

    for value in (only_the_sender_has_it.Item(1), [1, only_the_sender_has_it.Item(1)]):
        send.send(value)
        kind, text, name = back_recv.recv()
        assert kind == "ModuleNotFoundError"
        assert name == "only_the_sender_has_it"
        assert "only_the_sender_has_it.Item" in text
        assert "sys.path" in text
    send.send("goes on")
    assert back_recv.recv() == "goes on"
    send.close()
    worker.result()
    del sys.modules["only_the_sender_has_it"]


def test_classes_of_main():
    out = run_quietly(
        """
        import dataclasses, enum
        import interpchannels
        from crossing_functions import receive_errors

        @dataclasses.dataclass
        class Item:
            a: object

        class Kind(enum.Enum):
            A = 1

        recv, send = interpchannels.create()
        for value in (Item(1), Kind.A):  # within the interpreter they are found
            send.send(value)
            assert recv.recv() == value
        back_recv, back_send = interpchannels.create()
        worker = interpchannels.spawn(receive_errors, recv, back_send)
        for value in (Item(1), Kind.A):
            send.send(value)
            print(*back_recv.recv()[:2])
        send.close()
        worker.result()
        """
    )
    for line, name in zip(out.splitlines(), ("Item", "Kind"), strict=True):
        assert line.startswith(f"AttributeError cannot receive a __main__.{name}: ")
        assert "put it into a module" in line


def test_an_interpreter_that_knows_nothing_of_the_package(interpreter_of_test):
    """The end that arrives imports the package, and the item its module."""
    import instance_samples as samples

    recv, send = create()
    back_recv, back_send = create()
    send.send([samples.Plain(1), samples.Colour.RED, samples.Point(1, 2)])
    if sys.version_info < (3, 13):
        pytest.skip("run_in() shares ends from 3.13 on")
    support.run_in(
        interpreter_of_test,
        """
        import sys
        assert "instance_samples" not in sys.modules
        got = recv.recv()
        import instance_samples as samples
        assert got == [samples.Plain(1), samples.Colour.RED, samples.Point(1, 2)], got
        assert got[1] is samples.Colour.RED
        back.send(got)
        recv.close(); back.close()
        """,
        {"recv": recv, "back": back_send},
    )
    assert back_recv.recv() == [samples.Plain(1), samples.Colour.RED, samples.Point(1, 2)]


@pytest.fixture
def interpreter_of_test():
    made = support.create_interpreter()
    here = os.path.dirname(os.path.abspath(__file__))
    support.run_in(made, f"import sys; sys.path.append({here!r})")
    yield made
    support.destroy_interpreter(made)


# Changes in the middle ------------------------------------------------------------------------------------

MEDDLED = """
    import gc, sys, threading, random
    import interpchannels
    import instance_samples as samples
    from instance_samples import *

    recv, send = interpchannels.create()

    class Trigger:
        "Runs code in the middle of an encoding."
        def __init__(self, action): self.action = action
    def run(trigger):
        trigger.action()
        return "ran"
    interpchannels.register(Trigger, run, str)

    def attempt(value):
        try:
            send.send(value)
            return recv.recv()
        except (SystemError, MemoryError):
            raise
        except Exception as error:
            assert len(recv) == 0
            return error
"""


def test_objects_that_change_while_they_are_encoded():
    run_quietly(
        MEDDLED
        + """
    def grow(v): v.__dict__.update({f"n{i}": i for i in range(100)})
    def shrink(v): v.__dict__.popitem()
    def clear(v): v.__dict__.clear()
    def replace(v): v.__dict__ = {"a": [1], "b": 2}
    def refill(v):
        keys = list(v.__dict__); v.__dict__.clear(); v.__dict__.update(dict.fromkeys(keys, [1]))
    def reorder(v): v.__dict__["a"] = v.__dict__.pop("a", 1)
    def recurse(v): v.__dict__["b"] = v
    def other_class(v): v.__class__ = Child

    for _ in range(int(sys.argv[1])):
        for change in (grow, shrink, clear, replace, refill, reorder, recurse, other_class):
            for place in "abc":
                for extra in (False, True):
                    value = Plain([1], [2], [3])
                    if extra: value.more = ["x"]; value.most = {}
                    setattr(value, place, Trigger(lambda: change(value)))
                    attempt([value, value])
                    value = Bare(a=[1], b=[2], c=[3])
                    setattr(value, place, Trigger(lambda: change(value)))
                    attempt((value, [value]))
        for action in (lambda: delattr(value, "b"), lambda: setattr(value, "b", [value]), lambda: delattr(value, "a")):
            value = Slotted(Trigger(lambda: action()), [2])
            attempt([value, value])
            value = Slotted([1], Trigger(lambda: action()))
            attempt({"x": value})
        point = Point(Trigger(gc.collect), Trigger(lambda: attempt(point)))
        attempt([point, point])
    """,
        args=(str(4 * support.ROUNDS),),
        timeout=240,
    )


def test_attributes_that_change_places():
    """Each value arrives under its own name, or not at all."""
    run_quietly(
        MEDDLED
        + """
    def to_the_end(value, name): value.__dict__[name] = value.__dict__.pop(name)

    for kind in (Plain, Bare):
        for name in "bc":
            value = kind(a=Trigger(lambda: to_the_end(value, name)), b="b", c="c")
            got = attempt([value])
            assert type(got) is RuntimeError or (got[0].b, got[0].c) == ("b", "c"), vars(got[0])
    """
    )


def test_classes_that_change_while_they_are_used():
    run_quietly(
        MEDDLED
        + """
    import enum, importlib

    def forget():
        "Every plan is made anew, and the old ones are gone."
        interpchannels.register(Trigger, run, str)
        importlib.reload(samples)
        gc.collect()

    def hook():
        samples.Plain.__getstate__ = lambda self: None
        del samples.Plain.__getstate__

    loads = []
    class Loads:
        "Runs code in the middle of a decoding."
        def __init__(self, action): loads.append(action)
    interpchannels.register(Loads, lambda obj: None, lambda value: loads.pop(0)())

    for _ in range(int(sys.argv[1])):
        for action in (forget, hook, gc.collect, lambda: delattr(samples, "Slotted")):
            for make in (Trigger, Loads):
                value = [samples.Plain(1, samples.Slotted(2, [3])), samples.Colour.GREEN, samples.Point(1, 2),
                         make(action), samples.Plain(make(action), make(lambda: None)), samples.Slotted(1, 2),
                         samples.Colour.RED, samples.Point(make(lambda: None), 2)]
                attempt(value)
                loads.clear()
                importlib.reload(samples)
    """,
        args=(str(support.ROUNDS),),
        timeout=240,
    )


def test_a_class_that_changes_more_often_than_cpython_counts():
    """CPython numbers a class's first thousand versions; a counter of a class's instances makes more of them."""
    run_quietly(
        MEDDLED
        + """
    native_recv, native_send = interpchannels.create(pickle=False)
    for n in range(2500):
        for kind in (Plain, Bare, Slotted, Point, Colour):
            kind.changes = n
            kind.changes  # a look at the class is what asks for a number
        value = [Plain(n, [1]), Bare(a=n), Slotted(n), Point(n, 2), Colour.RED, Plain(n)]
        native_send.send(value)
        Plain.changes = Point.changes = None  # between the two as well
        got = native_recv.recv()
        assert [type(each) for each in got] == [type(each) for each in value]
        assert got[0] == value[0] and got[1].a == n and got[2:] == value[2:]
    """
    )


def test_threads_that_change_an_object():
    run_quietly(
        MEDDLED
        + """
    sys.setswitchinterval(1e-6)
    stop = False
    shared = [Plain([1], 2), Bare(a=1, b=[2]), Slotted(1, [2]), samples.DictOverSlots(1, 2)]

    def change():
        rng = random.Random()
        while not stop:
            value = rng.choice(shared)
            way = rng.randrange(4)
            try:
                if way == 0: setattr(value, rng.choice("ab"), [rng.random()])
                elif way == 1: setattr(value, rng.choice("xyz"), [1])
                elif way == 2: delattr(value, rng.choice("abxyz"))
                else: Plain.counter = rng.random()
            except AttributeError:
                pass

    threads = [threading.Thread(target=change) for _ in range(2)]
    for thread in threads: thread.start()
    try:
        for n in range(int(sys.argv[1])):
            got = attempt([shared, Trigger(lambda: [None for _ in range(30)]), shared])
            if type(got) is list:
                assert [type(each) for each in got[0]] == [Plain, Bare, Slotted, samples.DictOverSlots]
            else:
                assert type(got) in (RuntimeError, interpchannels.NotShareableError), repr(got)
    finally:
        stop = True
        for thread in threads: thread.join()
    """,
        args=(str(300 * support.ROUNDS),),
        timeout=240,
    )
