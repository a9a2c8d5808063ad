"""Plain pickle bytes of an end hold no count: loading them mints a handle, or says why it cannot."""

import contextlib
import pickle

import pytest
from crossing_object import Holder

import interpchannels
from interpchannels import ChannelClosedError, create
from support import run_in, run_script

PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_loading_mints_a_handle(protocol):
    recv, send = create(3)
    for end in (recv, send):
        twin = pickle.loads(pickle.dumps(end, protocol))
        assert twin == end and twin is not end and type(twin) is type(end)
        assert twin.capacity == 3
        twin.close()
    copied = pickle.loads(pickle.dumps(send, protocol))
    send.close()
    copied.send("x")
    copied.close()
    assert list(recv) == ["x"]


def test_pure_python_pickler():
    recv, send = create()
    twin = pickle._loads(pickle._dumps([send, Holder(send)], 5))
    assert twin[0] == send == twin[1].value
    assert not recv.closed


def test_bytes_hold_no_count():
    recv, send = create()
    frozen = pickle.dumps(send)
    assert recv.stats().open_senders == 1
    send.close()
    with pytest.raises(ChannelClosedError):
        recv.recv()
    assert frozen


def test_each_load_counts():
    recv, send = create()
    frozen = pickle.dumps(send)
    twins = [pickle.loads(frozen) for _ in range(3)]
    assert recv.stats().open_senders == 4
    del twins
    assert recv.stats().open_senders == 1


@pytest.mark.parametrize("which", [0, 1])
def test_after_the_channel_ended(which):
    ends = create()
    number = ends[0].id
    frozen = pickle.dumps(ends[which])
    for end in ends:
        end.close()
    with pytest.raises(ChannelClosedError, match=rf"\b{number}\b"):
        pickle.loads(frozen)


def test_after_the_channel_is_forgotten():
    ends = create()
    frozen = pickle.dumps(ends)
    del ends
    fresh = create()  # a reused id must not be mistaken for the old channel
    with pytest.raises(ChannelClosedError):
        pickle.loads(frozen)
    assert fresh[0].stats().open_receivers == 1


def test_a_sender_of_a_channel_that_was_shut_down():
    _recv, send = create()
    frozen = pickle.dumps(send)
    send.shutdown()
    with pytest.raises(ChannelClosedError):
        pickle.loads(frozen)


def test_dumping_a_closed_handle():
    _recv, send = create()
    send.close()
    try:
        frozen = pickle.dumps(send)
    except (ChannelClosedError, pickle.PicklingError):
        return
    with pytest.raises(ChannelClosedError):
        pickle.loads(frozen)


def test_in_another_interpreter(interpreter):
    recv, send = create()
    run_in(
        interpreter,
        f"""
        import pickle
        send = pickle.loads({pickle.dumps(send)!r})
        send.send("minted")
        """,
    )
    send.close()
    assert recv.recv() == "minted"
    with pytest.raises(TimeoutError):
        recv.recv(timeout=0.01)
    run_in(interpreter, "send.close()")
    with pytest.raises(ChannelClosedError):
        recv.recv(timeout=10)


def test_in_another_process():
    recv, send = create()
    done = run_script(
        f"""
        import pickle, interpchannels
        ours = [interpchannels.create() for _ in range(64)]  # the same ids exist here
        for frozen in ({pickle.dumps(recv)!r}, {pickle.dumps(send)!r}):
            try:
                pickle.loads(frozen)
            except interpchannels.ChannelError as exc:
                print(type(exc).__name__, exc)
            else:
                raise SystemExit("loaded an end of another process")
        assert all(recv.stats().open_receivers == 1 for recv, _ in ours)
        """
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert "process" in line


def test_damaged_bytes():
    """Whatever is in the bytes, loading gives an error and not a handle that nobody minted."""
    recv, send = create()
    good = pickle.dumps(send)
    constructor, arguments = send.__reduce__()[:2]
    for wrong in [(), ("x",), (None,) * len(arguments), (-1,) * len(arguments), (2**80,)]:
        with pytest.raises((TypeError, ValueError, OverflowError, interpchannels.ChannelError)):
            constructor(*wrong)
    for index in range(len(good)):
        for value in (0, 1, 0x7F, 0xFF):
            damaged = good[:index] + bytes([value]) + good[index + 1 :]
            with contextlib.suppress(Exception):
                pickle.loads(damaged)
    assert send.stats().open_senders == 1
    assert recv.stats().open_receivers == 1


def test_ends_in_other_containers_of_pickle():
    recv, send = create()
    value = {"pair": (recv, send), "again": [send], "held": Holder(recv)}
    got = pickle.loads(pickle.dumps(value))
    assert got["pair"] == (recv, send)
    assert got["again"][0] is got["pair"][1]
    assert got["held"].value == recv


def test_multiprocessing_says_no():
    """What multiprocessing does to an end: pickle it here, load it in a process that it started."""
    recv, _send = create()
    frozen = pickle.dumps(recv)
    done = run_script(f"import pickle; pickle.loads({frozen!r})", status=1)
    assert "process" in done.stderr.splitlines()[-1]
