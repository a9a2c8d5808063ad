"""What becomes of the channels that an interpreter used, and of what it sent, when it ends."""

import pytest
from dropin import (
    ERROR,
    HAS_FALLBACK,
    PRELUDE,
    REMOVE,
    REPLACE,
    UNBOUND_OPS,
    associated,
    c,
    cpython_fault,
    create,
    get,
    info,
    put,
)

from support import create_interpreter, destroy_interpreter, run_in, run_script

unbound_ops = pytest.mark.parametrize("op", UNBOUND_OPS)


def send_and_end(cid, *values, op=REPLACE, own_gil=True):
    """Send values from an interpreter, and end it."""
    interp = create_interpreter(own_gil=own_gil)
    code = f"from dropin import *\nfor value in {values!r}: put({int(cid)}, value, {op})"
    run_in(interp, code)
    destroy_interpreter(interp)


def receiving():
    """A channel that the main interpreter receives from, so that it outlives other senders."""
    cid = create()
    c.recv(cid, None)
    return cid


# Its items ------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", [ERROR, REPLACE])
@pytest.mark.parametrize("own_gil", [True, False])
def test_items_are_unbound(op, own_gil):
    cid = receiving()
    put(cid, "first")
    send_and_end(cid, "spam", b"eggs", op=op, own_gil=own_gil)
    put(cid, "last")
    assert c.get_count(cid) == 4
    assert get(cid) == "first"
    assert c.recv(cid) == (None, op)
    assert c.recv(cid, "default") == (None, op)
    assert get(cid) == "last"
    assert c.recv(cid, "default") == ("default", None)


def test_items_are_removed():
    cid = receiving()
    put(cid, "first")
    send_and_end(cid, "spam", b"eggs", op=REMOVE)
    assert c.get_count(cid) == 1
    assert get(cid) == "first"
    assert c.recv(cid, "default") == ("default", None)


TAIL = "what is sent after the last item was removed is lost, and freed memory is written"


@pytest.mark.parametrize(
    "before", [0, *(pytest.param(count, marks=cpython_fault(TAIL)) for count in (1, 2, 100))]
)
@pytest.mark.parametrize("removed", [1, 2])
def test_sending_goes_on_after_the_last_items_were_removed(before, removed):
    """CPython leaves the tail of its queue on the freed item: the next send writes to it, and is lost.

    Where nothing is left in the queue, the next item begins a new one, and all is well in CPython too.
    """
    run_script(
        PRELUDE
        + f"""
cid = create()
c.recv(cid, None)
for number in range({before}):
    put(cid, number)
interp = create_interpreter()
code = "from dropin import *; [put(CID, 'x', REMOVE) for _ in range({removed})]"
run_in(interp, code.replace("CID", str(int(cid))))
destroy_interpreter(interp)
assert c.get_count(cid) == {before}
for number in range({before}, 200):
    put(cid, number)
assert c.get_count(cid) == 200
assert [get(cid) for _ in range(200)] == list(range(200))
assert c.recv(cid, None) == (None, None)
"""
    )


@pytest.mark.parametrize("op", [pytest.param(REMOVE, marks=cpython_fault(TAIL)), ERROR, REPLACE])
def test_the_items_of_others_stay(op):
    run_script(
        PRELUDE
        + f"""
cid = create()
c.recv(cid, None)
def send(interp, value):
    run_in(interp, f"from dropin import *; put({{int(cid)}}, {{value!r}}, {op})")
staying, ending = create_interpreter(), create_interpreter()
send(staying, "theirs")
send(ending, "gone")
destroy_interpreter(ending)
send(staying, "theirs too")
put(cid, "ours", {op})
expected = ["theirs", *([None] if {op} != REMOVE else []), "theirs too", "ours"]
assert c.get_count(cid) == len(expected)
assert [c.recv(cid)[0] for _ in expected] == expected
assert c.get_count(cid) == 0
destroy_interpreter(staying)
"""
    )


def test_each_item_has_its_own_op():
    cid = receiving()
    interp = create_interpreter()
    ops = [REPLACE, REMOVE, ERROR, REMOVE, REMOVE, REPLACE, REMOVE]
    run_in(interp, f"from dropin import *\nfor op in {ops}: put({int(cid)}, op, op)")
    assert c.get_count(cid) == len(ops)
    destroy_interpreter(interp)
    expected = [op for op in ops if op != REMOVE]
    assert c.get_count(cid) == len(expected)
    assert [c.recv(cid) for _ in expected] == [(None, op) for op in expected]


@pytest.mark.skipif(not HAS_FALLBACK, reason="until 3.13 a send does not ask the channel")
@pytest.mark.parametrize("op", [ERROR, REPLACE])
def test_the_default_is_the_channels(op):
    cid = c.create(op)
    c.recv(cid, None)
    interp = create_interpreter()
    run_in(interp, f"from dropin import *; c.send({int(cid)}, 1, blocking=False)")
    destroy_interpreter(interp)
    assert c.recv(cid) == (None, op)


@pytest.mark.skipif(HAS_FALLBACK, reason="since 3.14 a send asks the channel")
def test_the_default_is_not_the_channels():
    cid = c.create(REMOVE)
    c.recv(cid, None)
    interp = create_interpreter()
    run_in(interp, f"from dropin import *; c.send({int(cid)}, 1, blocking=False)")
    destroy_interpreter(interp)
    assert c.recv(cid) == (None, REPLACE)


def test_an_item_that_was_received_is_the_receivers():
    cid = receiving()
    interp = create_interpreter()
    values = ("x" * 1_000_000, b"y" * 1_000_000, ("z" * 100, 1.5, 2**60))
    code = "('x' * 1_000_000, b'y' * 1_000_000, ('z' * 100, 1.5, 2**60))"
    run_in(interp, f"from dropin import *; put({int(cid)}, {code})")
    arrived = get(cid)
    destroy_interpreter(interp)
    assert arrived == values


@cpython_fault("deadlock: the id dies with the queue, under the lock that it needs")
@pytest.mark.parametrize("op", ["REMOVE", "ERROR", "REPLACE"])
def test_a_channel_id_among_its_items_goes(op):
    run_script(
        PRELUDE
        + """
cid = create()
c.recv(cid, None)
carried = create()
number = int(carried)
interp = create_interpreter()
run_in(interp, f"from dropin import *; put({int(cid)}, carried, OP)", {"carried": carried})
del carried
assert c.get_count(number) == 0
destroy_interpreter(interp)
if OP == REMOVE:
    assert c.get_count(cid) == 0
else:
    assert c.recv(cid) == (None, OP)
assert number not in listed()
""".replace("OP", op)
    )


# Its ends -------------------------------------------------------------------------------------


def test_its_ends_are_released():
    cid = create()
    put(cid)
    get(cid)
    interp = create_interpreter()
    run_in(interp, f"from dropin import *; put({int(cid)}); get({int(cid)})")
    assert info(cid)["num_interp_both"] == 2
    destroy_interpreter(interp)
    assert info(cid) == {
        "open": True,
        "num_interp_both": 1,
        "num_interp_both_released": 1,
        "send_associated": True,
        "recv_associated": True,
    }
    assert associated(cid, send=True) == associated(cid, send=False) == [0]


@unbound_ops
def test_a_channel_that_nobody_else_used_is_closed(op):
    cid = create()
    send_and_end(cid, 1, 2, op=op)
    assert info(cid) == {"closed": True}
    for function in (c.recv, put, c.get_count):
        with pytest.raises(c.ChannelClosedError, match=rf"^channel {cid} is closed$"):
            function(cid)


def test_a_channel_that_it_alone_received_from_is_closed():
    cid = create()
    interp = create_interpreter()
    run_in(interp, f"from dropin import *; c.recv({int(cid)}, None)")
    destroy_interpreter(interp)
    assert info(cid) == {"closed": True}


def test_a_channel_that_it_received_from_and_another_sends_to_stays_open():
    cid = create()
    put(cid)
    interp = create_interpreter()
    run_in(interp, f"from dropin import *; get({int(cid)})")
    destroy_interpreter(interp)
    assert info(cid) == {
        "open": True,
        "num_interp_send": 1,
        "num_interp_recv_released": 1,
        "send_associated": True,
    }
    put(cid, 1)
    assert get(cid) == 1


def test_a_channel_that_it_did_not_use_stays_as_it_is():
    unused, used = create(), create()
    put(used)
    interp = create_interpreter()
    run_in(interp, "import dropin")
    destroy_interpreter(interp)
    assert info(unused) == {"open": True}
    assert info(used) == {"open": True, "count": 1, "num_interp_send": 1, "send_associated": True}


@pytest.mark.parametrize("op", [ERROR, REPLACE])
def test_closing_with_its_items(op):
    cid = receiving()
    interp = create_interpreter()
    run_in(interp, f"from dropin import *; put({int(cid)}, 1, {op})")
    c.close(cid, send=True)
    destroy_interpreter(interp)
    assert info(cid)["closing"]
    assert c.recv(cid) == (None, op)
    assert info(cid) == {"closed": True}


def test_closing_and_its_items_are_removed():
    """Nothing is left to wait for, so that the channel is closed, at the latest by the next recv."""
    cid = receiving()
    interp = create_interpreter()
    run_in(interp, f"from dropin import *; put({int(cid)}, 1, REMOVE)")
    c.close(cid, send=True)
    destroy_interpreter(interp)
    with pytest.raises((c.ChannelEmptyError, c.ChannelClosedError)):
        c.recv(cid)
    assert info(cid) == {"closed": True}


@cpython_fault(
    "the end is counted as a second release: the channel closes under the main interpreter"
)
@pytest.mark.parametrize("end", ["send", "recv"])
def test_an_end_after_a_release_changes_nothing(end):
    cid = create()
    use = {"send": "put(cid)", "recv": "c.recv(cid, None)"}[end]
    exec(use)
    interp = create_interpreter()
    run_in(interp, f"from dropin import *; cid = {int(cid)}; {use}; c.release(cid, {end}=True)")
    before = info(cid)
    assert before.get("open")
    destroy_interpreter(interp)
    after = info(cid)
    assert after.get("open")
    assert after[f"num_interp_{end}"] == before[f"num_interp_{end}"] == 1
    exec(use)


@cpython_fault("the end of an interpreter that had released the channel opens it again")
def test_an_end_opens_nothing_again():
    """CPython counts the end as one release more; the count is -1 then, which it takes for open."""
    cid = create()
    interp = create_interpreter()
    run_in(interp, f"from dropin import *; put({int(cid)}); c.release({int(cid)}, send=True)")
    assert info(cid) == {"closed": True}
    destroy_interpreter(interp)
    assert info(cid) == {"closed": True}
    with pytest.raises(c.ChannelClosedError):
        put(cid)


def test_blocked_senders_of_others_go_on():
    run_script(
        PRELUDE
        + """
cid = create()
calls = []
for number in range(3):
    calls.append(Call(c.send, cid, number, REPLACE))
    wait_until(lambda: c.get_count(cid) == number + 1)
interp = create_interpreter()
run_in(interp, f"from dropin import *; c.recv({int(cid)}); put({int(cid)}, 'x', REMOVE)")
calls.pop(0).result()
destroy_interpreter(interp)
assert [get(cid), get(cid)] == [1, 2]
for call in calls:
    call.result()
"""
    )


# Buffers whose owner ended --------------------------------------------------------------------


@cpython_fault("segfault, at the latest when the view is let go", fixed=(3, 14), sure=False)
@pytest.mark.parametrize("size", [4, 400, 4_000_000])
def test_a_view_outlives_the_owner_of_its_buffer(size):
    """In 3.13 the memory is gone with its interpreter, and letting go of the view crashes."""
    run_script(
        PRELUDE
        + f"""
cid = create()
c.recv(cid, None)
interp = create_interpreter()
code = "from dropin import *; c.send_buffer(CID, bytearray(b'spam' * {size // 4}), 3, blocking=False)"
run_in(interp, code.replace("CID", str(int(cid))))
view = get(cid)
destroy_interpreter(interp)
# Whoever asks for memory now must not be given that of the view.
others = [create_interpreter() for _ in range(3)]
for other in others:
    run_in(other, "kept = [bytearray(b'eggs' * {size // 4}) for _ in range(20)]")
assert bytes(view) == b'spam' * {size // 4}
view[:2] = b'SP'
assert bytes(view[:4]) == b'SPam'
copy = view[1:3]
view.release()
assert bytes(copy) == b'Pa'
del view, copy
for other in others:
    destroy_interpreter(other)
"""
    )


@unbound_ops
def test_a_queued_buffer_whose_owner_ended(op):
    cid = receiving()
    interp = create_interpreter()
    run_in(
        interp,
        f"from dropin import *; c.send_buffer({int(cid)}, bytearray(1000), {op}, blocking=False)",
    )
    destroy_interpreter(interp)
    if op == REMOVE:
        assert c.recv(cid, "default") == ("default", None)
    else:
        assert c.recv(cid) == (None, op)


@cpython_fault("segfault where the view is let go", fixed=(3, 14), sure=False)
def test_a_view_in_an_interpreter_that_outlives_the_owner():
    run_script(
        PRELUDE
        + """
cid = create()
owner, holder = create_interpreter(), create_interpreter()
code = "from dropin import *; c.send_buffer(CID, bytearray(b'spam' * 100), 3, blocking=False)"
run_in(owner, code.replace("CID", str(int(cid))))
run_in(holder, f"from dropin import *; view = get({int(cid)})")
destroy_interpreter(owner)
run_in(holder, "assert bytes(view) == b'spam' * 100; del view")
destroy_interpreter(holder)
"""
    )


def test_a_view_in_an_interpreter_that_ends_before_the_owner():
    run_script(
        PRELUDE
        + """
cid = create()
data = bytearray(b"spam" * 100)
c.send_buffer(cid, data, 3, blocking=False)
holder = create_interpreter()
run_in(holder, f"from dropin import *; view = get({int(cid)}); view[:1] = b'S'")
destroy_interpreter(holder)
assert data[:4] == b"Spam"
data.append(0)
"""
    )
