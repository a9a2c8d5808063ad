"""send, recv and their nowait forms in one thread: order, results, and arguments that make no sense."""

import pytest

from interpchannels import ChannelEmptyError, ChannelFullError, create


def test_first_in_first_out():
    recv, send = create()
    for number in range(1000):
        assert send.send(number) is None
    assert len(recv) == len(send) == 1000
    assert [recv.recv() for _ in range(1000)] == list(range(1000))
    assert len(recv) == len(send) == 0


def test_order_over_both_ways_to_send_and_receive():
    recv, send = create(10)
    send.send("a")
    send.send_nowait("b")
    send.send("c", timeout=0)
    send.send("d", timeout=1)
    assert recv.recv_nowait() == "a"
    assert recv.recv(timeout=0) == "b"
    assert recv.recv_nowait(None) == "c"
    assert recv.recv(1) == "d"


def test_interleaved():
    recv, send = create(3)
    expected = 0
    for number in range(300):
        send.send(number)
        if len(recv) == 3:
            assert recv.recv() == expected
            assert recv.recv() == expected + 1
            expected += 2


def test_what_arrives_is_a_copy():
    recv, send = create()
    item = [1, [2]]
    send.send(item)
    item.append(3)
    item[1].append(4)
    got = recv.recv()
    assert got == [1, [2]]
    assert got is not item


def test_falsy_items_are_items():
    recv, send = create()
    for value in (None, False, 0, 0.0, "", b"", (), [], {}):
        send.send(value)
    for value in (None, False, 0, 0.0, "", b"", (), [], {}):
        got = recv.recv_nowait("default")
        assert got == value and type(got) is type(value)


def test_recv_nowait_on_empty():
    recv, _send = create()
    with pytest.raises(ChannelEmptyError):
        recv.recv_nowait()
    assert recv.recv_nowait(None) is None
    sentinel = object()
    assert recv.recv_nowait(sentinel) is sentinel


def test_send_nowait_on_full():
    recv, send = create(2)
    send.send_nowait(1)
    send.send_nowait(2)
    with pytest.raises(ChannelFullError):
        send.send_nowait(3)
    assert len(recv) == 2
    assert [recv.recv(), recv.recv()] == [1, 2]
    send.send_nowait(4)
    assert recv.recv() == 4


def test_send_nowait_never_full_when_unbounded():
    recv, send = create()
    for number in range(10_000):
        send.send_nowait(number)
    assert len(recv) == 10_000


def test_send_nowait_at_capacity_0_needs_a_waiting_receiver():
    recv, send = create(0)
    with pytest.raises(ChannelFullError):
        send.send_nowait(1)
    with pytest.raises(ChannelEmptyError):
        recv.recv_nowait()
    assert len(recv) == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda recv, send: send.send(),
        lambda recv, send: send.send(1, 2, 3),
        lambda recv, send: send.send(1, wait=3),
        lambda recv, send: send.send_nowait(),
        lambda recv, send: send.send_nowait(1, 2),
        lambda recv, send: recv.recv(1, 2),
        lambda recv, send: recv.recv(block=True),
        lambda recv, send: recv.recv_nowait(1, 2),
        lambda recv, send: recv.close(1),
        lambda recv, send: recv.shutdown(1, 2),
        lambda recv, send: recv.clone(1),
        lambda recv, send: recv.stats(1),
        lambda recv, send: type(recv).recv(send),
        lambda recv, send: type(send).send(recv, 1),
        lambda recv, send: type(recv).recv(3),
    ],
)
def test_wrong_arguments(call):
    recv, send = create()
    send.send("stays")
    with pytest.raises(TypeError):
        call(recv, send)
    assert len(recv) == 1
    assert recv.recv() == "stays"


def test_each_end_has_its_own_half_only():
    recv, send = create()
    for name in ("send", "send_nowait"):
        assert not hasattr(recv, name)
    for name in ("recv", "recv_nowait", "__iter__", "__next__"):
        assert not hasattr(send, name)
    with pytest.raises(TypeError):
        iter(send)


def test_send_accepts_its_arguments_by_name():
    recv, send = create()
    send.send(obj=1, timeout=2)
    send.send(2, 3)
    assert recv.recv(timeout=None) == 1
    assert recv.recv(None) == 2
