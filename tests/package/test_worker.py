"""spawn() and Worker: a function in an interpreter and a thread of its own, its arguments, result and end."""

import contextlib
import math
import sys
import threading
import time

import pytest
import worker_functions as functions

import support
from interpchannels import ChannelClosedError, NotShareableError, Worker, create, spawn
from support import Call, wait_until


def test_result():
    worker = spawn(functions.add, 2, 3)
    assert type(worker) is Worker
    assert worker.result() == 5
    assert worker.result() == 5
    assert worker.join() is None
    worker.join()


def test_result_of_none_and_without_arguments():
    assert spawn(time.monotonic).result() > 0
    _recv, send = create()
    assert spawn(functions.produce, send, 0).result() is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        2**200,
        [1, [2, {"x": (b"y", "z")}]],
        b"\x07" * 3_000_000,
        "\u20ac" * 1_000_000,
        ValueError("as a value"),
    ],
)
def test_values_come_through_both_ways(value):
    got = spawn(functions.identity, value).result()
    assert type(got) is type(value)
    assert repr(got) == repr(value)


def test_sharing_between_arguments_and_inside_one():
    inner = [1]
    got = spawn(functions.identity, [inner, inner]).result()
    assert got[0] is got[1]


def test_builtin_functions():
    assert spawn(math.factorial, 20).result() == math.factorial(20)
    assert spawn(len, [1, 2, 3]).result() == 3


def test_an_interpreter_and_a_thread_of_its_own():
    thread, process, modules = spawn(functions.interpreter_facts).result()
    here = functions.interpreter_facts()
    assert process == here[1]
    assert thread != here[0]
    assert modules != here[2]


def test_two_workers_at_once():
    """They run at the same time: each waits for the other."""
    a_recv, a_send = create()
    b_recv, b_send = create()
    first = spawn(functions.echo, a_recv, b_send)
    second = spawn(functions.echo, b_recv, a_send)
    for end in (a_recv, b_recv, b_send):
        end.close()
    a_send.send("round and round")
    wait_until(lambda: a_send.stats().received > 50)
    a_send.shutdown(immediate=True)
    assert first.result() is None
    with contextlib.suppress(ChannelClosedError):  # where it was about to send
        second.result()
    first.join()
    second.join()


def test_arguments_are_encoded_before_spawn_returns():
    gate_recv, gate_send = create()
    value = [1, 2]
    worker = spawn(functions.gate_then_return, gate_recv, value)
    value.append(3)
    gate_send.send("go")
    assert worker.result() == [1, 2]


def test_ends_given_away_before_spawn_returns():
    recv, send = create()
    gate_recv, gate_send = create()
    worker = spawn(functions.send_and_wait, send, ["x"], gate_recv)
    send.close()
    gate_recv.close()
    assert recv.recv() == "x"
    with pytest.raises(TimeoutError):
        recv.recv(timeout=0.01)  # the worker holds it
    gate_send.close()
    worker.join()


@pytest.mark.parametrize("function", [functions.produce, functions.produce_and_fail])
def test_handles_are_let_go_of_when_the_function_ends(function):
    """The receiver sees the end of the channel without anybody joining the worker."""
    recv, send = create()
    worker = spawn(function, send, 3)
    send.close()
    assert list(recv) == [0, 1, 2]
    try:
        worker.result()
    except ValueError:
        assert function is functions.produce_and_fail


def test_handles_in_nested_arguments_are_let_go_of():
    recv, send = create()
    worker = spawn(functions.nested_ends, {"ends": [(1, send)], "other": {"x": [send]}})
    send.close()
    assert list(recv) == ["dug out"]
    worker.join()


def test_a_receiver_is_let_go_of_too():
    recv, send = create(1)
    gate_recv, gate_send = create()
    send.send("first")
    worker = spawn(functions.gate_then_return, gate_recv, 1)
    other = spawn(functions.identity, recv)
    held = other.result()
    recv.close()
    assert held.recv() == "first"
    held.close()
    with pytest.raises(ChannelClosedError):
        send.send("nobody")
    gate_send.send("go")
    worker.join()


def test_ends_as_results():
    recv = spawn(functions.make_channel, [1, 2, 3]).result()
    assert list(recv) == [1, 2, 3]
    recv, send = create()
    worker = spawn(functions.produce_and_return_end, send, 2)
    send.close()
    returned = worker.result()
    returned.send("more")
    returned.close()
    assert list(recv) == [0, 1, "more"]


def test_an_end_in_a_result_that_nobody_fetched():
    recv, send = create()
    worker = spawn(functions.produce_and_return_end, send, 1)
    send.close()
    worker.join()
    assert recv.recv() == 0
    del worker
    with pytest.raises(ChannelClosedError):
        recv.recv(timeout=10)


def test_join_returns_after_the_interpreter_has_ended():
    before = support.list_interpreters()
    for _ in range(5):
        worker = spawn(functions.add, 1, 1)
        worker.join()
        assert support.list_interpreters() == before


def test_many_workers_at_once():
    workers = [spawn(functions.add, n, n) for n in range(12)]
    assert [worker.result() for worker in workers] == [2 * n for n in range(12)]
    for worker in workers:
        worker.join()


def test_join_timeout():
    gate_recv, gate_send = create()
    worker = spawn(functions.gate_then_return, gate_recv, "done")
    for timeout in (0, 0.01, 1e-9):
        with pytest.raises(TimeoutError):
            worker.join(timeout)
        with pytest.raises(TimeoutError):
            worker.join(timeout=timeout)
    gate_send.send("go")
    worker.join(timeout=60)
    worker.join(0)
    assert worker.result(0) == "done"


def test_result_timeout():
    gate_recv, gate_send = create()
    worker = spawn(functions.gate_then_return, gate_recv, "done")
    for timeout in (0, 0.01):
        with pytest.raises(TimeoutError):
            worker.result(timeout)
        with pytest.raises(TimeoutError):
            worker.result(timeout=timeout)
    gate_send.send("go")
    assert worker.result(timeout=math.inf) == "done"
    worker.join()


@pytest.mark.parametrize("timeout", [-1, math.nan, -math.inf])
def test_bad_timeouts(timeout):
    worker = spawn(functions.add, 1, 1)
    with pytest.raises(ValueError):
        worker.join(timeout)
    with pytest.raises(ValueError):
        worker.result(timeout)
    with pytest.raises(TypeError):
        worker.join("x")
    assert worker.result() == 2
    worker.join()


def test_joined_by_several_threads():
    gate_recv, gate_send = create()
    worker = spawn(functions.gate_then_return, gate_recv, "done")
    calls = [Call(worker.join) for _ in range(3)] + [Call(worker.result) for _ in range(3)]
    gate_send.send("go")
    assert [call.result() for call in calls] == [None] * 3 + ["done"] * 3


def test_spawned_by_another_thread():
    worker = Call(spawn, functions.add, 3, 4).result()
    assert worker.result() == 7
    worker.join()


def test_spawned_by_a_worker():
    assert spawn(functions.spawn_within, 5, 6).result() == 11


def test_sys_path_is_carried_over(tmp_path, monkeypatch):
    (tmp_path / "only_in_this_folder.py").write_text("def double(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import only_in_this_folder

    assert spawn(only_in_this_folder.double, 21).result() == 42
    path = spawn(functions.search_path).result()
    assert [entry for entry in sys.path if entry] == [entry for entry in path if entry]


def test_worker_threads_are_not_daemons():
    gate_recv, gate_send = create()
    before = set(threading.enumerate())
    worker = spawn(functions.wait_for, gate_recv)
    fresh = set(threading.enumerate()) - before
    assert all(not thread.daemon for thread in fresh)
    gate_send.send("go")
    worker.join()


# Errors ---------------------------------------------------------------------------------------------------


def check_rejected(error, match, *arguments):
    before = support.list_interpreters()
    with pytest.raises(error, match=match):
        spawn(*arguments)
    assert support.list_interpreters() == before


def test_not_a_function():
    check_rejected(TypeError, None)
    for wrong in (3, "add", None, [functions.add]):
        check_rejected(TypeError, "callable|function", wrong)


def test_a_function_that_cannot_be_imported():
    """The error names the function, and comes before an interpreter is made."""

    def local():
        return 1

    for function, name in ((local, "local"), (lambda: 1, "lambda")):
        check_rejected((NotShareableError, TypeError, ValueError), name, function)


def test_arguments_that_cannot_cross():
    recv, send = create()
    check_rejected(NotShareableError, "lock", functions.identity, threading.Lock())
    check_rejected(NotShareableError, "generator", functions.identity, (x for x in ()))
    check_rejected(NotShareableError, "lock", functions.add, send, [threading.Lock()])
    assert recv.stats().open_senders == 1


def test_wrong_number_of_arguments():
    worker = spawn(functions.add, 1)
    with pytest.raises(TypeError, match="argument"):
        worker.result()
    worker.join()


def test_a_worker_is_made_by_spawn_alone():
    before = len(support.list_interpreters())  # a fixture of the session may have one
    for attribute in ("result", "join"):
        assert callable(getattr(Worker, attribute))
    assert "Worker" in repr(spawn(functions.add, 1, 1))
    wait_until(lambda: len(support.list_interpreters()) == before)
