"""Timeouts: seconds as float on the monotonic clock; 0 tries once; inf is None; negative and NaN are errors."""

import math
import re
import time

import pytest

from interpchannels import ChannelEmptyError, create
from support import Call, wait_until

NEVER = [None, math.inf, 1e300, 1e18, 2.0**63, 10**30, 2**63]
REFUSED = [-1, -1e-9, -1e300, -math.inf, math.nan, -math.nan, -(10**30)]


def full():
    """A channel without a free place."""
    recv, send = create(1)
    send.send("first")
    return recv, send


@pytest.mark.parametrize("timeout", [0, 0.0, -0.0, 1e-300, 1e-9, 0.001])
def test_recv_on_empty(timeout):
    recv, _send = create()
    with pytest.raises(TimeoutError):
        recv.recv(timeout)
    with pytest.raises(TimeoutError):
        recv.recv(timeout=timeout)


@pytest.mark.parametrize("timeout", [0, 0.0, 1e-300, 1e-9, 0.001])
@pytest.mark.parametrize("capacity", [0, 1])
def test_send_without_place(timeout, capacity):
    recv, send = create(capacity)
    if capacity:
        send.send("first")
    with pytest.raises(TimeoutError):
        send.send("second", timeout)
    with pytest.raises(TimeoutError):
        send.send("second", timeout=timeout)
    assert len(recv) == capacity
    if capacity:
        assert recv.recv() == "first"
    with pytest.raises(ChannelEmptyError):
        recv.recv_nowait()
    assert recv.stats().sent == capacity


def test_zero_takes_what_is_there():
    recv, send = create(1)
    send.send(1, timeout=0)
    assert recv.recv(timeout=0) == 1


@pytest.mark.parametrize("seconds", [0.02, 0.1])
def test_waits_as_long_as_told(seconds):
    recv, send = full()
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        send.send(2, seconds)
    assert time.monotonic() - start >= seconds
    recv.recv()
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        recv.recv(seconds)
    assert time.monotonic() - start >= seconds


@pytest.mark.parametrize("timeout", NEVER)
def test_as_good_as_none(timeout):
    recv, send = create(1)
    call = Call(recv.recv, timeout)
    wait_until(lambda: send.stats().waiting_receivers == 1)
    send.send("there")
    assert call.result() == "there"
    send.send("one")
    call = Call(send.send, "two", timeout)
    wait_until(lambda: recv.stats().waiting_senders == 1)
    assert recv.recv(timeout) == "one"
    assert call.result() is None
    assert recv.recv(timeout) == "two"


@pytest.mark.parametrize("timeout", REFUSED)
def test_refused(timeout):
    recv, send = create(1)
    with pytest.raises(ValueError, match="timeout"):
        recv.recv(timeout)
    with pytest.raises(ValueError, match="timeout"):
        send.send(1, timeout)
    assert len(recv) == 0
    send.send("stays")
    with pytest.raises(ValueError, match="timeout"):
        recv.recv(timeout)
    assert recv.recv() == "stays"


@pytest.mark.parametrize("timeout", ["1", b"1", [], (), object(), 1j])
def test_not_a_number(timeout):
    recv, send = create(1)
    with pytest.raises(TypeError):
        recv.recv(timeout)
    with pytest.raises(TypeError):
        send.send(1, timeout)
    assert len(recv) == 0


def test_an_int_that_no_float_can_hold():
    recv, send = create(1)
    for timeout in (10**400, -(10**400)):
        send.send("stays")
        try:
            got = recv.recv(timeout)
        except (OverflowError, ValueError):
            got = recv.recv()
        assert got == "stays"


def test_a_timeout_whose_float_fails():
    class Odd:
        def __float__(self):
            raise ZeroDivisionError

    recv, send = create(1)
    with pytest.raises((ZeroDivisionError, TypeError)):
        recv.recv(Odd())
    with pytest.raises((ZeroDivisionError, TypeError)):
        send.send(1, Odd())
    assert len(recv) == 0


def test_the_message_names_channel_and_end():
    recv, send = full()
    with pytest.raises(TimeoutError, match=rf"\b{send.id}\b") as caught:
        send.send(2, 0.001)
    assert re.search("send", str(caught.value))
    recv.recv()
    with pytest.raises(TimeoutError, match=rf"\b{recv.id}\b") as caught:
        recv.recv(0.001)
    assert re.search("rec(v|eive)", str(caught.value))


def test_a_timed_out_wait_is_no_longer_counted():
    recv, send = full()
    with pytest.raises(TimeoutError):
        send.send(2, 0.001)
    assert recv.stats().waiting_senders == 0
    recv.recv()
    with pytest.raises(TimeoutError):
        recv.recv(0.001)
    assert recv.stats().waiting_receivers == 0
    send.send_nowait("a")
    assert recv.recv_nowait() == "a"


def test_many_timeouts_race_with_as_many_items():
    """An item goes to a receiver or stays in the channel; a time-out loses none."""
    recv, send = create(1)
    count = 2000

    def produce():
        for number in range(count):
            while True:
                try:
                    send.send(number, timeout=1e-5)
                    break
                except TimeoutError:
                    pass

    producer = Call(produce)
    got = []
    while len(got) < count:
        try:
            got.append(recv.recv(timeout=1e-5))
        except TimeoutError:
            pass
    producer.result()
    assert got == list(range(count))
