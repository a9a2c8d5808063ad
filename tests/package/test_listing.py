"""list_all(): snapshots of the channels that the package made, which keep nothing alive."""

import gc

import pytest

import interpchannels
from interpchannels import create


def listed():
    return {snapshot.id: snapshot for snapshot in interpchannels.list_all()}


def test_lists_what_is_there():
    before = set(listed())
    made = [create(n) for n in (None, 0, 5)]
    now = listed()
    assert set(now) - before == {recv.id for recv, _ in made}
    for recv, _ in made:
        assert now[recv.id].capacity == recv.capacity


def test_forgets_what_is_gone():
    recv, send = create()
    number = recv.id
    assert number in listed()
    send.close()
    recv.close()
    del recv, send
    gc.collect()
    assert number not in listed()


def test_a_snapshot_is_no_handle():
    recv, send = create()
    send.send(1)
    snapshot = listed()[recv.id]
    assert not isinstance(snapshot, (interpchannels.RecvChannel, interpchannels.SendChannel))
    for name in ("send", "recv", "close", "shutdown"):
        assert not hasattr(snapshot, name)
    send.close()
    assert list(recv) == [1]  # it does not count as a sender
    recv.close()
    assert snapshot.id == recv.id  # nor does it change or fail when its channel goes


def test_a_snapshot_does_not_keep_a_channel():
    recv, send = create()
    snapshots = interpchannels.list_all()
    send.send(1)
    recv.close()
    with pytest.raises(interpchannels.ChannelClosedError):
        send.send(2)
    assert recv.id in {snapshot.id for snapshot in snapshots}


def test_channels_of_the_drop_in_are_not_listed():
    from interpchannels import _interpchannels

    before = set(listed())
    cid = _interpchannels.create(3)
    try:
        assert set(listed()) == before
    finally:
        _interpchannels.destroy(cid)


def test_channels_of_the_package_are_not_listed_by_the_drop_in():
    from interpchannels import _interpchannels

    before = [tuple(map(int, entry)) for entry in _interpchannels.list_all()]
    recv, send = create()
    send.send(1)
    assert [tuple(map(int, entry)) for entry in _interpchannels.list_all()] == before
    with pytest.raises(interpchannels._interpchannels.ChannelNotFoundError):
        _interpchannels.recv(recv.id + 1_000_000)


def test_other_interpreters_see_the_same_channels(interpreter):
    from support import run_in

    recv, send = create()
    run_in(
        interpreter,
        f"""
        import interpchannels
        ids = [snapshot.id for snapshot in interpchannels.list_all()]
        assert {recv.id} in ids, ids
        """,
    )
    assert not send.closed
