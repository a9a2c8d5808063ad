"""Hard input: what is very large, what calls back into the channel while it is sent or received, limits that are met.

One clear outcome each. What takes gigabytes or many seconds runs where INTERPCHANNELS_SLOW is set; a smaller one of
the same kind runs always.
"""

from __future__ import annotations

import asyncio
import math
import os
import sys

import hard_objects
import pytest

import interpchannels
import support
from interpchannels import NotShareableError

SLOW = bool(os.environ.get("INTERPCHANNELS_SLOW"))
slow = pytest.mark.skipif(not SLOW, reason="takes gigabytes or long; INTERPCHANNELS_SLOW=1 runs it")


@pytest.fixture
def ends():
    recv, send = interpchannels.create()
    yield recv, send
    recv.close()
    send.close()


# --- size ---


@pytest.mark.parametrize("size", [64 << 20, pytest.param(1 << 30, marks=slow)])
@pytest.mark.parametrize("unit", [b"x", "\U0001f600"], ids=["bytes", "characters of four bytes"])
def test_huge_text_goes_to_another_interpreter(unit, size):
    count = size if isinstance(unit, bytes) else size // 4
    there_recv, there_send = interpchannels.create()
    back_recv, back_send = interpchannels.create()
    worker = interpchannels.spawn(hard_objects.measure, there_recv, back_send)
    value = unit * count
    there_send.send(value)
    assert back_recv.recv() == (type(value).__name__, count, unit, unit)
    worker.join()
    for end in (there_recv, there_send, back_recv, back_send):
        end.close()


@pytest.mark.parametrize("count", [100_000, pytest.param(1_000_000, marks=slow)])
def test_a_dict_of_many_keys(ends, count):
    recv, send = ends
    value = {number: str(number) for number in range(count)}
    send.send(value)
    assert recv.recv() == value
    assert len(recv) == 0


def test_a_million_keys_are_told_apart(ends):
    recv, send = ends
    value = dict.fromkeys(range(1_000_000))
    send.send(value)
    received = recv.recv()
    assert len(received) == len(value)
    assert received.keys() == value.keys()


def test_a_long_list_of_one_object_stays_one_object(ends):
    recv, send = ends
    one = ["the one"]
    send.send([one] * 100_000)
    received = recv.recv()
    assert len(received) == 100_000
    assert all(item is received[0] for item in received)
    assert received[0] == one


# --- objects that call back ---


def test_reduce_sends_on_the_same_channel(ends):
    """What __reduce__ sends is complete before what it is for, and comes first."""
    recv, send = ends
    send.send(hard_objects.Calls(lambda: send.send("inner")))
    assert [recv.recv(), recv.recv()] == ["inner", "made"]


def test_reduce_receives_from_the_same_channel(ends):
    recv, send = ends
    send.send("before")
    got = []
    send.send(hard_objects.Calls(lambda: got.append(recv.recv())))
    assert got == ["before"]
    assert recv.recv() == "made"


def test_reduce_closes_the_channel(ends):
    recv, send = ends
    with pytest.raises(interpchannels.ChannelClosedError):
        send.send(hard_objects.Calls(send.close))
    assert recv.closed


def test_reduce_raises(ends):
    recv, send = ends

    def fail():
        raise ZeroDivisionError("no")

    with pytest.raises(NotShareableError) as caught:
        send.send({"a": hard_objects.Calls(fail)})
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert "item['a']" in str(caught.value)
    assert len(recv) == 0


def test_reduce_interrupts(ends):
    recv, send = ends

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send.send([hard_objects.Calls(interrupt)])
    assert len(recv) == 0


def test_reduce_blocks_and_others_go_on(ends):
    """No lock is held while it waits: the channel works for everyone else."""
    recv, send = ends
    go_recv, go_send = interpchannels.create()
    sender = support.Call(send.send, hard_objects.Calls(go_recv.recv))
    support.wait_until(lambda: go_recv.stats().waiting_receivers == 1)
    send.send("meanwhile")
    assert recv.recv() == "meanwhile"
    go_send.send(None)
    sender.result()
    assert recv.recv() == "made"
    go_recv.close()
    go_send.close()


def test_an_object_that_would_end_its_own_interpreter():
    """CPython refuses that, whoever asks: the send fails with it, and nothing was sent."""
    out = support.run_quietly(
        """
        import hard_objects, interpchannels, pickle, support
        recv, send = interpchannels.create()
        made = support.create_interpreter()
        support.run_in(
            made,
            f'''
            import hard_objects, interpchannels, pickle, support
            send = pickle.loads({pickle.dumps(send)!r})
            try:
                send.send(hard_objects.Calls(lambda: support.destroy_interpreter({made})))
            except interpchannels.NotShareableError as error:
                assert error.__cause__ is not None
                send.send("refused")
            ''',
        )
        print(recv.recv(), len(recv))
        support.destroy_interpreter(made)
        """,
        env=_with_this_folder(),
    )
    assert out == "refused 0\n"


def test_an_object_that_exits_the_process():
    """sys.exit() in __reduce__ is an exit like any other."""
    done = support.run_script(
        """
        import sys, hard_objects, interpchannels
        recv, send = interpchannels.create()
        send.send(hard_objects.Calls(lambda: sys.exit(7)))
        """,
        env=_with_this_folder(),
        status=7,
    )
    assert done.stderr == ""


def test_rebuilding_calls_back(ends):
    """What is made where it is received may send and receive there; the item counts as received before."""
    recv, send = ends
    send.send(hard_objects.Rebuilds("again", send))
    assert recv.recv() == "rebuilt"
    assert recv.recv() == "again"


def test_rebuilding_raises_and_loses_that_item_alone(ends):
    recv, send = ends
    send.send(hard_objects.RebuildFails())
    send.send("next")
    with pytest.raises(ZeroDivisionError):
        recv.recv()
    assert recv.recv() == "next"


@pytest.mark.parametrize("what", ["__eq__", "__hash__"])
def test_keys_that_call_back_where_they_are_received(ends, what):
    recv, send = ends
    hard_objects.Key.hook = None
    send.send({hard_objects.Key(1, what): 1, hard_objects.Key(2, what): 2})
    send.send("next")
    got = []
    hard_objects.Key.hook = lambda: got.append(recv.recv_nowait("nothing"))
    try:
        received = recv.recv()
    finally:
        hard_objects.Key.hook = None
    assert len(received) == 2
    assert got[0] == "next"


@pytest.mark.parametrize("what", ["__eq__", "__hash__"])
def test_keys_that_raise_where_they_are_received(ends, what):
    recv, send = ends
    hard_objects.Key.hook = None
    send.send({hard_objects.Key(1, what): 1, hard_objects.Key(2, what): 2})
    send.send("next")
    hard_objects.Key.hook = lambda: 1 // 0
    try:
        with pytest.raises(ZeroDivisionError):
            recv.recv()
    finally:
        hard_objects.Key.hook = None
    assert recv.recv() == "next"


def test_del_calls_back(ends):
    """It runs where the last reference goes: after the item was dropped, with no lock held."""
    recv, send = ends
    send.send(hard_objects.Dies("gone", send))
    recv.recv()
    support.wait_until(lambda: len(recv) >= 1)
    assert recv.recv() == "gone"


def test_releasing_a_buffer_calls_back(ends):
    recv, send = ends
    exporter = hard_objects.Exporter(lambda: send.send("released"))
    send.send(memoryview(exporter).toreadonly())
    got = {bytes(item) if isinstance(item, memoryview) else item for item in recv.recv_many(2)}
    assert b"exported" in got
    del exporter
    support.wait_until(lambda: len(recv) or "released" in got)
    while len(recv):
        got.add(recv.recv())
    assert "released" in got


def test_releasing_a_buffer_raises(ends):
    """An error there has nobody to go to: it is reported, as Python does, and the item is sent."""
    recv, send = ends
    seen = []
    hook, sys.unraisablehook = sys.unraisablehook, lambda report: seen.append(report.exc_type)
    try:
        send.send(memoryview(hard_objects.Exporter(lambda: 1 // 0)))
    finally:
        sys.unraisablehook = hook
    assert bytes(recv.recv()) == b"exported"
    assert seen in ([ZeroDivisionError], [])


# --- timeouts ---

TOO_SHORT = [0, 0.0, 1e-9, 5e-324]
ENDLESS = [1e9, 1e300, math.inf, None, 10**400]
NONSENSE = [math.nan, -1, -1e-9, -math.inf, -(10**400)]


def operations(recv, full):
    return {
        "recv": lambda timeout: recv.recv(timeout),
        "recv_many": lambda timeout: recv.recv_many(timeout=timeout),
        "recv_into": lambda timeout: recv.recv_into(bytearray(10), timeout),
        "select": lambda timeout: interpchannels.select(recv, timeout=timeout),
        "send": lambda timeout: full.send("more", timeout),
        "send_many": lambda timeout: full.send_many(["more"], timeout),
    }


@pytest.fixture(params=["recv", "recv_many", "recv_into", "select", "send", "send_many"])
def waits(request, ends):
    """An operation that has to wait, and what lets it end."""
    recv, send = ends
    full_recv, full = interpchannels.create(1)
    full.send("full")

    def let_go():
        send.send(b"there")
        full_recv.recv()

    yield operations(recv, full)[request.param], let_go, (recv, full)
    full_recv.close()
    full.close()


@pytest.mark.parametrize("timeout", TOO_SHORT)
def test_a_timeout_that_is_over_at_once(waits, timeout):
    operation, _, (recv, full) = waits
    with pytest.raises(TimeoutError):
        operation(timeout)
    assert (recv.stats().waiting_receivers, full.stats().waiting_senders) == (0, 0)


@pytest.mark.parametrize("timeout", ENDLESS, ids=str)
def test_a_timeout_that_never_is_over(waits, timeout):
    operation, let_go, (recv, full) = waits
    call = support.Call(operation, timeout)
    support.wait_until(lambda: recv.stats().waiting_receivers + full.stats().waiting_senders == 1)
    let_go()
    call.result()


@pytest.mark.parametrize("timeout", NONSENSE, ids=lambda value: str(value)[:10])
def test_a_timeout_that_means_nothing(waits, timeout):
    operation, _, _ = waits
    with pytest.raises(ValueError, match="timeout"):
        operation(timeout)


# --- very many, and none left ---


@pytest.mark.parametrize("count", [10_000, pytest.param(100_000, marks=slow)])
def test_many_waiters_are_served_in_order(ends, count):
    recv, send = ends

    async def main():
        order = []

        async def wait(number):
            order.append((number, await recv.recv_async()))

        tasks = [asyncio.create_task(wait(number)) for number in range(count)]
        while recv.stats().waiting_receivers < count:
            await asyncio.sleep(0)
        send.send_many(range(count))
        await asyncio.wait_for(asyncio.gather(*tasks), 10 * support.HANG)
        return order

    order = asyncio.run(main())
    assert sorted(number for number, _ in order) == list(range(count))
    assert sorted(item for _, item in order) == list(range(count))
    assert recv.stats().waiting_receivers == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_no_descriptor_left():
    """Channels need none; what does says so with OSError, and works once there is one again."""
    out = support.run_quietly(
        """
        import asyncio, errno, os, resource
        import interpchannels
        recv, send = interpchannels.create()
        async def main():
            # Once before: UBSan needs a descriptor of its own to look at a class that it has not met yet.
            send.send(["plain", "x" * 100_000])
            await recv.recv_async()
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
            used = []
            try:
                while True:
                    used.append(os.dup(0))
            except OSError as error:
                assert error.errno == errno.EMFILE
            for wait in (recv.fileno, None):
                try:
                    wait() if wait else await recv.recv_async()
                except OSError as error:
                    print(errno.errorcode[error.errno])
            assert recv.stats().waiting_receivers == 0
            send.send(["plain", "x" * 100_000])
            print(recv.recv()[0])
            send.send("there")
            print(await recv.recv_async())
            more = interpchannels.create()
            for descriptor in used:
                os.close(descriptor)
            assert recv.fileno() >= 0
            task = asyncio.ensure_future(recv.recv_async())
            await asyncio.sleep(0)
            send.send("again")
            print(await task)
        asyncio.run(main())
        """
    )
    assert out.split() == ["EMFILE", "EMFILE", "plain", "there", "again"]


def _with_this_folder():
    here = os.path.dirname(os.path.abspath(__file__))
    path = os.pathsep.join([*support.search_path(), here])
    return {"PYTHONPATH": path}
