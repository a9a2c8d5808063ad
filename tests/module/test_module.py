"""The module itself: one in each interpreter, imported again, imported by many at once, and on its way out."""

import pytest
from dropin import MODULE, PRELUDE, c, cpython_fault, create, get

from support import create_interpreter, destroy_interpreter, run_in, run_script


def test_doc():
    assert c.__doc__


def test_each_interpreter_has_errors_and_types_of_its_own(interpreter):
    run_in(
        interpreter,
        f"""
        from dropin import *
        assert id(c.ChannelError) != {id(c.ChannelError)}
        assert id(c.ChannelID) != {id(c.ChannelID)}
        try:
            c.get_count(987_654_321)
        except c.ChannelNotFoundError as exc:
            assert type(exc) is c.ChannelNotFoundError
        """,
    )


@pytest.mark.parametrize("own_gil", [True, False])
def test_channels_belong_to_the_process(own_gil):
    interp = create_interpreter(own_gil=own_gil)
    cid = create()
    run_in(interp, f"from dropin import *; assert {int(cid)} in listed(); put({int(cid)}, 'spam')")
    assert get(cid) == "spam"
    run_in(interp, f"kept = create(); put({int(cid)}, int(kept))")
    number = get(cid)
    assert c.get_count(number) == 0
    destroy_interpreter(interp)
    with pytest.raises(c.ChannelNotFoundError):
        c.get_count(number)


def test_imported_again():
    """A second import makes a module of its own; ids of both are of one process."""
    run_script(
        PRELUDE
        + f"""
import importlib, sys
cid = create()
del sys.modules[{MODULE!r}]
again = importlib.import_module({MODULE!r})
assert again is not c
assert again.get_count(cid) == 0
try:
    again.recv(cid)
except again.ChannelEmptyError:
    pass
else:
    raise AssertionError("nothing was there")
put(cid, 1)
assert again.recv(int(cid)) == (1, None)
del again
import gc
gc.collect()
put(cid, 2)
assert get(cid) == 2
"""
    )


def test_reload():
    run_script(
        PRELUDE
        + """
import importlib
cid = create()
put(cid, cid)
assert importlib.reload(c) is c
assert c.recv(cid)[0] == cid
"""
    )


def test_many_interpreters_import_and_end():
    run_script(
        PRELUDE
        + """
cid = create()
c.recv(cid, None)
for _ in range(30):
    interp = create_interpreter()
    run_in(interp, f"from dropin import *; put({int(cid)}, 1); create(); get({int(cid)})")
    destroy_interpreter(interp)
assert c.get_count(cid) == 0
"""
    )


@cpython_fault("list_all raises ChannelNotFoundError where a channel goes meanwhile", sure=False)
def test_many_interpreters_at_once():
    run_script(
        PRELUDE
        + """
cid = create()
c.recv(cid, None)

def live():
    for _ in range(5):
        interp = create_interpreter()
        run_in(interp, f'''
            from dropin import *
            own = create()
            for number in range(200):
                put({int(cid)}, number, REPLACE)
                put(own, number)
                assert get(own) == number
                c.recv({int(cid)}, None)
                c.list_all(), c.list_interpreters({int(cid)}, send=True), c.get_info({int(cid)})
        ''')
        destroy_interpreter(interp)

calls = [Call(live) for _ in range(4)]
for call in calls:
    call.result()
while c.recv(cid, "end")[0] != "end":
    pass
"""
    )


@cpython_fault("deadlock: an id dies with a queue, under the lock that it needs")
def test_exit_with_items_queued():
    done = run_script(
        PRELUDE
        + """
import sys
cid = create()
put(cid, cid)
put(cid, cid.send)
put(cid, ("spam", 1))
c.send_buffer(cid, bytearray(10), REPLACE, blocking=False)
sys.kept = [c.list_all(), cid]
print("end")
"""
    )
    assert done.stdout == "end\n"
    assert done.stderr == ""


def test_exit_with_a_sender_blocked_in_a_daemon_thread():
    done = run_script(
        PRELUDE
        + """
cid = create()
call = Call(c.send, cid, "spam", REPLACE)
wait_until(lambda: c.get_count(cid) == 1)
print("end")
"""
    )
    assert done.stdout == "end\n"
