"""The tests of Go's channels, rewritten for our interface; each names the test or file of golang/go that it follows.

A goroutine is a thread here, `close(c)` is `shutdown()`, a nil channel is an operation that is left out, and what Go
sleeps for is waited for (who stands in line). Left out, since they test what is not ours: `test/chan/perm.go`,
`select8.go` and `sendstmt.go` (the compiler and the grammar), `powser2.go` (powser1 with another representation),
`TestSelectStackAdjust` and `TestNoShrinkStackWhileParking` (stacks that move), `chanbarrier_test.go` (the collector's
write barrier), `race/testdata/chan_test.go` (the race detector), and the benchmarks.
"""

import gc
import heapq
import itertools
import random
import time
from collections import Counter, deque
from fractions import Fraction

import pytest
from crossing_object import Holder

from interpchannels import ChannelClosedError, ChannelEmptyError, ChannelFullError, create, select
from support import Call, wait_until

CAPACITIES = [0, 1, 2, 3, 10, 100]


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


# src/runtime/chan_test.go ---------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", CAPACITIES)
class TestChan:
    """TestChan, part by part."""

    def test_receive_from_empty_blocks(self, go, capacity):
        recv, send = create(capacity)
        with pytest.raises(ChannelEmptyError):
            recv.recv_nowait()
        assert select(recv, default="nothing") == "nothing"
        calls = [go(recv.recv), go(select, recv)]
        wait_until(lambda: waiting(recv) == (0, 2))
        send.send(0)
        send.send(0)
        assert calls[0].result() == 0
        assert calls[1].result() == (recv, 0)

    def test_send_to_full_blocks(self, go, capacity):
        recv, send = create(capacity)
        for number in range(capacity):
            send.send(number)
        call = go(send.send, capacity)
        wait_until(lambda: waiting(recv) == (1, 0))
        with pytest.raises(ChannelFullError):
            send.send_nowait("too much")
        assert select((send, "too much"), default="full") == "full"
        assert [recv.recv() for _ in range(capacity + 1)] == list(range(capacity + 1))
        call.result()

    def test_closed_is_drained_and_then_over(self, go, capacity):
        recv, send = create(capacity)
        for number in range(capacity):
            send.send(number)
        send.shutdown()
        for number in range(capacity):
            assert select(recv) == (recv, number) if number % 2 else recv.recv() == number
        for over in (recv.recv, recv.recv_nowait, lambda: select(recv), lambda: recv.recv(0)):
            with pytest.raises(ChannelClosedError):
                over()

    def test_close_unblocks_receive(self, go, capacity):
        recv, send = create(capacity)
        calls = [Call(recv.recv), Call(select, recv)]
        wait_until(lambda: waiting(recv) == (0, 2))
        send.shutdown()
        for call in calls:
            with pytest.raises(ChannelClosedError):
                call.result()

    def test_in_order(self, go, capacity):
        recv, send = create(capacity)
        for receive in (recv.recv, lambda: select(recv)[1]):
            go(lambda: [send.send(number) for number in range(100)])
            assert [receive() for _ in range(100)] == list(range(100))

    def test_what_was_sent_is_received(self, go, capacity):
        recv, send = create(capacity)
        for _ in range(4):
            go(lambda: [send.send(number) for number in range(200)])
        calls = [go(lambda: Counter(recv.recv() for _ in range(200))) for _ in range(4)]
        total = sum((call.result() for call in calls), Counter())
        assert total == Counter(dict.fromkeys(range(200), 4))

    def test_len_and_cap(self, go, capacity):
        recv, send = create(capacity)
        assert len(recv) == len(send) == 0
        assert recv.capacity == send.capacity == capacity
        for number in range(capacity):
            send.send(number)
        assert len(recv) == len(send) == capacity


def test_nonblock_recv_race(go):
    """TestNonblockRecvRace: an item that lies there is not missed while the channel is closed."""
    for _ in range(300):
        recv, send = create(1)
        send.send(1)
        call = go(lambda recv=recv: select(recv, default="not ready"))
        send.shutdown()
        assert call.result() == (recv, 1)


@pytest.mark.parametrize("closes", [False, True])
def test_nonblock_select_race(go, closes):
    """TestNonblockSelectRace and TestNonblockSelectRace2: select is of one moment, not of a smeared time."""
    for _ in range(300):
        (one, to_one), (two, to_two) = create(1), create(0 if closes else 1)
        to_one.send(1)

        def selects(one=one, two=two):
            try:
                return select(one, two, default=None)
            except ChannelClosedError:
                return "closed"

        call = go(selects)
        if closes:
            to_two.shutdown()
        else:
            to_two.send(1)
        select(one, default=None)
        assert call.result() is not None


@pytest.mark.parametrize("capacity", [0, 10])
def test_self_select(go, capacity):
    """TestSelfSelect: both directions of one channel in one select, in two threads; none receives from itself."""
    recv, send = create(capacity)

    def run(me):
        for number in range(1000):
            operations = [(send, me), recv]
            if me and number % 2:
                operations.reverse()
            end, value = select(*operations)
            if end is recv:
                assert capacity or value != me

    calls = [go(run, me) for me in range(2)]
    for call in calls:
        call.result()
    assert waiting(recv) == (0, 0)


def test_select_stress(go):
    """TestSelectStress: sends, receives and selects of both kinds over the same four channels."""
    channels = [create(capacity) for capacity in (0, 0, 2, 3)]
    count = 400

    def select_all(operation):
        left = dict.fromkeys(range(4), count)
        ends = {channels[which][operation]: which for which in left}
        for _ in range(4 * count):
            which = [number for number in left if left[number]]
            random.shuffle(which)
            operations = [channels[number][operation] for number in which]
            end, _ = select(*([(end, 0) for end in operations] if operation else operations))
            left[ends[end]] -= 1

    for recv, send in channels:
        go(lambda send=send: [send.send(0) for _ in range(count)])
        go(lambda recv=recv: [recv.recv() for _ in range(count)])
    calls = [go(select_all, 0), go(select_all, 1)]
    for call in calls:
        call.result()
    for recv, _ in channels:
        wait_until(lambda recv=recv: recv.stats()[:3] == (2 * count, 2 * count, 0))
        assert waiting(recv) == (0, 0)


def test_select_fairness(go):
    """TestSelectFairness: of two channels that are full and two that stay empty."""
    trials = 4000
    full = [create(trials + 1) for _ in range(2)]
    for _ in range(trials + 1):
        for which, (_, send) in enumerate(full):
            send.send(which)
    empty = [create(0) for _ in range(2)]
    out, to_out = create(0)
    done, to_done = create(0)

    def run():
        while True:
            _, value = select(*(recv for recv, _ in empty + full))
            try:
                select((to_out, value), done)
            except ChannelClosedError:
                return

    go(run)
    ones = sum(out.recv() for _ in range(trials))
    # Ten standard deviations, as Go allows.
    assert abs(ones - trials / 2) < 10 * (trials / 4) ** 0.5
    to_done.shutdown()


def test_chan_send_interface():
    """TestChanSendInterface: an object of a class of one's own, sent where there is a place and where there is none."""
    recv, send = create(1)
    send.send(Holder(1))
    assert select((send, Holder(2)), default="full") == "full"
    assert select((send, Holder(2)), (send, Holder(3)), default="full") == "full"
    assert recv.recv().value == 1


@pytest.mark.parametrize("capacity", [0, 200])
def test_pseudo_random_send(go, capacity):
    """TestPseudoRandomSend: of two sends to one channel each is chosen often."""
    count = 200
    recv, send = create(capacity)
    call = go(lambda: sum(recv.recv() for _ in range(count)))
    for _ in range(count):
        select((send, 1), (send, 0))
    assert count / 10 < call.result() < count * 9 / 10


def test_multi_consumer(go):
    """TestMultiConsumer: many workers between two bounded channels, each closed in its turn."""
    workers, count = 23, 5000
    primes = [2, 3, 7, 11, 13, 17, 19, 23, 27, 31]
    todo, to_todo = create(workers * 3)
    results, to_results = create(workers * 3)

    def work(me):
        for value in todo:
            if primes[me % len(primes)] == value:
                time.sleep(0)
            to_results.send(value)

    def feed():
        calls = [go(work, me) for me in range(workers)]
        for number in range(count):
            to_todo.send(primes[number % len(primes)])
        to_todo.shutdown()
        for call in calls:
            call.result()
        to_results.shutdown()

    go(feed)
    got = list(results)
    assert len(got) == count
    assert sum(got) == sum(primes[number % len(primes)] for number in range(count))


def test_stack_and_collection_during_blocked_send(go):
    """TestShrinkStackDuringBlockedSend: much stack between two sends, and a collection while the sender is blocked."""
    recv, send = create(0)

    def deep(levels):
        return levels and 1 + deep(levels - 1)

    def run():
        for number in range(10):
            send.send([number, "x" * number])
            assert deep(200) == 200

    go(run)
    for number in range(10):
        wait_until(lambda: waiting(recv) == (1, 0))
        gc.collect()
        assert recv.recv() == [number, "x" * number]


def test_select_duplicate_channel(go):
    """TestSelectDuplicateChannel: a thread that stands in one line twice leaves it without harm."""
    (c, to_c), (d, to_d), (e, to_e) = create(0), create(0), create(0)

    def a():
        select(c, c, d)
        to_e.send(9)

    go(a)
    wait_until(lambda: waiting(c) == (0, 2))
    b = go(c.recv)
    wait_until(lambda: waiting(c) == (0, 3))
    to_d.send(7)
    assert e.recv() == 9
    wait_until(lambda: waiting(c) == (0, 1))
    to_c.send(8)
    assert b.result() == 8


# test/chan/*.go -------------------------------------------------------------------------------------------


def test_doubleselect(go):
    """doubleselect.go: two operations of one select never both run: no value arrives twice."""
    count = 3000
    lanes = [create(0) for _ in range(4)]
    out, to_out = create(0)

    def sender():
        for number in range(count):
            select(*((send, number) for _, send in lanes))
        for _, send in lanes:
            send.shutdown()

    def mux(recv):
        for value in recv:
            to_out.send(value)

    go(sender)
    muxes = [go(mux, recv) for recv, _ in lanes]
    go(lambda: [[call.join() for call in muxes], to_out.shutdown()])
    assert sorted(out) == list(range(count))


def test_fifo_asynchronous():
    """fifo.go, AsynchFifo."""
    recv, send = create(10)
    for number in range(10):
        send.send(number)
    assert [recv.recv() for _ in range(10)] == list(range(10))


def test_fifo_synchronous(go):
    """fifo.go, SynchFifo: a chain of threads, each receives one item when the one before has."""
    recv, send = create(0)
    start, to_first = create(0)
    turn = start

    def link(value, turn, to_next):
        turn.recv()
        assert recv.recv() == value
        to_next.send(1)

    for number in range(10):
        done, to_done = create(0)
        go(link, number, turn, to_done)
        turn = done
    to_first.send(0)
    for number in range(10):
        send.send(number)
    turn.recv()


def test_goroutines(go):
    """goroutines.go: a long chain of threads through which one value goes."""
    first, to_left = create(0)
    for _ in range(150):
        recv, send = create(0)
        go(lambda recv=recv, left=to_left: left.send(recv.recv()))
        to_left = send
    go(to_left.send, 1)
    assert first.recv() == 1


@pytest.mark.parametrize("capacity", [0, 1])
@pytest.mark.parametrize("value", [123, 2**40, True, "hello", b"", None, 1.5])
def test_nonblock(go, capacity, value):
    """nonblock.go: operations that do not wait, with nobody, with a receiver and with a sender on the other side."""
    recv, send = create(capacity)
    assert recv.recv_nowait("nothing") == "nothing"
    assert select(recv, default="nothing") == "nothing"
    call = go(recv.recv)
    wait_until(lambda: waiting(recv) == (0, 1))
    send.send_nowait(value)
    assert call.result() == value
    call = go(send.send, value)
    wait_until(lambda: waiting(recv) == (1, 0) or len(recv) == capacity == 1)
    assert recv.recv_nowait() == value
    call.result()
    call = go(select, recv)
    wait_until(lambda: waiting(recv) == (0, 1))
    assert select((send, value), default="nobody") == (send, None)
    assert call.result() == (recv, value)


def test_select():
    """select.go: each send is done once, and its value is made anew for each select."""
    made = []

    def value():
        made.append(1 << len(made) // 2)
        return made[-1]

    def send_to(*ends):
        ends = list(ends)
        count = 0
        while ends:
            done = select(*((end, value()) for end in ends), default=None)
            if done is None:
                break
            ends.remove(done[0])
            count += 1
        return count

    (a, to_a), (b, to_b) = create(1), create(1)
    assert send_to(to_a, to_b) == 2
    assert len(made) == 3
    assert {a.recv(), b.recv()} < {1, 2, 4}
    assert send_to(to_a, to_a) == 1


def test_select2(go):
    """select2.go: selects leave no memory behind; here: nobody in line and no allocation that stays."""
    import resource

    recv, send = create(0)
    dummy, _to_dummy = create(0)

    def run(count):
        call = go(lambda: [send.send(1) for _ in range(count)])
        for _ in range(count):
            assert select(recv, dummy) == (recv, 1)
        call.result()

    run(2000)
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(5000)
    assert waiting(dummy) == (0, 0)
    # In KiB: 5000 selects that kept what they stood in line with would hold 4 MiB.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 3000


def blocks(call, *lines):
    """Does the call stand in line? It is set free by closing the channels."""
    thread = Call(call)
    wait_until(lambda: all(sum(waiting(recv)) for recv, _ in lines) or not thread.is_alive())
    blocked = thread.is_alive()
    for _, send in lines:
        send.shutdown(immediate=True)
    try:
        thread.result()
    except ChannelClosedError:
        pass
    return blocked


def test_select3():
    """select3.go: what blocks, what does not, and what is an error."""
    closed, to_closed = create(0)
    to_closed.shutdown()
    with pytest.raises(ValueError):
        select()  # Go's empty select blocks for ever
    _recv, send = create(1)
    send.send(7)  # there is a place
    for _ in range(10):
        for over in (closed.recv, lambda: select(closed), lambda: select(closed, default=1)):
            with pytest.raises(ChannelClosedError):
                over()
    for over in (lambda: to_closed.send(7), lambda: select((to_closed, 7))):
        with pytest.raises(ChannelClosedError):
            over()
    empty = create(0)
    assert blocks(empty[0].recv, empty)
    empty = create(0)
    assert blocks(lambda: select(empty[0]), empty)
    empty = create(0)
    assert select(empty[0], default="ready") == "ready"
    assert select((empty[1], 7), default="ready") == "ready"
    recv, send = create(1)
    assert select((send, 7), default="not ready") == (send, None)
    assert select(recv, default="not ready") == (recv, 7)
    itself = create(0)
    assert blocks(lambda: select((itself[1], 1), itself[0]), itself)


def test_select4():
    """select4.go: the one that is ready, beside one that is not."""
    recv, send = create(1)
    never, _to_never = create(0)
    send.send(42)
    assert select(never, recv) == (recv, 42)


def test_select5():
    """select5.go: one real operation in every combination with others that cannot be done, in every place."""
    recv, send = create(1)
    dummy, to_dummy = create(0)
    others = [(to_dummy, 1), dummy]
    number = 0
    for options in ({}, {"default": "nothing"}, {"timeout": 0}, {"timeout": 0.001, "default": 1}):
        for size in range(3):
            for chosen in itertools.combinations(others, size):
                for place in range(size + 1):
                    number += 1
                    operations = list(chosen)
                    operations.insert(place, (send, number))
                    assert select(*operations, **options) == (send, None)
                    operations[place] = recv
                    assert select(*operations, **options) == (recv, number)
                if size and options:
                    if "default" in options:
                        assert select(*chosen, **options) == options["default"]
                    else:
                        with pytest.raises(TimeoutError):
                            select(*chosen, **options)
    assert waiting(dummy) == (0, 0)


def test_select6(go):
    """select6.go (issue 2075): the last in a line leaves it, and those who come later are still served."""
    (c1, to_c1), (c2, to_c2), (c3, to_c3) = create(0), create(0), create(0)
    first = go(c1.recv)
    wait_until(lambda: waiting(c1) == (0, 1))

    def second():
        end, _ = select(c1, c2)
        assert end is c2
        to_c3.send(True)
        return c1.recv()

    call = go(second)
    wait_until(lambda: waiting(c1) == (0, 2))
    go(to_c2.send, True)
    c3.recv()
    wait_until(lambda: waiting(c1) == (0, 2))
    to_c1.send(1)
    to_c1.send(2)
    assert (first.result(), call.result()) == (1, 2)


def test_select7(go):
    """select7.go: three ways to send with three ways to receive."""
    silent, _to_silent = create(0)
    full, to_full = create(0)
    receives = [lambda c: c.recv(), lambda c: select(c)[1], lambda c: select(c, silent)[1]]
    sends = [
        lambda c: c.send(1),
        lambda c: select((c, 1)),
        lambda c: select((c, 1), (to_full, 1)),
    ]
    for receive, do_send in itertools.product(receives, sends):
        recv, send = create(0)
        call = go(receive, recv)
        do_send(send)
        assert call.result() == 1
    assert waiting(silent) == waiting(full) == (0, 0)


def test_zerosize():
    """zerosize.go: values of no size."""
    for capacity in (0, 1, None):
        recv, send = create(capacity)
        for value in ((), b"", "", [], {}, None):
            call = Call(send.send, value)
            assert recv.recv() == value
            call.result()


PRIMES = [n for n in range(2, 100) if all(n % k for k in range(2, n))]


def stops(fn, *args):
    """The thread's function, which ends when its channels do."""
    try:
        fn(*args)
    except ChannelClosedError:
        pass


def test_sieve1(go):
    """sieve1.go: a chain of filters, one for each prime; the chain ends when the last receiver goes."""
    made = []

    def pipe():
        made.append(create(0))
        return made[-1]

    def generate(send):
        for number in itertools.count(2):
            send.send(number)

    def keep(recv, send, prime):
        for number in recv:
            if number % prime:
                send.send(number)

    recv, send = pipe()
    go(stops, generate, send)
    got = []
    for _ in PRIMES:
        prime = recv.recv()
        got.append(prime)
        nearer, to_nearer = pipe()
        go(stops, keep, recv, to_nearer, prime)
        recv = nearer
    assert got == PRIMES
    for _, send in made:
        send.shutdown(immediate=True)


def test_sieve2(go):
    """sieve2.go: Eratosthenes with merged multiples, and a select that buffers between two threads."""
    made = []

    def pipe(capacity):
        made.append(create(capacity))
        return made[-1]

    def count_from(start, step, capacity):
        recv, send = pipe(capacity)
        go(stops, lambda: [send.send(number) for number in itertools.count(start, step)])
        return recv

    def proxy(out):
        recv, send = pipe(10)

        def run():
            buffer = deque()
            while True:
                end, value = select(recv, *([(out, buffer[0])] if buffer else []))
                if end is recv:
                    buffer.append(value)
                else:
                    buffer.popleft()

        go(stops, run)
        return send

    out, to_out = pipe(10)
    composites, to_composites = pipe(50)
    primes, to_primes = pipe(10)
    to_out.send(2)
    to_out.send(3)
    to_primes.send(3)

    def merge():
        heap = []
        least = 15
        while True:
            multiples = primes.recv()
            multiples = count_from(multiples * multiples, 2 * multiples, 10)
            head = multiples.recv()
            while least <= head:
                if least < head:
                    to_composites.send(least)
                least, number, other = heapq.heappop(heap)
                heapq.heappush(heap, (other.recv(), number, other))
            to_composites.send(head)
            heapq.heappush(heap, (multiples.recv(), len(heap), multiples))

    def sieve():
        to_merge = proxy(to_primes)
        candidates = count_from(5, 2, 50)
        prime = candidates.recv()
        while True:
            composite = composites.recv()
            while prime < composite:
                to_merge.send(prime)
                to_out.send(prime)
                prime = candidates.recv()
            if prime == composite:
                prime = candidates.recv()

    go(stops, merge)
    go(stops, sieve)
    assert [out.recv() for _ in PRIMES] == PRIMES
    for _ in range(2):  # a thread may have made another meanwhile
        for _, send in list(made):
            send.shutdown(immediate=True)


class PowerSeries:
    """powser1.go: power series as demand channels, after McIlroy's "Squinting at Power Series".

    A series is a pair of channels: a request goes one way, a coefficient (numerator, denominator) the other.
    """

    def __init__(self, go):
        self.go = go
        self.made = []

    def shutdown(self):
        """End all threads."""
        for _ in range(3):
            for request, data in list(self.made):
                request[1].shutdown(immediate=True)
                data[1].shutdown(immediate=True)

    def new(self):
        self.made.append((create(0), create(0)))
        return self.made[-1]

    def start(self, fn, *args):
        self.go(stops, fn, *args)

    @staticmethod
    def get(series):
        (_, to_request), (data, _) = series
        to_request.send(None)
        return Fraction(*data.recv())

    def get_both(self, one, two):
        """A term of each, in whichever order they come: requests and answers in one select."""
        series = (one, two)
        todo = [(one[0][1], None), (two[0][1], None)]
        got = [None, None]
        for _ in range(4):
            end, value = select(*todo)
            for which in (0, 1):
                if end is series[which][0][1]:
                    todo = [op for op in todo if not isinstance(op, tuple) or op[0] is not end]
                    todo.append(series[which][1][0])
                elif end is series[which][1][0]:
                    todo = [op for op in todo if op is not end]
                    got[which] = Fraction(*value)
        return got

    def serve(self, terms, series):
        """Answer each demand by the next term, which is not computed earlier: it may need those before it."""
        (request, _), (_, to_data) = series
        terms = iter(terms)
        while True:
            request.recv()
            term = Fraction(next(terms))
            to_data.send((term.numerator, term.denominator))

    def produce(self, terms):
        """The series whose terms an iterator gives."""
        series = self.new()
        self.start(self.serve, terms, series)
        return series

    def split(self, series):
        """Two series like it, which may be read at different rates; the slower one is owed what the other has had.

        It answers the one while it waits for a term for the other: where a series is fed back into itself, that
        term may need it.
        """
        pair = self.new(), self.new()
        (_, to_series), (from_series, _) = series
        requests = [request for (request, _), _ in pair]

        def run():
            owed = (deque(), deque())
            demanded = [False, False]
            asking = asked = False
            while True:
                operations = [one for one, done in zip(requests, demanded, strict=True) if not done]
                operations += [(to_series, None)] * asking + [from_series] * asked
                end, value = select(*operations)
                if end is to_series:
                    asking, asked = False, True
                elif end is from_series:
                    asked = False
                    owed[0].append(value)
                    owed[1].append(value)
                else:
                    demanded[requests.index(end)] = True
                for me in (0, 1):
                    if demanded[me] and owed[me]:
                        pair[me][1][1].send(owed[me].popleft())
                        demanded[me] = False
                asking = any(demanded) and not asked

        self.start(run)
        return pair

    def terms(self, series):
        while True:
            yield self.get(series)

    def add(self, one, two):
        return self.produce(sum(self.get_both(one, two)) for _ in itertools.count())

    def scale(self, factor, series):
        return self.produce(factor * term for term in self.terms(series))

    def shift(self, term, series):
        return self.produce(itertools.chain([term], self.terms(series)))

    def integrate(self, constant, series):
        return self.produce(
            itertools.chain([constant], (t / n for n, t in enumerate(self.terms(series), 1)))
        )

    def differentiate(self, series):
        def run():
            self.get(series)
            for number, term in enumerate(self.terms(series), 1):
                yield number * term

        return self.produce(run())

    def multiply(self, one, two):
        def run():
            first = self.get_both(one, two)
            yield first[0] * first[1]
            ones, twos = self.split(one), self.split(two)
            rest = self.add(self.scale(first[0], twos[0]), self.scale(first[1], ones[0]))
            yield self.get(rest)
            yield from self.terms(self.add(rest, self.multiply(ones[1], twos[1])))

        return self.produce(run())

    def exponentiate(self, series):
        """Z = exp(U): Z' = Z U', so Z is the integral of itself times U', fed back by a split."""
        back = self.new()
        result = self.split(
            self.integrate(Fraction(1), self.multiply(back, self.differentiate(series)))
        )
        self.start(self.serve, self.terms(result[0]), back)
        return result[1]


def test_powser1(go):
    """powser1.go: threads that answer each other's demands, with selects over requests and answers."""
    ps = PowerSeries(go)

    def ones():
        return ps.produce(itertools.repeat(1))

    def check(series, expected):
        assert [ps.get(series) for _ in expected] == [Fraction(term) for term in expected]

    try:
        check(ones(), [1] * 5)
        check(ps.add(ones(), ps.produce(itertools.repeat(2))), [3] * 10)
        check(ps.differentiate(ones()), range(1, 11))
        check(ps.integrate(Fraction(0), ones()), [0, *(Fraction(1, n) for n in range(1, 10))])
        check(ps.scale(Fraction(-1), ones()), [-1] * 10)
        check(ps.multiply(ones(), ones()), range(1, 7))
        check(ps.exponentiate(ones()), [1, 1, Fraction(3, 2), Fraction(13, 6), Fraction(73, 24)])
    finally:
        ps.shutdown()


# test/closedchan.go ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [0, 1, None])
def test_closedchan(capacity):
    """closedchan.go: every way to receive from and to send to a closed channel, with an item in it and without."""
    receives = [
        lambda c: c.recv(),
        lambda c: c.recv_nowait(),
        lambda c: c.recv_nowait("default"),
        lambda c: c.recv(0),
        lambda c: select(c)[1],
        lambda c: select(c, default="default")[1],
        lambda c: select(c, c)[1],
    ]
    sends = [
        lambda c: c.send(1),
        lambda c: c.send_nowait(1),
        lambda c: select((c, 1)),
        lambda c: select((c, 1), default="default"),
    ]
    for receive in receives:
        recv, send = create(capacity)
        if capacity != 0:
            send.send("item")
        send.shutdown()
        if capacity != 0:
            assert receive(recv) == "item"
        for _ in range(2):
            with pytest.raises(ChannelClosedError):
                receive(recv)
        assert recv.closed
        for do_send in sends:
            with pytest.raises(ChannelClosedError):
                do_send(send)
        send.shutdown()  # idempotent here, a panic there
