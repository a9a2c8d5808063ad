"""Blocking calls between threads: unbounded, bounded and rendezvous channels, and who is woken by what."""

import itertools
import threading

import pytest

from interpchannels import ChannelClosedError, ChannelFullError, create
from support import Call, wait_until


def blocked_recv(recv, send, count=1):
    """`count` threads that are blocked in recv()."""
    before = send.stats().waiting_receivers
    calls = [Call(recv.recv) for _ in range(count)]
    wait_until(lambda: send.stats().waiting_receivers == before + count)
    return calls


def blocked_send(recv, send, *items):
    """A thread for each item that is blocked in send(), in this order."""
    calls = []
    for item in items:
        before = recv.stats().waiting_senders
        calls.append(Call(send.send, item))
        wait_until(lambda before=before: recv.stats().waiting_senders == before + 1)
    return calls


@pytest.mark.parametrize("capacity", [None, 0, 1])
def test_a_send_wakes_a_receiver(capacity):
    recv, send = create(capacity)
    (call,) = blocked_recv(recv, send)
    send.send("x")
    assert call.result() == "x"
    assert recv.stats().waiting_receivers == 0


@pytest.mark.parametrize("capacity", [0, 1])
def test_send_nowait_reaches_a_blocked_receiver(capacity):
    recv, send = create(capacity)
    (call,) = blocked_recv(recv, send)
    send.send_nowait("x")
    assert call.result() == "x"


@pytest.mark.parametrize("capacity", [None, 0, 3])
def test_one_item_for_each_blocked_receiver(capacity):
    recv, send = create(capacity)
    calls = blocked_recv(recv, send, 5)
    for number in range(5):
        send.send(number)
    assert sorted(call.result() for call in calls) == [0, 1, 2, 3, 4]
    assert len(recv) == 0


def test_receiving_wakes_the_senders():
    recv, send = create(1)
    send.send(0)
    calls = blocked_send(recv, send, 1, 2, 3)
    assert len(recv) == 1
    got = [recv.recv() for _ in range(4)]
    assert got[0] == 0 and sorted(got) == [0, 1, 2, 3]
    for call in calls:
        call.result()


def test_a_blocked_sender_is_not_forgotten():
    """Whoever else takes the places that get free: the blocked one comes through, once."""
    recv, send = create(1)
    send.send("first")
    (call,) = blocked_send(recv, send, "blocked")
    got = [recv.recv()]
    for number in range(1000):
        try:
            send.send_nowait(number)
        except ChannelFullError:
            pass
        got.append(recv.recv())
    call.result()
    while len(recv):
        got.append(recv.recv())
    assert got.count("blocked") == 1


def test_rendezvous_send_returns_only_when_taken():
    recv, send = create(0)
    (call,) = blocked_send(recv, send, "x")
    assert call.is_alive()
    assert recv.recv() == "x"
    call.result()
    assert recv.stats().waiting_senders == 0


def test_rendezvous_recv_nowait_takes_from_a_blocked_sender():
    recv, send = create(0)
    (call,) = blocked_send(recv, send, "x")
    assert recv.recv_nowait() == "x"
    call.result()


def test_rendezvous_ping_pong():
    recv, send = create(0)
    back_recv, back_send = create(0)

    def answer():
        for value in recv:
            back_send.send(value + 1)

    other = Call(answer)
    for number in range(1000):
        send.send(number)
        assert back_recv.recv() == number + 1
    send.close()
    other.result()


def test_rendezvous_timed_out_send_left_nothing():
    recv, send = create(0)
    for _ in range(100):
        with pytest.raises(TimeoutError):
            send.send("lost", timeout=1e-4)
    (call,) = blocked_recv(recv, send)
    send.send("found")
    assert call.result() == "found"


@pytest.mark.parametrize("immediate", [False, True])
@pytest.mark.parametrize("capacity", [None, 0, 1])
def test_shutdown_wakes_receivers(capacity, immediate):
    recv, send = create(capacity)
    calls = blocked_recv(recv, send, 3)
    send.shutdown(immediate)
    for call in calls:
        with pytest.raises(ChannelClosedError):
            call.result()


@pytest.mark.parametrize("immediate", [False, True])
@pytest.mark.parametrize("capacity", [0, 1])
def test_shutdown_wakes_senders_and_leaves_nothing_of_theirs(capacity, immediate):
    recv, send = create(capacity)
    if capacity:
        send.send("queued")
    calls = blocked_send(recv, send, 1, 2)
    recv.shutdown(immediate=immediate)
    for call in calls:
        with pytest.raises(ChannelClosedError):
            call.result()
    if capacity and not immediate:
        assert recv.recv() == "queued"
    with pytest.raises(ChannelClosedError):
        recv.recv()


def test_close_wakes_what_is_blocked_on_that_handle_only():
    recv, send = create()
    other = recv.clone()
    (here,) = blocked_recv(recv, send)
    (there,) = blocked_recv(other, send)
    recv.close()
    with pytest.raises(ChannelClosedError):
        here.result()
    assert there.is_alive()
    send.send("still")
    assert there.result() == "still"


def test_close_of_a_sender_wakes_its_blocked_send():
    recv, send = create(1)
    other = send.clone()
    send.send("first")
    (call,) = blocked_send(recv, send, "second")
    send.close()
    with pytest.raises(ChannelClosedError):
        call.result()
    assert recv.recv() == "first"
    other.send("third")
    assert recv.recv() == "third"


def test_threads_share_one_handle():
    recv, send = create(4)
    count, threads = 500, 4
    senders = [
        Call(lambda base=base: [send.send(base + n) for n in range(count)])
        for base in range(0, threads * count, count)
    ]
    receivers = [Call(lambda: list(recv)) for _ in range(threads)]
    for call in senders:
        call.result()
    send.close()
    got = [call.result() for call in receivers]
    assert sorted(itertools.chain(*got)) == list(range(threads * count))
    for one in got:
        for base in range(0, threads * count, count):
            mine = [n for n in one if base <= n < base + count]
            assert mine == sorted(mine)


def test_a_blocked_call_lets_other_threads_run():
    recv, send = create()
    (call,) = blocked_recv(recv, send)
    ran = threading.Event()
    Call(ran.set).result()
    assert ran.is_set()
    assert call.is_alive()
    send.send("done")
    assert call.result() == "done"
