"""create(): what it returns, and one clear error for each bad argument."""

import pytest

import interpchannels
from interpchannels import RecvChannel, SendChannel, create


def test_returns_the_receiving_end_first():
    ends = create()
    assert isinstance(ends, tuple)
    recv, send = ends
    assert type(recv) is RecvChannel
    assert type(send) is SendChannel


@pytest.mark.parametrize("capacity", [None, 0, 1, 8, 100_000])
def test_capacity_is_as_created(capacity):
    recv, send = create(capacity)
    assert recv.capacity == send.capacity == capacity
    recv, send = create(capacity=capacity)
    assert recv.capacity == send.capacity == capacity


def test_default_is_unbounded():
    recv, _send = create()
    assert recv.capacity is None


def test_ids():
    recv, send = create()
    other, _ = create()
    assert type(recv.id) is int
    assert recv.id == send.id >= 0
    assert other.id != recv.id


@pytest.mark.parametrize(
    ("capacity", "error"),
    [
        (-1, ValueError),
        (-(2**70), (ValueError, OverflowError)),
        (2**70, (ValueError, OverflowError)),
        (True, TypeError),
        (False, TypeError),
        ("x", TypeError),
        (b"1", TypeError),
        (1.5, TypeError),
        (1.0, TypeError),
        (float("inf"), TypeError),
        ([], TypeError),
        (object(), TypeError),
    ],
)
def test_bad_capacity(capacity, error):
    before = len(interpchannels.list_all())
    with pytest.raises(error, match="capacity"):
        create(capacity)
    with pytest.raises(error, match="capacity"):
        create(capacity=capacity)
    assert len(interpchannels.list_all()) == before


@pytest.mark.parametrize("choice", [object(), "KEEP", 17, None, 1.0])
def test_bad_unbounditems(choice):
    before = len(interpchannels.list_all())
    with pytest.raises((TypeError, ValueError), match="unbounditems"):
        create(unbounditems=choice)
    assert len(interpchannels.list_all()) == before


def test_good_unbounditems():
    for choice in (
        interpchannels.KEEP,
        interpchannels.UNBOUND,
        interpchannels.UNBOUND_REMOVE,
        interpchannels.UNBOUND_ERROR,
    ):
        recv, send = create(unbounditems=choice)
        send.send(1)
        assert recv.recv() == 1


def test_unbounditems_is_keyword_only():
    with pytest.raises(TypeError):
        create(None, interpchannels.KEEP)


def test_unknown_argument():
    with pytest.raises(TypeError):
        create(size=3)
    with pytest.raises(TypeError):
        create(1, capacity=1)


@pytest.mark.parametrize("end", [RecvChannel, SendChannel])
def test_ends_come_from_create_alone(end):
    for arguments in [(), (0,), (0, True)]:
        with pytest.raises(TypeError):
            end(*arguments)
    with pytest.raises(TypeError):
        object.__new__(end)


@pytest.mark.parametrize("end", [RecvChannel, SendChannel])
def test_end_types_are_final(end):
    with pytest.raises(TypeError):
        type("Mine", (end,), {})


@pytest.mark.parametrize("end", [RecvChannel, SendChannel])
def test_end_types_are_generic(end):
    assert end[int].__origin__ is end
