"""What a Worker's function raises: result() raises it again, with the remote traceback as its cause."""

import pytest
import worker_functions as functions

import interpchannels
import support
from interpchannels import ChannelClosedError, NotShareableError, RemoteError, create, spawn
from support import run_quietly


def failure(*call):
    """What result() raises for this call; the interpreter has ended by then."""
    worker = spawn(*call)
    with pytest.raises(Exception) as caught:
        worker.result()
    worker.join()
    return caught.value


def test_the_exception_and_its_traceback():
    error = failure(functions.raise_zero_division)
    assert type(error) is ZeroDivisionError
    assert str(error) in ("integer division or modulo by zero", "division by zero")
    assert type(error.__cause__) is RemoteError
    text = str(error.__cause__)
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
        with pytest.raises(ZeroDivisionError) as caught:
            worker.result()
        assert type(caught.value.__cause__) is RemoteError
    assert worker.join() is None  # join() is not the one to tell


def test_arguments_of_the_exception_come_along():
    _recv, send = create()
    error = failure(functions.produce_and_fail, send, 0)
    assert type(error) is ValueError
    assert error.args == ("after the last item",)


def test_an_exception_that_cannot_cross():
    error = failure(functions.raise_what_cannot_cross)
    assert type(error) is RemoteError
    assert "LockedError" in str(error)
    assert "holds a lock" in str(error)


def test_an_exception_that_cannot_be_loaded_again():
    """It crosses as bytes, and its constructor refuses here: the text is told all the same."""
    error = failure(functions.raise_what_cannot_be_loaded)
    assert "TwoArguments" in repr(error) + str(error) + str(error.__cause__)


def test_an_exception_with_a_cause():
    error = failure(functions.raise_chained)
    assert type(error) is LookupError
    text = str(error.__cause__)
    assert "ZeroDivisionError" in text
    assert "raise_zero_division" in text
    assert "the second one" in text


def test_our_own_errors_cross():
    recv, send = create()
    worker = spawn(functions.raise_closed, recv)
    send.shutdown()
    with pytest.raises(ChannelClosedError) as caught:
        worker.result()
    assert str(recv.id) in str(caught.value)
    assert type(caught.value.__cause__) is RemoteError
    worker.join()


@pytest.mark.parametrize("status", [0, 3, "text", None])
def test_sys_exit_ends_the_worker_alone(status):
    error = failure(functions.raise_exit, status)
    assert type(error) is RemoteError
    assert "SystemExit" in str(error)


def test_keyboard_interrupt_of_the_worker_is_not_ours():
    error = failure(functions.raise_interrupt)
    assert type(error) is RemoteError
    assert "KeyboardInterrupt" in str(error)


def test_a_result_that_cannot_cross():
    worker = spawn(functions.return_lock)
    with pytest.raises(NotShareableError, match="lock"):
        worker.result()
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
    error = failure(gone_by_then.f)
    assert isinstance(error, ImportError)
    assert "gone_by_then" in str(error)


def test_remote_error_crosses_itself():
    error = failure(functions.raise_what_cannot_cross)
    recv, send = create()
    send.send(error)
    got = recv.recv()
    assert type(got) is RemoteError
    assert str(got) == str(error)


def test_a_worker_that_failed_and_that_nobody_asked():
    """It does not disturb the process."""
    done = support.run_script(
        """
        import interpchannels, json
        interpchannels.spawn(json.loads, "{]").join()
        print("goes on")
        """
    )
    assert done.stdout == "goes on\n"


# Functions of __main__ ------------------------------------------------------------------------------------


def test_a_function_of_main_goes_by_its_code():
    out = run_quietly(
        """
        import math, sys
        import interpchannels

        FACTOR = 3

        def helper(x, *, plus=1):
            return FACTOR * x + plus

        def mine(send, x=2):
            send.send(math.sqrt(helper(x)))
            return sorted([helper(n) for n in range(3)], key=lambda n: -n), "interpchannels" in sys.modules

        recv, send = interpchannels.create()
        worker = interpchannels.spawn(mine, send, 5)
        send.close()
        print(list(recv), worker.result())
        """
    )
    assert out == "[4.0] ([7, 4, 1], True)\n"


def test_a_function_of_main_that_has_a_closure():
    out = run_quietly(
        """
        import interpchannels

        def outer():
            captured = 5
            def mine():
                return captured
            return mine

        try:
            interpchannels.spawn(outer()).result()
        except Exception as exc:
            print(type(exc).__name__, exc)
        """
    )
    assert "mine" in out
    assert "captured" in out


def test_a_function_of_main_that_refers_to_what_cannot_cross():
    out = run_quietly(
        """
        import threading
        import interpchannels

        lock = threading.Lock()

        def mine():
            with lock:
                return 1

        try:
            print(interpchannels.spawn(mine).result())
        except interpchannels.NotShareableError as exc:
            print(exc)
        """
    )
    assert "lock" in out


def test_an_error_in_a_function_of_main():
    done = support.run_script(
        """
        import interpchannels

        def mine():
            raise LookupError("in main")

        interpchannels.spawn(mine).result()
        """,
        status=1,
    )
    assert "in mine" in done.stderr
    assert done.stderr.rstrip().endswith("LookupError: in main")


def test_interpchannels_errors_keep_their_class_over_there():
    """One set of errors: what a Worker raises is caught by the name that we know."""
    recv, send = create(1)
    send.close()
    error = failure(functions.raise_closed, recv)
    assert isinstance(error, interpchannels.ChannelError)
