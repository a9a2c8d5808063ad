"""unbounditems: what becomes of the items of an interpreter that ended while they were queued."""

import sys

import pytest
import worker_functions

import interpchannels
from interpchannels import (
    KEEP,
    UNBOUND,
    UNBOUND_ERROR,
    UNBOUND_REMOVE,
    ChannelClosedError,
    ItemInterpreterDestroyed,
    create,
    spawn,
)
from support import Call, destroy_interpreter, run_in, wait_until

VALUES = {
    "int": 17,
    "nested": [1, ("x", {"y": b"z"})],
    "loaned bytes": b"\x05" * 500_000,
    "loaned text": "\u20ac" * 300_000,
    "pickled": ValueError("by pickle"),
}


def mixed(choice, interpreter, capacity=None):
    """A channel that holds ours, theirs, ours, theirs, ours; "theirs" from an interpreter that has ended."""
    recv, send = create(capacity, unbounditems=choice)
    run_in(interpreter, "pass", {"theirs": send})
    for number in range(5):
        if number % 2:
            run_in(interpreter, f"theirs.send('theirs {number}')")
        else:
            send.send(f"ours {number}")
    destroy_interpreter(interpreter)
    return recv, send


def test_the_choices_are_four_things():
    choices = [KEEP, UNBOUND, UNBOUND_REMOVE, UNBOUND_ERROR]
    assert len({id(choice) for choice in choices}) == 4
    assert all(choice is not None for choice in choices)
    assert len({repr(choice) for choice in choices}) == 4


def test_keep_is_the_default(interpreter):
    recv, send = create()
    run_in(interpreter, "send.send('outlives me')", {"send": send})
    destroy_interpreter(interpreter)
    assert recv.recv() == "outlives me"


def test_keep(interpreter):
    recv, _send = mixed(KEEP, interpreter)
    got = [recv.recv() for _ in range(5)]
    assert got == ["ours 0", "theirs 1", "ours 2", "theirs 3", "ours 4"]


def test_unbound(interpreter):
    recv, send = mixed(UNBOUND, interpreter)
    assert len(recv) == 5
    got = [recv.recv() for _ in range(5)]
    assert got == ["ours 0", UNBOUND, "ours 2", UNBOUND, "ours 4"]
    assert got[1] is UNBOUND
    send.send("goes on")
    assert recv.recv() == "goes on"


def test_unbound_remove(interpreter):
    recv, send = mixed(UNBOUND_REMOVE, interpreter)
    assert len(recv) == recv.stats().queued == 3
    assert [recv.recv() for _ in range(3)] == ["ours 0", "ours 2", "ours 4"]
    assert recv.recv_nowait("empty") == "empty"
    send.send("goes on")
    assert recv.recv() == "goes on"


def test_unbound_error(interpreter):
    recv, send = mixed(UNBOUND_ERROR, interpreter)
    got = []
    for _ in range(5):
        try:
            got.append(recv.recv())
        except ItemInterpreterDestroyed as exc:
            got.append(type(exc))
    error = ItemInterpreterDestroyed
    assert got == ["ours 0", error, "ours 2", error, "ours 4"]
    send.send("goes on")
    assert recv.recv() == "goes on"


def test_remove_of_first_last_and_all(interpreter):
    recv, send = create(unbounditems=UNBOUND_REMOVE)
    run_in(interpreter, "send.send(1); send.send(2)", {"send": send})
    send.send("ours")
    run_in(interpreter, "send.send(3)")
    destroy_interpreter(interpreter)
    assert len(recv) == 1
    send.send("tail")
    assert [recv.recv(), recv.recv()] == ["ours", "tail"]
    send.close()
    assert list(recv) == []


@pytest.mark.parametrize("capacity", [1, 2])
def test_remove_makes_room(interpreter, capacity):
    recv, send = create(capacity, unbounditems=UNBOUND_REMOVE)
    run_in(interpreter, f"for n in range({capacity}): send.send(n)", {"send": send})
    call = Call(send.send, "waited for a place")
    wait_until(lambda: recv.stats().waiting_senders == 1)
    destroy_interpreter(interpreter)
    call.result()
    assert recv.recv() == "waited for a place"
    assert len(recv) == 0


@pytest.mark.parametrize("choice", [UNBOUND, UNBOUND_ERROR])
def test_the_others_keep_the_place(interpreter, choice):
    _recv, send = create(1, unbounditems=choice)
    run_in(interpreter, "send.send(1)", {"send": send})
    destroy_interpreter(interpreter)
    with pytest.raises(interpchannels.ChannelFullError):
        send.send_nowait(2)


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("choice", [KEEP, UNBOUND, UNBOUND_REMOVE, UNBOUND_ERROR])
def test_every_kind_of_item(interpreter, name, choice):
    back_recv, back_send = create()
    recv, send = create(unbounditems=choice)
    back_send.send(VALUES[name])
    run_in(interpreter, "send.send(back.recv())", {"send": send, "back": back_recv})
    destroy_interpreter(interpreter)
    if choice is KEEP:
        got = recv.recv()
        assert type(got) is type(VALUES[name])
        assert repr(got) == repr(VALUES[name])
    elif choice is UNBOUND:
        assert recv.recv() is UNBOUND
    elif choice is UNBOUND_REMOVE:
        assert len(recv) == 0
    else:
        with pytest.raises(ItemInterpreterDestroyed):
            recv.recv()


@pytest.mark.parametrize("choice", [KEEP, UNBOUND, UNBOUND_REMOVE, UNBOUND_ERROR])
def test_ends_inside_such_items(interpreter, choice):
    """An end in an item that is dropped goes with it; one that is kept still counts."""
    inner_recv, inner_send = create()
    recv, send = create(unbounditems=choice)
    run_in(
        interpreter,
        "send.send([inner]); inner.close(); send.close()",
        {"send": send, "inner": inner_send},
    )
    inner_send.close()
    destroy_interpreter(interpreter)
    if choice is KEEP:
        [arrived] = recv.recv()
        arrived.send("still counted")
        arrived.close()
        assert list(inner_recv) == ["still counted"]
    else:
        with pytest.raises(ChannelClosedError):
            inner_recv.recv(timeout=10)


def test_iteration_passes_unbound_on(interpreter):
    recv, send = mixed(UNBOUND, interpreter)
    send.close()
    assert list(recv) == ["ours 0", UNBOUND, "ours 2", UNBOUND, "ours 4"]


def test_shutdown_after_the_end(interpreter):
    recv, send = mixed(UNBOUND, interpreter)
    send.shutdown()
    assert [recv.recv() for _ in range(5)].count(UNBOUND) == 2
    with pytest.raises(ChannelClosedError):
        recv.recv()


def test_a_live_interpreter_is_not_concerned(interpreter):
    recv, send = create(unbounditems=UNBOUND)
    run_in(interpreter, "send.send('alive'); send.close()", {"send": send})
    assert recv.recv() == "alive"


def test_items_of_a_worker():
    recv, send = create(unbounditems=UNBOUND)
    worker = spawn(worker_functions.produce, send, 3)
    worker.join()
    assert [recv.recv() for _ in range(3)] == [UNBOUND] * 3
    recv, send = create()
    worker = spawn(worker_functions.produce, send, 3)
    worker.join()
    assert [recv.recv() for _ in range(3)] == [0, 1, 2]


def test_many_interpreters_end_in_any_order():
    """Each interpreter's items follow its own end, whatever is queued around them."""
    from support import create_interpreter

    made = [create_interpreter() for _ in range(4)]
    recv, send = create(unbounditems=UNBOUND_REMOVE)
    for interp in made:
        run_in(interp, "pass")
        run_in(interp, "pass", {"send": send})
    for number in range(12):
        run_in(made[number % 4], f"send.send({number})")
    expected = list(range(12))
    for victim in (2, 0, 3, 1):
        destroy_interpreter(made[victim])
        expected = [number for number in expected if number % 4 != victim]
        assert len(recv) == len(expected)
        if expected:
            assert recv.recv() == expected.pop(0)
    assert len(recv) == 0


def test_choices_are_singletons_over_there(interpreter):
    recv, send = create(unbounditems=UNBOUND)
    back_recv, back_send = create()
    from support import create_interpreter

    victim = create_interpreter()
    run_in(victim, "pass")
    run_in(victim, "send.send(1)", {"send": send})
    destroy_interpreter(victim)
    run_in(
        interpreter,
        """
        import interpchannels
        back.send(recv.recv() is interpchannels.UNBOUND)
        """,
        {"recv": recv, "back": back_send},
    )
    assert back_recv.recv() is True


@pytest.mark.skipif(sys.version_info < (3, 14), reason="3.14's interface")
def test_channel_made_by_the_interpreter_that_ends():
    """unbounditems goes with the sender of the item, not with the maker of the channel."""
    from concurrent import interpreters

    interp = interpreters.create()
    run_in(interp.id, "pass")
    recv = interp.call(worker_functions.make_channel, ["kept", "too"])
    interp.close()
    assert list(recv) == ["kept", "too"]
