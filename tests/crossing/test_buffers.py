"""A memoryview, and any buffer, arrives as a memoryview over memory of its own."""

import array
import ctypes
import mmap

import pytest
from value_graph import assert_same

from interpchannels import create


def two_dimensional():
    return memoryview(bytearray(range(24))).cast("B", (4, 6))


VIEWS = {
    "read only": lambda: memoryview(b"abc"),
    "writable": lambda: memoryview(bytearray(b"abc")),
    "empty": lambda: memoryview(b""),
    "empty and writable": lambda: memoryview(bytearray()),
    "doubles": lambda: memoryview(array.array("d", [1.5, -0.0, float("inf")])),
    "signed": lambda: memoryview(bytearray(b"\xff\x01")).cast("b"),
    "characters": lambda: memoryview(b"ab").cast("c"),
    "two dimensions": two_dimensional,
    "three dimensions": lambda: memoryview(bytes(range(24))).cast("h", (2, 3, 2)),
    "no dimension": lambda: memoryview(b"\x01\x02\x03\x04").cast("i", ()),
    "read only view of a bytearray": lambda: memoryview(bytearray(b"abc")).toreadonly(),
    "part": lambda: memoryview(b"abcdef")[2:4],
    "large": lambda: memoryview(bytes(range(256)) * 20_000),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views(echo, name):
    value = VIEWS[name]()
    got = echo(value)
    assert_same(value, got)
    inside = echo(["x", {"view": value}])
    assert_same(value, inside[1]["view"])


@pytest.mark.parametrize(
    "make",
    [
        lambda: memoryview(bytearray(range(10)))[::2],
        lambda: memoryview(bytearray(range(10)))[::-1],
        lambda: memoryview(array.array("q", range(10)))[8:1:-3],
        lambda: two_dimensional()[1:3],
        lambda: memoryview(bytes(range(10)))[5:5:2],
    ],
)
def test_views_with_gaps(echo, make):
    value = make()
    got = echo(value)
    assert (got.format, got.shape, got.readonly) == (value.format, value.shape, value.readonly)
    assert got.tolist() == value.tolist()
    assert got.tobytes() == value.tobytes()


def test_the_copy_is_private():
    recv, send = create()
    memory = bytearray(b"before")
    send.send(memoryview(memory))
    memory[:] = b"after!"
    got = recv.recv()
    assert got == b"before"
    got[0] = ord("B")
    assert memory == b"after!"
    memory.append(0)  # nothing holds it


def test_two_receivers_get_two_copies(echo):
    memory = memoryview(bytearray(b"abc"))
    one, two = echo(memory), echo(memory)
    one[0] = 0
    assert two == b"abc"


def test_a_released_view():
    recv, send = create()
    view = memoryview(b"abc")
    view.release()
    with pytest.raises(ValueError):
        send.send(view)
    with pytest.raises(ValueError):
        send.send([1, view])
    assert len(recv) == 0


def test_what_arrives_can_be_released_and_used_on():
    recv, send = create()
    send.send(memoryview(bytearray(b"abc")))
    got = recv.recv()
    part = got[1:]
    got.release()
    assert part == b"bc"
    part[0] = 0
    part.release()


def test_other_buffers(echo):
    """What has memory to show and no other way to cross."""
    with mmap.mmap(-1, 4096) as mapped:
        mapped[:5] = b"hello"
        got = echo(mapped)
        assert type(got) is memoryview
        assert got[:5] == b"hello" and len(got) == 4096
        assert not got.readonly


def test_array_of_ctypes(echo_here):
    numbers = (ctypes.c_int32 * 3)(1, 2, 3)
    (got,) = echo_here([numbers])
    assert bytes(got) == bytes(numbers)


def test_a_buffer_made_by_python_code(echo):
    class Exporter:
        """The buffer protocol in Python (PEP 688); it counts what is let go of."""

        def __init__(self):
            self.memory = bytearray(b"exported")
            self.released = 0

        def __buffer__(self, flags):
            return memoryview(self.memory)

        def __release_buffer__(self, view):
            self.released += 1
            view.release()

        def __reduce_ex__(self, protocol):
            raise TypeError("only as a buffer")

    exporter = Exporter()
    got = echo(exporter)
    assert bytes(got) == b"exported"
    assert exporter.released >= 1
    exporter.memory.append(1)  # no export is left


def test_a_buffer_that_fails(echo):
    class Failing:
        def __buffer__(self, flags):
            raise ZeroDivisionError("no memory to show")

        def __reduce_ex__(self, protocol):
            raise TypeError("only as a buffer")

    recv, send = create()
    with pytest.raises(Exception, match=r"no memory to show|only as a buffer|Failing"):
        send.send([Failing()])
    assert len(recv) == 0
    send.send("goes on")
    assert recv.recv() == "goes on"
