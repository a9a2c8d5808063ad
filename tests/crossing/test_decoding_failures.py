"""A value that cannot be decoded raises in its receiver, loses itself alone, and the channel goes on."""

import sys

import crossing_functions as functions
import crossing_samples as samples
import pytest

from interpchannels import create, spawn
from support import Call, run_quietly, wait_until

WRAPS = [
    lambda value: value,
    lambda value: [1, {"x": (value,)}],
    lambda value: [b"x" * 200_000, value, "\u20ac" * 200_000],
]


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("error", [ZeroDivisionError, ImportError, MemoryError, KeyboardInterrupt])
def test_in_the_same_interpreter(wrap, error):
    recv, send = create()
    send.send("before")
    send.send(wrap(samples.FailsToLoad(error)))
    send.send("after")
    assert recv.recv() == "before"
    with pytest.raises(error, match="while being received"):
        recv.recv()
    assert len(recv) == 1
    assert recv.recv() == "after"


@pytest.mark.parametrize("way", ["recv", "recv_nowait", "timeout", "next"])
def test_every_way_to_receive(way):
    recv, send = create()
    send.send(samples.FailsToLoad())
    send.send("after")
    receive = {
        "recv": recv.recv,
        "recv_nowait": lambda: recv.recv_nowait("default"),
        "timeout": lambda: recv.recv(timeout=1),
        "next": lambda: next(iter(recv)),
    }[way]
    with pytest.raises(ZeroDivisionError):
        receive()
    assert receive() == "after"


def test_iteration_can_go_on():
    recv, send = create()
    for value in (1, samples.FailsToLoad(), 2):
        send.send(value)
    send.close()
    got = []
    with pytest.raises(ZeroDivisionError):
        for value in recv:
            got.append(value)
    got.extend(recv)
    assert got == [1, 2]


def test_it_makes_room():
    recv, send = create(1)
    send.send(samples.FailsToLoad())
    call = Call(send.send, "waited")
    wait_until(lambda: recv.stats().waiting_senders == 1)
    with pytest.raises(ZeroDivisionError):
        recv.recv()
    call.result()
    assert recv.recv() == "waited"


def test_a_rendezvous_is_done_when_the_item_is_taken():
    """The sender is not told what became of the decoding."""
    recv, send = create(0)
    call = Call(send.send, samples.FailsToLoad())
    wait_until(lambda: recv.stats().waiting_senders == 1)
    with pytest.raises(ZeroDivisionError):
        recv.recv()
    assert call.result() is None


@pytest.mark.parametrize("wrap", WRAPS)
def test_in_another_interpreter(wrap):
    recv, send = create()
    back_recv, back_send = create()
    worker = spawn(functions.receive_with_failures, recv, back_send)
    for value in ("before", wrap(samples.FailsToLoad(LookupError)), "after"):
        send.send(value)
    send.close()
    back_send.close()
    got = list(back_recv)
    assert got == [("value", "before"), ("error", "LookupError"), ("value", "after")]
    worker.result()
    worker.join()


def test_a_class_that_the_receiver_cannot_import():
    run_quietly(
        """
        import sys, types
        import interpchannels, support
        from crossing_functions import receive_with_failures

        # A module that exists in this interpreter alone.
        module = types.ModuleType("only_here")
        exec("class Mine: pass", module.__dict__)
        sys.modules["only_here"] = module
        recv, send = interpchannels.create()
        back_recv, back_send = interpchannels.create()
        worker = interpchannels.spawn(receive_with_failures, recv, back_send)
        send.send("before")
        send.send([module.Mine()])
        send.send("after")
        send.close()
        worker.result()
        back_send.close()
        got = list(back_recv)
        assert got[0] == ("value", "before") and got[2] == ("value", "after"), got
        assert got[1] == ("error", "ModuleNotFoundError"), got
        """
    )


@pytest.mark.parametrize("wrap", WRAPS)
def test_what_the_item_held_is_let_go_of(wrap):
    """Loans go back and ends are closed, though nobody ever got them."""
    big = b"y" * 1_000_000
    held = [big]
    before = sys.getrefcount(held[0])
    recv, send = create()
    inner_recv, inner_send = create()
    for _ in range(10):
        send.send([big, inner_send, wrap(samples.FailsToLoad()), inner_send, big])
        with pytest.raises(ZeroDivisionError):
            recv.recv()
    wait_until(lambda: sys.getrefcount(held[0]) == before)
    assert inner_recv.stats().open_senders == 1
    inner_send.close()
    assert inner_recv.closed


def test_an_error_of_a_hash_or_comparison_while_a_set_is_rebuilt():
    recv, send = create()
    point = samples.Point(1.0, 2.0)
    send.send({point: 1})
    send.send({point})
    original = samples.Point.__hash__

    def failing(self):
        raise ZeroDivisionError("no hash today")

    samples.Point.__hash__ = failing
    try:
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                recv.recv()
    finally:
        samples.Point.__hash__ = original
    send.send({point})
    assert recv.recv() == {point}
