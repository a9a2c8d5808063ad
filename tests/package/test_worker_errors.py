"""What a Worker's function raises: RemoteError with the remote traceback's text and the exception as its cause."""

import pytest
import worker_functions as functions

import interpchannels
import support
from interpchannels import ChannelClosedError, NotShareableError, RemoteError, create, spawn
from support import run_quietly


def failure(*call):
    """The RemoteError of a worker."""
    worker = spawn(*call)
    with pytest.raises(RemoteError) as caught:
        worker.result()
    worker.join()
    return caught.value


def test_cause_and_traceback():
    error = failure(functions.raise_zero_division)
    assert type(error.__cause__) is ZeroDivisionError
    assert str(error.__cause__) in ("integer division or modulo by zero", "division by zero")
    text = str(error)
    assert "Traceback (most recent call last)" in text
    assert "raise_zero_division" in text
    assert "worker_functions.py" in text
    assert "ZeroDivisionError" in text


def test_the_text_shows_in_an_uncaught_error():
    done = support.run_script(
        """
        import interpchannels, json
        interpchannels.spawn(json.loads, "{]").result()
        """,
        status=1,
    )
    assert "JSONDecodeError" in done.stderr
    assert "decoder.py" in done.stderr  # the remote frames
    assert "RemoteError" in done.stderr


def test_every_call_raises_it_again():
    worker = spawn(functions.raise_zero_division)
    for _ in range(3):
        with pytest.raises(RemoteError) as caught:
            worker.result()
        assert type(caught.value.__cause__) is ZeroDivisionError
    assert worker.join() is None  # join() is not the one to tell


def test_arguments_of_the_exception_come_along():
    _recv, send = create()
    error = failure(functions.produce_and_fail, send, 0)
    assert type(error.__cause__) is ValueError
    assert error.__cause__.args == ("after the last item",)


def test_an_exception_that_cannot_cross():
    error = failure(functions.raise_what_cannot_cross)
    assert "LockedError" in str(error)
    assert "holds a lock" in str(error)
    assert not isinstance(error.__cause__, NotShareableError)


def test_an_exception_with_a_cause():
    error = failure(functions.raise_chained)
    assert type(error.__cause__) is LookupError
    assert "ZeroDivisionError" in str(error)
    assert "raise_zero_division" in str(error)
    assert "the second one" in str(error)


def test_our_own_errors_cross():
    recv, send = create()
    worker = spawn(functions.raise_closed, recv)
    send.shutdown()
    with pytest.raises(RemoteError) as caught:
        worker.result()
    assert type(caught.value.__cause__) is ChannelClosedError
    assert str(recv.id) in str(caught.value.__cause__)
    worker.join()


@pytest.mark.parametrize("status", [0, 3, "text", None])
def test_sys_exit_ends_the_worker_alone(status):
    error = failure(functions.raise_exit, status)
    assert "SystemExit" in str(error)


def test_keyboard_interrupt_of_the_worker_is_not_ours():
    error = failure(functions.raise_interrupt)
    assert "KeyboardInterrupt" in str(error)


def test_a_result_that_cannot_cross():
    worker = spawn(functions.return_lock)
    with pytest.raises((RemoteError, NotShareableError)) as caught:
        worker.result()
    assert "lock" in str(caught.value)
    worker.join()


def test_a_function_that_is_missing_over_there(tmp_path, monkeypatch):
    """Importable here, gone where the worker looks for it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "gone_by_then.py"
    path.write_text("def f():\n    return 1\n")
    import gone_by_then

    path.unlink()
    for cached in (tmp_path / "__pycache__").glob("*"):
        cached.unlink()
    before = support.list_interpreters()
    with pytest.raises((RemoteError, NotShareableError)) as caught:
        spawn(gone_by_then.f).result()
    assert "gone_by_then" in str(caught.value)
    support.wait_until(lambda: support.list_interpreters() == before)


def test_remote_error_is_an_ordinary_exception():
    error = failure(functions.raise_zero_division)
    assert isinstance(error, Exception)
    assert isinstance(error, interpchannels.RemoteError)
    recv, send = create()
    send.send(error)
    got = recv.recv()
    assert type(got) is RemoteError
    assert "raise_zero_division" in str(got)


def test_a_worker_that_failed_and_that_nobody_asked():
    """Its error is not lost without a trace, and it does not disturb the process."""
    done = support.run_script(
        """
        import interpchannels, json
        interpchannels.spawn(json.loads, "{]").join()
        print("goes on")
        """
    )
    assert done.stdout == "goes on\n"


def test_functions_of_main_in_a_script_of_one_string():
    """A function of `python -c` cannot be imported anywhere: the error says which one."""
    out = run_quietly(
        """
        import interpchannels
        def mine():
            return 1
        try:
            interpchannels.spawn(mine).result()
        except Exception as exc:
            print(type(exc).__name__, exc)
        """
    )
    assert "mine" in out
    assert "__main__" in out
