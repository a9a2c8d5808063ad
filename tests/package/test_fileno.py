"""fileno(): a descriptor that says when a receive is worth a try."""

import asyncio
import os
import select
import selectors
import sys

import pytest

import interpchannels
from interpchannels import ChannelClosedError, ChannelEmptyError
from support import Call, run_quietly, wait_until

CAPACITIES = [None, 0, 1, 3]


@pytest.fixture(params=CAPACITIES)
def capacity(request):
    return request.param


def readable(recv):
    return select.select([recv], [], [], 0)[0] == [recv]


def test_readable_while_there_is_an_item(capacity):
    recv, send = interpchannels.create(capacity)
    assert recv.fileno() == recv.fileno()
    for _ in range(3):
        assert not readable(recv)
        sending = Call(send.send, 1)
        assert select.select([recv], [], [])[0] == [recv]
        assert readable(recv)  # a level, not an edge
        assert recv.recv_nowait() == 1
        sending.result()
        assert not readable(recv)
        with pytest.raises(ChannelEmptyError):
            recv.recv_nowait()
        assert not readable(recv)


def test_made_while_there_is_an_item():
    recv, send = interpchannels.create()
    send.send(1)
    assert readable(recv)
    assert recv.recv() == 1
    assert not readable(recv)


def test_readable_from_the_end_on(capacity):
    recv, send = interpchannels.create(capacity)
    assert not readable(recv)
    send.close()
    for _ in range(3):
        assert readable(recv)
        with pytest.raises(ChannelClosedError):
            recv.recv_nowait()
    late, send = interpchannels.create(capacity)
    send.shutdown()
    assert readable(late)


def test_it_is_a_hint_where_another_receives_too():
    recv, send = interpchannels.create()
    other = recv.clone()
    assert recv.fileno() != other.fileno()
    send.send(1)
    assert readable(recv) and readable(other)
    assert other.recv() == 1
    assert not readable(other)
    assert readable(recv)  # in vain
    with pytest.raises(ChannelEmptyError):
        recv.recv_nowait()
    assert not readable(recv)
    send.send(2)
    assert readable(recv) and readable(other)


@pytest.mark.parametrize(
    "receive",
    [
        lambda recv: recv.recv(),
        lambda recv: recv.recv(0),
        lambda recv: recv.recv_nowait(),
        lambda recv: recv.recv_nowait(None),
        lambda recv: next(recv),
        lambda recv: asyncio.run(recv.recv_async()),
        lambda recv: interpchannels.select(recv),
    ],
)
def test_whatever_receives_through_the_handle_clears_it(receive):
    recv, send = interpchannels.create()
    assert not readable(recv)
    send.send(1)
    send.send(2)
    receive(recv)
    assert readable(recv)
    receive(recv)
    assert not readable(recv)


def test_whatever_finds_nothing_clears_it():
    recv, send = interpchannels.create()
    other = recv.clone()

    def times_out():
        with pytest.raises(TimeoutError):
            recv.recv(0)

    for look in (
        lambda: recv.recv_nowait(None),
        lambda: interpchannels.select(recv, default=None),
        times_out,
    ):
        assert not readable(recv)
        send.send(1)
        assert other.recv() == 1
        assert readable(recv)
        look()
        assert not readable(recv)


def test_closed_with_the_handle():
    recv, _send = interpchannels.create()
    other = recv.clone()
    descriptor = recv.fileno()
    os.fstat(descriptor)
    assert other.stats().waiting_receivers == 1
    recv.close()
    with pytest.raises(OSError):
        os.fstat(descriptor)
    with pytest.raises(ChannelClosedError):
        recv.fileno()
    assert other.stats().waiting_receivers == 0
    descriptor = other.fileno()
    del other
    with pytest.raises(OSError):
        os.fstat(descriptor)


def test_a_blocked_receiver_before_it_gets_the_item():
    recv, send = interpchannels.create()
    other = recv.clone()
    blocked = Call(other.recv)
    wait_until(lambda: recv.stats().waiting_receivers == 1)
    assert not readable(recv)
    send.send(1)
    assert blocked.result() == 1
    # It was never told: the item was the other's.
    assert not readable(recv)


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="there is no epoll here")
@pytest.mark.parametrize("edge", [False, True])
def test_epoll_misses_nothing(capacity, edge):
    recv, send = interpchannels.create(capacity)
    sending = Call(lambda: [send.send(number) for number in range(2_000)] and send.close())
    got = []
    with select.epoll() as epoll:
        epoll.register(recv, select.EPOLLIN | (select.EPOLLET if edge else 0))
        while True:
            assert epoll.poll(60) == [(recv.fileno(), select.EPOLLIN)]
            try:
                got.append(recv.recv_nowait())
                while edge:
                    got.append(recv.recv_nowait())
            except ChannelEmptyError:
                pass
            except ChannelClosedError:
                break
    assert got == list(range(2_000))
    sending.result()


def test_selectors_watch_many_at_once():
    channels = [interpchannels.create() for _ in range(50)]
    with selectors.DefaultSelector() as selector:
        for number, (recv, _) in enumerate(channels):
            selector.register(recv, selectors.EVENT_READ, number)
        assert selector.select(0) == []
        sending = Call(lambda: [send.send(n) for n, (_, send) in enumerate(channels)])
        left = set(range(50))
        while left:
            for key, _ in selector.select():
                assert key.fileobj.recv_nowait() == key.data
                left.remove(key.data)
        assert selector.select(0) == []
        sending.result()


def test_add_reader():
    recv, send = interpchannels.create()

    async def main():
        loop = asyncio.get_running_loop()
        got = loop.create_future()
        loop.add_reader(recv, lambda: got.done() or got.set_result(recv.recv_nowait(None)))
        sending = Call(send.send, 1)
        assert await got == 1
        loop.remove_reader(recv)
        sending.result()

    asyncio.run(main())


def test_from_another_interpreter(interpreter):
    from support import run_in_thread

    recv, send = interpchannels.create()
    assert not readable(recv)
    thread = run_in_thread(interpreter, "send.send('from afar')", {"send": send})
    assert select.select([recv], [], [], 60)[0] == [recv]
    assert recv.recv_nowait() == "from afar"
    thread.join_and_check()


def test_without_a_descriptor_left():
    run_quietly(
        """
        import os, resource
        import interpchannels
        recv, send = interpchannels.create()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            recv.fileno()
        except OSError as error:
            assert error.errno == 24
        else:
            raise AssertionError
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert recv.stats().waiting_receivers == 0
        send.send(1)
        os.fstat(recv.fileno())
        assert recv.recv() == 1
        """
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts in /proc")
def test_ten_thousand_of_them_leave_no_descriptor():
    recv, _send = interpchannels.create()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10_000):
        with recv.clone() as other:
            other.fileno()
    assert len(os.listdir("/proc/self/fd")) == before
    assert recv.stats().waiting_receivers == 0
