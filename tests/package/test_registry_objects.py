"""What only CPython's own cross-interpreter registry knows crosses our channels, nested too."""

import sys

import pytest

import interpchannels
from interpchannels import ItemInterpreterDestroyed, create
from support import destroy_interpreter, run_in

if sys.version_info >= (3, 13):
    import _interpchannels as theirs
else:
    import _xxinterpchannels as theirs

WRAPS = [
    (lambda value: value, lambda got: got),
    (lambda value: [1, (value,)], lambda got: got[1][0]),
    (lambda value: {"a": {"b": value}}, lambda got: got["a"]["b"]),
]


@pytest.fixture
def their_channel():
    cid = theirs.create(3) if sys.version_info >= (3, 13) else theirs.create()
    yield cid
    theirs.destroy(cid)


@pytest.mark.parametrize(("wrap", "unwrap"), WRAPS)
def test_channel_id_of_cpython(their_channel, wrap, unwrap):
    recv, send = create()
    send.send(wrap(their_channel))
    got = unwrap(recv.recv())
    assert type(got) is type(their_channel)
    assert got == their_channel


@pytest.mark.parametrize(("wrap", "unwrap"), WRAPS)
def test_channel_id_of_the_drop_in(wrap, unwrap):
    from interpchannels import _interpchannels as drop_in

    recv, send = create()
    cid = drop_in.create(3)
    send.send(wrap(cid))
    got = unwrap(recv.recv())
    assert type(got) is type(cid) and got == cid
    drop_in.destroy(cid)


def test_to_another_interpreter(their_channel, interpreter):
    recv, send = create()
    back_recv, back_send = create()
    send.send([their_channel])
    run_in(
        interpreter,
        """
        [cid] = recv.recv()
        back.send((int(cid), [cid]))
        """,
        {"recv": recv, "back": back_send},
    )
    number, [cid] = back_recv.recv()
    assert number == int(their_channel)
    assert cid == their_channel


@pytest.mark.parametrize(("wrap", "unwrap"), WRAPS)
def test_ends_cross_cpythons_own_channels(their_channel, wrap, unwrap):
    """The other way round: CPython's channel carries our end, where it can carry such a value at all."""
    recv, send = create()
    try:
        if sys.version_info >= (3, 13):
            theirs.send(their_channel, wrap(send), blocking=False)
            got, _ = theirs.recv(their_channel)
        else:
            theirs.send(their_channel, wrap(send))  # 3.12's never waits
            got = theirs.recv(their_channel)
    except (ValueError, TypeError) as exc:  # NotShareableError of theirs
        if type(wrap(send)) in (list, dict):
            pytest.skip(f"CPython's channel does not take that here: {exc}")
        raise
    arrived = unwrap(got)
    send.close()
    arrived.send("x")
    arrived.close()
    assert list(recv) == ["x"]


def make_queue():
    """A queue of CPython's own, where this Python has one to offer."""
    if sys.version_info >= (3, 14):
        from concurrent import interpreters

        return interpreters.create_queue()
    queues = pytest.importorskip("test.support.interpreters.queues")
    return queues.create(syncobj=True)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="3.12 has no such queue")
@pytest.mark.parametrize(("wrap", "unwrap"), WRAPS)
def test_queue_of_cpython(wrap, unwrap):
    queue = make_queue()
    recv, send = create()
    send.send(wrap(queue))
    got = unwrap(recv.recv())
    assert type(got) is type(queue) and got == queue
    queue.put(1)
    assert got.get() == 1


@pytest.mark.skipif(sys.version_info < (3, 13), reason="3.12 has no such queue")
def test_queue_whose_sender_ended(interpreter):
    """It holds no object of its sender, or else its turn says ItemInterpreterDestroyed; never worse."""
    queue = make_queue()
    recv, send = create()
    queue_recv, queue_send = create()
    queue_send.send(queue)
    run_in(
        interpreter,
        """
        queue = queue_recv.recv()
        send.send([queue])
        send.send("next")
        """,
        {"send": send, "queue_recv": queue_recv},
    )
    destroy_interpreter(interpreter)
    try:
        assert recv.recv() == [queue]
    except ItemInterpreterDestroyed:
        pass
    assert recv.recv() == "next"


def test_a_lost_registry_item_is_released(their_channel):
    recv, send = create()
    for _ in range(100):
        send.send([their_channel, {"x": their_channel}])
    recv.close()
    with pytest.raises(interpchannels.ChannelClosedError):
        send.send(1)
