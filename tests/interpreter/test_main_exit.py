"""The main interpreter exits: with items queued, loans outstanding, threads and Workers blocked or working.

Each scenario is a process of its own, run again and again; each has to end by itself, with status 0, say what it is
expected to say, and nothing on stderr.
"""

import re
import sys

import pytest
from lives import script

from support import ROUNDS, run_script

# CPython's own remark about interpreters that nobody ended.
REMAINING = re.compile(r".*remaining subinterpreters.*\n?(  .*\n?)*")

SCENARIOS = {
    "items, loans and ends queued": (
        """
        recv, send = create()
        inner = create()
        for n in range(100):
            send.send([n, "x" * 100_000, b"y" * 100_000, ValueError(n)])
            send.send(inner)
            send.send((recv, send))
        """,
        [],
    ),
    "a thread blocked in recv": (
        """
        recv, send = create()
        threading.Thread(target=lives.blocked_recv, args=(recv,)).start()
        wait_until(lambda: send.stats().waiting_receivers == 1)
        """,
        ["woken"],
    ),
    "threads blocked in send": (
        """
        recv, send = create(1)
        recv0, send0 = create(0)
        threading.Thread(target=lives.blocked_send, args=(send, b"x" * 200_000)).start()
        threading.Thread(target=lives.blocked_send, args=(send0, 1)).start()
        wait_until(lambda: recv.stats().waiting_senders == recv0.stats().waiting_senders == 1)
        """,
        ["woken", "woken"],
    ),
    "threads blocked in select": (
        """
        recv, send = create()
        full, to_full = create(1)
        to_full.send("fills it")
        for order in range(3):
            threading.Thread(
                target=lives.blocked_select, args=(recv, to_full, b"x" * 200_000)
            ).start()
        wait_until(lambda: send.stats().waiting_receivers == full.stats().waiting_senders == 3)
        """,
        ["woken"] * 3,
    ),
    "threads that select in full traffic": (
        """
        there, to_there = create(2)
        back, to_back = create(0)
        for recv, send in ((there, to_back), (back, to_there)):
            threading.Thread(target=lives.select_for_ever, args=(recv, send, b"y" * 50_000)).start()
        wait_until(lambda: there.stats().received > 100)
        """,
        [],
    ),
    "a Worker blocked in select": (
        """
        recv, send = create()
        full, to_full = create(0)
        worker = spawn(lives.blocked_select, recv, to_full, "x")
        wait_until(lambda: send.stats().waiting_receivers == 1)
        """,
        ["woken"],
    ),
    "many threads blocked on one channel": (
        """
        recv, send = create()
        for _ in range(20):
            threading.Thread(target=lives.blocked_recv, args=(recv,)).start()
        wait_until(lambda: send.stats().waiting_receivers == 20)
        """,
        ["woken"] * 20,
    ),
    "daemon threads blocked": (
        """
        recv, send = create()
        full_recv, full_send = create(1)
        for target, args in ((recv.recv, ()), (full_send.send, (1,)), (full_send.send, (2,))):
            Call(target, *args)
        wait_until(lambda: send.stats().waiting_receivers == 1)
        wait_until(lambda: full_send.stats().waiting_senders == 1)
        """,
        [],
    ),
    "a daemon thread in full traffic": (
        """
        recv, send = create(4)
        Call(lives.flood, send)
        Call(lives.swallow, recv)
        wait_until(lambda: recv.stats().received > 100)
        """,
        [],
    ),
    "threads in full traffic": (
        """
        recv, send = create(4)
        threading.Thread(target=lives.flood, args=(send,)).start()
        threading.Thread(target=lives.swallow, args=(recv,)).start()
        wait_until(lambda: recv.stats().received > 100)
        """,
        [],
    ),
    "a Worker blocked in recv": (
        """
        recv, send = create()
        worker = spawn(lives.blocked_recv, recv)
        wait_until(lambda: send.stats().waiting_receivers == 1)
        """,
        ["woken"],
    ),
    "a Worker blocked in send": (
        """
        recv, send = create(1)
        worker = spawn(lives.blocked_send, send, b"x" * 200_000)
        wait_until(lambda: recv.stats().waiting_senders == 1)
        """,
        ["woken"],
    ),
    "threads blocked in a Queue": (
        """
        queue, full = interpchannels.Queue(), interpchannels.Queue(1)
        full.put(b"x" * 200_000)
        for blocked in (queue.get, full.join, lambda: full.put(1)):
            threading.Thread(target=lives.blocked_call, args=(blocked,)).start()
        wait_until(lambda: queue._recv.stats().waiting_receivers == 1)
        wait_until(lambda: full._recv.stats().waiting_senders == 1)
        """,
        ["woken"] * 3,
    ),
    "a daemon thread blocked in Queue.join": (
        """
        queue = interpchannels.Queue()
        queue.put(1)
        Call(queue.join)
        """,
        [],
    ),
    "Workers blocked in a Queue": (
        """
        queue, full = interpchannels.Queue(), interpchannels.Queue(1)
        full.put(b"x" * 200_000)
        for method in ("get", "join", "put"):
            spawn(lives.blocked_in_queue, full if method != "get" else queue, method)
        wait_until(lambda: queue._recv.stats().waiting_receivers == 1)
        wait_until(lambda: full._recv.stats().waiting_senders == 1)
        """,
        ["woken"] * 3,
    ),
    "a Worker that joins a Queue which it works off by itself": (
        """
        queue = interpchannels.Queue()
        for n in range(100):
            queue.put(n)
        spawn(lives.work_off, queue)
        """,
        ["worked off"],
    ),
    "Workers that drain": (
        """
        channels = [create() for _ in range(3)]
        workers = [spawn(lives.drain_slowly, recv) for recv, _ in channels]
        for _, send in channels:
            for n in range(100):
                send.send((n, b"z" * (n % 2 * 50_000)))
        """,
        ["drained 100"] * 3,
    ),
    "a pipeline that drains": (
        """
        first, second, third = create(2), create(2), create()
        workers = [
            spawn(lives.pass_on, first[0], second[1]),
            spawn(lives.pass_on, second[0], third[1]),
            spawn(lives.drain, third[0]),
        ]
        for end in (first[0], *second, *third):
            end.close()
        for n in range(200):
            first[1].send(n)
        """,
        ["drained 200"],
    ),
    "Workers that wait for each other": (
        """
        a, b = create(), create()
        workers = [spawn(lives.hold_and_wait, a[1], b[0]), spawn(lives.hold_and_wait, b[1], a[0])]
        wait_until(lambda: a[1].stats().waiting_receivers == b[1].stats().waiting_receivers == 1)
        """,
        ["woken", "woken"],
    ),
    "a Worker that waits for itself": (
        """
        worker = spawn(lives.wait_on_own_channel)
        """,
        ["woken"],
    ),
    "a Worker that computes": (
        """
        worker = spawn(lives.compute, 0.3)
        """,
        ["computed"],
    ),
    "a Worker that computes and one that waits for it": (
        """
        recv, send = create()
        workers = [spawn(lives.compute, 0.2), spawn(lives.wait_on_own_channel)]
        """,
        ["computed", "woken"],
    ),
    "Workers in full traffic with this interpreter": (
        """
        recv, send = create(4)
        out_recv, out_send = create(4)
        workers = [spawn(lives.flood, send), spawn(lives.flood, send), spawn(lives.swallow, out_recv)]
        out_recv.close()
        Call(lives.swallow, recv)
        Call(lives.flood, out_send)
        wait_until(lambda: recv.stats().received > 100 and out_send.stats().received > 100)
        """,
        [],
    ),
    "a dialogue of Workers that goes on": (
        """
        there, back = create(), create()
        workers = [
            spawn(lives.serve, there[0], back[1]), spawn(lives.ask, there[1], back[0], 10_000)
        ]
        """,
        ["asked 10000", "served 10000"],
    ),
    "a dialogue of Workers by rendezvous": (
        """
        there, back = create(0), create(0)
        workers = [
            spawn(lives.serve, there[0], back[1]), spawn(lives.ask, there[1], back[0], 3_000)
        ]
        """,
        ["asked 3000", "served 3000"],
    ),
    "a long pipeline that drains by rendezvous": (
        """
        links = [create()] + [create(0) for _ in range(4)]
        workers = [
            spawn(lives.pass_on_all, links[n][0], links[n + 1][1]) for n in range(4)
        ]
        workers.append(spawn(lives.drain, links[4][0]))
        for n in range(3_000):
            links[0][1].send(n)
        """,
        ["drained 3000"],
    ),
    "a Worker that waits for its own thread": (
        """
        worker = spawn(lives.wait_for_own_thread, 0.3)
        """,
        ["computed", "the thread's result"],
    ),
    "a Worker that has just been started": (
        """
        recv, send = create()
        send.send(1)
        worker = spawn(lives.drain, recv)
        """,
        ["drained 1"],
    ),
    "a Worker whose thread could not be made": (
        """
        def start(thread):
            raise RuntimeError("can't start new thread")
        before, threading.Thread.start = threading.Thread.start, start
        try:
            spawn(lives.drain, create()[0])
        except RuntimeError:
            say("refused")
        threading.Thread.start = before
        """,
        ["refused"],
    ),
    "Workers whose threads get no core until the exit": (
        """
        from interpchannels._worker import Worker
        run = Worker._run
        def run_late(*args):
            while not threading._SHUTTING_DOWN:
                time.sleep(0.01)
            time.sleep(0.2)
            run(*args)
        Worker._run = run_late
        recv, send = create()
        between = create(0)
        workers = [spawn(lives.pass_on_all, recv, between[1]), spawn(lives.drain, between[0])]
        for n in range(50):
            send.send(n)
        """,
        ["drained 50"],
    ),
    "a Worker whose threads are blocked": (
        """
        recv, send = create()
        full_recv, full_send = create(1)
        worker = spawn(lives.leave_threads_blocked, recv, full_send)
        """,
        ["woken", "woken"],
    ),
    "a Worker of a Worker": (
        """
        recv, send = create()
        worker = spawn(lives.start_worker_that_waits, recv)
        wait_until(lambda: send.stats().waiting_receivers == 1)
        """,
        ["woken"],
    ),
    "Workers that have ended, with results that nobody fetched": (
        """
        recv, send = create()
        workers = [spawn(lives.wait_for, recv) for _ in range(3)]
        for _ in workers:
            send.send(b"r" * 200_000)
        for worker in workers:
            worker.join()
        """,
        [],
    ),
    "interpreters left behind": (
        """
        recv, send = create()
        for _ in range(3):
            interp = create_interpreter()
            run_in(interp, "pass")
            run_in(interp, "send.send([b'x' * 200_000, recv]); mine = send", {"send": send, "recv": recv})
            send.send(b"y" * 200_000)
        """,
        [],
    ),
    "a thread blocked inside another interpreter": (
        """
        recv, send = create()
        interp = create_interpreter()
        run_in(interp, "pass")
        code = "import lives; lives.blocked_recv(recv)"
        threading.Thread(target=run_in, args=(interp, code, {"recv": recv})).start()
        wait_until(lambda: send.stats().waiting_receivers == 1)
        """,
        ["woken"],
    ),
    "calls at exit": (
        """
        recv, send = create()
        full_recv, full = create(1)
        def at_exit():
            for call in (lambda: send.send(b"x" * 200_000), recv.recv_nowait, recv.recv,
                         lambda: [full.send(n) for n in range(3)], send.clone, recv.stats,
                         create, interpchannels.list_all, send.shutdown, recv.close):
                try:
                    call()
                except interpchannels.ChannelError:
                    pass
            say("at exit")
        atexit.register(at_exit)
        """,
        ["at exit"],
    ),
    "calls from finalizers": (
        """
        class Last:
            def __init__(self, *ends):
                self.ends = ends
            def __del__(self, error=interpchannels.ChannelError):
                try:
                    self.ends[1].send(b"x" * 200_000)
                    self.ends[0].recv_nowait(None)
                    self.ends[0].close()
                except error:
                    pass
        kept = Last(*create())
        sys.kept = Last(*create())
        cycle = Last(*create())
        cycle.me = cycle
        del cycle
        """,
        [],
    ),
    "handles that outlive their module": (
        """
        recv, send = create()
        send.send(send)
        sys.recv, sys.send = recv, send
        for name in [name for name in sys.modules if name.startswith("interpchannels")]:
            del sys.modules[name]
        """,
        [],
    ),
    "no channel at all": ("pass", []),
}


def run_scenario(body, expected, status=0):
    for _ in range(ROUNDS):
        done = run_script(script(body), status=status)
        assert sorted(done.stdout.splitlines()) == sorted(expected)
        yield REMAINING.sub("", done.stderr)


@pytest.mark.parametrize("name", SCENARIOS)
def test_exit(name):
    for stderr in run_scenario(*SCENARIOS[name]):
        assert stderr == ""


@pytest.mark.parametrize("name", SCENARIOS)
def test_sys_exit(name):
    body, expected = SCENARIOS[name]
    done = run_script(script(body) + "\nsys.exit(7)\n", status=7)
    assert sorted(done.stdout.splitlines()) == sorted(expected)
    assert REMAINING.sub("", done.stderr) == ""


@pytest.mark.parametrize("name", ["a Worker blocked in recv", "threads blocked in send"])
def test_uncaught_exception(name):
    body, expected = SCENARIOS[name]
    for stderr in run_scenario(body + "\n        1 // 0\n", expected, status=1):
        assert stderr.startswith("Traceback")
        assert stderr.rstrip().endswith(
            "ZeroDivisionError: integer division or modulo by zero"
        ) or (stderr.rstrip().endswith("ZeroDivisionError: division by zero"))


def test_all_of_it_at_once():
    names = [
        "items, loans and ends queued",
        "a thread blocked in recv",
        "threads blocked in send",
        "a Worker blocked in recv",
        "a Worker blocked in send",
        "Workers that drain",
        "Workers that wait for each other",
        "a Worker that computes",
        "Workers in full traffic with this interpreter",
        "a long pipeline that drains by rendezvous",
    ]
    body, expected = "keep = []\n", []
    for name in names:
        part, lines = SCENARIOS[name]
        body += _dedented(part) + "\nkeep.append(dict(vars()))\n"
        expected += lines
    for stderr in run_scenario(body, expected):
        assert stderr == ""


def _dedented(part):
    import textwrap

    return textwrap.dedent(part)


def test_a_thread_that_iterates_at_exit():
    """It has a beginning of what the Worker sent, in order, and is told where that is not all of it."""
    body = """
        recv, send = create(4)
        worker = spawn(lives.send_all, send, list(range(500)))
        send.close()
        threading.Thread(target=lives.drain_and_say, args=(recv,)).start()
    """
    for _ in range(ROUNDS):
        done = run_script(script(body))
        # The exit closes the main interpreter's handles and ends the iteration where it stands.
        *lines, ending = done.stdout.split()
        assert lines == [str(n) for n in range(len(lines))]
        assert ending == ("drained" if len(lines) == 500 else "cut-off")
        assert done.stderr == ""


@pytest.mark.skipif(sys.version_info < (3, 14), reason="3.14's interface")
def test_executor_left_behind():
    body = """
        from concurrent.futures import InterpreterPoolExecutor
        recv, send = create()
        path = f"import sys; sys.path.extend({support.search_path()!r})"
        pool = InterpreterPoolExecutor(2, initializer=exec, initargs=(path,))
        futures = [pool.submit(lives.drain, recv) for _ in range(2)]
        wait_until(lambda: send.stats().waiting_receivers == 2)
        send.close()
    """
    for stderr in run_scenario(body, ["drained 0"] * 2):
        assert stderr == ""
