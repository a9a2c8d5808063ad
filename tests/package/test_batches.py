"""send_many and recv_many: in order, with an account of what went when something fails."""

import random
import select
import threading

import pytest
import worker_functions as functions

from interpchannels import (
    UNBOUND,
    UNBOUND_ERROR,
    ChannelClosedError,
    ItemInterpreterDestroyed,
    NotShareableError,
    create,
    spawn,
)
from support import Call, wait_until

MIXED = [
    None,
    True,
    1,
    -(2**40),
    2**200,
    1.5,
    "text",
    "x" * 127,
    "x" * 128,
    "é",
    b"bytes",
    b"y" * 100_000,
    [1, [2, {"a": (3,)}]],
    {"key": {1, 2}},
    ("nested", b"z" * 9_000),
    ValueError("an exception"),
]


def equal(got, sent):
    """Equality for MIXED, whose exceptions compare by identity."""
    return repr(got) == repr(sent) and [type(x) for x in got] == [type(x) for x in sent]


@pytest.mark.parametrize("capacity", [None, 100])
def test_everything_arrives_in_order(capacity):
    recv, send = create(capacity)
    assert send.send_many(MIXED) == len(MIXED)
    assert equal(recv.recv_many(), MIXED)
    assert len(recv) == 0


ITERABLES = {
    "list": list,
    "tuple": lambda: (1, 2),
    "range": lambda: range(5_000),
    "dict": lambda: {1: 2, 3: 4},
    "frozenset": lambda: frozenset({7}),
    "str": lambda: "abc",
    "bytes": lambda: b"abc",
    "bytearray": lambda: bytearray(b"abc"),
    "list_iterator": lambda: iter([1, 2]),
    "generator": lambda: (n * n for n in range(3)),
    "map": lambda: map(str, range(3)),
}


@pytest.mark.parametrize("kind", ITERABLES)
def test_any_iterable(kind):
    recv, send = create()
    count = send.send_many(ITERABLES[kind]())
    expected = list(ITERABLES[kind]())
    assert count == len(expected) == len(recv)
    assert (recv.recv_many() if count else []) == expected


def test_random_sizes_and_single_items_keep_the_order():
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    recv, send = create()
    sent, got = [], []
    for _ in range(300):
        items = [rng.choice(MIXED[:-1]) for _ in range(rng.randrange(200))]
        if rng.random() < 0.3:
            for item in items:
                send.send(item)
        else:
            assert send.send_many(items) == len(items)
        sent += items
        while len(recv) and rng.random() < 0.8:
            if rng.random() < 0.3:
                got.append(recv.recv())
            else:
                most = rng.randrange(1, 400)
                some = recv.recv_many(most)
                assert 1 <= len(some) <= most
                got += some
    if len(recv):
        got += recv.recv_many()
    assert got == sent


@pytest.mark.parametrize("capacity", [0, 1, 3, None])
def test_it_waits_for_places(capacity):
    recv, send = create(capacity)
    call = Call(send.send_many, range(500))
    got = []
    while len(got) < 500:
        some = recv.recv_many(random.randrange(1, 20))
        if capacity:
            assert len(some) <= 2 * capacity + 1  # what was there, and what moved in at once
        got += some
    assert got == list(range(500))
    assert call.result() == 500


@pytest.mark.parametrize("capacity", [0, 2])
def test_a_timeout_says_how_many_went(capacity):
    recv, send = create(capacity)
    for timeout in (0, 0.01):
        with pytest.raises(TimeoutError) as caught:
            send.send_many(range(10), timeout)
        assert caught.value.sent == capacity
        assert len(recv) == capacity
        if capacity:
            assert recv.recv_many() == list(range(capacity))
        assert recv.stats().waiting_senders == 0


def test_the_iterables_own_error_says_how_many_went():
    def items():
        yield 1
        yield [2]
        raise LookupError("no more")

    recv, send = create()
    with pytest.raises(LookupError) as caught:
        send.send_many(items())
    assert caught.value.sent == 2
    assert recv.recv_many() == [1, [2]]


def test_an_item_that_cannot_cross_stops_it_there():
    recv, send = create()
    with pytest.raises(NotShareableError, match="lock") as caught:
        send.send_many([1, "two", threading.Lock(), 4])
    assert caught.value.sent == 2
    assert recv.recv_many() == [1, "two"]
    assert recv.stats().sent == 2


def test_the_close_says_how_many_went():
    recv, send = create(3)
    call = Call(send.send_many, range(10))
    wait_until(lambda: recv.stats().waiting_senders == 1)
    send.shutdown()
    with pytest.raises(ChannelClosedError) as caught:
        call.result()
    assert caught.value.sent == 3
    assert recv.recv_many() == [0, 1, 2]
    with pytest.raises(ChannelClosedError):
        recv.recv_many()


def test_the_close_of_the_handle_says_how_many_went():
    recv, send = create()
    other = send.clone()

    def items():
        yield 1
        send.close()
        yield 2

    with pytest.raises(ChannelClosedError, match="clone") as caught:
        send.send_many(items())
    assert caught.value.sent == 1
    assert recv.recv_many() == [1]
    for call in (send.send_many, lambda _: send.send_many([])):
        with pytest.raises(ChannelClosedError):
            call([1])
    assert other.send_many([3]) == 1
    assert recv.recv_many() == [3]


@pytest.mark.parametrize("how", ["close", "shutdown"])
def test_what_was_closed_before_says_that_none_went(how):
    _recv, send = create()
    getattr(send, how)()
    with pytest.raises(ChannelClosedError) as caught:
        send.send_many([1, 2])
    assert caught.value.sent == 0


def test_what_was_yielded_is_there_before_more_is_asked_for():
    recv, send = create()
    seen = []

    def items():
        for n in range(5):
            yield n
            seen.append(recv.recv_nowait("nothing"))

    assert send.send_many(items()) == 5
    assert seen == [0, 1, 2, 3, 4]


def test_it_may_be_called_from_within_itself():
    recv, send = create()

    def items():
        yield 1
        yield send.send_many([2, 3])
        yield 4

    assert send.send_many(items()) == 3
    assert recv.recv_many() == [1, 2, 3, 2, 4]


def test_a_list_that_changes_meanwhile():
    """It goes as far as the list does at the moment; how far it has read ahead is its own business."""
    recv, send = create(1)
    items = list(range(10_000))
    call = Call(send.send_many, items)
    wait_until(lambda: recv.stats().waiting_senders == 1)
    del items[100:]
    receiving = Call(list, recv)
    sent = call.result()
    send.close()
    assert receiving.result() == list(range(sent))
    assert 100 <= sent < 10_000


def test_it_waits_for_the_first_and_takes_what_is_there():
    recv, send = create()
    call = Call(recv.recv_many, 3)
    wait_until(lambda: send.stats().waiting_receivers == 1)
    send.send("first")
    assert call.result() == ["first"]
    with pytest.raises(TimeoutError):
        recv.recv_many(timeout=0)
    with pytest.raises(TimeoutError):
        recv.recv_many(5, 0.01)


def test_at_capacity_0_it_takes_those_who_stand_there():
    recv, send = create(0)
    calls = [Call(send.send, n) for n in range(3)]
    wait_until(lambda: recv.stats().waiting_senders == 3)
    got = recv.recv_many(2)
    assert len(got) == 2
    got += recv.recv_many()
    assert sorted(got) == [0, 1, 2]
    for call in calls:
        call.result()


def test_an_item_that_cannot_be_decoded_does_not_take_the_others_along():
    recv, send = create()
    send.send_many([1, functions.FailsToLoad("here"), 2, functions.FailsToLoad("there"), [3]])
    with pytest.raises(RuntimeError, match="here") as caught:
        recv.recv_many()
    assert (caught.value.received, caught.value.failed) == ([1, 2, [3]], 2)
    send.send("on")
    assert recv.recv_many() == ["on"]


def test_each_item_of_an_interpreter_that_ended_is_an_error():
    recv, send = create(unbounditems=UNBOUND_ERROR)
    spawn(functions.send_all, send, [1, 2]).result()
    send.send("here")
    spawn(functions.send_all, send, [3]).result()
    for received in [], [], ["here"]:
        with pytest.raises(ItemInterpreterDestroyed) as caught:
            recv.recv_many()
        assert (caught.value.received, caught.value.failed) == (received, 1)
    assert recv.recv_nowait("nothing more") == "nothing more"


def test_items_that_remember_their_sender():
    recv, send = create(unbounditems=UNBOUND)
    worker = spawn(functions.send_all, send, [1, 2, [3]])
    worker.result()
    send.send_many([4, 5])
    assert recv.recv_many() == [UNBOUND, UNBOUND, UNBOUND, 4, 5]


@pytest.mark.parametrize("most", [0, -1, -(2**70)])
def test_max_must_be_positive(most):
    recv, send = create()
    send.send(1)
    with pytest.raises(ValueError, match=rf"max .* not {most}"):
        recv.recv_many(most)
    assert recv.recv_many(2**70) == [1]


def test_wrong_arguments():
    recv, send = create()
    with pytest.raises(TypeError, match=r"max .* not str"):
        recv.recv_many("1")
    with pytest.raises(TypeError, match="not iterable"):
        send.send_many(1)
    with pytest.raises(TypeError):
        send.send_many()
    with pytest.raises(ValueError, match="timeout"):
        send.send_many([], -1)
    with pytest.raises(ValueError, match="timeout"):
        recv.recv_many(timeout=float("nan"))
    assert send.stats().sent == 0


@pytest.mark.parametrize("capacity", [None, 0, 10, 1000])
def test_between_interpreters(capacity):
    """Several of each, with batches of every size: every item once, each sender's in order."""
    recv, send = create(capacity)
    count = 2_000
    givers = [spawn(functions.send_many_numbered, send, name, count) for name in "abc"]
    takers = [spawn(functions.receive_many, recv) for _ in range(2)]
    send.close()
    recv.close()
    for worker in givers:
        assert worker.result() == count
    received = [worker.result() for worker in takers]
    assert sorted(item for one in received for item in one) == sorted(
        (name, number) for name in "abc" for number in range(count)
    )
    for one in received:
        for name in "abc":
            numbers = [number for sender, number in one if sender == name]
            assert numbers == sorted(numbers)


def test_it_clears_the_descriptors_hint():
    recv, send = create()
    descriptor = recv.fileno()
    send.send_many(range(10))
    assert select.select([descriptor], [], [], 60)[0]
    assert len(recv.recv_many()) == 10
    assert not select.select([descriptor], [], [], 0)[0]
    send.send_many([b"x" * 100_000])
    assert select.select([descriptor], [], [], 60)[0]
