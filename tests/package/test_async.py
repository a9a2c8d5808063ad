"""recv_async(), send_async() and async for: on one loop and on several, in one interpreter and in several."""

import asyncio
import collections.abc
import gc
import inspect
import os
import selectors
import sys
import threading
import time
import warnings

import async_functions
import pytest

import interpchannels
from interpchannels import (
    ChannelClosedError,
    ChannelEmptyError,
    ChannelFullError,
    NotShareableError,
)
from support import Call, has_gil, run_quietly, run_script, wait_until

try:
    import uvloop
except ImportError:
    uvloop = None

LOOPS = [
    "asyncio",
    pytest.param(
        "uvloop", marks=pytest.mark.skipif(uvloop is None, reason="uvloop isn't installed")
    ),
]
CAPACITIES = [None, 0, 1, 3]


def run(main, kind="asyncio"):
    factory = uvloop.new_event_loop if kind == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


@pytest.fixture(params=LOOPS)
def kind(request):
    return request.param


@pytest.fixture(params=CAPACITIES)
def capacity(request):
    return request.param


async def waiting(end, receivers=0, senders=0):
    """Return once that many wait on the channel; for tasks of this loop and of others."""
    deadline = time.monotonic() + 60
    while (end.stats().waiting_receivers, end.stats().waiting_senders) != (receivers, senders):
        assert time.monotonic() < deadline, end.stats()
        await asyncio.sleep(0)


def nobody_waits(end):
    stats = end.stats()
    return (stats.waiting_receivers, stats.waiting_senders) == (0, 0)


def descriptors():
    return len(os.listdir("/proc/self/fd"))


# Without a wait --------------------------------------------------------------------------------------------


def test_where_nobody_has_to_wait_there_is_no_loop():
    recv, send = interpchannels.create(capacity=1)
    with pytest.raises(StopIteration) as done:
        send.send_async((1, 2)).send(None)
    assert done.value.value is None
    with pytest.raises(StopIteration) as done:
        recv.recv_async().send(None)
    assert done.value.value == (1, 2)
    send.send(StopIteration(3))
    with pytest.raises(StopIteration) as done:
        recv.__anext__().send(None)
    assert isinstance(done.value.value, StopIteration)


def test_a_wait_without_a_loop_is_an_error_and_leaves_nothing():
    recv, send = interpchannels.create(capacity=0)
    with pytest.raises(RuntimeError, match="no running event loop"):
        recv.recv_async().send(None)
    with pytest.raises(RuntimeError, match="no running event loop"):
        send.send_async(1).send(None)
    assert nobody_waits(recv)


def test_they_are_coroutines():
    recv, send = interpchannels.create()
    for coroutine, name in [
        (recv.recv_async(), "RecvChannel.recv_async"),
        (recv.__anext__(), "RecvChannel.__anext__"),
        (send.send_async(1), "SendChannel.send_async"),
    ]:
        assert isinstance(coroutine, collections.abc.Coroutine)
        assert inspect.isawaitable(coroutine) and asyncio.iscoroutine(coroutine)
        assert coroutine.__qualname__ == name and name in repr(coroutine)
        assert not coroutine.cr_running
        coroutine.close()
        coroutine.close()
        with pytest.raises(RuntimeError, match="already awaited"):
            coroutine.send(None)
    assert recv.__aiter__() is recv
    assert isinstance(recv, collections.abc.AsyncIterator)


def test_one_that_is_never_awaited_warns():
    recv, send = interpchannels.create()
    with pytest.warns(RuntimeWarning, match=r"RecvChannel\.recv_async' was never awaited"):
        recv.recv_async()
    with pytest.warns(RuntimeWarning, match=r"SendChannel\.send_async' was never awaited"):
        send.send_async(1)
    assert len(recv) == 0


def test_thrown_into_before_its_first_step():
    recv, send = interpchannels.create()
    send.send(1)
    for args in [(KeyError("x"),), (KeyError, "x"), (KeyError,)]:
        with pytest.raises(KeyError), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            recv.recv_async().throw(*args)
    with pytest.raises(TypeError):
        recv.recv_async().throw(1)
    assert recv.recv() == 1


def test_errors_come_where_it_is_awaited(kind):
    async def main():
        recv, send = interpchannels.create(pickle=False)
        with pytest.raises(NotShareableError):
            await send.send_async(ValueError())
        with pytest.raises(TypeError):
            send.send_async()
        send.close()
        with pytest.raises(ChannelClosedError, match="this SendChannel"):
            await send.send_async(1)
        with pytest.raises(ChannelClosedError, match="closed and drained"):
            await recv.recv_async()
        recv.close()
        with pytest.raises(ChannelClosedError, match="this RecvChannel"):
            await recv.recv_async()
        with pytest.raises(ChannelClosedError, match="this RecvChannel"):
            async for _ in recv:
                pass

    run(main(), kind)


def test_a_send_that_is_cancelled_gives_a_buffer_back(kind):
    async def main():
        recv, send = interpchannels.create(0)
        buffer = interpchannels.Buffer(b"mine")
        task = asyncio.create_task(send.send_async([buffer]))
        await waiting(recv, senders=1)
        assert buffer.detached
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert bytes(buffer) == b"mine"
        task = asyncio.create_task(send.send_async([buffer]))
        (got,) = await recv.recv_async()
        await task
        assert buffer.detached and bytes(got) == b"mine"

    run(main(), kind)


# Waiting ---------------------------------------------------------------------------------------------------


def test_an_item_ends_the_wait(kind, capacity):
    async def main():
        recv, send = interpchannels.create(capacity)
        task = asyncio.create_task(recv.recv_async())
        await waiting(recv, receivers=1)
        await send.send_async("x")
        assert await task == "x"
        assert nobody_waits(recv)

    run(main(), kind)


def test_a_place_ends_the_wait(kind):
    async def main():
        recv, send = interpchannels.create(2)
        await send.send_async(0)
        await send.send_async(1)
        tasks = [asyncio.create_task(send.send_async(n)) for n in (2, 3, 4)]
        await waiting(recv, senders=3)
        assert [await recv.recv_async() for _ in range(5)] == [0, 1, 2, 3, 4]
        await asyncio.gather(*tasks)
        assert nobody_waits(recv)

    run(main(), kind)


def test_threads_and_tasks_meet(kind, capacity):
    async def main():
        recv, send = interpchannels.create(capacity)
        blocked = Call(recv.recv)
        await waiting(recv, receivers=1)
        await send.send_async("to a thread")
        assert await asyncio.to_thread(blocked.result) == "to a thread"
        task = asyncio.create_task(recv.recv_async())
        await waiting(recv, receivers=1)
        blocked = Call(send.send, "from a thread")
        assert await task == "from a thread"
        blocked.result()
        assert nobody_waits(recv)

    run(main(), kind)


def test_a_rendezvous_between_tasks(kind):
    async def main():
        recv, send = interpchannels.create(0)
        for first in ("recv", "send"):
            async with asyncio.TaskGroup() as group:
                if first == "recv":
                    receiving = group.create_task(recv.recv_async())
                    await waiting(recv, receivers=1)
                sending = group.create_task(send.send_async(first))
                if first == "send":
                    await waiting(recv, senders=1)
                    receiving = group.create_task(recv.recv_async())
            assert sending.result() is None and receiving.result() == first
        # A send that does not wait finds nobody whom it could hand the item to.
        receiving = asyncio.create_task(recv.recv_async())
        await waiting(recv, receivers=1)
        with pytest.raises(ChannelFullError):
            send.send_nowait(1)
        await send.send_async(2)
        assert await receiving == 2

    run(main(), kind)


def test_a_select_meets_a_task_at_a_rendezvous(kind):
    async def main():
        recv, send = interpchannels.create(0)
        other, _keep = interpchannels.create()
        task = asyncio.create_task(recv.recv_async())
        await waiting(recv, receivers=1)
        selecting = Call(interpchannels.select, (send, "selected"), other)
        assert await task == "selected"
        assert (await asyncio.to_thread(selecting.result))[0] is send

    run(main(), kind)


@pytest.mark.parametrize("first", ["task", "thread"])
def test_tasks_and_threads_stand_in_one_line(kind, first):
    async def main():
        recv, send = interpchannels.create()
        got = []

        async def receive():
            got.append(("task", await recv.recv_async()))

        def block():
            got.append(("thread", recv.recv()))

        tasks, calls = [], []
        for number, who in enumerate([first, "thread" if first == "task" else "task"], 1):
            if who == "task":
                tasks.append(asyncio.create_task(receive()))
            else:
                calls.append(Call(block))
            await waiting(recv, receivers=number)
        send.send(1)
        await waiting(recv, receivers=1)
        while not got:
            await asyncio.sleep(0)
        assert got == [(first, 1)]
        send.send(2)
        await asyncio.gather(*tasks)
        for call in calls:
            await asyncio.to_thread(call.result)
        assert [value for _, value in got] == [1, 2]

    run(main(), kind)


def test_async_for_until_closed_and_drained(kind, capacity):
    async def main():
        recv, send = interpchannels.create(capacity)

        async def produce():
            with send:
                for number in range(200):
                    await send.send_async(number)

        async with asyncio.TaskGroup() as group:
            group.create_task(produce())
            assert [value async for value in recv] == list(range(200))
        assert [value async for value in recv] == []
        assert recv.closed

    run(main(), kind)


def test_timeouts_groups_and_gather(kind):
    async def main():
        recv, send = interpchannels.create(0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await recv.recv_async()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await send.send_async(1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(recv.recv_async(), 0.01)
        with pytest.raises(ExceptionGroup) as failed:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(recv.recv_async()) for _ in range(5)]
                await waiting(recv, receivers=5)
                raise ValueError("the others are cancelled")
        assert failed.group_contains(ValueError) and all(task.cancelled() for task in tasks)
        assert nobody_waits(recv)
        _, got = await asyncio.gather(send.send_async(1), recv.recv_async())
        assert got == 1
        async with asyncio.timeout(60):
            _, got = await asyncio.gather(send.send_async(2), recv.recv_async())
        assert got == 2

    run(main(), kind)


def test_a_thousand_tasks_on_a_hundred_channels(kind):
    async def main():
        channels = [interpchannels.create(n % 3 or None) for n in range(100)]
        before = descriptors(), threading.active_count()
        tasks = [asyncio.create_task(channels[n % 100][0].recv_async()) for n in range(1000)]
        for recv, _ in channels:
            await waiting(recv, receivers=10)
        assert descriptors() <= before[0] + 1
        assert threading.active_count() == before[1]
        async with asyncio.TaskGroup() as group:
            for number in range(1000):
                group.create_task(channels[number % 100][1].send_async(number))
        got = await asyncio.gather(*tasks)
        assert sorted(got) == list(range(1000))
        assert all(value % 100 == n % 100 for n, value in enumerate(got))
        assert all(nobody_waits(recv) for recv, _ in channels)

    run(main(), kind)


def test_a_thousand_senders_on_a_hundred_channels(kind):
    async def main():
        channels = [interpchannels.create(n % 2) for n in range(100)]
        tasks = [asyncio.create_task(channels[n % 100][1].send_async(n)) for n in range(1000)]
        for n, (recv, _) in enumerate(channels):
            await waiting(recv, senders=10 - n % 2)
        got = [await recv.recv_async() for _ in range(10) for recv, _ in channels]
        assert got == list(range(1000))
        await asyncio.gather(*tasks)

    run(main(), kind)


# Cancelled -------------------------------------------------------------------------------------------------


def test_a_cancelled_receive_takes_nothing(kind, capacity):
    async def main():
        recv, send = interpchannels.create(capacity)
        task = asyncio.create_task(recv.recv_async())
        await waiting(recv, receivers=1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert nobody_waits(recv)
        task = asyncio.create_task(send.send_async(1))
        await asyncio.sleep(0)
        assert recv.recv_nowait() == 1
        await task

    run(main(), kind)


def test_cancelled_between_its_wake_up_and_its_step_it_passes_it_on(kind):
    async def main():
        recv, send = interpchannels.create()
        for after in ("task", "thread"):
            # By hand, as a Task does it: so the cancellation comes just then, on every loop.
            coroutine = recv.recv_async()
            future = coroutine.send(None)
            future._asyncio_future_blocking = False
            behind = asyncio.create_task(recv.recv_async()) if after == "task" else Call(recv.recv)
            await waiting(recv, receivers=2)
            send.send(after)
            while not future.done():
                await asyncio.sleep(0)
            await waiting(recv, receivers=1)
            with pytest.raises(asyncio.CancelledError):
                coroutine.throw(asyncio.CancelledError())
            if after == "task":
                assert await behind == after
            else:
                assert await asyncio.to_thread(behind.result) == after
        assert nobody_waits(recv)

    run(main(), kind)


def test_a_future_that_somebody_else_completes_ends_no_wait(kind):
    async def main():
        for which in ("receive", "send"):
            recv, send = interpchannels.create(0)
            coroutine = recv.recv_async() if which == "receive" else send.send_async("x")
            future = coroutine.send(None)
            future.set_result(None)
            other = coroutine.send(None)
            assert other is not future and not other.done()
            other._asyncio_future_blocking = False
            assert not nobody_waits(recv)
            if which == "receive":
                sending = asyncio.create_task(send.send_async("x"))
            else:
                assert recv.recv_nowait() == "x"
            while not other.done():
                await asyncio.sleep(0)
            with pytest.raises(StopIteration) as done:
                coroutine.send(None)
            assert done.value.value == ("x" if which == "receive" else None)
            if which == "receive":
                await sending

    run(main(), kind)


def test_a_cancelled_send_is_withdrawn(kind):
    async def main():
        recv, send = interpchannels.create(1)
        send.send("before")
        task = asyncio.create_task(send.send_async(b"x" * 100_000))
        await waiting(recv, senders=1)
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError, match="enough") as cancelled:
            await task
        assert not hasattr(cancelled.value, "sent")
        assert nobody_waits(recv)
        assert recv.recv() == "before"
        with pytest.raises(ChannelEmptyError):
            recv.recv_nowait()

    run(main(), kind)


def test_a_send_that_was_taken_is_sent_though_it_is_cancelled(kind, capacity):
    async def main():
        recv, send = interpchannels.create(capacity)
        if capacity is None:
            return  # it never waits
        for number in range(capacity):
            send.send(number)
        task = asyncio.create_task(send.send_async("last"))
        await waiting(recv, senders=1)
        got = [recv.recv_nowait() for _ in range(capacity + 1)]
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await task
        assert cancelled.value.sent is True
        assert got[-1] == "last"
        with pytest.raises(ChannelEmptyError):
            recv.recv_nowait()

    run(main(), kind)


def test_close_gives_up_a_coroutine_that_waits(kind):
    async def main():
        recv, _send = interpchannels.create()
        coroutine = recv.recv_async()
        coroutine.send(None)  # the future that it awaits
        assert recv.stats().waiting_receivers == 1
        coroutine.close()
        assert nobody_waits(recv)

    run(main(), kind)


def account(results, left):
    """What was sent is what was received, each once."""
    sent = sorted(number for result in results for number in result[0])
    received = sorted([number for result in results for number in result[1]] + left)
    assert received == sent
    return sum(result[2] for result in results)


def drain(recv):
    left = []
    while (value := recv.recv_nowait(None)) is not None:
        left.append(value)
    return left


def test_ten_thousand_random_cancellations_lose_nothing(kind, capacity):
    recv, send = interpchannels.create(capacity)
    result = run(async_functions.traffic(recv, send, 0, 3_000, seed=1, cancellations=10_000), kind)
    assert account([result], drain(recv)) >= 10_000
    assert nobody_waits(recv)
    assert sorted(result[0]) == list(range(3_000))


def test_random_cancellations_on_the_loops_of_several_interpreters(capacity):
    recv, send = interpchannels.create(capacity)
    workers = [
        interpchannels.spawn(
            async_functions.cancel_at_random, recv, send, 2_000 * number, 2_000, number
        )
        for number in range(3)
    ]
    # Beside them a thread that sends and one that receives, blocked.
    received = []

    def receive():
        while (value := recv.recv()) != "stop":
            received.append(value)

    receiving = Call(receive)
    mine = list(range(6_000, 7_000))
    Call(lambda: [send.send(number) for number in mine]).result()
    results = [worker.result() for worker in workers]
    send.send("stop")
    receiving.result()
    assert account([*results, (mine, [], 0)], received) >= 6_000
    assert nobody_waits(recv) and len(recv) == 0


# Closed and ended ------------------------------------------------------------------------------------------


def test_closing_the_handle_ends_its_waits_alone(kind):
    async def main():
        recv, send = interpchannels.create(0)
        other = recv.clone()
        mine = [asyncio.create_task(recv.recv_async()) for _ in range(20)]
        others = asyncio.create_task(other.recv_async())
        await waiting(other, receivers=21)
        recv.close()
        for task in mine:
            with pytest.raises(ChannelClosedError, match="this RecvChannel"):
                await task
        await waiting(other, receivers=1)
        await send.send_async(1)
        assert await others == 1
        sending = asyncio.create_task(send.send_async(2))
        await waiting(other, senders=1)
        send.close()
        with pytest.raises(ChannelClosedError, match="this SendChannel"):
            await sending
        assert nobody_waits(other)

    run(main(), kind)


@pytest.mark.parametrize("how", ["shutdown", "immediate", "last sender", "last receiver"])
def test_the_end_of_the_channel_ends_every_wait(kind, how):
    async def main():
        recv, send = interpchannels.create(0)
        end, task = (
            (send, send.send_async(1)) if how == "last receiver" else (recv, recv.recv_async())
        )
        task = asyncio.create_task(task)
        await asyncio.sleep(0)
        assert not nobody_waits(end)
        if how == "last receiver":
            recv.close()
        elif how == "last sender":
            del send
        else:
            send.shutdown(immediate=how == "immediate")
        with pytest.raises(ChannelClosedError):
            await task
        assert nobody_waits(end)

    run(main(), kind)


@pytest.mark.parametrize("collected", ["by count", "by the collector"])
def test_a_loop_that_is_closed_with_waits_outstanding(kind, collected):
    def leave_waits():
        loop = uvloop.new_event_loop() if kind == "uvloop" else asyncio.new_event_loop()
        recv, send = interpchannels.create(1)
        send.send(0)

        async def start():
            tasks = [loop.create_task(recv.recv_async()) for _ in range(2)]
            tasks += [loop.create_task(send.send_async(number)) for number in range(3)]
            for task in tasks:
                task._log_destroy_pending = False
            while not any(task.done() for task in tasks):
                await asyncio.sleep(0)
            return tasks

        tasks = loop.run_until_complete(start())
        loop.close()
        if collected == "by the collector":
            tasks.append(tasks)
        return recv

    gc.collect()
    before = descriptors()
    for _ in range(5):
        recv = leave_waits()
        gc.collect()
        assert nobody_waits(recv)
    assert descriptors() == before


def test_what_lies_in_a_closed_loop_is_passed_on():
    recv, send = interpchannels.create()
    loop = asyncio.new_event_loop()
    task = loop.create_task(recv.recv_async())
    task._log_destroy_pending = False
    loop.run_until_complete(waiting(recv, receivers=1))
    blocked = Call(recv.recv)
    wait_until(lambda: recv.stats().waiting_receivers == 2)
    send.send(1)  # for the task, which will never run
    wait_until(lambda: recv.stats().waiting_receivers == 1)
    loop.close()
    del task, loop
    gc.collect()
    assert blocked.result() == 1


def test_each_loop_gives_its_descriptor_back(kind):
    recv, send = interpchannels.create()

    async def main():
        task = asyncio.create_task(recv.recv_async())
        await waiting(recv, receivers=1)
        send.send(1)
        return await task

    run(main(), kind)
    gc.collect()
    before = descriptors()
    for _ in range(20):
        assert run(main(), kind) == 1
    gc.collect()
    assert descriptors() == before


def test_without_a_descriptor_left_it_is_an_error_and_nothing_leaks():
    run_quietly(
        """
        import asyncio, os, resource
        import interpchannels

        async def main():
            recv, send = interpchannels.create(0)
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            before = os.listdir('/proc/self/fd')
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
            for wait in (recv.recv_async, lambda: send.send_async(1)):
                try:
                    await wait()
                except OSError as error:
                    assert error.errno == 24, error
                else:
                    raise AssertionError
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert os.listdir('/proc/self/fd') == before
            assert recv.stats().waiting_receivers == recv.stats().waiting_senders == 0
            _, got = await asyncio.gather(send.send_async(2), recv.recv_async())
            assert got == 2

        asyncio.run(main())
        """
    )


# Idle ------------------------------------------------------------------------------------------------------


class CountingSelector(selectors.DefaultSelector):
    turns = 0

    def select(self, timeout=None):
        self.turns += 1
        return super().select(timeout)


def test_who_waits_is_idle():
    selector = CountingSelector()
    channels = [interpchannels.create(0) for _ in range(100)]
    _recv, send = channels[0]

    async def main():
        tasks = [asyncio.create_task(recv.recv_async()) for recv, _ in channels]
        for recv, _ in channels:
            await waiting(recv, receivers=1)
        await asyncio.sleep(0)
        threads = threading.active_count()
        turns, cpu = selector.turns, time.process_time()
        await asyncio.sleep(0.5)
        # The sleep itself takes two or so; a poll every 10 ms would be 50. Without a GIL it looks ten times
        # a second for what it has to free.
        assert selector.turns - turns <= (4 if has_gil() else 12)
        assert time.process_time() - cpu < 0.25
        assert threading.active_count() == threads
        # And one item is one wake-up.
        turns = selector.turns
        Call(send.send, 1)
        await tasks[0]
        assert selector.turns - turns <= 4
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        runner.run(main())


# Several interpreters --------------------------------------------------------------------------------------


def test_loops_of_several_interpreters_at_once(kind, capacity):
    async def talk(number):
        there, to_worker = interpchannels.create(capacity)
        from_worker, back = interpchannels.create(capacity)
        worker = interpchannels.spawn(async_functions.echo, there, back)
        there.close()
        back.close()

        async def feed():
            with to_worker:
                for value in range(200):
                    await to_worker.send_async((number, value))

        async with asyncio.TaskGroup() as group:
            group.create_task(feed())
            got = [value async for value in from_worker]
        assert got == [(number, value) for value in range(200)]
        await asyncio.to_thread(worker.result)

    async def main():
        async with asyncio.TaskGroup() as group:
            for number in range(4):
                group.create_task(talk(number))

    run(main(), kind)


def test_several_loops_in_threads_of_one_interpreter(kind):
    recv, send = interpchannels.create(1)

    async def produce(first):
        for number in range(first, first + 300):
            await send.send_async(number)

    async def consume():
        return [await recv.recv_async() for _ in range(300)]

    calls = [Call(run, produce(300 * n), kind) for n in range(3)]
    results = [Call(run, consume(), kind) for _ in range(3)]
    for call in calls:
        call.result()
    assert sorted(n for call in results for n in call.result()) == list(range(900))


def test_an_interpreters_end_ends_the_waits_of_its_loops():
    run_quietly(
        """
        import interpchannels, os, support, sys, threading
        recv, send = interpchannels.create(0)
        said, say = interpchannels.create()
        interpreter = support.create_interpreter()
        support.run_in(interpreter, "pass")
        support.run_in(interpreter, '''
        import asyncio, threading
        import interpchannels
        def loop():
            async def main():
                results = await asyncio.gather(
                    recv.recv_async(), recv.recv_async(), return_exceptions=True)
                say.send([type(r).__name__ + str(r) for r in results])
            asyncio.run(main())
        threading.Thread(target=loop).start()
        ''', {"recv": recv, "say": say})
        support.wait_until(lambda: recv.stats().waiting_receivers == 2)
        support.destroy_interpreter(interpreter)
        for text in said.recv():
            assert text.startswith('ChannelClosedErrorthis interpreter is ending'), text
        assert recv.stats().waiting_receivers == 0
        assert recv.stats().open_receivers == 1
        if sys.version_info < (3, 13):
            os._exit(0)  # 3.12.1 may crash as it exits: see the limits in docs/asyncio.md
        """
    )


@pytest.mark.skipif(
    sys.version_info < (3, 13),
    reason="3.12.1 aborts as it exits where a sub-interpreter ran asyncio, without us as well",
)
def test_the_main_interpreters_exit_ends_a_worker_that_iterates():
    # What it says on stderr is left alone: 3.13.0's threading complains at the end of any interpreter in which
    # current_thread() was asked for.
    done = run_script(
        """
        import sys
        sys.path.append(sys.argv[1])
        import interpchannels, async_functions
        recv, send = interpchannels.create(1)
        back, reply = interpchannels.create()
        interpchannels.spawn(async_functions.echo, recv, reply)
        recv.close()
        send.send(1)
        print(back.recv())
        # `send` goes with this interpreter's handles, and so the Worker's iteration ends.
        """,
        args=(os.path.dirname(__file__),),
    )
    assert done.stdout == "1\n"


def test_a_loop_in_a_thread_at_exit():
    done = run_script(
        """
        import asyncio, threading, interpchannels, support
        recv, send = interpchannels.create()
        def loop():
            async def main():
                try:
                    await recv.recv_async()
                except interpchannels.ChannelClosedError as error:
                    print('closed', flush=True)
            asyncio.run(main())
        threading.Thread(target=loop).start()
        support.wait_until(lambda: recv.stats().waiting_receivers == 1)
        """
    )
    assert done.stdout == "closed\n" and done.stderr == ""


# Fork ------------------------------------------------------------------------------------------------------


def test_a_fork_with_waits_outstanding():
    run_quietly(
        """
        import asyncio, gc, os, warnings
        import interpchannels
        warnings.simplefilter('ignore', DeprecationWarning)

        async def main():
            recv, send = interpchannels.create(0)
            other, to_other = interpchannels.create(0)
            tasks = [asyncio.create_task(recv.recv_async()) for _ in range(3)]
            tasks += [asyncio.create_task(to_other.send_async(n)) for n in range(3)]
            recv.fileno()
            await asyncio.sleep(0)
            assert recv.stats().waiting_receivers == 4
            child = os.fork()
            if child == 0:
                # All of it is given up here: it was the parent's.
                for task in tasks:
                    task._log_destroy_pending = False
                    task.get_coro().close()
                del tasks, recv, send, other, to_other
                gc.collect()
                r, s = interpchannels.create()
                s.send(1)
                os._exit(0 if r.recv() == 1 else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            for number in range(3):
                await send.send_async(number)
            assert sorted(await asyncio.gather(*tasks[:3])) == [0, 1, 2]
            assert [await other.recv_async() for _ in range(3)] == [0, 1, 2]
            await asyncio.gather(*tasks[3:])

        asyncio.run(main())
        """
    )
