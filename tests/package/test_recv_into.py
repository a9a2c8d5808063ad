"""recv_into(): bytes straight into memory that the receiver has."""

import array
import threading

import pytest

import interpchannels
from interpchannels import Buffer, ChannelClosedError, create, spawn
from support import Call, wait_until

SIZES = [0, 1, 100, 127, 128, 8192, 8193, 300_000, 5_000_000]
KINDS = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": lambda data: memoryview(bytearray(data)),
    "Buffer": Buffer,
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_bytes(kind, size):
    recv, send = create()
    data = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    memory = bytearray(b"." * (size + 3))
    send.send(KINDS[kind](data))
    assert recv.recv_into(memory) == size
    assert memory == data + b"..."
    exact = bytearray(size)
    send.send(KINDS[kind](data))
    assert recv.recv_into(exact) == size
    assert exact == data
    assert len(recv) == 0


def send_all(send, sizes):
    for size in sizes:
        send.send(bytes([size % 251]) * size)


def test_from_another_interpreter():
    recv, send = create()
    worker = spawn(send_all, send, SIZES)
    memory = bytearray(max(SIZES))
    for size in SIZES:
        assert recv.recv_into(memory) == size
        assert memory[:size] == bytes([size % 251]) * size
    worker.join()


def test_a_loan_that_outlives_its_owner():
    recv, send = create()
    spawn(send_all, send, [300_000]).join()
    memory = bytearray(300_000)
    assert recv.recv_into(memory) == 300_000
    assert memory == bytes([300_000 % 251]) * 300_000


@pytest.mark.parametrize(
    "make",
    [
        bytearray,
        Buffer,
        lambda n: memoryview(bytearray(n)),
        lambda n: memoryview(bytearray(n + 8))[4 : 4 + n],
        lambda n: memoryview(bytearray(n)).cast("B", (2, n // 2)),
        lambda n: array.array("d", bytes(n)),
    ],
)
def test_memory_of_many_kinds(make):
    recv, send = create()
    memory = make(16)
    send.send(b"abcdefgh")
    assert recv.recv_into(memory) == 8
    assert memoryview(memory).tobytes() == b"abcdefgh" + bytes(8)


def test_a_view_with_its_gaps_arrives_without_them():
    recv, send = create()
    send.send(memoryview(b"abcdef")[::2])
    send.send(memoryview(array.array("h", [1, 2])))
    memory = bytearray(8)
    assert recv.recv_into(memory) == 3
    assert memory[:3] == b"ace"
    assert recv.recv_into(memory) == 4
    assert memory[:4] == array.array("h", [1, 2]).tobytes()


@pytest.mark.parametrize("size", [5, 100, 9000, 300_000])
@pytest.mark.parametrize("kind", KINDS)
def test_too_little_room(kind, size):
    recv, send = create()
    data = b"x" * size
    memory = bytearray(b"....")
    send.send(KINDS[kind](data))
    send.send("next")
    with pytest.raises(ValueError, match=rf"{size} bytes.* room for 4") as caught:
        recv.recv_into(memory)
    assert type(caught.value.item).__name__ == kind
    assert bytes(caught.value.item) == data
    assert memory == b"...."
    assert recv.recv() == "next"


class Thing:
    def __init__(self):
        self.x = 1


@pytest.mark.parametrize(
    "item", ["text", "t" * 10_000, None, 7, [b"abc"], {"a": b"b"}, array.array("b", b"abc")]
)
def test_something_else(item):
    recv, send = create()
    memory = bytearray(b"." * 20_000)
    send.send(item)
    send.send(b"next")
    with pytest.raises(TypeError, match=type(item).__name__) as caught:
        recv.recv_into(memory)
    assert caught.value.item == item
    assert memory == b"." * 20_000
    assert recv.recv_into(memory) == 4


def fail():
    raise ZeroDivisionError("not this one")


class Broken:
    def __reduce__(self):
        return (fail, ())


def test_an_item_that_cannot_be_decoded():
    recv, send = create()
    send.send(Broken())
    send.send(b"next")
    memory = bytearray(4)
    with pytest.raises(ZeroDivisionError):
        recv.recv_into(memory)
    assert recv.recv_into(memory) == 4


@pytest.mark.parametrize(
    ("memory", "error"),
    [
        (b"read only", BufferError),
        (memoryview(b"read only"), BufferError),
        (memoryview(bytearray(8))[::2], BufferError),
        ("text", TypeError),
        (None, TypeError),
        (7, TypeError),
    ],
)
def test_what_is_no_writable_memory(memory, error):
    recv, send = create()
    send.send(b"kept")
    with pytest.raises(error):
        recv.recv_into(memory)
    assert recv.recv() == b"kept"


def test_a_detached_buffer():
    recv, send = create()
    buffer = Buffer(8)
    send.send(buffer)
    with pytest.raises(ValueError, match="detached"):
        recv.recv_into(buffer)
    assert recv.recv_into(Buffer(8)) == 8


def test_arguments():
    recv, _ = create()
    for arguments in ((), (bytearray(1), 0, 1)):
        with pytest.raises(TypeError, match="recv_into"):
            recv.recv_into(*arguments)
    with pytest.raises(TypeError, match="keyword"):
        recv.recv_into(bytearray(1), wait=1)
    for timeout in (-1, float("nan")):
        with pytest.raises(ValueError, match="timeout"):
            recv.recv_into(bytearray(1), timeout)
    with pytest.raises(TypeError, match="timeout"):
        recv.recv_into(bytearray(1), "soon")


@pytest.mark.parametrize("timeout", [0, 0.001])
def test_timeout(timeout):
    recv, _send = create()
    memory = bytearray(b"....")
    with pytest.raises(TimeoutError, match=f"channel {recv.id} timed out"):
        recv.recv_into(writable=memory, timeout=timeout)
    assert memory == b"...."
    memory.append(0)  # nothing holds it


def test_closed():
    recv, send = create()
    send.send(b"ab")
    send.close()
    memory = bytearray(4)
    assert recv.recv_into(memory) == 2
    with pytest.raises(ChannelClosedError, match="closed and drained"):
        recv.recv_into(memory)
    recv.close()
    with pytest.raises(ChannelClosedError, match="this RecvChannel"):
        recv.recv_into(memory)


@pytest.mark.parametrize("capacity", [None, 1, 0])
def test_it_waits(capacity):
    recv, send = create(capacity)
    memory = Buffer(4)
    call = Call(recv.recv_into, memory)
    wait_until(lambda: send.stats().waiting_receivers)
    with pytest.raises(BufferError, match="live view"):
        create()[1].send(memory)  # it is in use
    send.send(b"abcd")
    assert call.result() == 4
    assert bytes(memory) == b"abcd"
    _other_recv, other_send = create()
    other_send.send(memory)
    assert memory.detached


def test_memory_is_held_while_it_waits():
    recv, send = create()
    memory = bytearray(4)
    call = Call(recv.recv_into, memory)
    wait_until(lambda: send.stats().waiting_receivers)
    with pytest.raises(BufferError):
        memory.append(1)
    recv.close()
    with pytest.raises(ChannelClosedError):
        call.result()
    memory.append(1)


def test_an_unbound_item():
    recv, send = create(unbounditems=interpchannels.UNBOUND)
    spawn(send_all, send, [10]).join()
    with pytest.raises(TypeError, match="Unbound") as caught:
        recv.recv_into(bytearray(10))
    assert caught.value.item is interpchannels.UNBOUND


def test_many_threads():
    recv, send = create()
    got = []

    def receive():
        memory = bytearray(20_000)
        while True:
            try:
                size = recv.recv_into(memory)
            except ChannelClosedError:
                return
            assert memory[:size] == memory[:1] * size
            got.append(size)

    threads = [threading.Thread(target=receive) for _ in range(3)]
    for thread in threads:
        thread.start()
    sizes = [1 + 97 * i % 20_000 for i in range(600)]
    for i, size in enumerate(sizes):
        send.send(bytes([i % 251]) * size)
    send.close()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(sizes)
