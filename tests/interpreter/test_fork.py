"""fork(): in the child every channel of the parent is closed and unusable, cleanly; the parent does not notice.

There is no sub-interpreter alive at the fork, for then CPython itself ends the child.
"""

import os

import pytest
from lives import script

from support import ROUNDS, run_quietly

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork() here")

HELPERS = """
def in_child(body, how="exit"):
    "Run body() in a forked child, which then exits; it has to end well."
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)  # a child that hangs is killed
        if how == "exit":
            body()
            sys.exit(0)  # through the whole of CPython's finalization
        try:
            body()
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert status == 0, status

def refused(call, *errors):
    try:
        value = call()
    except (ChannelClosedError, *errors):
        return
    raise AssertionError(f"returned {value!r}")
"""


def run(body):
    # Python warns of fork() in a process with threads, and rightly so; here it is the point.
    return run_quietly(
        script(HELPERS, watchdog=False) + _dedented(body),
        options=("-W", "ignore::DeprecationWarning"),
        env={"LIVES_ROUNDS": str(ROUNDS)},
        timeout=180,
    )


def _dedented(text):
    import textwrap

    return textwrap.dedent(text)


@pytest.mark.parametrize("how", ["exit", "_exit"])
def test_the_parents_channels_are_closed(how):
    run(
        f"""
        recv, send = create()
        full_recv, full_send = create(1)
        zero_recv, zero_send = create(0)
        send.send("queued")
        full_send.send(b"x" * 500_000)

        def child():
            for r, s in ((recv, send), (full_recv, full_send), (zero_recv, zero_send)):
                for end in (r, s):
                    assert end.closed
                    try:
                        assert end.clone().closed
                    except ChannelClosedError:
                        pass
                    assert "closed" in repr(end)
                    assert end == end and end
                for call in (r.recv, lambda: r.recv(1), r.recv_nowait, lambda: r.recv_nowait(None),
                             lambda: s.send(1), lambda: s.send(1, 1), lambda: s.send_nowait(1)):
                    refused(call)
                refused(lambda: next(iter(r)), StopIteration)
                for end in (r, s):
                    try:
                        end.shutdown(immediate=True)
                    except ChannelClosedError:
                        pass
                    end.close()
                    end.close()

        for _ in range(rounds):
            in_child(child, {how!r})
            assert recv.stats().open_receivers == recv.stats().open_senders == 1
            assert len(recv) == 1 and len(full_recv) == 1
        send.send("goes on")
        assert [recv.recv(), recv.recv()] == ["queued", "goes on"]
        assert full_recv.recv() == b"x" * 500_000
        """
    )


def test_the_child_may_make_channels_of_its_own():
    run(
        """
        recv, send = create()

        def child():
            assert all(snapshot.closed for snapshot in interpchannels.list_all())
            mine_recv, mine_send = create()
            mine_send.send([1, b"x" * 500_000, ValueError(2)])
            assert mine_recv.recv()[0] == 1
            call = Call(mine_recv.recv)
            wait_until(lambda: mine_send.stats().waiting_receivers == 1)
            mine_send.send("to a thread")
            assert call.result() == "to a thread"
            worker = spawn(lives.send_all, mine_send, [1, 2, 3])
            mine_send.close()
            assert list(mine_recv) == [1, 2, 3]
            worker.join()
            refused(recv.recv)

        for _ in range(rounds):
            in_child(child)
        """
    )


def test_pickled_ends_do_not_load_in_the_child():
    run(
        """
        import pickle
        ends = create()
        frozen = [pickle.dumps(end) for end in ends]

        def child():
            mine = [create() for _ in range(10)]
            for one in frozen:
                refused(lambda: pickle.loads(one), interpchannels.ChannelError)

        for _ in range(rounds):
            in_child(child)
        assert [pickle.loads(one) for one in frozen] == list(ends)
        """
    )


def test_while_threads_of_the_parent_are_blocked():
    run(
        """
        recv, send = create()
        full_recv, full_send = create(1)
        full_send.send("first")
        calls = [Call(recv.recv) for _ in range(3)]
        senders = [Call(full_send.send, b"x" * 300_000) for _ in range(3)]
        wait_until(lambda: send.stats().waiting_receivers == 3)
        wait_until(lambda: full_recv.stats().waiting_senders == 3)

        def child():
            refused(recv.recv)
            refused(lambda: full_send.send(1))
            recv.close()
            send.close()

        for _ in range(rounds):
            in_child(child)
        for n in range(3):
            send.send(n)
        assert sorted(call.result() for call in calls) == [0, 1, 2]
        assert full_recv.recv() == "first"
        for _ in senders:
            full_recv.recv()
        for call in senders:
            call.result()
        """
    )


def test_while_threads_of_the_parent_are_busy():
    """The fork comes at any moment, with any lock held by a thread that the child does not have."""
    run(
        """
        sys.setswitchinterval(1e-5)
        recv, send = create(2)
        zero_recv, zero_send = create(0)
        stop = threading.Event()

        def churn():
            while not stop.is_set():
                a, b = create()
                b.send(b"x" * 20_000)
                b.clone().close()
                interpchannels.list_all()
                a.stats()

        threads = [Call(lives.flood, send), Call(lives.swallow, recv), Call(lives.flood, zero_send),
                   Call(lives.swallow, zero_recv), Call(churn), Call(churn)]

        def child():
            refused(recv.recv)
            refused(lambda: send.send(1))
            refused(zero_recv.recv)
            refused(lambda: zero_send.send(1))
            a, b = create(1)
            b.send([1])
            assert a.recv() == [1]
            interpchannels.list_all()

        for _ in range(rounds * 10):
            in_child(child, "_exit")
        stop.set()
        send.shutdown()
        zero_send.shutdown()
        for call in threads:
            call.result()
        """
    )


def test_loans_are_the_parents():
    """The child has a copy of the memory, but the loans of the parent are not its to give back."""
    run(
        """
        big = b"x" * 500_000
        before = sys.getrefcount(big)
        recv, send = create()
        send.send([big, big])

        def child():
            recv.close()
            send.close()
            gc.collect()
            assert big == b"x" * 500_000

        for _ in range(rounds):
            in_child(child)
        assert recv.recv() == [big, big]
        wait_until(lambda: sys.getrefcount(big) == before)
        """
    )


def test_a_child_of_a_child():
    run(
        """
        recv, send = create()

        def grandchild():
            refused(recv.recv)
            refused(mine[0].recv)

        def child():
            global mine
            mine = create()
            in_child(grandchild)
            mine[1].send(1)
            assert mine[0].recv() == 1
            refused(recv.recv)

        for _ in range(rounds):
            in_child(child)
        """
    )


def test_after_workers_have_ended():
    run(
        """
        for _ in range(rounds):
            recv, send = create()
            worker = spawn(lives.send_all, send, [1, b"x" * 500_000])
            worker.join()
            in_child(lambda: refused(recv.recv))
            assert recv.recv() == 1
            assert recv.recv() == b"x" * 500_000
        """
    )


def test_the_drop_in():
    run(
        """
        from interpchannels import _interpchannels as drop_in
        cid = drop_in.create(3)
        drop_in.send(cid, "queued", blocking=False)

        def child():
            for call in (lambda: drop_in.recv(cid), lambda: drop_in.recv(cid, None),
                         lambda: drop_in.send(cid, 1, blocking=False)):
                try:
                    call()
                except drop_in.ChannelError:
                    pass
                else:
                    raise AssertionError("a channel of the parent still works")
            mine = drop_in.create(3)
            drop_in.send(mine, 1, blocking=False)
            assert drop_in.recv(mine)[0] == 1

        for _ in range(rounds):
            in_child(child)
        assert drop_in.recv(cid)[0] == "queued"
        """
    )


def test_multiprocessing_with_fork():
    run(
        """
        import multiprocessing
        context = multiprocessing.get_context("fork")
        recv, send = create()

        def child():
            refused(recv.recv)
            refused(lambda: send.send(1))

        for _ in range(rounds):
            process = context.Process(target=child)
            process.start()
            process.join(support.HANG)
            assert process.exitcode == 0, process.exitcode
        send.send(1)
        assert recv.recv() == 1
        """
    )
