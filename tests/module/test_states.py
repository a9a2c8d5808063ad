"""Open, closing, closed, destroyed: what close, release and destroy do, and what is told afterwards."""

import pytest
from dropin import REPLACE, associated, c, cpython_fault, create, get, info, listed, put

from support import run_in, run_script

CLOSES = [{}, {"send": True}, {"recv": True}, {"send": True, "recv": True}, {"force": True}]
closes = pytest.mark.parametrize("flags", CLOSES, ids=str)


def raises_closed(cid, function, *args, **kwargs):
    with pytest.raises(c.ChannelClosedError, match=rf"^channel {cid} is closed$"):
        function(*args, **kwargs)


def assert_closed(cid):
    """Everything but get_info, destroy and the id itself says that the channel is closed."""
    assert info(cid) == {"closed": True}
    raises_closed(cid, put, cid)
    raises_closed(cid, c.send, cid, b"spam", REPLACE, timeout=0)
    raises_closed(cid, c.send_buffer, cid, b"spam", REPLACE, blocking=False)
    raises_closed(cid, c.recv, cid)
    raises_closed(cid, c.recv, cid, None)
    raises_closed(cid, c.get_count, cid)
    raises_closed(cid, c.get_channel_defaults, cid)
    raises_closed(cid, c.list_interpreters, cid, send=True)
    raises_closed(cid, c.list_interpreters, cid, send=False)
    for flags in CLOSES:
        raises_closed(cid, c.close, cid, **flags)
        raises_closed(cid, c.release, cid, **flags)
    assert c._channel_id(int(cid)) == cid


# close ----------------------------------------------------------------------------------------


@closes
def test_close_an_empty_channel(flags):
    cid = create()
    assert c.close(cid, **flags) is None
    assert_closed(cid)


@closes
def test_close_an_empty_channel_that_was_used(flags):
    cid = create()
    put(cid)
    get(cid)
    c.close(cid, **flags)
    assert_closed(cid)


@pytest.mark.parametrize("flags", [{}, {"recv": True}, {"send": True, "recv": True}], ids=str)
def test_close_a_channel_with_items(flags):
    cid = create()
    put(cid)
    message = rf"^channel {cid} may not be closed if not empty \(try force=True\)$"
    with pytest.raises(c.ChannelNotEmptyError, match=message):
        c.close(cid, **flags)
    assert info(cid) == {"open": True, "count": 1, "num_interp_send": 1, "send_associated": True}
    assert get(cid) == b"spam"


@pytest.mark.parametrize("end", [{}, {"send": True}, {"recv": True}], ids=str)
def test_force_close_a_channel_with_items(end):
    cid = create()
    put(cid)
    put(cid)
    c.close(cid, force=True, **end)
    assert_closed(cid)


def test_close_from_another_interpreter(interpreter):
    cid = create()
    put(cid)
    get(cid)
    run_in(interpreter, f"from dropin import c; c.close({int(cid)})")
    assert_closed(cid)


# list_all after a close -----------------------------------------------------------------------


@cpython_fault("segfault: list_all reads the freed state of the closed channel", fixed=(3, 14))
def test_list_all_does_not_list_what_close_closed():
    """3.13's list_all reads the state of each channel, but close() has freed it: a crash."""
    run_script(
        """
        from dropin import *
        one, two, three = create(), create(), create()
        c.close(one)
        assert listed() == [int(two), int(three)], c.list_all()
        put(two)
        c.close(two, force=True)
        assert listed() == [int(three)], c.list_all()
        put(three)
        c.close(three, send=True)
        assert listed() == [int(three)], c.list_all()
        get(three)
        assert listed() == [], c.list_all()
        """
    )


def test_list_all_does_not_list_what_destroy_destroyed():
    one, two = create(), create()
    c.destroy(one)
    assert int(one) not in listed()
    assert int(two) in listed()


def test_list_all_still_lists_what_release_closed():
    cid = create()
    c.release(cid)
    assert info(cid) == {"closed": True}
    assert int(cid) in listed()


# Closing: close(send=True) with items ---------------------------------------------------------


def test_closing():
    cid = create()
    put(cid, 1)
    put(cid, 2)
    c.close(cid, send=True)
    assert info(cid) == {
        "closing": True,
        "count": 2,
        "num_interp_send": 1,
        "send_associated": True,
    }
    assert c.get_count(cid) == 2
    assert c.get_channel_defaults(cid)
    assert associated(cid, send=False) == []
    raises_closed(cid, c.list_interpreters, cid, send=True)
    raises_closed(cid, put, cid)
    raises_closed(cid, c.send, cid, 3, REPLACE, timeout=0)
    raises_closed(cid, c.send_buffer, cid, b"spam", REPLACE, blocking=False)

    assert get(cid) == 1
    assert info(cid) == {
        "closing": True,
        "count": 1,
        "num_interp_both": 1,
        "send_associated": True,
        "recv_associated": True,
    }
    assert associated(cid, send=False) == [0]
    assert get(cid) == 2
    assert_closed(cid)


def test_closing_again():
    cid = create()
    put(cid)
    c.close(cid, send=True)
    raises_closed(cid, c.close, cid, send=True)
    for flags in ({}, {"recv": True}, {"send": True, "recv": True}):
        with pytest.raises(c.ChannelNotEmptyError):
            c.close(cid, **flags)
    assert get(cid) == b"spam"
    assert_closed(cid)


@pytest.mark.parametrize("end", [{}, {"send": True}, {"recv": True}], ids=str)
def test_closing_and_then_by_force(end):
    cid = create()
    put(cid)
    c.close(cid, send=True)
    c.close(cid, force=True, **end)
    assert_closed(cid)


def test_closing_lets_any_interpreter_receive(interpreter):
    cid = create()
    put(cid)
    c.close(cid, send=True)
    run_in(interpreter, f"from dropin import *; assert get({int(cid)}) == b'spam'")
    assert_closed(cid)


def test_closing_and_release():
    cid = create()
    put(cid)
    c.close(cid, send=True)
    c.release(cid, recv=True)
    assert info(cid) == {
        "closing": True,
        "count": 1,
        "num_interp_both_send_released": 1,
        "send_associated": True,
        "recv_released": True,
    }
    with pytest.raises(c.ChannelClosedError, match=rf"^channel {cid} is already closed$"):
        c.recv(cid)
    c.release(cid, send=True)
    assert_closed(cid)


def test_closing_and_destroy():
    cid = create()
    put(cid)
    c.close(cid, send=True)
    c.destroy(cid)
    with pytest.raises(c.ChannelNotFoundError):
        c.get_info(cid)


# release --------------------------------------------------------------------------------------


@closes
def test_release_a_channel_that_nobody_used(flags):
    """The one who releases counts as having been there: with it, all have gone."""
    cid = create()
    assert c.release(cid, **flags) is None
    assert_closed(cid)


@pytest.mark.parametrize("flags", [{}, {"send": True, "recv": True}, {"force": True}], ids=str)
def test_release_both_ends(flags):
    cid = create()
    put(cid)
    get(cid)
    put(cid)
    c.release(cid, **flags)
    assert_closed(cid)


def test_release_the_send_end():
    cid = create()
    put(cid)
    get(cid)
    put(cid, 1)
    c.release(cid, send=True)
    assert info(cid) == {
        "open": True,
        "count": 1,
        "num_interp_both_recv_released": 1,
        "send_released": True,
        "recv_associated": True,
    }
    with pytest.raises(c.ChannelClosedError, match=rf"^channel {cid} is already closed$"):
        put(cid)
    with pytest.raises(c.ChannelClosedError, match=rf"^channel {cid} is already closed$"):
        c.send(cid, 1, REPLACE, timeout=0)
    assert associated(cid, send=True) == []
    assert associated(cid, send=False) == [0]
    assert get(cid) == 1


def test_release_the_recv_end():
    cid = create()
    put(cid)
    get(cid)
    put(cid)
    c.release(cid, recv=True)
    assert info(cid) == {
        "open": True,
        "count": 1,
        "num_interp_both_send_released": 1,
        "send_associated": True,
        "recv_released": True,
    }
    for args in ((), (None,)):
        with pytest.raises(c.ChannelClosedError, match=rf"^channel {cid} is already closed$"):
            c.recv(cid, *args)
    put(cid)
    assert c.get_count(cid) == 2


def test_release_the_only_end_in_use():
    cid = create()
    put(cid)
    c.release(cid, send=True)
    assert_closed(cid)


def test_release_the_end_that_was_not_used():
    cid = create()
    put(cid)
    c.release(cid, recv=True)
    assert info(cid)["num_interp_both_send_released"] == 1
    with pytest.raises(c.ChannelClosedError, match=rf"^channel {cid} is already closed$"):
        c.recv(cid)


def test_release_concerns_one_interpreter(interpreter):
    cid = create()
    put(cid, 1)
    run_in(interpreter, f"from dropin import *; put({int(cid)}, 2)")
    c.release(cid, send=True)
    assert info(cid) == {
        "open": True,
        "count": 2,
        "num_interp_send": 1,
        "num_interp_send_released": 1,
        "send_released": True,
    }
    assert associated(cid, send=True) == [interpreter]
    run_in(interpreter, f"from dropin import *; put({int(cid)}, 3); c.release({int(cid)})")
    assert_closed(cid)


# destroy --------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["open", "with items", "closing", "closed", "released"])
def test_destroy(state):
    cid = create()
    if state in ("with items", "closing"):
        put(cid)
    if state == "closing":
        c.close(cid, send=True)
    if state == "closed":
        c.close(cid)
    if state == "released":
        c.release(cid)
    assert c.destroy(cid) is None
    message = f"^channel {cid} not found$"
    for function in (c.destroy, c.get_info, c.get_count, c.recv, c.close, c.release, put):
        with pytest.raises(c.ChannelNotFoundError, match=message):
            function(cid)
    assert int(cid) not in listed()


def test_destroy_from_another_interpreter(interpreter):
    cid = create()
    put(cid)
    run_in(interpreter, f"from dropin import *; c.destroy({int(cid)})")
    with pytest.raises(c.ChannelNotFoundError):
        c.get_info(cid)


# Association ----------------------------------------------------------------------------------


def test_association_by_use(interpreter):
    cid = create()
    assert associated(cid, send=True) == associated(cid, send=False) == []
    put(cid)
    assert associated(cid, send=True) == [0]
    run_in(interpreter, f"from dropin import *; get({int(cid)})")
    assert associated(cid, send=False) == [interpreter]
    assert info(cid) == {
        "open": True,
        "num_interp_send": 1,
        "num_interp_recv": 1,
        "send_associated": True,
    }
    run_in(interpreter, f"from dropin import *; put({int(cid)})")
    get(cid)
    assert associated(cid, send=True) == associated(cid, send=False) == [0, interpreter]
    assert info(cid)["num_interp_both"] == 2


def test_an_empty_recv_associates():
    cid = create()
    with pytest.raises(c.ChannelEmptyError):
        c.recv(cid)
    assert info(cid) == {"open": True, "num_interp_recv": 1, "recv_associated": True}


def test_a_send_that_times_out_associates():
    cid = create()
    with pytest.raises(TimeoutError):
        c.send(cid, 1, REPLACE, timeout=0)
    assert info(cid) == {"open": True, "num_interp_send": 1, "send_associated": True}


def test_a_send_that_cannot_encode_does_not_associate():
    cid = create()
    with pytest.raises((TypeError, ValueError)):
        put(cid, (i for i in ()))
    assert info(cid) == {"open": True}


def test_looking_does_not_associate(interpreter):
    cid = create()
    c.get_count(cid), c.get_info(cid), c.list_all(), c.list_interpreters(cid, send=True)
    run_in(interpreter, "repr(cid)", {"cid": cid})
    assert info(cid) == {"open": True}


# A second release -----------------------------------------------------------------------------


@cpython_fault("the second release is counted too: the channel closes under the other interpreter")
@pytest.mark.parametrize("end", ["send", "recv"])
def test_a_second_release_changes_nothing(interpreter, end):
    """CPython counts an end down each time that it is released; its documentation says "a noop"."""
    cid = create()
    use = "put" if end == "send" else "lambda cid: c.recv(cid, None)"
    run_in(interpreter, f"from dropin import *; use = {use}; use({int(cid)})")
    if end == "send":
        put(cid)
    else:
        c.recv(cid, None)
    for _ in range(3):
        c.release(cid, **{end: True})
        found = info(cid)
        assert found.get("open") and found[f"num_interp_{end}"] == 1
        assert associated(cid, send=end == "send") == [interpreter]
    run_in(interpreter, f"use({int(cid)})")


@cpython_fault("the counts go below zero, and the channel stays open though all have released it")
def test_releases_of_one_end_do_not_stand_for_the_other():
    cid = create()
    put(cid)
    get(cid)
    for _ in range(3):
        c.release(cid, send=True)
    c.release(cid, recv=True)
    assert info(cid) == {"closed": True}


@cpython_fault("the third release closes the channel under the other interpreter")
def test_both_ends_released_again(interpreter):
    cid = create()
    run_in(interpreter, f"from dropin import *; put({int(cid)}); get({int(cid)})")
    put(cid)
    get(cid)
    for _ in range(3):
        c.release(cid)
        assert info(cid) == {
            "open": True,
            "num_interp_both": 1,
            "num_interp_both_released": 1,
            "send_released": True,
            "recv_released": True,
        }
