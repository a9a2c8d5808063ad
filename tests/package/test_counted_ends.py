"""Ends are counted: over handles, interpreters and queued parcels; the last one to go ends the channel."""

import gc
import sys
import threading

import pytest
from crossing_object import Holder

from interpchannels import ChannelClosedError, NotShareableError, create
from support import Call, destroy_interpreter, run_in, wait_until


def assert_drained_and_closed(recv):
    with pytest.raises(ChannelClosedError):
        recv.recv(timeout=10)


def assert_still_open(recv):
    with pytest.raises(TimeoutError):
        recv.recv(timeout=0.01)


# The last SendChannel -------------------------------------------------------------------------------------


def test_last_sender_closed():
    recv, send = create()
    twin = send.clone()
    send.send(1)
    send.close()
    twin.send(2)
    twin.close()
    assert [recv.recv(), recv.recv_nowait()] == [1, 2]
    assert_drained_and_closed(recv)


def test_last_sender_closed_wakes_blocked_receivers():
    recv, send = create()
    calls = [Call(recv.recv) for _ in range(3)]
    wait_until(lambda: send.stats().waiting_receivers == 3)
    send.close()
    for call in calls:
        with pytest.raises(ChannelClosedError):
            call.result()


def test_last_sender_dropped_wakes_a_blocked_receiver():
    recv, send = create()
    call = Call(recv.recv)
    wait_until(lambda: recv.stats().waiting_receivers == 1)
    del send
    gc.collect()
    with pytest.raises(ChannelClosedError):
        call.result()


def test_sender_that_dies_with_its_interpreter(interpreter):
    recv, send = create()
    run_in(interpreter, "send.send('from there')", {"send": send})
    send.close()
    assert recv.recv() == "from there"
    assert_still_open(recv)
    call = Call(recv.recv)
    wait_until(lambda: recv.stats().waiting_receivers == 1)
    destroy_interpreter(interpreter)
    with pytest.raises(ChannelClosedError):
        call.result()


def test_sender_deleted_in_another_interpreter(interpreter):
    recv, send = create()
    run_in(interpreter, "keep = send.clone()", {"send": send})
    send.close()
    run_in(interpreter, "del send")
    assert_still_open(recv)
    run_in(interpreter, "keep.send(1); del keep; import gc; gc.collect()")
    assert recv.recv() == 1
    assert_drained_and_closed(recv)


# The last RecvChannel -------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [None, 0, 1])
def test_last_receiver_closed(capacity):
    recv, send = create(capacity)
    twin = recv.clone()
    recv.close()
    call = Call(twin.recv)
    wait_until(lambda: send.stats().waiting_receivers == 1)
    send.send(1)
    assert call.result() == 1
    twin.close()
    for operation in (lambda: send.send(2), lambda: send.send_nowait(2)):
        with pytest.raises(ChannelClosedError):
            operation()


@pytest.mark.parametrize("capacity", [0, 1])
def test_last_receiver_closed_wakes_blocked_senders(capacity):
    recv, send = create(capacity)
    if capacity:
        send.send("first")
    calls = [Call(send.send, n) for n in range(3)]
    wait_until(lambda: send.stats().waiting_senders == 3)
    recv.close()
    for call in calls:
        with pytest.raises(ChannelClosedError):
            call.result()


def test_receiver_that_dies_with_its_interpreter(interpreter):
    recv, send = create(1)
    run_in(interpreter, "assert recv.recv() == 'there' if len(recv) else True", {"recv": recv})
    recv.close()
    send.send("queued")
    call = Call(send.send, "blocked")
    wait_until(lambda: send.stats().waiting_senders == 1)
    destroy_interpreter(interpreter)
    with pytest.raises(ChannelClosedError):
        call.result()


@pytest.mark.parametrize("way", ["close", "drop", "shutdown"])
def test_queued_items_are_released_with_the_last_receiver(way):
    big = b"\x01" * (1 << 20)
    held = [big]
    before = sys.getrefcount(held[0])
    recv, send = create()
    inner_recv, inner_send = create()
    outer_recv, outer_send = create()
    send.send([big, "x", big])
    send.send(inner_send)
    send.send({"deep": [outer_recv]})
    inner_send.close()
    outer_recv.close()
    outer_send.send("it counts while it is queued")
    if way == "close":
        recv.close()
    elif way == "drop":
        del recv
        gc.collect()
    else:
        recv.shutdown(immediate=True)
    assert_drained_and_closed(inner_recv)
    with pytest.raises(ChannelClosedError):
        outer_send.send("now it is gone")
    wait_until(lambda: sys.getrefcount(held[0]) == before)


# Ends in parcels ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrap", "unwrap"),
    [
        (lambda end: end, lambda got: got),
        (lambda end: (1, end), lambda got: got[1]),
        (lambda end: [[end]], lambda got: got[0][0]),
        (lambda end: {"end": {"end": end}}, lambda got: got["end"]["end"]),
        (lambda end: {end: 1}, lambda got: next(iter(got))),
        (lambda end: {end}, lambda got: got.pop()),
        (lambda end: frozenset([end]), lambda got: next(iter(got))),
        (lambda end: slice(end), lambda got: got.stop),
        (lambda end: Holder(end), lambda got: got.value),
        (lambda end: [Holder({"x": Holder(end)})], lambda got: got[0].value["x"].value),
    ],
)
class TestQueuedEnds:
    def test_a_queued_sender_counts(self, wrap, unwrap):
        post_recv, post_send = create()
        recv, send = create()
        post_send.send(wrap(send))
        send.close()
        assert_still_open(recv)
        arrived = unwrap(post_recv.recv())
        assert_still_open(recv)
        arrived.send("through")
        arrived.close()
        assert recv.recv() == "through"
        assert_drained_and_closed(recv)

    def test_a_queued_receiver_counts(self, wrap, unwrap):
        post_recv, post_send = create()
        recv, send = create()
        post_send.send(wrap(recv))
        recv.close()
        send.send("kept")
        arrived = unwrap(post_recv.recv())
        assert arrived.recv() == "kept"
        arrived.close()
        with pytest.raises(ChannelClosedError):
            send.send("nobody")

    def test_an_end_that_is_never_received_goes_with_its_parcel(self, wrap, unwrap):
        post_recv, post_send = create()
        recv, send = create()
        post_send.send(wrap(send))
        send.close()
        post_recv.close()
        assert_drained_and_closed(recv)

    def test_a_receiver_in_its_own_channel_does_not_count(self, wrap, unwrap):
        recv, send = create()
        send.send(wrap(recv))
        recv.close()
        with pytest.raises(ChannelClosedError):
            send.send("nobody could ever receive this")

    def test_a_receiver_in_its_own_channel_counts_once_received(self, wrap, unwrap):
        recv, send = create()
        send.send(wrap(recv))
        arrived = unwrap(recv.recv())
        assert arrived == recv
        recv.close()
        send.send("x")
        assert arrived.recv() == "x"
        arrived.close()
        with pytest.raises(ChannelClosedError):
            send.send("nobody")

    def test_a_sender_in_its_own_channel_counts(self, wrap, unwrap):
        recv, send = create()
        send.send(wrap(send))
        send.close()
        arrived = unwrap(recv.recv())
        arrived.send("x")
        assert recv.recv() == "x"
        arrived.close()
        assert_drained_and_closed(recv)


def test_both_ends_of_a_channel_queued_in_itself():
    recv, send = create()
    send.send((recv, send))
    recv.close()
    send.close()  # nothing is left that could reach it, so it must be gone (the fixture checks)


def test_a_failed_encoding_lets_go_of_its_ends():
    post_recv, post_send = create()
    recv, send = create()
    for _ in range(10):
        with pytest.raises(NotShareableError):
            post_send.send([send, threading.Lock()])
        with pytest.raises(NotShareableError):
            post_send.send([Holder(send), threading.Lock()])
        with pytest.raises(NotShareableError):
            post_send.send(Holder([send, threading.Lock()]))
    assert len(post_recv) == 0
    assert recv.stats().open_senders == 1
    send.close()
    assert_drained_and_closed(recv)


@pytest.mark.parametrize("capacity", [0, 1])
def test_a_timed_out_send_lets_go_of_its_ends(capacity):
    post_recv, post_send = create(capacity)
    if capacity:
        post_send.send("full")
    recv, send = create()
    for timeout in (0, 0.001):
        with pytest.raises(TimeoutError):
            post_send.send([send, Holder(send)], timeout)
    assert recv.stats().open_senders == 1
    send.close()
    assert_drained_and_closed(recv)
    assert len(post_recv) == capacity


def test_a_send_on_a_closed_channel_lets_go_of_its_ends():
    post_recv, post_send = create()
    post_recv.close()
    recv, send = create()
    with pytest.raises(ChannelClosedError):
        post_send.send([send, Holder(send)])
    assert recv.stats().open_senders == 1
    send.close()
    assert_drained_and_closed(recv)


def test_one_handle_twice_in_one_value_arrives_once():
    post_recv, post_send = create()
    recv, send = create()
    post_send.send([send, (send,), Holder(send)])
    first, (second,), held = post_recv.recv()
    assert first is second
    assert first == held.value
    send.close()
    first.close()
    held.value.close()
    del first, second, held
    assert_drained_and_closed(recv)


def test_sending_a_closed_handle():
    post_recv, post_send = create()
    recv, send = create()
    send.close()
    for value in (send, [send], Holder(send)):
        with pytest.raises((ChannelClosedError, NotShareableError)):
            post_send.send(value)
    assert len(post_recv) == 0
    assert_drained_and_closed(recv)


def test_an_end_travels_through_many_hops():
    recv, send = create()
    traveller = send.clone()
    for _ in range(20):
        hop_recv, hop_send = create()
        hop_send.send(traveller)
        traveller.close()
        traveller = hop_recv.recv()
        assert recv.stats().open_senders == 2
    traveller.send("home")
    assert recv.recv() == "home"


def test_a_chain_of_channels_in_channels_goes_as_a_whole():
    recv, send = create()
    last = send
    for _ in range(100):
        hop_recv, hop_send = create()
        hop_send.send(last)
        hop_send.close()
        last.close()
        last = hop_recv
    assert_still_open(recv)
    last.close()
    assert_drained_and_closed(recv)
