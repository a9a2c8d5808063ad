"""What an end is: iteration, with, close, shutdown, closed, clone, equality, hash, truth, repr, stats."""

import copy
import gc

import pytest

from interpchannels import ChannelClosedError, ChannelEmptyError, create
from support import Call, wait_until


def assert_dead(end):
    """Every operation of a closed handle raises ChannelClosedError."""
    operations = [
        lambda: end.send(1),
        lambda: end.send(1, timeout=0),
        lambda: end.send_nowait(1),
        lambda: end.recv(),
        lambda: end.recv(timeout=0),
        lambda: end.recv_nowait(),
        lambda: end.recv_nowait("default"),
    ]
    for operation in operations[:3] if hasattr(end, "send") else operations[3:]:
        with pytest.raises(ChannelClosedError):
            operation()


# Iteration ------------------------------------------------------------------------------------------------


def test_iteration_ends_when_closed_and_drained():
    recv, send = create()
    for number in range(5):
        send.send(number)
    send.close()
    assert list(recv) == [0, 1, 2, 3, 4]
    assert list(recv) == []


def test_iteration_waits():
    recv, send = create(1)
    call = Call(lambda: list(recv))
    for number in range(100):
        send.send(number)
    wait_until(lambda: send.stats().waiting_receivers == 1)
    send.shutdown()
    assert call.result() == list(range(100))


def test_next():
    recv, send = create()
    send.send("a")
    iterator = iter(recv)
    assert next(iterator) == "a"
    send.close()
    with pytest.raises(StopIteration):
        next(iterator)


def test_iteration_goes_on_after_a_break():
    recv, send = create()
    for number in range(4):
        send.send(number)
    for value in recv:
        if value == 1:
            break
    send.close()
    assert list(recv) == [2, 3]


def test_unpacking_and_zip():
    recv, send = create()
    for number in range(4):
        send.send(number)
    assert list(zip("ab", recv, strict=False)) == [("a", 0), ("b", 1)]
    send.close()
    assert [*recv] == [2, 3]


# with, close ----------------------------------------------------------------------------------------------


def test_with_closes():
    recv, send = create()
    with send as entered:
        assert entered is send
        send.send(1)
    assert_dead(send)
    with recv as entered:
        assert entered is recv
        assert list(recv) == [1]
    assert_dead(recv)


def test_with_closes_after_an_exception_and_lets_it_through():
    recv, send = create()
    with pytest.raises(ZeroDivisionError), recv, send:
        _ = 1 // 0
    assert recv.closed and send.closed


def test_close_is_idempotent():
    recv, send = create()
    for end in (send, recv):
        assert end.close() is None
        end.close()
        with end:
            end.close()
        assert_dead(end)


def test_what_a_closed_handle_still_tells():
    recv, send = create(7)
    number, twin = recv.id, recv.clone()
    for end in (recv, send):
        end.close()
        assert end.closed
        assert end.id == number
        assert end.capacity == 7
        assert bool(end)
        assert str(number) in repr(end)
    assert recv == twin
    assert hash(recv) == hash(twin)


def test_clone_of_a_closed_handle():
    recv, send = create()
    for end in (recv, send):
        end.close()
        with pytest.raises(ChannelClosedError):
            end.clone()


# shutdown -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["recv", "send"])
def test_shutdown_drains_first(which):
    recv, send = create()
    other_send, other_recv = send.clone(), recv.clone()
    for number in range(3):
        send.send(number)
    {"recv": recv, "send": send}[which].shutdown()
    assert_dead(send)
    assert_dead(other_send)
    assert recv.recv() == 0
    assert other_recv.recv_nowait() == 1
    assert list(recv) == [2]
    assert_dead(recv)
    assert_dead(other_recv)


@pytest.mark.parametrize("which", ["recv", "send"])
@pytest.mark.parametrize("give", [{"args": (True,)}, {"kwargs": {"immediate": True}}])
def test_shutdown_immediate_drops_what_is_queued(which, give):
    recv, send = create()
    inner_recv, inner_send = create()
    send.send(b"x" * 1000)
    send.send(inner_send)
    inner_send.close()
    end = {"recv": recv, "send": send}[which]
    end.shutdown(*give.get("args", ()), **give.get("kwargs", {}))
    assert len(send) == len(recv) == 0
    assert_dead(recv)
    assert_dead(send)
    with pytest.raises(ChannelClosedError):  # the end that was queued went with the queue
        inner_recv.recv()


def test_shutdown_twice_and_immediate_after_gentle():
    recv, send = create()
    send.send(1)
    send.shutdown()
    send.shutdown()
    recv.shutdown()
    assert len(recv) == 1
    recv.shutdown(immediate=True)
    recv.shutdown(immediate=False)
    assert_dead(recv)


def test_shutdown_of_an_empty_channel():
    recv, send = create()
    send.shutdown()
    assert recv.closed and send.closed
    assert_dead(recv)
    assert_dead(send)


# closed ---------------------------------------------------------------------------------------------------


def test_closed():
    recv, send = create()
    assert not recv.closed and not send.closed
    assert type(recv.closed) is bool
    send.send(1)
    send.close()
    assert send.closed
    assert not recv.closed  # one recv() can succeed
    assert recv.recv() == 1
    assert recv.closed


def test_closed_of_a_sender_without_receivers():
    recv, send = create()
    recv.close()
    assert recv.closed and send.closed


def test_closed_is_read_only():
    recv, send = create()
    for end in (recv, send):
        for name in ("closed", "id", "capacity"):
            with pytest.raises(AttributeError):
                setattr(end, name, 1)
            with pytest.raises(AttributeError):
                delattr(end, name)


# clone ----------------------------------------------------------------------------------------------------


def test_clone_is_a_handle_of_its_own():
    recv, send = create()
    recv2, send2 = recv.clone(), send.clone()
    assert recv2 is not recv and type(recv2) is type(recv)
    assert send2 is not send and type(send2) is type(send)
    assert recv2.id == recv.id and send2.capacity == send.capacity
    send.close()
    send2.send(1)
    recv.close()
    assert recv2.recv() == 1
    send2.close()
    assert_dead(recv2)


def test_clone_of_the_receiver_of_a_drained_closed_channel():
    recv, send = create()
    send.close()
    try:
        twin = recv.clone()
    except ChannelClosedError:
        return
    assert twin.closed


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy])
def test_copies_are_handles(way):
    recv, send = create()
    twin = way(send)
    assert twin == send and twin is not send
    send.close()
    twin.send(1)
    twin.close()
    assert list(recv) == [1]


# Equality, hash, truth, repr ------------------------------------------------------------------------------


def test_equality_and_hash():
    recv, send = create()
    other, _ = create()
    twin = recv.clone()
    assert recv == recv and recv == twin and hash(recv) == hash(twin)
    assert not recv != twin  # noqa: SIM202
    assert recv != send and not recv == send  # noqa: SIM201
    assert recv != other
    for stranger in (recv.id, None, "recv", object()):
        assert recv != stranger
        assert not recv == stranger  # noqa: SIM201
    assert {recv, twin, send, send.clone()} == {recv, send}
    assert {recv: "r", send: "s"}[twin] == "r"


def test_no_order():
    recv, send = create()
    with pytest.raises(TypeError):
        _ = recv < send
    with pytest.raises(TypeError):
        sorted([recv, recv.clone()])


def test_always_true():
    recv, send = create()
    assert recv and send  # though its len() is 0
    send.send(1)
    assert recv and send
    send.shutdown(immediate=True)
    assert recv and send


def test_repr():
    recv, send = create(5)
    assert "RecvChannel" in repr(recv) and str(recv.id) in repr(recv)
    assert "SendChannel" in repr(send) and str(send.id) in repr(send)
    before = repr(recv)
    recv.close()
    assert repr(recv) != before and "closed" in repr(recv)


# len, stats -----------------------------------------------------------------------------------------------


def test_stats_of_traffic():
    recv, send = create()
    fresh = recv.stats()
    assert (fresh.sent, fresh.received, fresh.queued) == (0, 0, 0)
    for number in range(10):
        send.send(number)
    for _ in range(3):
        recv.recv()
    for end in (recv, send):
        now = end.stats()
        assert (now.sent, now.received, now.queued) == (10, 3, 7)
        assert len(end) == 7
    assert (fresh.sent, fresh.received, fresh.queued) == (0, 0, 0)  # a snapshot


def test_stats_of_bytes():
    recv, send = create()
    before = recv.stats().bytes
    send.send(b"x" * 1000)
    assert recv.stats().bytes >= before + 1000
    with pytest.raises(ChannelEmptyError):
        recv.recv()
        recv.recv_nowait()
    assert type(recv.stats().bytes) is int


def test_stats_of_failures():
    recv, send = create(1)
    send.send(1)
    with pytest.raises(TimeoutError):
        send.send(2, 0)
    assert recv.stats().sent == 1
    recv.recv()
    recv.recv_nowait(None)
    assert recv.stats().received == 1


def test_stats_of_ends():
    recv, send = create()

    def counts():
        gc.collect()
        now = recv.stats()
        return now.open_receivers, now.open_senders

    assert counts() == (1, 1)
    twins = [send.clone() for _ in range(3)]
    assert counts() == (1, 4)
    twins.pop().close()
    assert counts() == (1, 3)
    del twins
    assert counts() == (1, 1)
    other = recv.clone()
    assert counts() == (2, 1)
    other.close()
    other.close()
    assert counts() == (1, 1)
    send.close()
    assert counts() == (1, 0)


def test_stats_of_waiting():
    recv, send = create(0)
    assert (recv.stats().waiting_senders, recv.stats().waiting_receivers) == (0, 0)
    calls = [Call(send.send, n) for n in range(3)]
    wait_until(lambda: recv.stats().waiting_senders == 3)
    assert recv.stats().waiting_receivers == 0
    assert sorted(recv.recv() for _ in range(3)) == [0, 1, 2]
    for call in calls:
        call.result()
    assert recv.stats().waiting_senders == 0


def test_dropping_a_handle_closes_it():
    recv, send = create()
    send.send(1)
    del send
    gc.collect()
    assert list(recv) == [1]


def test_a_handle_in_a_reference_cycle_is_collected():
    recv, send = create()
    holder = [send]
    holder.append(holder)
    del send, holder
    gc.collect()
    with pytest.raises(ChannelClosedError):
        recv.recv()
