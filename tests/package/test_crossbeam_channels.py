"""The tests of crossbeam-channel, rewritten for our interface; each names the file and test that it follows.

What they sleep for is waited for (who stands in line). `golang.rs` is a port of Go's tests, as test_go_channels.py is.
Left out, since we have no such thing: `ready.rs` (an operation that is chosen and not done), `after.rs`, `tick.rs`,
`never.rs` (channels of time; `timeout` serves), `same_channel.rs` (`==` of ends: test_ends.py), `select_macro.rs` (the
grammar of a macro), and in `select.rs` `issue_1096`, `uncompleted_select_*`, `forget_select_*`, `sync_and_clone` and
`send_and_clone` (a select that is an object). `default_only` is a ValueError here. `mpsc.rs` tests what `array.rs` and
`list.rs` do; of it are here those that differ.
"""

import gc
import sys
import threading
from collections import Counter

import pytest

from interpchannels import (
    ChannelClosedError,
    ChannelEmptyError,
    ChannelFullError,
    create,
    select,
    spawn,
)
from support import Call, wait_until

ALL = [None, 0, 1, 2, 100]
BUFFERED = [None, 1, 2, 100]


def waiting(end):
    """(senders, receivers) that are in line."""
    stats = end.stats()
    return stats.waiting_senders, stats.waiting_receivers


@pytest.fixture
def go():
    """`go(fn, *args)` starts a thread; all of them have to end, and without an error, before the test does."""
    calls = []

    def start(fn, *args):
        calls.append(Call(fn, *args))
        return calls[-1]

    yield start
    while calls:
        calls.pop().result()


def closed(fn, *args):
    """Does it say that the channel is closed?"""
    try:
        fn(*args)
    except ChannelClosedError:
        return True
    return False


# tests/select.rs ------------------------------------------------------------------------------------------


def test_smoke():
    """select.rs: smoke1, smoke2."""
    channels = [create() for _ in range(5)]
    for which in (0, 1, 4):
        channels[which][1].send(which)
        assert select(*(recv for recv, _ in channels)) == (channels[which][0], which)


def test_disconnected(go):
    """select.rs: disconnected. A channel that is closed already, and one that is closed meanwhile."""
    (one, to_one), (two, to_two) = create(), create()
    call = Call(closed, select, one, two)
    wait_until(lambda: waiting(one) == waiting(two) == (0, 1))
    to_one.close()
    assert call.result()
    assert closed(select, one, two)
    to_two.send(5)
    assert two.recv() == 5
    call = Call(closed, select, two)
    wait_until(lambda: waiting(two) == (0, 1))
    to_two.close()
    assert call.result()


def test_default():
    """select.rs: default, default_only."""
    (one, to_one), (two, to_two) = create(), create()
    assert select(one, two, default="nothing") == "nothing"
    to_one.close()
    with pytest.raises(ChannelClosedError):
        select(one, two, default="nothing")
    to_two.send(2)
    assert select(two, default="nothing") == (two, 2)
    assert select(two, default="nothing") == "nothing"
    with pytest.raises(ValueError):
        select(default="nothing")


def test_timeout(go):
    """select.rs: timeout. A select that has timed out leaves the next one what comes later."""
    (one, _to_one), (two, to_two) = create(), create()
    with pytest.raises(TimeoutError):
        select(one, two, timeout=0.01)
    assert waiting(one) == waiting(two) == (0, 0)
    go(to_two.send, 2)
    assert select(one, two, timeout=60) == (two, 2)


def test_default_when_disconnected():
    """select.rs: default_when_disconnected. With timeout and with default, on both sides."""
    recv = create()[0]
    send = create(0)[1]
    for operation in (recv, (send, 0)):
        for options in ({"default": 1}, {"timeout": 60}, {"timeout": 0}):
            with pytest.raises(ChannelClosedError):
                select(operation, **options)


def test_unblocks(go):
    """select.rs: unblocks. A receive and a send at capacity 0."""
    (one, to_one), (two, to_two) = create(0), create(0)
    call = go(select, one, two)
    wait_until(lambda: waiting(two) == (0, 1))
    to_two.send(2)
    assert call.result() == (two, 2)
    call = go(select, (to_one, 1), (to_two, 2))
    wait_until(lambda: waiting(one) == (1, 0))
    assert one.recv() == 1
    assert call.result() == (to_one, None)
    assert waiting(two) == (0, 0)


def test_both_ready(go):
    """select.rs: both_ready. Each of two operations in its turn."""
    (one, to_one), (two, to_two) = create(0), create(0)

    def other():
        to_one.send(1)
        assert two.recv() == 2

    go(other)
    assert {select(one, (to_two, 2))[0] for _ in range(2)} == {one, to_two}


def test_loop_try(go):
    """select.rs: loop_try. Two that only try, and one that waits for either."""
    for _ in range(20):
        (one, to_one), (two, to_two), (over, to_over) = create(0), create(0), create(0)

        def tries(*operation, over=over):
            while select(*operation, default=None) is None:
                try:
                    select(over, default=None)
                except ChannelClosedError:
                    return

        calls = [go(tries, (to_one, 1)), go(tries, two)]
        assert select(one, (to_two, 2), timeout=60)[0] in (one, to_two)
        to_over.close()
        for call in calls:
            call.result()


def test_cloning(go):
    """select.rs: cloning1, cloning2. A handle that comes and goes wakes nobody up for good."""
    (one, to_one), (two, to_two) = create(), create()
    call = go(select, one, two)
    wait_until(lambda: waiting(one) == (0, 1))
    for _ in range(10):
        to_one.clone().close()
        one.clone().close()
    assert waiting(one) == (0, 1)
    to_two.send(None)
    assert call.result() == (two, None)


def test_preflight():
    """select.rs: preflight1, preflight2, preflight3."""
    recv, send = create()
    send.clone().close()
    send.send(())
    send.close()
    assert select(recv) == (recv, ())
    assert closed(recv.recv_nowait)
    assert closed(select, recv)


def test_duplicate_operations():
    """select.rs: duplicate_operations. Each of four over one channel is chosen once in a while."""
    recv, send = create()
    ends = [recv.clone(), recv.clone(), send.clone(), send.clone()]
    hit = [False] * 4
    while not all(hit):
        end, _ = select(*ends[:2], *((end, 0) for end in ends[2:]))
        hit[[end is one for one in ends].index(True)] = True


def test_nesting():
    """select.rs: nesting."""
    recv, send = create()
    for number in range(2):
        assert select((send, number)) == (send, None)
        assert select(recv) == (recv, number)


def test_stress_recv(go):
    """select.rs: stress_recv. (stress_mixed is as reuse is, below.)"""
    count = 1000
    (one, to_one), (two, to_two), (go_on, to_go_on) = create(), create(5), create(100)

    def other():
        for number in range(count):
            for send in (to_one, to_two):
                send.send(number)
                go_on.recv()

    go(other)
    for number in range(count):
        for recv in (one, two):
            assert select(one, two) == (recv, number)
            to_go_on.send(None)


def test_stress_send(go):
    """select.rs: stress_send."""
    count = 1000
    (one, to_one), (two, to_two), (go_on, to_go_on) = create(0), create(0), create(100)

    def other():
        for number in range(count):
            assert one.recv() == number
            assert two.recv() == number
            go_on.recv()

    go(other)
    for number in range(count):
        for send in (to_one, to_two):
            assert select((to_one, number), (to_two, number)) == (send, None)
        to_go_on.send(None)


def test_stress_timeout_two_threads(go):
    """select.rs and array.rs: stress_timeout_two_threads. Both give up and try again, again and again."""
    count = 100
    recv, send = create(2)

    def again(operation):
        while True:
            try:
                return select(operation, timeout=0.0005)
            except TimeoutError:
                pass

    call = go(lambda: [again((send, number)) for number in range(count)])
    assert [again(recv)[1] for _ in range(count)] == list(range(count))
    call.result()


def test_send_recv_same_channel():
    """select.rs: send_recv_same_channel."""
    recv, send = create(0)
    with pytest.raises(TimeoutError):
        select((send, 0), recv, timeout=0.01)
    recv, send = create()
    assert select((send, 0), recv, timeout=60) == (send, None)


@pytest.mark.parametrize("leftover", [False, True])
def test_matching(go, leftover):
    """select.rs: matching, matching_with_leftover. Threads that would do either pair off; none is its own partner."""
    recv, send = create(0)

    def one(me):
        end, value = select(recv, (send, me))
        assert end is send or value != me
        return value

    calls = [go(one, me) for me in range(43 if leftover else 44)]
    if leftover:
        send.send("left over")
    got = [call.result() for call in calls]
    assert sum(value is not None for value in got) == 22
    assert recv.recv_nowait(None) is None
    assert waiting(recv) == (0, 0)


def match(recv, send, me):
    """One of a crowd in several interpreters."""
    _end, value = select(recv, (send, me))
    return value


def test_matching_in_interpreters():
    """The same between interpreters."""
    recv, send = create(0)
    workers = [spawn(match, recv, send, me) for me in range(6)]
    got = [worker.result() for worker in workers]
    for worker in workers:
        worker.join()
    assert sum(value is not None for value in got) == 3
    assert all(value != me for me, value in enumerate(got))
    assert waiting(recv) == (0, 0)


@pytest.mark.parametrize("capacity", [0, 1, 2])
@pytest.mark.parametrize("selects", [False, True])
def test_channel_through_channel(go, capacity, selects):
    """select.rs, zero.rs, array.rs: channel_through_channel. Each item is the receiving end for the next one."""
    count = 300
    recv, send = create(capacity)

    def sender(send):
        for _ in range(count):
            new_recv, new_send = create(capacity)
            if selects:
                select((send, new_recv))
            else:
                send.send(new_recv)
            new_recv.close()
            send = new_send

    go(sender, send)
    del send
    for _ in range(count):
        recv = select(recv)[1] if selects else recv.recv()
    assert closed(recv.recv)


@pytest.mark.parametrize("options", [{"default": None}, {"timeout": 0}])
@pytest.mark.parametrize("capacity", [1, None])
def test_linearizable(go, options, capacity):
    """select.rs: linearizable_try, linearizable_timeout. One is ready at any moment, so one is selected."""
    count = 500
    (start, to_start), (end, to_end) = create(0), create(0)
    (one, to_one), (two, to_two) = create(capacity), create(capacity)

    def other():
        for _ in range(count):
            start.recv()
            to_two.send(1)
            one.recv_nowait(None)
            end.recv()

    go(other)
    for _ in range(count):
        to_start.send(None)
        to_one.send(1)
        assert select(one, two, **options) is not None
        to_end.send(None)
        two.recv_nowait(None)
        one.recv_nowait(None)


def test_fairness(go):
    """select.rs: fairness1, and fairness of array.rs and list.rs. Each is hit half as often as it is due, at least."""
    count = 4000
    channels = [create(count), create(), create(count)]
    for _, send in channels:
        for _ in range(count):
            send.send(None)
    hits = Counter(select(*(recv for recv, _ in channels))[0] for _ in range(count))
    assert min(hits[recv] for recv, _ in channels) >= count / 3 / 2


def test_fairness_of_three_kinds(go):
    """select.rs: fairness2. Channels without bound, of one place and of none."""
    count = 3000
    channels = [create(), create(1), create(0)]

    def sender():
        for _ in range(count):
            select(*((send, None) for _, send in channels if not len(send)))

    go(sender)
    hits = Counter(select(*(recv for recv, _ in channels))[0] for _ in range(count))
    assert min(hits[recv] for recv, _ in channels) >= count / 3 / 50


def test_fairness_of_a_rendezvous(go):
    """zero.rs: fairness. Both sides select."""
    count = 3000
    channels = [create(0), create(0)]
    sends = [send for _, send in channels]

    def sender():
        return Counter(select(*((send, None) for send in sends))[0] for _ in range(count))

    call = go(sender)
    received = Counter(select(*(recv for recv, _ in channels))[0] for _ in range(count))
    sent = call.result()
    assert min(received[recv] for recv, _ in channels) >= count / 2 / 2
    assert min(sent[send] for send in sends) >= count / 2 / 2


@pytest.mark.parametrize("capacity", [0, 2000])
def test_fairness_of_duplicates(go, capacity):
    """zero.rs, array.rs, list.rs: fairness_duplicates. Five handles of one end."""
    count = 2000
    recv, send = create(capacity)
    recvs, sends = [recv.clone() for _ in range(5)], [send.clone() for _ in range(5)]

    def which(ends, end):
        return [end is one for one in ends].index(True)

    def sender():
        return Counter(which(sends, select(*((s, None) for s in sends))[0]) for _ in range(count))

    call = go(sender)
    if capacity:
        call.result()
    received = Counter(which(recvs, select(*recvs)[0]) for _ in range(count))
    sent = call.result()
    if capacity:  # where it waits in line five times, the first of its offers is taken
        assert min(sent[n] for n in range(5)) >= count / 5 / 2
        assert min(received[n] for n in range(5)) >= count / 5 / 2
    assert sum(sent.values()) == sum(received.values()) == count


def test_reuse(go):
    """select.rs: reuse. The same operations again and again."""
    count = 1000
    (one, to_one), (two, to_two), (go_on, to_go_on) = create(0), create(0), create(100)

    def other():
        for number in range(count):
            to_one.send(number)
            assert two.recv() == number
            go_on.recv()

    go(other)
    for number in range(count):
        ends = {select(one, (to_two, number))[0] for _ in range(2)}
        assert ends == {one, to_two}
        to_go_on.send(None)


# tests/zero.rs, array.rs, list.rs -------------------------------------------------------------------------


def test_smoke_of_a_channel():
    """array.rs, list.rs, zero.rs: smoke, capacity, len_empty_full, try_recv, try_send."""
    for capacity in range(1, 10):
        recv, send = create(capacity)
        assert recv.capacity == send.capacity == capacity
        for number in range(capacity):
            assert len(recv) == len(send) == number
            send.send_nowait(number)
        with pytest.raises(ChannelFullError):
            send.send_nowait(capacity)
        assert [recv.recv_nowait() for _ in range(capacity)] == list(range(capacity))
        with pytest.raises(ChannelEmptyError):
            recv.recv_nowait()
        with pytest.raises(TimeoutError):
            recv.recv(0.001)
    recv, send = create(0)
    assert recv.capacity == len(recv) == 0
    with pytest.raises(ChannelFullError):
        send.send_nowait(7)
    with pytest.raises(ChannelEmptyError):
        recv.recv_nowait()


@pytest.mark.parametrize("capacity", BUFFERED)
def test_after_disconnect(capacity):
    """array.rs, list.rs: send_after_disconnect, recv_after_disconnect."""
    recv, send = create(capacity)
    items = list(range(min(capacity or 3, 3)))
    for item in items:
        send.send(item)
    again, to_again = create(capacity)
    for item in items:
        to_again.send(item)
    recv.close()
    for fails in (lambda: send.send(4), lambda: send.send_nowait(5), lambda: send.send(6, 60)):
        assert closed(fails)
    to_again.close()
    assert list(again) == items
    assert closed(again.recv)


@pytest.mark.parametrize("capacity", [0, 1, 20])
def test_len(go, capacity):
    """array.rs, zero.rs: len. Never more than the capacity, whoever asks."""
    count = 2000
    recv, send = create(capacity)

    def sender():
        for number in range(count):
            send.send(number)
            assert len(send) <= capacity

    go(sender)
    for number in range(count):
        assert recv.recv() == number
        assert len(recv) <= capacity
    assert len(send) == len(recv) == 0


@pytest.mark.parametrize("capacity", ALL)
@pytest.mark.parametrize("selects", [False, True])
def test_disconnect_wakes(capacity, selects):
    """array.rs, list.rs, zero.rs: disconnect_wakes_receiver, disconnect_wakes_sender."""
    recv, send = create(capacity)
    call = Call(closed, select, recv) if selects else Call(closed, recv.recv)
    wait_until(lambda: waiting(recv) == (0, 1))
    send.close()
    assert call.result()
    if capacity is None:
        return
    recv, send = create(capacity)
    for number in range(capacity):
        send.send(number)
    call = Call(closed, select, (send, 0)) if selects else Call(closed, send.send, 0)
    wait_until(lambda: waiting(recv) == (1, 0))
    recv.close()
    assert call.result()


def send_numbers(send, count):
    for number in range(count):
        send.send(number)


def select_numbers(recv, count):
    return Counter(select(recv)[1] for _ in range(count))


@pytest.mark.parametrize("capacity", ALL)
def test_spsc_and_mpmc(go, capacity):
    """array.rs, list.rs, zero.rs: spsc, mpmc."""
    recv, send = create(capacity)
    go(send_numbers, send, 500)
    assert [recv.recv() for _ in range(500)] == list(range(500))
    for _ in range(4):
        go(send_numbers, send, 300)
    calls = [go(select_numbers, recv, 300) for _ in range(4)]
    total = sum((call.result() for call in calls), Counter())
    assert total == Counter(dict.fromkeys(range(300), 4))
    assert recv.recv_nowait(None) is None


@pytest.mark.parametrize("capacity", [0, 3, None])
def test_mpmc_between_interpreters(capacity):
    """The same, each of the four in an interpreter of its own."""
    recv, send = create(capacity)
    workers = [spawn(send_numbers, send, 300) for _ in range(2)]
    takers = [spawn(select_numbers, recv, 300) for _ in range(2)]
    total = sum((worker.result() for worker in takers), Counter())
    for worker in workers + takers:
        worker.join()
    assert total == Counter(dict.fromkeys(range(300), 2))


@pytest.mark.parametrize("capacity", ALL)
def test_stress_oneshot(go, capacity):
    """array.rs, list.rs, zero.rs: stress_oneshot."""
    for _ in range(100):
        recv, send = create(capacity)
        calls = [go(recv.recv), go(send.send, 0)]
        assert calls[0].result() == 0
        calls[1].result()


@pytest.mark.parametrize("capacity", [0, 1])
def test_stress_iter(go, capacity):
    """array.rs, zero.rs: stress_iter. Requests and responses, until the one who asks has enough."""
    count = 1000
    (requests, to_requests), (responses, to_responses) = create(capacity), create(capacity)

    def asks():
        got = 0
        while got < count:
            if capacity:
                while responses.recv_nowait(None):
                    got += 1
            _end, value = select(responses, (to_requests, None))
            got += value or 0
        responses.close()
        to_requests.close()

    go(asks)
    for _ in requests:
        try:
            to_responses.send(1)
        except ChannelClosedError:
            break


@pytest.mark.parametrize("capacity", [4, None])
def test_linearizable_send_and_receive(go, capacity):
    """array.rs, list.rs: linearizable. Who has just sent finds an item, whoever takes which."""
    recv, send = create(capacity)

    def run():
        for _ in range(500):
            send.send(0)
            assert recv.recv_nowait() == 0

    calls = [go(run) for _ in range(4)]
    for call in calls:
        call.result()


def send_and_take(recv, send, count):
    for _ in range(count):
        send.send(0)
        assert recv.recv_nowait() == 0


def test_linearizable_between_interpreters():
    """The same between interpreters."""
    recv, send = create(4)
    workers = [spawn(send_and_take, recv, send, 500) for _ in range(3)]
    for worker in workers:
        worker.result()
        worker.join()
    assert len(recv) == 0


@pytest.mark.parametrize("capacity", ALL)
def test_drops(go, capacity):
    """array.rs, list.rs, zero.rs: drops; array.rs: drop_unreceived. What is not received is let go of, once."""
    big = b"x" * 200_000
    before = sys.getrefcount(big)
    for count in range(0, 60, 7):
        recv, send = create(capacity)
        call = Call(
            lambda send=send, count=count: [send.send([big, number]) for number in range(count + 5)]
        )
        for number in range(count):
            assert recv.recv() == [big, number]
        if capacity is None:
            call.result()
        recv.close()
        call.join()
        send.close()
        del recv, send, call
        gc.collect()
        wait_until(lambda: sys.getrefcount(big) == before)


@pytest.mark.parametrize("capacity", [0, 1, 2])
def test_recv_in_send(go, capacity):
    """array.rs, list.rs, zero.rs: recv_in_send. A value that is made by a receive from the same channel."""
    recv, send = create(capacity)
    if capacity:
        send.send("first")
        assert select((send, recv.recv())) == (send, None)
        assert recv.recv() == "first"
        return
    go(lambda: select((send, recv.recv())))
    send.send("first")
    assert recv.recv() == "first"


# tests/mpsc.rs, iter.rs -----------------------------------------------------------------------------------


def test_oneshot_in_one_thread():
    """mpsc.rs: the oneshot_single_thread tests."""
    for capacity in BUFFERED:
        recv, send = create(capacity)
        assert recv.recv_nowait(None) is None
        send.send(10)
        assert recv.recv_nowait() == 10
        recv.close()
        assert closed(send.send, 1)
        recv, send = create(capacity)
        send.close()
        assert closed(recv.recv)
        recv, send = create(capacity)
        send.send("unreceived")
        recv.close()
        send.close()


def test_oneshot_close_stress(go):
    """mpsc.rs: oneshot_multi_thread_close_stress, _send_close_stress, _recv_close_stress."""
    for _ in range(100):
        recv, send = create()
        calls = [go(recv.close), go(closed, send.send, 1), go(send.close)]
        for call in calls:
            call.result()
        recv, send = create()
        call = go(closed, recv.recv)
        send.close()
        assert call.result()


def test_port_gone_concurrent(go):
    """mpsc.rs: port_gone_concurrent_shared. Senders end when the receiver goes."""

    def until_closed(send):
        while not closed(send.send, 1):
            pass

    for capacity in (None, 0, 1):
        recv, send = create(capacity)
        calls = [go(until_closed, send.clone()) for _ in range(2)]
        recv.recv()
        recv.close()
        for call in calls:
            call.result()


def test_recv_a_lot():
    """mpsc.rs: recv_a_lot. Regression test of a receive that recursed."""
    recv, send = create()
    for _ in range(20_000):
        send.send(())
    for _ in range(20_000):
        recv.recv()


def test_iteration(go):
    """iter.rs and mpsc.rs: nested_recv_iter, recv_iter_break, recv_try_iter, recv_into_iter."""
    (recv, send), (total, to_total) = create(), create()
    go(lambda: to_total.send(sum(recv)))
    for number in (3, 1, 2):
        send.send(number)
    send.close()
    assert total.recv() == 6

    recv, send = create()
    for number in (2, 2, 10, 2):
        send.send(number)
    count = 0
    for number in recv:
        if number == 10:
            break
        count += number
    assert count == 4
    assert recv.recv() == 2
    send.close()
    assert list(recv) == []


def test_receive_timeouts_shared(go):
    """mpsc.rs: stress_recv_timeout_shared. Many senders; a receiver that gives up and comes back till they are done."""
    recv, send = create()
    senders = threading.Semaphore(0)

    def run(mine):
        senders.acquire()
        mine.send(1)
        mine.close()

    for _ in range(30):
        go(run, send.clone())
    send.close()
    count = 0
    while True:
        try:
            recv.recv(0.0005)
            count += 1
        except TimeoutError:
            senders.release()
        except ChannelClosedError:
            break
    assert count == 30
