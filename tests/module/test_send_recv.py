"""send, send_buffer and recv: values, order, defaults, what cannot be sent, and what waits for what."""

import _thread
import array
import math
import sys
import threading

import pytest
from dropin import (
    HAS_FALLBACK,
    NO_FALLBACK,
    PICKLE,
    PRELUDE,
    REPLACE,
    c,
    cpython_fault,
    create,
    get,
    info,
    put,
)

from support import IS_OURS, Call, run_in, run_in_thread, run_script, wait_until

since_314 = pytest.mark.skipif(not HAS_FALLBACK, reason="3.14 brought the fallback")
until_313 = pytest.mark.skipif(HAS_FALLBACK, reason="3.14 brought the fallback")


def blocked(cid, items=1):
    """Wait until that many items are queued: their senders wait, or are about to."""
    wait_until(lambda: c.get_count(cid) == items)


# Values and order -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -1,
        sys.maxsize,
        -sys.maxsize - 1,
        1.5,
        -0.0,
        math.inf,
        "",
        "spam",
        "\0\u20ac\U0001f40d",
        b"",
        b"\0spam",
        b"x" * 1_000_000,
        "x" * 1_000_000,
        (),
        (1, "two", b"three", (4.0, None, (True,))),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_values(value):
    cid = create()
    put(cid, value)
    arrived = get(cid)
    assert type(arrived) is type(value)
    assert repr(arrived) == repr(value)


def test_a_copy_arrives():
    cid = create()
    sent = bytes(bytearray(b"spam"))
    put(cid, sent)
    assert get(cid) is not sent


def test_order():
    cid = create()
    for number in range(1000):
        put(cid, number)
    assert c.get_count(cid) == 1000
    assert [get(cid) for _ in range(1000)] == list(range(1000))
    assert c.get_count(cid) == 0


def test_between_interpreters(interpreter):
    there, back = create(), create()
    put(there, ("spam", 1))
    run_in(interpreter, f"from dropin import *; put({int(back)}, (get({int(there)}), 2))")
    assert get(back) == (("spam", 1), 2)


def test_result_is_a_pair():
    cid = create()
    put(cid, 5)
    assert c.recv(cid) == (5, None)
    assert type(c.recv(cid, 6)) is tuple


# recv -----------------------------------------------------------------------------------------


def test_a_pair_that_is_kept_stays_as_it_is():
    """One that nobody keeps may serve again, with another hash; one that somebody keeps must not."""
    cid = create()
    items = [1_000, "text", None, 2.5, b"bytes", True, (1,), "last"]
    for item in items:
        c.send(cid, item, blocking=False)
    kept = [c.recv(cid) for _ in items]
    assert kept == [(item, None) for item in items]
    for item in items:
        c.send(cid, item, blocking=False)
        assert hash(c.recv(cid)) == hash((item, None))


def test_what_was_received_is_let_go():
    """Not when the next one comes."""
    cid = create()
    c.send(cid, (1, 2), blocking=False)
    value, _ = c.recv(cid)
    fresh = (value[0], value[1])
    assert sys.getrefcount(value) == sys.getrefcount(fresh)


def test_empty():
    cid = create()
    with pytest.raises(c.ChannelEmptyError, match=rf"^channel {cid} is empty$"):
        c.recv(cid)


@pytest.mark.parametrize("default", [None, 5, object()])
def test_default(default):
    cid = create()
    assert c.recv(cid, default) == c.recv(cid, default=default) == (default, None)
    put(cid, 6)
    assert c.recv(cid, default) == (6, None)


# What cannot be sent --------------------------------------------------------------------------


def not_shareable():
    """CPython's error for an object that is not shareable, where it has one."""
    if sys.version_info >= (3, 13):
        import _interpreters

        return _interpreters.NotShareableError
    return ValueError


@pytest.mark.parametrize("make", [lambda: (i for i in ()), lambda: sys, lambda: (1, (sys,))])
def test_not_shareable(make):
    cid = create()
    with pytest.raises(not_shareable()):
        put(cid, make())
    with pytest.raises(not_shareable()):
        c.send(cid, make(), REPLACE, timeout=0)
    assert c.get_count(cid) == 0
    put(cid, 1)
    assert get(cid) == 1


@until_313
@pytest.mark.parametrize("value", [[], {}, {1}, object(), len, lambda: 1], ids=repr)
def test_not_shareable_before_the_fallback(value):
    cid = create()
    with pytest.raises(not_shareable(), match="does not support cross-interpreter data"):
        put(cid, value)
    assert c.get_count(cid) == 0


@since_314
@pytest.mark.parametrize("value", [[], {1: [2]}, {1}, 2**100, 1j, len, ([1],)], ids=repr)
def test_fallback(value):
    cid = c.create(REPLACE, PICKLE)
    strict = c.create(REPLACE, NO_FALLBACK)
    for send in (
        lambda: c.send(cid, value, blocking=False),
        lambda: c.send(cid, value, -1, -1, blocking=False),
        lambda: c.send(cid, value, fallback=PICKLE, blocking=False),
        lambda: c.send(strict, value, fallback=PICKLE, blocking=False) or put(cid, get(strict)),
    ):
        send()
        assert get(cid) == value
    if isinstance(value, int):
        return  # that it does not fit is told by OverflowError, see below
    for send in (
        lambda: c.send(cid, value, fallback=NO_FALLBACK, blocking=False),
        lambda: c.send(strict, value, blocking=False),
        lambda: c.send(strict, value, -1, -1, blocking=False),
        lambda: c.send(strict, value, timeout=0),
    ):
        with pytest.raises(not_shareable(), match="does not support cross-interpreter data"):
            send()
    assert c.get_count(cid) == c.get_count(strict) == 0


# Timeouts of a blocking send ------------------------------------------------------------------

SENDS = {
    "send": lambda cid, **kw: c.send(cid, b"spam", REPLACE, **kw),
    "send_buffer": lambda cid, **kw: c.send_buffer(cid, b"spam", REPLACE, **kw),
}
sends = pytest.mark.parametrize("send", SENDS.values(), ids=SENDS)


@sends
@pytest.mark.parametrize("timeout", [0, 0.0, -0.0, 1e-9, 1e-12, 0.001, False])
def test_timeout(send, timeout):
    cid = create()
    with pytest.raises(TimeoutError, match=r"^timed out$"):
        send(cid, timeout=timeout)
    assert c.get_count(cid) == 0
    with pytest.raises(c.ChannelEmptyError):
        c.recv(cid)
    put(cid, 1)
    assert get(cid) == 1


@sends
def test_timeout_between_other_items(send):
    """What times out goes from the front, the middle and the back alike, and the rest stays in order."""
    cid = create()
    expected = []
    for number in range(5):
        with pytest.raises(TimeoutError):
            send(cid, timeout=0)
        put(cid, number)
        expected.append(number)
        with pytest.raises(TimeoutError):
            send(cid, timeout=0.001)
        assert c.get_count(cid) == len(expected)
    assert [get(cid) for _ in expected] == expected


@sends
@pytest.mark.parametrize("timeout", [-1, -0.5, -1e-10, -1e-300])
def test_negative_timeout(send, timeout):
    cid = create()
    with pytest.raises(ValueError, match=r"^timeout value must be a non-negative number$"):
        send(cid, timeout=timeout)
    assert c.get_count(cid) == 0


@sends
def test_nan_timeout(send):
    with pytest.raises(ValueError, match=r"^Invalid value NaN \(not a number\)$"):
        send(create(), timeout=math.nan)


@sends
@pytest.mark.parametrize(
    "timeout", [1e10, 1e300, 2**62, 2**63, 10**30, -(10**30), math.inf, -math.inf]
)
def test_huge_timeout(send, timeout):
    """More than fits 64 bits of nanoseconds; unlike the package, the drop-in has no use for infinity."""
    cid = create()
    with pytest.raises(OverflowError):
        send(cid, timeout=timeout)
    assert c.get_count(cid) == 0


@sends
@pytest.mark.parametrize("timeout", ["1", b"1", 1j, [], object()])
def test_timeout_of_a_wrong_type(send, timeout):
    with pytest.raises(TypeError):
        send(create(), timeout=timeout)


@sends
@pytest.mark.parametrize("timeout", [0, 1, -1, 0.5, math.nan, math.inf, 10**30, "1"])
def test_timeout_of_a_send_that_does_not_block(send, timeout):
    cid = create()
    message = "^can't specify a timeout for a non-blocking call$"
    with pytest.raises(ValueError, match=message):
        send(cid, blocking=False, timeout=timeout)
    assert c.get_count(cid) == 0
    send(cid, blocking=False, timeout=None)
    assert c.get_count(cid) == 1


# A blocked send and how it ends ---------------------------------------------------------------


@sends
@pytest.mark.parametrize("timeout", [None, 9e9, 1_000_000])
def test_ends_when_received(send, timeout):
    cid = create()
    call = Call(send, cid, timeout=timeout)
    blocked(cid)
    assert bytes(get(cid)) == b"spam"
    assert call.result() is None


def test_each_sender_waits_for_its_own_item():
    cid = create()
    calls = []
    for number in range(5):
        calls.append(Call(c.send, cid, number, REPLACE))
        blocked(cid, number + 1)
    for number, call in enumerate(calls):
        assert all(later.is_alive() for later in calls[number:])
        assert get(cid) == number
        call.result()


def test_across_interpreters(interpreter):
    cid = create()
    thread = run_in_thread(
        interpreter, f"from dropin import *; c.send({int(cid)}, 'spam', REPLACE)"
    )
    blocked(cid)
    assert get(cid) == "spam"
    thread.join_and_check()


ENDINGS = {
    "destroy": c.destroy,
    "close by force": lambda cid: c.close(cid, force=True),
    "close the send end by force": lambda cid: c.close(cid, send=True, force=True),
}


@sends
@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS)
def test_ends_with_the_channel(send, end):
    cid = create()
    calls = []
    for number in range(3):
        calls.append(Call(send, cid, timeout=None if number else 1_000_000))
        blocked(cid, number + 1)
    end(cid)
    for call in calls:
        with pytest.raises(c.ChannelClosedError, match=rf"^channel {cid} has closed$"):
            call.result()


def test_ends_with_the_channel_in_another_interpreter(interpreter):
    cid = create()
    thread = run_in_thread(
        interpreter,
        f"""
        from dropin import *
        try:
            c.send({int(cid)}, "spam", REPLACE)
        except c.ChannelClosedError as exc:
            assert str(exc) == "channel {int(cid)} has closed", exc
        else:
            raise AssertionError("nobody received it")
        """,
    )
    blocked(cid)
    c.destroy(cid)
    thread.join_and_check()


def test_close_of_the_send_end_lets_the_item_be_received():
    cid = create()
    call = Call(c.send, cid, "spam", REPLACE)
    blocked(cid)
    c.close(cid, send=True)
    assert call.is_alive()
    assert get(cid) == "spam"
    assert call.result() is None
    assert info(cid) == {"closed": True}


@cpython_fault("the sender stays blocked: release leaves its item in a channel that nobody can use")
@pytest.mark.parametrize("end", ["{}", "{'send': True}"])
def test_ends_with_the_release_that_closes_the_channel(end):
    """CPython neither drops the item nor wakes its sender, so that it waits for ever."""
    run_script(
        PRELUDE
        + f"""
cid = create()
call = Call(c.send, cid, "spam", REPLACE)
wait_until(lambda: c.get_count(cid) == 1)
c.release(cid, **{end})
try:
    call.result()
except c.ChannelClosedError as exc:
    assert str(exc) == f"channel {{cid}} has closed", exc
else:
    raise AssertionError("nobody received it")
assert info(cid) == {{"closed": True}}
"""
    )


@cpython_fault("it times out, and a pointer into its dead stack frame stays in the queue")
def test_timeout_after_the_own_release():
    """CPython's sender that times out after its release cannot take its item back.

    The item stays, with the address of a lock on the stack of a thread that is gone: destroy() then releases
    that lock. ChannelClosedError at once is what this has to be, as for any channel that closes.
    """
    run_script(
        PRELUDE
        + """
cid = create()
calls = [Call(c.send, cid, number, REPLACE, timeout=0.5) for number in range(8)]
wait_until(lambda: c.get_count(cid) == 8)
c.release(cid)
for call in calls:
    try:
        call.result()
    except c.ChannelClosedError:
        pass
    else:
        raise AssertionError("nobody received it")
del call, calls
c.destroy(cid)
"""
    )


@pytest.mark.skipif(not IS_OURS, reason="CPython leaves the item to the receiver")
def test_own_release_of_the_send_end_alone():
    """Others still receive: what was sent before the release is theirs, and its sender learns of it."""
    cid = create()
    c.recv(cid, None)
    call = Call(c.send, cid, "spam", REPLACE)
    blocked(cid)
    c.release(cid, send=True)
    assert get(cid) == "spam"
    assert call.result() is None


@cpython_fault("the sender is told that the channel has closed, which is not so")
def test_an_item_that_cannot_be_decoded():
    """The item is lost, the receiver gets the error, and the sender has sent: the channel goes on.

    CPython tells the sender "channel N has closed", though the channel is as open as before.
    """
    cid, gone = create(), create()
    call = Call(c.send, cid, gone, REPLACE)
    blocked(cid)
    put(cid, "next")
    c.destroy(gone)
    with pytest.raises(c.ChannelNotFoundError, match=rf"^channel {gone} not found$"):
        c.recv(cid)
    assert info(cid)["open"]
    assert get(cid) == "next"
    assert call.result() is None


# Signals --------------------------------------------------------------------------------------

INTERRUPTED = """
import _thread, os, signal, threading
cid = create()
def interrupt():
    wait_until(lambda: c.get_count(cid) == 1)
    {how}
thread = threading.Thread(target=interrupt)
thread.start()
try:
    {send}
except KeyboardInterrupt:
    pass
else:
    raise AssertionError("not interrupted")
thread.join()
assert c.get_count(cid) == 0
assert info(cid) == {{"open": True, "num_interp_send": 1, "send_associated": True}}
put(cid, 1)
assert get(cid) == 1
"""
TO_THE_PROCESS = "os.kill(os.getpid(), signal.SIGINT)"
TO_THE_MAIN_THREAD = "signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)"
TO_THIS_THREAD = "signal.pthread_kill(threading.get_ident(), signal.SIGINT)"
BLOCKING_SENDS = [
    "c.send(cid, 1, REPLACE)",
    "c.send(cid, 1, REPLACE, timeout=1_000_000)",
    "c.send_buffer(cid, b'1', REPLACE)",
]


@pytest.mark.parametrize("send", BLOCKING_SENDS)
@pytest.mark.parametrize("how", [TO_THE_PROCESS, TO_THE_MAIN_THREAD])
def test_interrupt(how, send):
    run_script(PRELUDE + INTERRUPTED.format(how=how, send=send))


@cpython_fault("the main thread never sees a signal that another thread took")
@pytest.mark.parametrize("send", BLOCKING_SENDS)
@pytest.mark.parametrize("how", [TO_THIS_THREAD, "_thread.interrupt_main()"])
def test_interrupt_that_another_thread_takes(how, send):
    run_script(PRELUDE + INTERRUPTED.format(how=how, send=send))


def test_a_handler_that_raises_nothing_does_not_end_the_wait():
    run_script(
        PRELUDE
        + """
import signal, threading
cid = create()
handled = threading.Event()
signal.signal(signal.SIGUSR1, lambda *args: handled.set())
def interrupt():
    wait_until(lambda: c.get_count(cid) == 1)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
    handled.wait()
    assert get(cid) == "spam"
thread = threading.Thread(target=interrupt)
thread.start()
c.send(cid, "spam", REPLACE, timeout=1_000_000)
thread.join()
assert handled.is_set()
"""
    )


def test_a_handler_may_use_the_channel():
    run_script(
        PRELUDE
        + """
import signal, threading
cid = create()
signal.signal(signal.SIGUSR1, lambda *args: got.append(get(cid)))
got = []
def interrupt():
    wait_until(lambda: c.get_count(cid) == 1)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
thread = threading.Thread(target=interrupt)
thread.start()
c.send(cid, "spam", REPLACE)
thread.join()
assert got == ["spam"]
"""
    )


def test_threads_other_than_the_main_one_take_no_signals():
    cid = create()
    call = Call(c.send, cid, "spam", REPLACE)
    blocked(cid)
    with pytest.raises(KeyboardInterrupt):
        _thread.interrupt_main()
        threading.Event().wait()
    assert call.is_alive()
    assert get(cid) == "spam"
    call.result()


# Many at once ---------------------------------------------------------------------------------


@cpython_fault(
    "segfault: it frees a null pointer where an item is received as its sender times out"
)
def test_what_is_sent_is_received_once_and_what_timed_out_never():
    """Senders with next to no patience against receivers: each item has exactly one of two fates.

    CPython's sender that times out just after its item was taken looks for it in the queue, in vain, and frees
    what it has not found.
    """
    run_script(
        PRELUDE
        + """
import threading
cid = create()
SENDERS, ITEMS = 3, 500
sent = [[] for _ in range(SENDERS)]
received = []
done = threading.Event()

def send(which):
    for number in range(ITEMS):
        try:
            c.send(cid, (which, number), REPLACE, timeout=0.0001 * (number % 3))
        except TimeoutError:
            pass
        else:
            sent[which].append((which, number))

def receive():
    while True:
        last = done.is_set()
        item, _ = c.recv(cid, None)
        if item is not None:
            received.append(item)
        elif last:
            return

senders = [Call(send, which) for which in range(SENDERS)]
receivers = [Call(receive) for _ in range(2)]
for call in senders:
    call.result()
done.set()
for call in receivers:
    call.result()
assert c.get_count(cid) == 0
assert sorted(received) == sorted(sum(sent, [])), (len(received), sum(map(len, sent)))
"""
    )


# Buffers --------------------------------------------------------------------------------------


def test_a_buffer_is_shared():
    cid = create()
    data = bytearray(b"spam")
    c.send_buffer(cid, data, REPLACE, blocking=False)
    view = get(cid)
    assert type(view) is memoryview
    assert not view.readonly
    view[0] = ord("S")
    data[1] = ord("P")
    assert bytes(view) == bytes(data) == b"SPam"
    with pytest.raises(BufferError):
        data.append(0)
    view.release()
    data.append(0)


def test_a_buffer_keeps_its_shape_and_its_readonly():
    cid = create()
    numbers = array.array("i", range(6))
    c.send_buffer(cid, memoryview(numbers).cast("B").cast("i", (2, 3)), REPLACE, blocking=False)
    c.send_buffer(cid, b"spam", REPLACE, blocking=False)
    view = get(cid)
    assert (view.format, view.shape, view.tolist()) == ("i", (2, 3), [[0, 1, 2], [3, 4, 5]])
    view = get(cid)
    assert view.readonly and bytes(view) == b"spam"


def test_a_buffer_between_interpreters(interpreter):
    cid = create()
    data = bytearray(b"spam")
    c.send_buffer(cid, data, REPLACE, blocking=False)
    code = "from dropin import *; view = get({0}); view[:2] = b'SP'; del view"
    run_in(interpreter, code.format(int(cid)))
    assert data == b"SPam"
    data.append(0)


@cpython_fault("a buffer that is cleared with its channel stays exported for ever", fixed=(3, 14))
def test_a_buffer_that_nobody_receives_is_let_go():
    data = bytearray(b"spam")
    for end in (c.destroy, lambda cid: c.close(cid, force=True)):
        cid = create()
        c.send_buffer(cid, data, REPLACE, blocking=False)
        with pytest.raises(BufferError):
            data.append(0)
        end(cid)
        data.append(0)
    cid = create()
    with pytest.raises(TimeoutError):
        c.send_buffer(cid, data, REPLACE, timeout=0)
    data.append(0)


@pytest.mark.parametrize("value", [1, "spam", None, [1], object()])
def test_no_buffer(value):
    cid = create()
    with pytest.raises(TypeError, match=r"^memoryview: a bytes-like object is required, not"):
        c.send_buffer(cid, value, REPLACE, blocking=False)
    assert info(cid) == {"open": True}


def test_a_released_view():
    view = memoryview(b"spam")
    view.release()
    with pytest.raises(ValueError):
        c.send_buffer(create(), view, REPLACE, blocking=False)


def test_send_of_a_memoryview():
    cid = create()
    put(cid, memoryview(b"spam"))
    arrived = get(cid)
    assert type(arrived) is memoryview
    assert bytes(arrived) == b"spam"
