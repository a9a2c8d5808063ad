"""The errors: how they are related, and what their messages tell."""

import queue
import re
import sys

import pytest

import interpchannels
from interpchannels import create


def test_relations():
    base = interpchannels.ChannelError
    assert issubclass(base, Exception)
    for name in (
        "ChannelNotFoundError",
        "ChannelClosedError",
        "ChannelNotEmptyError",
        "ChannelEmptyError",
        "ChannelFullError",
    ):
        error = getattr(interpchannels, name)
        assert issubclass(error, base) and error is not base, name
        assert error.__name__ == name
    assert issubclass(interpchannels.ChannelEmptyError, queue.Empty)
    assert issubclass(interpchannels.ChannelFullError, queue.Full)
    for name in ("NotShareableError", "ItemInterpreterDestroyed", "RemoteError"):
        assert issubclass(getattr(interpchannels, name), Exception)


def test_siblings():
    names = ("NotFound", "Closed", "NotEmpty", "Empty", "Full")
    errors = [getattr(interpchannels, f"Channel{name}Error") for name in names]
    for one in errors:
        assert [other for other in errors if issubclass(one, other)] == [one]
        assert not issubclass(one, TimeoutError)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="queue.ShutDown came with 3.13")
def test_closed_is_shutdown():
    assert issubclass(interpchannels.ChannelClosedError, queue.ShutDown)


def test_all_is_complete():
    for name in interpchannels.__all__:
        assert hasattr(interpchannels, name)
    for name in (
        "create",
        "spawn",
        "Worker",
        "RecvChannel",
        "SendChannel",
        "list_all",
        "KEEP",
        "UNBOUND",
        "UNBOUND_REMOVE",
        "UNBOUND_ERROR",
        "ChannelError",
        "ChannelClosedError",
        "ChannelEmptyError",
        "ChannelFullError",
        "ChannelNotEmptyError",
        "ChannelNotFoundError",
        "NotShareableError",
        "ItemInterpreterDestroyed",
        "RemoteError",
    ):
        assert name in interpchannels.__all__


def failing_calls():
    """(name, end's word, call that fails) for each way that a call on an end can fail."""

    def empty():
        recv, _send = create()
        return recv, recv.recv_nowait, _send

    def full():
        recv, send = create(1)
        send.send(1)
        return send, lambda: send.send_nowait(2), recv

    def rendezvous():
        recv, send = create(0)
        return send, lambda: send.send_nowait(2), recv

    def closed_send():
        recv, send = create()
        send.close()
        return send, lambda: send.send(1), recv

    def closed_recv():
        recv, send = create()
        recv.close()
        return recv, recv.recv, send

    def no_receivers():
        recv, send = create()
        recv.close()
        return send, lambda: send.send(1), recv

    def no_senders():
        recv, send = create()
        send.close()
        return recv, recv.recv, send

    def shut_down():
        recv, send = create()
        send.shutdown()
        return recv, recv.recv, send

    return [
        ("ChannelEmptyError", empty),
        ("ChannelFullError", full),
        ("ChannelFullError", rendezvous),
        ("ChannelClosedError", closed_send),
        ("ChannelClosedError", closed_recv),
        ("ChannelClosedError", no_receivers),
        ("ChannelClosedError", no_senders),
        ("ChannelClosedError", shut_down),
    ]


@pytest.mark.parametrize(("error", "make"), failing_calls())
def test_messages_name_channel_end_and_remedy(error, make):
    end, call, _other = make()
    with pytest.raises(getattr(interpchannels, error)) as caught:
        call()
    message = str(caught.value)
    assert re.search(rf"\b{end.id}\b", message), message
    assert re.search("send" if hasattr(end, "send") else "recv|receiv", message.lower()), message
    assert len(message.split()) >= 6, message  # more than a name: what to do
    assert type(caught.value) is getattr(interpchannels, error)


def test_messages_tell_the_cases_apart():
    """A handle that was closed here, a channel that was shut down, and lost peers are different stories."""
    stories = set()
    for error, make in failing_calls():
        if error == "ChannelClosedError":
            _end, call, _other = make()
            with pytest.raises(interpchannels.ChannelClosedError) as caught:
                call()
            stories.add(re.sub(r"\d+", "N", str(caught.value)))
    assert len(stories) >= 4, stories


def test_a_clean_error_has_no_stray_context():
    recv, _send = create()
    with pytest.raises(interpchannels.ChannelEmptyError) as caught:
        recv.recv_nowait()
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
