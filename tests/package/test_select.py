"""select(): exactly one of several sends and receives, fair among the ready; and a loser leaves nothing behind."""

import math
import sys
import threading

import pytest
from crossing_object import Holder

import interpchannels
from interpchannels import (
    UNBOUND,
    ChannelClosedError,
    NotShareableError,
    create,
    select,
    spawn,
)
from support import (
    Call,
    create_interpreter,
    destroy_interpreter,
    run_in,
    run_in_thread,
    wait_until,
)

CAPACITIES = [None, 0, 1, 3]


def waiting(end):
    """(senders, receivers) that are in line."""
    stats = end.stats()
    return stats.waiting_senders, stats.waiting_receivers


def full(capacity=1):
    """A channel whose next send waits."""
    recv, send = create(capacity)
    for number in range(capacity):
        send.send(number)
    return recv, send


# One operation ------------------------------------------------------------------------------------------


def test_receives_what_is_there():
    recv, send = create()
    other, _spare = create()
    send.send({"a": [1, 2]})
    end, value = select(other, recv)
    assert end is recv
    assert value == {"a": [1, 2]}
    assert len(recv) == 0


def test_result_is_a_tuple_of_the_end_that_was_passed_and_the_value():
    recv, send = create(1)
    mine = recv.clone()
    again = send.clone()
    result = select((again, "x"))
    assert type(result) is tuple and len(result) == 2
    assert result[0] is again and result[1] is None
    result = select(mine)
    assert type(result) is tuple
    assert result[0] is mine and result[0] is not recv and result[1] == "x"


@pytest.mark.parametrize("capacity", [None, 1, 3])
def test_sends_where_there_is_a_place(capacity):
    recv, send = create(capacity)
    empty, _spare = create()
    assert select(empty, (send, "item")) == (send, None)
    assert recv.recv_nowait() == "item"
    assert waiting(empty) == waiting(send) == (0, 0)


def test_none_is_an_item_like_any_other():
    recv, send = create()
    assert select((send, None)) == (send, None)
    assert select(recv) == (recv, None)


def test_one_operation_alone_is_a_send_or_a_receive():
    recv, send = create(0)
    call = Call(select, (send, 5))
    wait_until(lambda: waiting(recv) == (1, 0))
    assert select(recv) == (recv, 5)
    assert call.result() == (send, None)


# Exactly one --------------------------------------------------------------------------------------------


def test_exactly_one_of_many_that_are_ready():
    channels = [create() for _ in range(6)]
    receives = [recv for recv, _ in channels[:3]]
    sends = [send for _, send in channels[3:]]
    for round_ in range(300):
        for recv, send in channels[:3]:
            if not len(recv):
                send.send(round_)
        before = [recv.stats()[:2] for recv, _ in channels]
        end, value = select(*receives, *((send, round_) for send in sends))
        after = [recv.stats()[:2] for recv, _ in channels]
        changed = [number for number in range(6) if before[number] != after[number]]
        assert len(changed) == 1
        assert end is (receives + sends)[changed[0]]
        assert (value is None) == (changed[0] >= 3)
        assert all(waiting(recv) == (0, 0) for recv, _ in channels)


def test_the_same_end_many_times():
    recv, send = create()
    assert select(*[(send, number) for number in range(50)])[0] is send
    assert len(recv) == 1
    assert select(*[recv] * 50)[0] is recv
    assert len(recv) == 0
    assert select(*[recv] * 50, default="nothing") == "nothing"
    assert waiting(recv) == (0, 0)


def test_the_same_end_many_times_while_it_waits():
    recv, send = create()
    for number in range(20):
        call = Call(select, *[recv] * 5)
        wait_until(lambda: waiting(recv) == (0, 5))
        send.send(number)
        send.send("left")
        assert call.result()[1] in (number, "left")
        assert waiting(recv) == (0, 0)
        assert len(recv) == 1
        recv.recv()


@pytest.mark.parametrize("capacity", [0, 1])
def test_both_directions_of_one_channel(capacity):
    recv, send = create(capacity)
    if capacity == 0:
        # It is no partner of itself.
        assert select(recv, (send, 1), default="nobody") == "nobody"
        with pytest.raises(TimeoutError):
            select((send, 1), recv, timeout=0.001)
    else:
        assert select(recv, (send, 1)) == (send, None)
        # Full now: only the receive can be done, and its own send does not move into the place.
        assert select((send, 2), recv, (send, 3)) == (recv, 1)
    assert len(recv) == 0
    assert waiting(recv) == (0, 0)


def test_both_directions_while_it_waits():
    recv, send = create(0)
    for number in range(50):
        call = Call(select, recv, (send, "mine"))
        wait_until(lambda: waiting(recv) == (1, 1))
        if number % 2:
            send.send("theirs")
            assert call.result() == (recv, "theirs")
        else:
            assert recv.recv() == "mine"
            assert call.result() == (send, None)
        assert waiting(recv) == (0, 0)


def test_a_thousand_operations():
    channels = [create() for _ in range(500)]
    others = [full() for _ in range(500)]
    operations = [recv for recv, _ in channels] + [(send, "x") for _, send in others]
    assert select(*operations, default="nothing") == "nothing"
    call = Call(select, *operations)
    wait_until(lambda: waiting(channels[-1][0]) == (0, 1))
    channels[123][1].send("found")
    end, value = call.result()
    assert end is channels[123][0] and value == "found"
    assert all(waiting(recv) == (0, 0) for recv, _ in channels)


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_an_item_that_comes_meanwhile(capacity):
    recv, send = create(capacity)
    other, other_send = create(capacity)
    for number in range(30):
        call = Call(select, other, recv)
        wait_until(lambda: waiting(recv) == waiting(other) == (0, 1))
        send.send(number)
        assert call.result() == (recv, number)
        assert waiting(recv) == waiting(other) == (0, 0)
    assert other_send.stats().sent == 0


@pytest.mark.parametrize("capacity", [0, 1])
def test_a_place_that_comes_meanwhile(capacity):
    recv, send = full(capacity)
    empty, _spare = create()
    call = Call(select, empty, (send, "late"))
    wait_until(lambda: waiting(recv) == (1, 0))
    got = [recv.recv() for _ in range(capacity + 1)]
    assert got[-1] == "late"
    assert call.result() == (send, None)
    assert waiting(recv) == waiting(empty) == (0, 0)


def test_two_that_select_each_other_in_opposite_order():
    left, to_left = create(0)
    right, to_right = create(0)
    counts = {"sent": [0, 0], "received": [0, 0]}

    def side(me, receive, send, rounds):
        for number in range(rounds):
            operations = [receive, (send, me)]
            if (number + me) % 2:
                operations.reverse()
            end, value = select(*operations)
            if end is send:
                assert value is None
                counts["sent"][me] += 1
            else:
                assert value == 1 - me
                counts["received"][me] += 1

    calls = [Call(side, 0, left, to_right, 2000), Call(side, 1, right, to_left, 2000)]
    for call in calls:
        call.result()
    assert counts["sent"] == counts["received"][::-1]
    assert sum(counts["sent"]) == 2000


def test_many_over_the_same_channels():
    """Every item is sent once and received once, whoever selects what in whatever order."""
    channels = [create(capacity) for capacity in (0, 1, 2, None)]
    over, over_send = create()
    count, threads = 600, 3
    got = []

    def sender(me):
        for number in range(count):
            ends = [send for _, send in channels]
            turn = (number + me) % len(ends)
            select(*((send, (me, number)) for send in ends[turn:] + ends[:turn]))

    def receiver(me):
        mine = []
        try:
            while True:
                ends = [recv for recv, _ in channels]
                turn = (len(mine) + me) % len(ends)
                _end, value = select(*reversed(ends[turn:] + ends[:turn]), over, timeout=100)
                mine.append(value)
        except ChannelClosedError as error:
            assert f"channel {over.id}:" in str(error)
        return mine

    receivers = [Call(receiver, me) for me in range(threads)]
    for call in [Call(sender, me) for me in range(threads)]:
        call.result()
    wait_until(lambda: all(recv.stats().queued == 0 for recv, _ in channels))
    over_send.close()
    for call in receivers:
        got.extend(call.result())
    assert sorted(got) == [(me, number) for me in range(threads) for number in range(count)]
    assert all(waiting(recv) == (0, 0) for recv, _ in channels)


# Fair ---------------------------------------------------------------------------------------------------


def chi_squared(counts):
    expected = sum(counts) / len(counts)
    return sum((count - expected) ** 2 / expected for count in counts)


def test_fair_among_the_ready():
    """100,000 rounds over three receives and two sends that are always ready."""
    channels = [create() for _ in range(5)]
    operations = []
    for recv, send in channels[:3]:
        send.send(None)
        operations.append(recv)
    for _, send in channels[3:]:
        operations.append((send, None))
    chosen = dict.fromkeys([*operations[:3], *(operation[0] for operation in operations[3:])], 0)
    refill = dict(channels[:3])
    for _ in range(100_000):
        end, _value = select(*operations)
        chosen[end] += 1
        if end in refill:
            refill[end].send(None)
    # Four degrees of freedom: a fair draw exceeds this once in ten million runs.
    assert chi_squared(list(chosen.values())) < 39, chosen


def test_a_closed_channel_is_one_of_the_ready():
    recv, send = create()
    closed, closed_send = create()
    closed_send.close()
    raised = 0
    for _ in range(2000):
        send.send(1)
        try:
            select(recv, closed)
        except ChannelClosedError as error:
            assert f"channel {closed.id}:" in str(error)
            raised += 1
            recv.recv()
    assert chi_squared([raised, 2000 - raised]) < 28.4  # once in ten million


# Timeout and default ------------------------------------------------------------------------------------


def test_timeout():
    recv, send = full()
    empty, _spare = create()
    for timeout in (0, 0.0, -0.0, 1e-300, 1e-9, 0.01):
        with pytest.raises(TimeoutError, match="none of 2 operations"):
            select(empty, (send, 1), timeout=timeout)
    assert waiting(recv) == waiting(empty) == (0, 0)
    assert len(recv) == 1


def test_timeout_zero_takes_what_is_there():
    recv, send = create()
    assert select((send, 1), timeout=0) == (send, None)
    assert select(recv, timeout=0) == (recv, 1)


@pytest.mark.parametrize("timeout", [None, math.inf, 1e300, 2.0**63, 10**30, 10**400])
def test_timeouts_that_never_come(timeout):
    recv, send = create()
    call = Call(select, recv, timeout=timeout)
    wait_until(lambda: waiting(recv) == (0, 1))
    send.send("at last")
    assert call.result() == (recv, "at last")


@pytest.mark.parametrize("timeout", [-1, -1e-9, -math.inf, math.nan, -(10**400)])
def test_timeouts_that_are_no_time(timeout):
    recv, send = create()
    with pytest.raises(ValueError, match="timeout"):
        select((send, 1), timeout=timeout)
    with pytest.raises(ValueError, match="timeout"):
        select((send, 1), timeout=timeout, default=None)
    assert len(recv) == 0


def test_timeouts_that_are_no_number():
    recv, send = create()
    with pytest.raises(TypeError, match="timeout must be None or a number of seconds, not str"):
        select((send, 1), timeout="1")
    assert len(recv) == 0


def test_default():
    recv, send = full()
    empty, _spare = create()
    marker = object()
    assert select(empty, (send, 1), default=marker) is marker
    assert select(empty, default=None) is None
    assert select(empty, default=marker, timeout=None) is marker
    assert select(empty, default=marker, timeout=0) is marker
    assert select(empty, default=marker, timeout=0.01) is marker
    assert waiting(recv) == waiting(empty) == (0, 0)


def test_default_is_not_needed():
    recv, send = create()
    assert select((send, 1), default="unused") == (send, None)
    assert select(recv, default="unused") == (recv, 1)
    call = Call(select, recv, default="unused", timeout=1000)
    wait_until(lambda: waiting(recv) == (0, 1))
    send.send(2)
    assert call.result() == (recv, 2)


def test_default_hides_no_end():
    recv, send = create()
    send.close()
    with pytest.raises(ChannelClosedError):
        select(recv, default="nothing")


# Errors -------------------------------------------------------------------------------------------------


def test_no_operation():
    for options in ({}, {"timeout": 0}, {"default": 1}):
        with pytest.raises(ValueError, match="at least one operation"):
            select(**options)


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (None, "NoneType"),
        (3, "int"),
        ((), "tuple"),
        ((1,), "tuple"),
        ((1, 2), "a tuple that begins with int"),
        ("ab", "str"),
    ],
)
def test_no_end(operation, said):
    recv, send = create()
    with pytest.raises(TypeError, match=f"RecvChannel or .*number 2 is {said}"):
        select((send, 1), operation)
    assert len(recv) == 0


def test_the_wrong_end():
    recv, send = create()
    with pytest.raises(
        TypeError, match=r"number 1 is .*SendChannel; to send, pass \(end, object\)"
    ):
        select(send)
    with pytest.raises(
        TypeError, match=r"begins with .*RecvChannel; to receive, pass the end alone"
    ):
        select((recv, 1))
    with pytest.raises(TypeError, match="number 1 is tuple"):
        select((send, 1, 2))
    with pytest.raises(TypeError, match="number 1 is list"):
        select([send, 1])
    assert len(recv) == 0


def test_unknown_keyword():
    recv, _send = create()
    with pytest.raises(TypeError, match="unexpected keyword argument 'wait'"):
        select(recv, wait=1)


def test_a_handle_that_is_closed():
    recv, send = create()
    ready, ready_send = create()
    ready_send.send(1)
    gone = recv.clone()
    gone.close()
    with pytest.raises(
        ChannelClosedError, match=f"this RecvChannel of channel {recv.id} is closed"
    ):
        select(ready, gone)
    gone = send.clone()
    gone.close()
    with pytest.raises(
        ChannelClosedError, match=f"this SendChannel of channel {recv.id} is closed"
    ):
        select(ready, (gone, 1), default=None)
    assert len(ready) == 1 and len(recv) == 0


def test_an_object_that_cannot_cross():
    """An error always, whatever else is ready, and nothing happened."""
    recv, send = create(pickle=False)
    ready, ready_send = create()
    ready_send.send(1)
    for _ in range(20):
        with pytest.raises(NotShareableError, match="Holder"):
            select(ready, (ready_send, 2), (send, [Holder(1)]))
    assert len(ready) == 1 and len(recv) == 0
    assert ready.stats().sent == 1


def test_an_end_that_is_closed_while_another_operation_is_encoded():
    recv, send = create()
    other, other_send = create()
    victim = other.clone()

    class Closes:
        def __reduce__(self):
            victim.close()
            return (int, ())

    for _ in range(5):
        with pytest.raises(ChannelClosedError, match=f"this RecvChannel of channel {other.id} "):
            select(victim, (send, Closes()), (send, Closes()), victim)
    assert len(recv) == 0
    del other_send


def test_encoding_that_raises():
    recv, send = create()

    class Raises:
        def __reduce__(self):
            raise KeyError("no")

    with pytest.raises((KeyError, NotShareableError)):
        select((send, 1), (send, Raises()))
    assert len(recv) == 0


def test_an_item_that_cannot_be_decoded_is_lost_alone():
    recv, send = create()
    other, other_send = create()
    interp = create_interpreter()
    run_in(interp, "import interpchannels")
    run_in(
        interp,
        """
        class Unknown: pass
        import sys, types
        module = types.ModuleType("only_there"); sys.modules["only_there"] = module
        Unknown.__module__ = "only_there"; Unknown.__qualname__ = "Unknown"; module.Unknown = Unknown
        send.send(Unknown())
        send.send("next")
        """,
        {"send": send},
    )
    with pytest.raises(Exception, match="only_there"):
        select(recv, other)
    assert select(recv, other) == (recv, "next")
    assert len(other_send) == 0
    destroy_interpreter(interp)


# Closed ends --------------------------------------------------------------------------------------------


def test_a_closed_channel_is_drained_first():
    recv, send = create()
    send.send(1)
    send.close()
    assert select(recv) == (recv, 1)
    with pytest.raises(ChannelClosedError, match=f"cannot recv from channel {recv.id}"):
        select(recv)


def test_a_send_to_nobody():
    recv, send = create()
    empty, _spare = create()
    recv.close()
    with pytest.raises(ChannelClosedError, match=f"cannot send to channel {send.id}"):
        select(empty, (send, 1))
    assert waiting(empty) == (0, 0)


@pytest.mark.parametrize("way", ["last sender", "last receiver", "shutdown", "immediate", "handle"])
@pytest.mark.parametrize("capacity", CAPACITIES)
def test_a_close_wakes_it(way, capacity):
    recv, send = create(capacity)
    silent, _spare = create()
    target, target_send = create(0)
    handle = recv.clone()
    if way == "last receiver":
        operations = [silent, (target_send, 1)]
        line, named = (lambda: waiting(target) == (1, 0)), target
    else:
        operations = [silent, handle]
        line, named = (lambda: waiting(send) == (0, 1)), recv
    call = Call(select, *operations)
    wait_until(line)
    {
        "last sender": send.close,
        "last receiver": target.close,
        "shutdown": send.shutdown,
        "immediate": lambda: send.shutdown(immediate=True),
        "handle": handle.close,
    }[way]()
    with pytest.raises(ChannelClosedError, match=f"channel {named.id}"):
        call.result()
    assert waiting(silent) == waiting(send) == waiting(target_send) == (0, 0)


def test_the_close_of_another_handle_does_not():
    recv, send = create()
    other = recv.clone()
    call = Call(select, recv)
    wait_until(lambda: waiting(recv) == (0, 1))
    other.close()
    send.send("still there")
    assert call.result() == (recv, "still there")


def test_a_handle_closed_beside_an_item_leaves_it_to_who_stands_behind():
    recv, send = create()
    silent, _spare = create()
    for number in range(100):
        handle = recv.clone()
        call = Call(select, handle, silent)
        wait_until(lambda: waiting(recv) == (0, 1))
        behind = Call(recv.recv)
        wait_until(lambda: waiting(recv) == (0, 2))
        closer = Call(handle.close)
        send.send(number)
        closer.result()
        try:
            assert call.result()[1] == number
            send.send("for the other")
            assert behind.result() == "for the other"
        except ChannelClosedError:
            assert behind.result() == number
        assert waiting(recv) == (0, 0)


def test_unbound_items():
    recv, send = create(unbounditems=UNBOUND)
    interp = create_interpreter()
    run_in(interp, "import interpchannels")
    run_in(interp, "send.send('gone with its sender')", {"send": send})
    destroy_interpreter(interp)
    assert select(recv) == (recv, UNBOUND)


# What a lost operation gives back -----------------------------------------------------------------------


def lose(operations, how):
    """Have the select lose all of `operations`."""
    ready, ready_send = create()
    if how == "default":
        assert select(*operations, default="nothing") == "nothing"
    elif how == "timeout":
        with pytest.raises(TimeoutError):
            select(*operations, timeout=0.001)
    elif how == "other":
        ready_send.send(1)
        assert select(*operations, ready) == (ready, 1)
    else:
        call = Call(select, *operations, ready)
        wait_until(lambda: waiting(ready) == (0, 1))
        ready_send.send(1)
        assert call.result() == (ready, 1)


LOSSES = ["default", "timeout", "other", "other, later"]


@pytest.mark.parametrize("how", LOSSES)
def test_references_and_loans_come_back(how):
    recv, send = full()
    big, text = b"x" * 500_000, "\u20ac" * 500_000
    held = [Holder(1), {"a": (1, 2)}, bytearray(b"x" * 100)]
    values = [big, text, [big, text], held, Holder(big), memoryview(big)]
    operations = [(send, value) for value in values]
    counted = [big, text, held, held[0], held[1], recv, send, *operations]
    before = [sys.getrefcount(value) for value in counted]
    stats = send.stats()
    for _ in range(5):
        lose(operations, how)
    wait_until(lambda: [sys.getrefcount(value) for value in counted] == before)
    assert interpchannels.stats().loans == 0
    assert send.stats() == stats
    assert recv.recv() == 0


@pytest.mark.parametrize("how", LOSSES)
def test_ends_come_back(how):
    _recv, send = full()
    inner_recv, inner_send = create()
    for _ in range(5):
        lose([(send, inner_send), (send, [inner_recv, inner_send])], how)
        stats = inner_recv.stats()
        assert (stats.open_senders, stats.open_receivers) == (1, 1)
    inner_send.close()
    with pytest.raises(ChannelClosedError):
        select(inner_recv, default=None)


def test_what_was_sent_is_sent_once():
    recv, send = create()
    inner_recv, inner_send = create()
    assert select((send, inner_send), (send, inner_send))[0] is send
    assert inner_recv.stats().open_senders == 2
    recv.recv().close()
    assert inner_recv.stats().open_senders == 1


def test_the_result_holds_nothing_else():
    recv, send = create()
    before = sys.getrefcount(recv), sys.getrefcount(send)
    for _ in range(100):
        select((send, "x"))
        select(recv)
        select(recv, default=None)
    assert (sys.getrefcount(recv), sys.getrefcount(send)) == before


def test_an_end_that_is_dropped_while_it_waits():
    """The call keeps its ends: nobody else need hold them."""
    recv, send = create()
    _kept, other = full()
    call = Call(select, recv.clone(), (other.clone(), 1), timeout=1000)
    wait_until(lambda: waiting(send) == (0, 1))
    send.send("x")
    end, value = call.result()
    assert value == "x" and end == recv


# Across interpreters ------------------------------------------------------------------------------------


def serve(jobs, results, stop):
    """Square what comes, by whichever of two results' channels is read, until told to stop."""
    done = 0
    while True:
        end, value = interpchannels.select(jobs, stop)
        if end is stop:
            return done
        interpchannels.select(*((result, value * value) for result in results))
        done += 1


def test_between_interpreters():
    jobs, to_jobs = create(4)
    results = [create(0), create(1)]
    stops = [create() for _ in range(2)]
    workers = [spawn(serve, jobs, [send for _, send in results], stop) for stop, _ in stops]
    jobs.close()
    got = []
    todo = list(range(400))
    while len(got) < 400:
        operations = [recv for recv, _ in results]
        if todo:
            operations.append((to_jobs, todo[-1]))
        _end, value = select(*operations)
        if value is None:
            todo.pop()
        else:
            got.append(value)
    for _, stop in stops:
        stop.send(None)
    assert sum(worker.result() for worker in workers) == 400
    for worker in workers:
        worker.join()
    assert sorted(got) == [number * number for number in range(400)]
    for recv, _ in results:
        recv.close()
    for stop, _ in stops:
        stop.close()


def test_nothing_is_said_of_one_moment_alone():
    """After TestNonblockSelectRace of Go's runtime/chan_test.go, with the other side in another interpreter."""
    rounds = 1000
    left, to_left = create()
    right, to_right = create()
    turn, to_turn = create(0)
    done, to_done = create(0)
    interp = create_interpreter()
    run_in(interp, "import interpchannels")
    thread = run_in_thread(
        interp,
        """
        for _ in turn:
            for number in range(20):
                to_here, there = ((to_left, right), (to_right, left))[number % 2 == 0]
                to_here.send(1)
                if there.recv_nowait(None) is None:
                    break
            to_done.send(None)
        """,
        {
            "turn": turn,
            "to_done": to_done,
            "left": left,
            "right": right,
            "to_left": to_left,
            "to_right": to_right,
        },
    )
    for _ in range(rounds):
        to_left.send(1)
        to_turn.send(None)
        assert select(left, right, default="nothing") != "nothing"
        done.recv()
        for recv in (left, right):
            while recv.recv_nowait(None):
                pass
    to_turn.close()
    thread.join_and_check()
    destroy_interpreter(interp)


def test_selecting_threads_do_not_hold_the_gil():
    recv, send = create()
    calls = [Call(select, recv, timeout=1000) for _ in range(8)]
    wait_until(lambda: waiting(recv) == (0, 8))
    assert threading.active_count() >= 9
    for number in range(8):
        send.send(number)
    assert sorted(call.result()[1] for call in calls) == list(range(8))
