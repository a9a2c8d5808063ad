"""Many senders and receivers in several interpreters: every item exactly once, in its sender's order."""

import random

import pytest
import worker_functions as functions

from interpchannels import create, spawn
from support import ROUNDS, Call

ITEMS = 400


def check(received, senders, count):
    """`received`: a list of (name, number) for each receiver. Exactly once over all; ascending in each."""
    everything = sorted(item for one in received for item in one)
    assert everything == sorted((name, number) for name in senders for number in range(count))
    for one in received:
        for name in senders:
            numbers = [number for sender, number in one if sender == name]
            assert numbers == sorted(numbers)


@pytest.mark.parametrize("capacity", [None, 0, 1, 7])
@pytest.mark.parametrize(("senders", "receivers"), [(1, 1), (3, 1), (1, 3), (3, 3)])
def test_between_interpreters(capacity, senders, receivers):
    seed = random.randrange(2**32)
    print("seed", seed)
    recv, send = create(capacity)
    names = [f"s{n}" for n in range(senders)]
    takers = [spawn(functions.receive_numbered, recv, seed - n) for n in range(receivers)]
    givers = [
        spawn(functions.send_numbered, send, name, ITEMS, seed + n) for n, name in enumerate(names)
    ]
    send.close()
    recv.close()
    for worker in givers:
        worker.result()
    check([worker.result() for worker in takers], names, ITEMS)
    for worker in givers + takers:
        worker.join()


@pytest.mark.parametrize("capacity", [None, 0, 1, 5])
def test_threads_in_interpreters(capacity):
    """Several threads in each of several interpreters, and this one takes part on both sides."""
    seed = random.randrange(2**32)
    print("seed", seed)
    recv, send = create(capacity)
    count = ITEMS // 4
    takers = [spawn(functions.receive_numbered_by_threads, recv, seed, 2) for _ in range(2)]
    givers = [
        spawn(functions.send_numbered_by_threads, send, f"i{n}", count, seed + n, 3)
        for n in range(2)
    ]
    mine = Call(functions.send_numbered_by_threads, send, "main", count, seed, 2)
    here = Call(functions.receive_numbered, recv, seed)
    mine.result()
    send.close()
    for worker in givers:
        worker.result()
    received = [one for worker in takers for one in worker.result()] + [here.result()]
    recv.close()
    names = [f"i{n}.{t}" for n in range(2) for t in range(3)] + ["main.0", "main.1"]
    check(received, names, count)
    for worker in givers + takers:
        worker.join()


@pytest.mark.parametrize("capacity", [None, 0, 2])
def test_through_a_pipeline(capacity):
    """One sender, stages that hand on, one receiver: the order of the whole is kept."""
    stages = 4
    links = [create(capacity) for _ in range(stages + 1)]
    workers = [spawn(functions.echo, links[n][0], links[n + 1][1]) for n in range(stages)]
    send, recv = links[0][1], links[-1][0]
    for n in range(stages):
        links[n][0].close()
        links[n + 1][1].close()
    feeder = Call(lambda: [send.send(number) for number in range(1000)] and send.close())
    assert list(recv) == list(range(1000))
    feeder.result()
    for worker in workers:
        worker.result()
        worker.join()


def test_many_channels_at_once():
    count = 200
    channels = [create(random.choice([None, 1, 4])) for _ in range(count)]
    back_recv, back_send = create()
    workers = [spawn(functions.echo, recv, back_send) for recv, _ in channels[:: count // 4]]
    for index, (_, send) in enumerate(channels[:: count // 4]):
        send.send(index)
        send.close()
    back_send.close()
    assert sorted(back_recv) == list(range(len(workers)))
    for worker in workers:
        worker.join()


def test_channels_that_come_and_go():
    """A channel for each request, its answer end riding inside the request."""
    recv, send = create()
    worker = spawn(functions.answer, recv)
    for number in range(100 * ROUNDS):
        answer_recv, answer_send = create(1)
        send.send((number, answer_send))
        answer_send.close()
        assert list(answer_recv) == [number * 2]
    send.close()
    worker.result()
    worker.join()
