"""What the tests of Buffer run in other interpreters, and how they make and look at one."""

from __future__ import annotations

import random
from typing import Any

import interpchannels
from interpchannels import Buffer


def marked(mark: int, size: int = 64) -> Buffer:
    """A Buffer whose bytes say which one it is."""
    return Buffer(mark.to_bytes(8, "little") * (size // 8))


def mark_of(buffer: Buffer) -> int:
    """Which one it is; AssertionError where its bytes do not agree."""
    data = bytes(buffer)
    assert data == data[:8] * (len(data) // 8), data
    return int.from_bytes(data[:8], "little")


def send_and_return(send: Any, value: Any) -> None:
    send.send(value)


def make_and_return(size: int) -> Buffer:
    buffer = Buffer(size)
    with memoryview(buffer) as view:
        view[-1] = 42
    return buffer


def juggle(
    name: int,
    recv: interpchannels.RecvChannel[Any],
    sends: list[interpchannels.SendChannel[Any]],
    rounds: int,
    held: list[Buffer],
) -> list[int]:
    """Receive lists of Buffers and pass them on, one or two at a time, with timeouts that often fail.

    A send that failed has to leave its Buffer here and attached. Returns the marks of those that it holds in
    the end.
    """
    chance = random.Random(name)
    never, _keep = interpchannels.create()  # nothing ever arrives on it
    for _ in range(rounds):
        try:
            item = recv.recv(chance.choice((0, 0, 0.0005)))
        except TimeoutError:
            pass
        else:
            held += item
        if not held:
            continue
        chance.shuffle(held)
        buffer = held[-1]
        mark = mark_of(buffer)
        value = held[-chance.randint(1, 2) :]
        send, other = chance.sample(sends, 2)
        try:
            match chance.randrange(4):
                case 0:
                    send.send_nowait(value)
                case 1:
                    interpchannels.select((send, value), never, timeout=0.0005)
                case 2:
                    send.send(value, timeout=0.0005)
                case _:
                    if interpchannels.select((send, value), (other, []), timeout=0)[0] is other:
                        raise TimeoutError
        except (TimeoutError, interpchannels.ChannelFullError):
            assert not buffer.detached and mark_of(buffer) == mark
            continue
        assert all(moved.detached for moved in value)
        del held[-len(value) :]
    return [mark_of(buffer) for buffer in held]


def drain(recv: Any) -> list[Buffer]:
    """All that is queued."""
    return [buffer for _ in range(len(recv)) for buffer in recv.recv_nowait()]
