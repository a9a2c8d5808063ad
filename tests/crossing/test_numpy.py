"""NumPy arrays: their memory is copied once, whatever its layout; and what a receiver without NumPy is told."""

import gc
import re
from pathlib import Path

import crossing_functions
import pytest

from interpchannels import Buffer, create, spawn
from support import run_quietly

np = pytest.importorskip("numpy")


def base_of(array):
    while isinstance(array, np.ndarray):
        array = array.base
    return array


ARRAYS = {
    "contiguous": lambda: np.arange(12.0).reshape(3, 4),
    "Fortran order": lambda: np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "transposed": lambda: np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1),
    "with gaps": lambda: np.arange(12, dtype="i2")[::2],
    "backwards": lambda: np.arange(12)[::-1],
    "gaps in two axes": lambda: np.arange(100).reshape(10, 10)[1:9:2, ::3],
    "gaps, Fortran order": lambda: np.asfortranarray(np.arange(100).reshape(10, 10))[::2, 1:5],
    "gaps, axes turned": lambda: np.arange(120).reshape(4, 5, 6)[:, ::2, ::3].transpose(1, 2, 0),
    "repeated": lambda: np.broadcast_to(np.arange(3), (4, 3)),
    "big endian": lambda: np.arange(5, dtype=">i4")[::2],
    "records": lambda: np.zeros(6, dtype=[("a", "i4"), ("b", "f8", (2,))])[::2],
    "dates": lambda: np.array(["2020-01-01", "NaT", "1969-07-20"], dtype="M8[s]"),
    "time spans with gaps": lambda: np.arange(10).astype("m8[ms]")[::3],
    "complex": lambda: np.arange(6).reshape(2, 3).astype("c16")[:, ::2],
    "text": lambda: np.array(["one", "three", "five"])[::2],
    "bools": lambda: np.array([True, False, True, True])[::3],
}
# Copied once, but by pickle itself: nothing of them is large.
SMALL = {
    "empty": lambda: np.zeros((0, 3)),
    "no axis": lambda: np.array(3.5),
    "objects": lambda: np.array([1, "x", None], dtype=object)[::2],
    "dates in records": lambda: np.zeros(4, dtype=[("when", "M8[D]"), ("n", "i4")])[::2],
}


def packed_order(array):
    """The axes from the widest step to the narrowest, of those that have steps."""
    steps = [(abs(step), axis) for axis, step in enumerate(array.strides) if array.shape[axis] > 1]
    return [axis for step, axis in sorted(steps, key=lambda pair: -pair[0]) if step]


@pytest.mark.parametrize("name", ARRAYS | SMALL)
@pytest.mark.parametrize("wrap", [lambda a: a, lambda a: [{"array": a}, a]])
def test_arrays(echo_here, name, wrap):
    array = (ARRAYS | SMALL)[name]()
    got = echo_here(wrap(array))
    if isinstance(got, list):
        assert got[0]["array"] is got[1]
        got = got[1]
    assert type(got) is np.ndarray
    assert got.dtype == array.dtype
    assert got.shape == array.shape
    np.testing.assert_array_equal(got, array)
    if name in ARRAYS and name != "repeated":
        assert packed_order(got) == packed_order(array)
    if array.flags.forc and array.size:
        assert got.strides == array.strides
    assert got.flags.writeable or not array.flags.writeable


@pytest.mark.parametrize("name", ARRAYS)
def test_their_memory_does_not_go_through_pickle(echo_here, name):
    got = echo_here(ARRAYS[name]())
    assert type(memoryview(base_of(got)).obj).__name__ == "_Memory"  # the parcel's one copy


@pytest.mark.parametrize("wanted", ["with gaps", "dates", "transposed"])
def test_the_copy_is_private(wanted):
    recv, send = create()
    array = ARRAYS[wanted]()
    before = array.copy()
    send.send(array)
    array[:] = array[0]
    got = recv.recv()
    np.testing.assert_array_equal(got, before)
    got[:] = got[0]
    assert len(recv) == 0


def test_subclasses_keep_their_type(echo_here):
    array = np.ma.masked_array(np.arange(6), mask=[0, 1] * 3)[::2]
    got = echo_here(array)
    assert type(got) is np.ma.MaskedArray
    assert got.tolist() == array.tolist()


def test_memory_of_an_array_crosses_without_numpy(echo_there):
    array = np.arange(12.0).reshape(3, 4)
    got = echo_there(memoryview(array))
    assert (got.format, got.shape) == ("d", (3, 4))
    np.testing.assert_array_equal(np.asarray(got), array)


def test_an_array_over_a_buffer():
    recv, send = create()
    buffer = Buffer(80)
    np.frombuffer(buffer, dtype="f8")[:] = np.arange(10)
    send.send((buffer, "f8", (2, 5)))
    arrived, dtype, shape = recv.recv()
    array = np.frombuffer(arrived, dtype).reshape(shape)
    np.testing.assert_array_equal(array, np.arange(10.0).reshape(2, 5))
    assert array.flags.writeable


@pytest.mark.parametrize(
    "make",
    [
        lambda b: np.frombuffer(b, dtype="f8"),
        np.asarray,
        lambda b: np.asarray(memoryview(b)),
        lambda b: np.frombuffer(b, dtype="u1")[8:16],
    ],
)
def test_an_array_over_a_buffer_refuses_its_move(make):
    recv, send = create()
    buffer = Buffer(80)
    array = make(buffer)
    with pytest.raises(BufferError, match="live view"):
        send.send(buffer)
    send.send(array)  # a copy of it
    np.testing.assert_array_equal(recv.recv(), array)
    del array
    gc.collect()
    send.send(buffer)
    assert buffer.detached


def test_receiving_into_an_array():
    recv, send = create()
    array = np.zeros(4)
    send.send(memoryview(np.arange(4.0)))
    assert recv.recv_into(array) == 32
    np.testing.assert_array_equal(array, np.arange(4.0))


def test_a_receiver_without_numpy_is_told():
    """NumPy loads in one interpreter only; if that changes, arrays arrive and this test is to go."""
    recv, send = create()
    worker = spawn(crossing_functions.receive_and_say, recv)
    send.send(np.arange(3.0))
    send.send(memoryview(np.arange(3.0)))
    send.close()
    said = worker.result()
    if said[0] == "array":
        pytest.skip("this NumPy loads in other interpreters")
    kind, text, cause = said[0]
    assert kind == "ImportError"
    assert "main interpreter" in text and "memoryview(array)" in text and "Buffer" in text
    assert "does not support loading in subinterpreters" in text or "once per process" in text
    assert cause == "ImportError"
    assert said[1] == ("memoryview", [0.0, 1.0, 2.0])  # that item alone was lost


def test_the_examples_of_the_page():
    """Those without a prompt, which need NumPy: each in a process of its own, since spawn() looks for __main__."""
    page = Path(__file__).resolve().parents[2] / "docs" / "large-data.md"
    blocks = [
        block
        for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.S)
        if ">>>" not in block
    ]
    assert len(blocks) == 2
    for block in blocks:
        run_quietly(block)
