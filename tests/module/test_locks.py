"""No lock is held while Python code runs: encoding, decoding and freeing may use the module themselves.

CPython holds the lock of all channels while it makes data of an object, and while it frees a queue. Each test is a
process of its own, because what goes wrong here never ends.
"""

import pytest
from dropin import HAS_FALLBACK, PRELUDE, cpython_fault

from support import run_script

since_314 = pytest.mark.skipif(not HAS_FALLBACK, reason="3.14 brought the fallback")

# Everything that the module can do, on the channel in question and on others.
USE_ALL = """
def use_all(cid):
    c.list_all()
    for function in (c.get_count, c.get_info, c.get_channel_defaults, repr, c._channel_id, put):
        try:
            function(cid)
        except (c.ChannelClosedError, c.ChannelNotFoundError):
            pass
    other = create()
    put(other, 1)
    assert get(other) == 1
    c.list_interpreters(other, send=True)
    c.release(other)
    c.close(create())
    c.destroy(create())
"""


def run(code):
    return run_script(PRELUDE + USE_ALL + code)


# While an object is encoded -------------------------------------------------------------------


@cpython_fault("deadlock: the `_id` of an end is asked for under the lock of all channels")
@pytest.mark.parametrize("blocking", ["blocking=False", "timeout=0"])
def test_id_of_an_end_uses_the_module(blocking):
    run(
        f"""
class End:
    def __init__(self, cid):
        self.cid = cid
    @property
    def _id(self):
        use_all(cid)
        return self.cid
class Recv(End):
    pass
c._register_end_types(End, Recv)
cid = create()
try:
    c.send(cid, End(cid.send), REPLACE, {blocking})
except TimeoutError:
    pass
expected = 1 if "timeout" not in {blocking!r} else 0
count = c.get_count(cid)
assert count >= 1 + expected, count
"""
    )


@since_314
@cpython_fault("deadlock: it pickles under the lock of all channels")
@pytest.mark.parametrize("blocking", ["blocking=False", "timeout=0"])
def test_reduce_uses_the_module(blocking):
    run(
        f"""
class Reduced:
    def __reduce__(self):
        use_all(cid)
        return (int, (5,))
cid = create()
try:
    c.send(cid, Reduced(), REPLACE, {blocking})
except TimeoutError:
    pass
got = [get(cid) for _ in range(c.get_count(cid))]
assert got[0] == b"spam" and got[-1] in (5, b"spam"), got
"""
    )


@since_314
@cpython_fault("deadlock: another thread waits for the lock with the GIL in its hand")
def test_others_use_their_channels_while_one_pickles():
    run(
        """
import threading
inside, done = threading.Event(), threading.Event()
class Reduced:
    def __reduce__(self):
        inside.set()
        done.wait()
        return (int, (5,))
cid, other = create(), create()
call = Call(put, cid, Reduced())
inside.wait()
put(other, 1)
assert get(other) == 1
put(cid, 4)
assert get(cid) == 4
assert c.recv(cid, None) == (None, None)
c.list_all()
done.set()
call.result()
assert get(cid) == 5
"""
    )


@since_314
@cpython_fault("deadlock: it pickles under the lock of all channels")
@pytest.mark.parametrize("end", ["destroy(cid)", "close(cid)", "release(cid)"])
def test_reduce_ends_the_channel(end):
    """The send fails as it would have failed a moment later, and nothing is left behind."""
    run(
        f"""
class Reduced:
    def __reduce__(self):
        c.{end}
        return (int, (5,))
for blocking in ({{"blocking": False}}, {{"timeout": 0}}, {{}}):
    cid = create()
    try:
        c.send(cid, Reduced(), REPLACE, **blocking)
    except (c.ChannelClosedError, c.ChannelNotFoundError):
        pass
    else:
        raise AssertionError("it went")
"""
    )


@since_314
@cpython_fault("deadlock: it pickles under the lock of all channels")
def test_reduce_raises():
    run(
        """
class Reduced:
    def __reduce__(self):
        use_all(cid)
        raise ZeroDivisionError
cid = create()
for attempt in range(3):
    try:
        c.send(cid, Reduced(), blocking=False)
    except Exception as exc:
        chain = [exc]
        while chain[-1] is not None:
            chain.append(chain[-1].__cause__ or chain[-1].__context__)
        assert any(isinstance(one, ZeroDivisionError) for one in chain), chain
    else:
        raise AssertionError("it went")
assert {get(cid) for _ in range(c.get_count(cid))} == {b"spam"}
"""
    )


# While an object is decoded -------------------------------------------------------------------


@since_314
def test_unpickling_uses_the_module():
    run(
        """
def make():
    use_all(cid)
    return "made"
class Reduced:
    def __reduce__(self):
        return (make, ())
cid = create()
put(cid, Reduced())
assert get(cid) == "made"
assert get(cid) == b"spam"
"""
    )


@since_314
def test_unpickling_ends_the_channel():
    run(
        """
def make():
    c.destroy(cid)
    return "made"
class Reduced:
    def __reduce__(self):
        return (make, ())
cid = create()
put(cid, Reduced())
put(cid, Reduced())
assert get(cid) == "made"
"""
    )


def test_making_an_end_uses_the_module():
    run(
        """
class End:
    def __init__(self, cid):
        self._id = cid
        if working:
            use_all(int(cid))
class Recv(End):
    pass
working = False
c._register_end_types(End, Recv)
cid = create()
put(cid, End(cid.send))
working = True
assert type(get(cid)) is End
"""
    )


# While what is queued is freed ----------------------------------------------------------------

FREED = """
class Exporter:
    def __init__(self):
        self.data = bytearray(b"spam")
    def __buffer__(self, flags):
        return memoryview(self.data)
    def __release_buffer__(self, view):
        use_all(number)
        released.append(1)
        view.release()
released = []
cid = create()
number = int(cid)
c.send_buffer(cid, Exporter(), REPLACE, blocking=False)
c.send_buffer(cid, Exporter(), REPLACE, blocking=False)
"""


@cpython_fault("3.13 never releases the buffer; 3.14 deadlocks: it frees under the lock")
@pytest.mark.parametrize(
    "end",
    ["c.close(cid, force=True)", "c.close(cid, send=True, force=True)", "del cid"],
)
def test_releasing_a_buffer_uses_the_module(end):
    run(FREED + end + "\nassert len(released) == 2, released")


@cpython_fault("the buffer is never released", fixed=(3, 14))
def test_releasing_a_buffer_uses_the_module_in_destroy():
    run(FREED + "c.destroy(cid)\nassert len(released) == 2, released")


def test_releasing_a_buffer_uses_the_module_in_recv():
    run(
        FREED
        + """
view = get(cid)
assert bytes(view) == b"spam"
view.release()
del view
assert len(released) == 1, released
"""
    )


@cpython_fault("the buffer is never released", fixed=(3, 14))
def test_releasing_a_buffer_uses_the_module_in_a_timeout():
    run(
        FREED
        + """
other = create()
number = int(other)
for attempt in range(3):
    try:
        c.send_buffer(other, Exporter(), REPLACE, timeout=0)
    except TimeoutError:
        pass
assert len(released) == 3, released
assert {get(other) for _ in range(c.get_count(other))} == {b"spam"}
"""
    )


@cpython_fault(
    "deadlock: the id that dies with the queue destroys its channel, under the same lock"
)
def test_the_last_id_of_a_channel_dies_with_a_queue():
    run(
        """
carrier, carried = create(), create()
number = int(carried)
put(carrier, carried)
put(carrier, carried.send)
del carried
c.close(carrier, force=True)
assert number not in listed(), listed()
"""
    )


@cpython_fault("deadlock: ids die with the queue of the channel that the last id has destroyed")
def test_a_chain_of_channels_that_hold_each_other():
    run(
        """
before = listed()
first = last = create()
for _ in range(50):
    next = create()
    put(last, next)
    last = next
del last, next
assert len(listed()) == len(before) + 51
del first
assert listed() == before
"""
    )


@cpython_fault("deadlock, as above")
def test_a_chain_so_long_that_recursion_would_not_do():
    """As above, and 20,000 long: the release of one must not be nested in that of the other."""
    run(
        """
before = listed()
first = last = create()
for _ in range(20_000):
    next = create()
    put(last, next)
    last = next
del last, next
del first
assert listed() == before
"""
    )


@cpython_fault("the buffers of an interpreter that ends are released under the lock", sure=False)
@pytest.mark.parametrize("op", ["REMOVE", "ERROR", "REPLACE"])
def test_releasing_a_buffer_at_the_end_of_its_interpreter(op):
    run_script(
        PRELUDE
        + """
cid = create()
c.recv(cid, None)
interp = create_interpreter()
run_in(interp, '''
from dropin import *
import builtins
class Exporter:
    def __init__(self):
        self.data = bytearray(b"spam")
    def __buffer__(self, flags):
        return memoryview(self.data)
    def __release_buffer__(self, view):
        c.list_all()
        c.get_count(NUMBER)
c.send_buffer(NUMBER, Exporter(), OP, blocking=False)
c.send_buffer(NUMBER, Exporter(), OP, blocking=False)
'''.replace("NUMBER", str(int(cid))).replace("OP", 'NAME'))
destroy_interpreter(interp)
assert c.get_count(cid) == (0 if 'NAME' == "REMOVE" else 2)
""".replace("NAME", op)
    )
