"""interpchannels.Queue: what queue.Queue promises, across interpreters."""

import inspect
import math
import queue
import random
import sys
import threading
import weakref
from collections import Counter

import pytest
import queue_functions
from crossing_object import Holder
from queue_functions import NamedQueue, RaisesOnArrival, ShutDown, queue_twin, waiting

from interpchannels import (
    ChannelClosedError,
    ChannelEmptyError,
    ChannelFullError,
    NotShareableError,
    Queue,
    create,
    list_all,
    spawn,
)
from support import Call, run_in, wait_until

# The interface ------------------------------------------------------------------------------------------------


def test_signatures():
    """A call that queue.Queue takes, by position or name, ours takes as well."""

    def shape(function):
        return [
            (p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()
        ]

    for name, theirs in vars(queue.Queue).items():
        if name == "__init__" or (inspect.isfunction(theirs) and not name.startswith("_")):
            assert shape(getattr(Queue, name)) == shape(theirs), name


def test_what_multiprocessing_has_besides():
    from multiprocessing.queues import JoinableQueue

    for name, theirs in inspect.getmembers(JoinableQueue, inspect.isfunction):
        if not name.startswith("_"):
            assert callable(getattr(Queue, name)), name
            assert len(inspect.signature(getattr(Queue, name)).parameters) == len(
                inspect.signature(theirs).parameters
            )


def test_errors_are_those_of_queue():
    q = Queue(1)
    with pytest.raises(queue.Empty) as empty:
        q.get_nowait()
    q.put(1)
    with pytest.raises(queue.Full) as full:
        q.put_nowait(2)
    q.shutdown()
    with pytest.raises(ShutDown) as closed:
        q.put(2)
    assert [type(info.value) for info in (empty, full, closed)] == [
        ChannelEmptyError,
        ChannelFullError,
        ChannelClosedError,
    ]


@pytest.mark.parametrize(
    ("given", "maxsize"), [(0, 0), (-1, 0), (-(2**70), 0), (1, 1), (True, 1), (sys.maxsize, 2**62)]
)
def test_maxsize(given, maxsize):
    q = Queue(given)
    assert q.maxsize == maxsize
    q.put(1)
    assert q.full() == (maxsize == 1)
    with pytest.raises(AttributeError):
        q.maxsize = 5


@pytest.mark.parametrize("wrong", [None, 1.0, "1", []])
def test_maxsize_of_a_wrong_type(wrong):
    with pytest.raises(TypeError):
        Queue(wrong)


def test_identity():
    q = Queue()
    twin, other = queue_twin(q), Queue()
    assert q == twin and hash(q) == hash(twin) and q is not twin
    assert q != other and q != q._recv and q != 1
    assert {q: 1}[twin] == 1
    assert q and Queue(1)
    with pytest.raises(TypeError):
        len(q)
    assert weakref.ref(q)() is q


def test_repr():
    q = Queue(3)
    assert repr(q) == f"<Queue id={q._recv.id} maxsize=3>"
    q.shutdown()
    assert repr(q) == f"<Queue id={q._recv.id} maxsize=3 shut down>"
    unbounded = NamedQueue("mine")
    assert repr(unbounded) == f"<NamedQueue id={unbounded._recv.id}>"


def test_it_is_generic():
    q = Queue[int](2)
    q.put(1)
    assert q.get() == 1
    assert Queue[int].__origin__ is Queue


def test_a_channel_by_its_insides():
    """It shows among the channels, as what it is."""
    q = Queue(2)
    q.put("x")
    (info,) = [info for info in list_all() if info.id == q._recv.id]
    assert (info.capacity, info.queued, info.closed) == (2, 1, False)


# Beside queue.Queue, step by step -----------------------------------------------------------------------------


def outcome(step, q):
    """What a call does, in terms that hold for both queues."""
    try:
        return "returned", step(q)
    except queue.Empty:
        return "Empty"
    except queue.Full:
        return "Full"
    except ShutDown:
        return "ShutDown"
    except ValueError as error:
        return "ValueError", str(error)


def steps(rng):
    """One call of either queue, chosen at random: none that would wait."""
    value = rng.randrange(1000)
    timeout = rng.choice([0, 0.0, 0.0001, -1, -0.0, -math.inf])
    return rng.choice(
        [
            lambda q: q.put_nowait(value),
            lambda q: q.put(value, False),
            lambda q: q.put(value, block=False, timeout=timeout),
            lambda q: q.put(value, True, timeout),
            lambda q: q.put(item=value, timeout=timeout),
            lambda q: q.get_nowait(),
            lambda q: q.get(False),
            lambda q: q.get(block=False, timeout=timeout),
            lambda q: q.get(True, timeout),
            lambda q: q.get(timeout=timeout),
            lambda q: q.task_done(),
            lambda q: (q.qsize(), q.empty(), q.full(), q.maxsize, q.unfinished_tasks),
            lambda q: q.join() if q.unfinished_tasks == 0 else None,
        ]
    )


@pytest.mark.parametrize("maxsize", [0, 1, 2, 5])
def test_as_queue_does(maxsize):
    rng = random.Random(maxsize)
    seen = Counter()
    for _ in range(60):
        ours, theirs = Queue(maxsize), queue.Queue(maxsize)
        for _ in range(rng.randrange(80)):
            step = steps(rng)
            if rng.random() < 0.02 and sys.version_info >= (3, 13):
                immediate = rng.random() < 0.5
                step = lambda q, now=immediate: (q.shutdown(now), q.is_shutdown)
            expected = outcome(step, theirs)
            # With a negative timeout queue.Queue looks at what is there first where it was shut down.
            got = outcome(step, ours)
            if got != expected:
                assert "negative" in str(got) and expected == "ShutDown"
            seen[expected if isinstance(expected, str) else expected[0]] += 1
    names = {"returned", "Empty", "ValueError"}
    names |= {"Full"} if maxsize else set()
    names |= {"ShutDown"} if sys.version_info >= (3, 13) else set()
    assert seen.keys() == names


# Timeouts -----------------------------------------------------------------------------------------------------


def test_timeouts_say_what_was_waited_for():
    q = Queue(1)
    with pytest.raises(ChannelEmptyError, match=rf"queue {q._recv.id} is empty: .* 0.001 seconds"):
        q.get(timeout=0.001)
    q.put(1)
    with pytest.raises(
        ChannelFullError, match=rf"queue {q._recv.id} is full \(maxsize 1\).* 0.001"
    ):
        q.put(2, timeout=0.001)
    assert q.qsize() == 1 and q.unfinished_tasks == 1


@pytest.mark.parametrize("timeout", [math.nan, "1", [], 1j])
def test_a_timeout_that_is_none(timeout):
    q = Queue(1)
    with pytest.raises((TypeError, ValueError)):
        q.get(timeout=timeout)
    q.put(1)
    with pytest.raises((TypeError, ValueError)):
        q.put(2, timeout=timeout)


@pytest.mark.parametrize("timeout", [1000, 10**400, math.inf])
def test_a_long_timeout_ends_with_the_item(timeout):
    q = Queue()
    call = Call(q.get, timeout=timeout)
    wait_until(lambda: waiting(q) == (0, 1))
    q.put("there")
    assert call.result() == "there"


def test_a_timeout_error_of_the_item_is_not_ours():
    q = Queue()
    for ways in ({}, {"timeout": 10}, {"block": False}):
        q.put(RaisesOnArrival(TimeoutError("the item's own")))
        with pytest.raises(TimeoutError, match="the item's own"):
            q.get(**ways)


# What crosses, and what does not ------------------------------------------------------------------------------


def test_items_are_copies():
    q = Queue()
    value = {"list": [1, 2], "holder": Holder(3)}
    q.put(value)
    got = q.get()
    assert got["list"] == [1, 2] and got["holder"].value == 3
    assert got["list"] is not value["list"]


def test_a_put_that_cannot_cross_is_not_counted():
    q = Queue(1)
    for call in (q.put, q.put_nowait, lambda item: q.put(item, timeout=10)):
        with pytest.raises(NotShareableError):
            call([threading.Lock()])
    assert q.unfinished_tasks == 0 and q.empty()
    q.join()


def test_an_item_that_cannot_be_loaded_is_unfinished():
    q = Queue()
    q.put(RaisesOnArrival(LookupError("not here")))
    q.put("next")
    with pytest.raises(LookupError, match="not here"):
        q.get()
    assert (q.get(), q.unfinished_tasks) == ("next", 2)


# Blocked calls, and what ends them ----------------------------------------------------------------------------


def test_put_waits_for_a_place_and_get_for_an_item():
    q = Queue(1)
    taker = Call(q.get)
    wait_until(lambda: waiting(q) == (0, 1))
    q.put("first")
    assert taker.result() == "first"
    q.put("second")
    for ways in ({}, {"timeout": 1000}):
        call = Call(q.put, "third", **ways)
        wait_until(lambda: waiting(q) == (1, 0))
        q.get()
        call.result()
        assert q.qsize() == 1


@pytest.mark.parametrize("immediate", [False, True])
def test_shutdown_wakes_everybody(immediate):
    q, full = Queue(), Queue(1)
    full.put("there")
    calls = [Call(q.get), Call(q.get, timeout=1000)]
    calls += [Call(full.put, 1), Call(full.put, 2, timeout=1000)]
    wait_until(lambda: waiting(q) == (0, 2) and waiting(full) == (2, 0))
    q.shutdown(immediate)
    full.shutdown(immediate=immediate)
    for call in calls:
        with pytest.raises(ShutDown):
            call.result()
    assert q.is_shutdown and full.is_shutdown
    assert full.qsize() == (0 if immediate else 1)


@pytest.mark.parametrize("immediate", [False, True])
def test_shutdown_from_another_interpreter(interpreter, immediate):
    q = Queue()
    q.put("left")
    run_in(interpreter, f"q.shutdown({immediate})", {"q": q})
    assert q.is_shutdown
    with pytest.raises(ShutDown):
        q.put(1)
    if not immediate:
        assert q.get() == "left"
    with pytest.raises(ShutDown):
        q.get()
    with pytest.raises(ShutDown):
        q.get_nowait()
    with pytest.raises(ShutDown):
        q.get(timeout=0)


def test_shutdown_wakes_other_interpreters():
    empty, full, said = Queue(), Queue(1), Queue()
    full.put("there")
    workers = [
        spawn(queue_functions.blocked, (empty, "get"), said),
        spawn(queue_functions.blocked, (full, "put", 1), said),
        spawn(queue_functions.blocked, (full, "join"), said),
    ]
    wait_until(lambda: waiting(empty) == (0, 1) and waiting(full) == (1, 0))
    for _ in workers:
        assert said.get() == "calling"
    empty.shutdown()
    full.shutdown(immediate=True)
    outcomes = [said.get() for _ in workers]
    assert sorted(outcomes, key=str) == sorted(
        [("raised", "ChannelClosedError")] * 2 + [("returned", None)], key=str
    )
    for worker in workers:
        worker.join()


def test_shutdown_immediate_counts_what_it_drops():
    q = Queue()
    for n in range(5):
        q.put(n)
    q.get()
    joined = Call(q.join)
    q.shutdown(immediate=True)
    assert q.unfinished_tasks == 1
    q.task_done()
    joined.result()
    with pytest.raises(ValueError, match=r"task_done\(\) called too many times"):
        q.task_done()
    q.shutdown()
    q.shutdown(immediate=True)


def test_shutdown_immediate_after_shutdown():
    q = Queue()
    q.put(1)
    q.shutdown()
    joined = Call(q.join)
    assert q.qsize() == 1
    q.shutdown(immediate=True)
    joined.result()
    assert q.qsize() == 0


def test_what_is_dropped_is_released():
    q = Queue()
    recv, send = create()
    q.put(send)
    send.close()
    q.shutdown(immediate=True)
    with pytest.raises(ChannelClosedError):
        recv.recv(timeout=10)


# task_done and join -------------------------------------------------------------------------------------------


def test_join_waits_for_what_was_got():
    q = Queue()
    q.join()
    q.put(1)
    q.put(2)
    joined = Call(q.join)
    q.get(), q.get()
    q.task_done()
    assert joined.is_alive()
    q.task_done()
    joined.result()


def test_task_done_once_too_often():
    q = Queue()
    with pytest.raises(ValueError, match=r"^task_done\(\) called too many times$"):
        q.task_done()
    q.put(1)
    q.task_done()  # before it was got, as queue.Queue lets one
    with pytest.raises(ValueError):
        q.task_done()
    assert q.get() == 1


def test_a_blocked_put_is_not_unfinished():
    q = Queue(1)
    q.put(1)
    call = Call(q.put, 2)
    wait_until(lambda: waiting(q) == (1, 0))
    assert q.unfinished_tasks == 1
    q.get()
    call.result()
    assert q.unfinished_tasks == 2


def test_join_across_interpreters():
    tasks, results = Queue(2), Queue()
    workers = [spawn(queue_functions.finish_all, tasks, results) for _ in range(2)]
    for round_ in range(3):
        for n in range(50):
            tasks.put((round_, n))
        tasks.join()
        assert results.qsize() == 50
        assert sorted(results.get() for _ in range(50)) == [(round_, n) for n in range(50)]
    tasks.shutdown()
    assert [worker.result() for worker in workers] == ["shut down"] * 2


def test_join_in_another_interpreter():
    tasks, said = Queue(), Queue()
    tasks.put(1)
    worker = spawn(queue_functions.join_and_say, tasks, said)
    assert said.get() == "joining"
    assert said.empty()
    tasks.task_done()
    assert said.get() == "joined"
    worker.join()


def test_several_interpreters_join_one_queue():
    tasks, said = Queue(), Queue()
    tasks.put(1)
    workers = [spawn(queue_functions.join_and_say, tasks, said) for _ in range(3)]
    assert [said.get() for _ in workers] == ["joining"] * 3
    calls = [Call(tasks.join) for _ in range(10)]
    tasks.task_done()
    assert [said.get() for _ in workers] == ["joined"] * 3
    for call in calls:
        call.result()
    for worker in workers:
        worker.join()
