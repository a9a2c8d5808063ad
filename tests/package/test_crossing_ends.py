"""Ends cross the ways that CPython has for a value: exec's shared, prepare_main, call, an executor, tuples."""

import sys

import pytest
import worker_functions

import support
from interpchannels import ChannelClosedError, create
from support import run_in, run_quietly

since_313 = pytest.mark.skipif(sys.version_info < (3, 13), reason="3.13's interface")
since_314 = pytest.mark.skipif(sys.version_info < (3, 14), reason="3.14's interface")


def closed_soon(recv):
    with pytest.raises(ChannelClosedError):
        recv.recv(timeout=10)


def test_shared(interpreter):
    recv, send = create()
    run_in(
        interpreter,
        """
        assert type(send).__name__ == "SendChannel"
        send.send(recv.id)
        assert len(recv) == 1
        """,
        {"recv": recv, "send": send},
    )
    assert recv.recv() == recv.id


def test_shared_where_the_package_is_not_imported(interpreter):
    recv, send = create()
    run_in(interpreter, "import sys; assert 'interpchannels' not in sys.modules")
    run_in(interpreter, "send.send('first'); recv2 = recv", {"recv": recv, "send": send})
    assert recv.recv() == "first"
    send.send("to there")
    run_in(interpreter, "assert recv2.recv() == 'to there'")
    run_in(
        interpreter,
        """
        import interpchannels
        assert type(recv2) is interpchannels.RecvChannel
        """,
    )


def test_each_arrival_is_a_handle_of_its_own(interpreter):
    recv, send = create()
    run_in(interpreter, "here = send", {"send": send})
    send.close()
    assert recv.stats().open_senders == 1
    run_in(interpreter, "here.send(1); here.close()")
    assert recv.recv() == 1
    closed_soon(recv)


def test_a_run_that_fails_leaves_the_count_right(interpreter):
    recv, send = create()
    for _ in range(3):
        with pytest.raises(support.RunFailed):
            run_in(interpreter, "raise LookupError", {"send": send})
    run_in(interpreter, "del send; import gc; gc.collect()")
    send.close()
    closed_soon(recv)


def test_the_same_end_again_and_again(interpreter):
    recv, send = create()
    for number in range(20):
        run_in(interpreter, f"send.send({number})", {"send": send})
    assert recv.stats().open_senders == 2  # the last one replaced the others
    assert [recv.recv() for _ in range(20)] == list(range(20))


def test_ends_of_one_channel_are_equal_over_there(interpreter):
    recv, send = create()
    run_in(
        interpreter,
        """
        assert recv == recv2 and recv is not recv2 and hash(recv) == hash(recv2)
        assert recv != send and send
        """,
        {"recv": recv, "recv2": recv.clone(), "send": send},
    )


def test_an_interpreter_that_shares_our_gil():
    recv, send = create()
    made = support.create_interpreter(own_gil=False)
    run_in(made, "pass")
    run_in(made, "send.send('legacy')", {"send": send})
    assert recv.recv() == "legacy"
    send.close()
    support.destroy_interpreter(made)
    closed_soon(recv)


@since_313
def test_inside_tuples(interpreter):
    recv, send = create()
    run_in(
        interpreter,
        "both[1][0].send((1, 2)); assert both[0].recv() == (1, 2)",
        {"both": (recv, (send, "text"))},
    )
    run_in(interpreter, "both[1][0].send('once more')")
    assert recv.recv() == "once more"


@since_313
def test_set_main_attributes(interpreter):
    import _interpreters

    recv, send = create()
    _interpreters.set___main___attrs(interpreter, {"send": send, "both": (recv, send)})
    run_in(interpreter, "send.send(1); both[1].send(2); del both")
    assert [recv.recv(), recv.recv()] == [1, 2]
    send.close()
    run_in(interpreter, "del send; import gc; gc.collect()")
    closed_soon(recv)


@since_314
class TestConcurrentInterpreters:
    @pytest.fixture
    def interp(self):
        from concurrent import interpreters

        made = interpreters.create()
        run_in(made.id, "pass")
        yield made
        made.close()

    def test_prepare_main(self, interp):
        recv, send = create()
        interp.prepare_main(send=send, nested=(1, (recv,)))
        interp.exec("send.send('prepared'); assert nested[1][0].id == send.id")
        assert recv.recv() == "prepared"

    def test_call_with_ends(self, interp):
        recv, send = create()
        interp.call(worker_functions.send_one, send, [1, 2])
        assert recv.recv() == [1, 2]
        send.close()
        closed_soon(recv)

    def test_call_with_ends_by_keyword(self, interp):
        recv, send = create()
        interp.call(worker_functions.send_one, send=send, value="named")
        assert recv.recv() == "named"

    def test_call_returns_an_end(self, interp):
        recv = interp.call(worker_functions.make_channel, [1, 2, 3])
        assert list(recv) == [1, 2, 3]

    def test_call_in_thread(self, interp):
        recv, send = create(0)
        thread = interp.call_in_thread(worker_functions.produce, send, 50)
        assert recv.recv() == 0  # it is the thread that sends the end over: not before it has begun
        send.close()
        assert list(recv) == list(range(1, 50))
        thread.join()

    def test_executor(self):
        from concurrent.futures import InterpreterPoolExecutor

        path = f"import sys; sys.path.extend({support.search_path()!r})"
        recv, send = create()
        with InterpreterPoolExecutor(2, initializer=exec, initargs=(path,)) as pool:
            futures = [pool.submit(worker_functions.produce, send, 10) for _ in range(4)]
            for future in futures:
                future.result()
        send.close()
        assert sorted(recv) == sorted(list(range(10)) * 4)


# Where sys.path lacks the package -------------------------------------------------------------------------

WITHOUT_PATH = r"""
    import sys, traceback
    import support, interpchannels

    raw = support._interpreters
    made = support.create_interpreter()
    # On one line each: this code is not dedented on its way.
    hide = (
        "import os, sys\n"
        "sys.path[:] = [p for p in sys.path if not os.path.isdir(os.path.join(p, 'interpchannels'))]\n"
        "sys.meta_path[:] = [f for f in sys.meta_path if '_frozen' in getattr(f, '__module__', '')]\n"
    )

    def run(code, shared):
        # Not support.run_in(): that would put the path there.
        if sys.version_info >= (3, 13):
            failure = raw.exec(made, code, shared)
            if failure is not None:
                raise RuntimeError(failure.formatted + str(getattr(failure, "errdisplay", "")))
        else:
            raw.run_string(made, code, shared)

    run(hide, {})
    recv, send = interpchannels.create()
    for _ in range(2):
        try:
            run("send.send(1)", {"send": send})
        except BaseException:
            traceback.print_exc()
        else:
            raise SystemExit("the interpreter found the package after all")
    assert recv.stats().open_senders == 1, recv.stats()
    send.send("goes on")
    assert recv.recv() == "goes on"
    support.destroy_interpreter(made)
    send.close()
    try:
        recv.recv(timeout=10)
    except interpchannels.ChannelClosedError:
        print("closed")
"""


def test_where_sys_path_lacks_the_package_it_says_so():
    done = support.run_script(WITHOUT_PATH)
    assert done.stdout == "closed\n"
    assert "interpchannels" in done.stderr
    assert "sys.path" in done.stderr


def test_sys_path_may_lack_the_package_once_it_is_imported():
    run_quietly(
        """
        import support, interpchannels
        made = support.create_interpreter()
        support.run_in(made, "import interpchannels, sys; sys.path.clear()")
        recv, send = interpchannels.create()
        raw = support._interpreters
        run = getattr(raw, "exec", None) or raw.run_string
        assert run(made, "send.send(1)", {"send": send}) is None
        assert recv.recv() == 1
        support.destroy_interpreter(made)
        """
    )


def test_an_end_crosses_before_anything_else_happened_there():
    """The first thing that a new interpreter does is to receive an end; the path comes from the environment."""
    run_quietly(
        """
        import support, interpchannels
        raw = support._interpreters
        run = getattr(raw, "exec", None) or raw.run_string
        for number in range(5):
            made = support.create_interpreter()
            recv, send = interpchannels.create()
            assert run(made, "send.send('first thing')", {"send": send}) is None
            assert recv.recv() == "first thing"
            support.destroy_interpreter(made)
        """
    )
