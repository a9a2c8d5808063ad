"""An interpreter ends with items queued, loans outstanding, threads blocked: nothing hangs, crashes or gets lost."""

import pytest
from lives import script

from support import ROUNDS, run_quietly


def run(body):
    """Run a script that goes round `rounds` times by itself."""
    return run_quietly(script(body), env={"LIVES_ROUNDS": str(ROUNDS)}, timeout=180)


def test_items_outlive_their_sender():
    run(
        """
        for _ in range(rounds):
            recv, send = create()
            interp = create_interpreter()
            run_in(interp, "pass")
            run_in(
                interp,
                '''
                for n in range(100):
                    send.send((n, [str(n)] * 3, {n: 2 ** n}))
                    send.send(bytes([n]) * 50_000)
                    send.send("\\u20ac" * 50_000)
                    send.send(ValueError(n))
                ''',
                {"send": send},
            )
            send.close()
            destroy_interpreter(interp)
            got = list(recv)
            assert len(got) == 400
            for n in range(100):
                small, blob, text, error = got[4 * n : 4 * n + 4]
                assert small == (n, [str(n)] * 3, {n: 2 ** n})
                assert blob == bytes([n]) * 50_000
                assert text == "\\u20ac" * 50_000
                assert type(error) is ValueError and error.args == (n,)
        """
    )


def test_loans_to_an_interpreter_that_ends_go_back():
    run(
        """
        big, text = b"\\x01" * 500_000, "\\u20ac" * 500_000
        counts = sys.getrefcount(big), sys.getrefcount(text)
        for _ in range(rounds):
            recv, send = create()
            interp = create_interpreter()
            run_in(interp, "pass")
            run_in(interp, "pass", {"recv": recv})
            recv.close()
            for _ in range(10):
                send.send([big, text, big])
            run_in(interp, "first = recv.recv()")
            destroy_interpreter(interp)
            try:
                send.send("nobody is there")
            except ChannelClosedError:
                pass
            else:
                raise SystemExit("sent to nobody")
            wait_until(lambda: (sys.getrefcount(big), sys.getrefcount(text)) == counts)
        """
    )


def test_loans_of_two_interpreters_to_each_other():
    run(
        """
        for turn in range(rounds):
            a_recv, a_send = create()
            b_recv, b_send = create()
            pair = [create_interpreter(), create_interpreter()]
            ends = [(a_send, b_recv), (b_send, a_recv)]
            for interp, (send, recv) in zip(pair, ends):
                run_in(interp, "pass")
                run_in(
                    interp,
                    "for n in range(5): send.send(bytes([n]) * 100_000)",
                    {"send": send, "recv": recv},
                )
            first, second = pair if turn % 2 else pair[::-1]
            destroy_interpreter(first)
            run_in(
                second,
                "for n in range(5): assert recv.recv() == bytes([n]) * 100_000",
            )
            destroy_interpreter(second)
        """
    )


BLOCKED = {
    "recv": ("create()", "recv.recv()", "waiting_receivers"),
    "recv with timeout": ("create()", "recv.recv(timeout=1000)", "waiting_receivers"),
    "recv at capacity 0": ("create(0)", "recv.recv()", "waiting_receivers"),
    "iteration": ("create()", "[x for x in recv]; raise ChannelClosedError", "waiting_receivers"),
    "send": ("create(1)", "send.send(1); send.send(2)", "waiting_senders"),
    "send of a loan": ("create(1)", "send.send(big); send.send(big)", "waiting_senders"),
    "send at capacity 0": ("create(0)", "send.send([big, 1])", "waiting_senders"),
    "send with timeout": ("create(0)", "send.send(1, timeout=1000)", "waiting_senders"),
}


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("name", BLOCKED)
def test_blocked_threads_are_woken(name, threads):
    """The main interpreter holds both ends, so that nothing but the interpreter's end can wake them."""
    make, statement, waiting = BLOCKED[name]
    out = run(
        f"""
        code = '''
        import os, threading
        from interpchannels import ChannelClosedError
        big = b"x" * 300_000

        def run():
            try:
                {statement}
            except ChannelClosedError:
                os.write(1, b"woken\\\\n")

        for _ in range({threads}):
            threading.Thread(target=run).start()
        '''
        for _ in range(rounds):
            recv, send = {make}
            interp = create_interpreter()
            run_in(interp, "pass")
            run_in(interp, code, {{"recv": recv, "send": send}})
            wait_until(lambda: recv.stats().{waiting} == {threads})
            destroy_interpreter(interp)
            assert recv.stats().{waiting} == 0
            assert recv.stats().open_senders == recv.stats().open_receivers == 1
            while len(recv):
                recv.recv()
            send.send("goes on") if recv.capacity != 0 else None
            assert recv.recv_nowait("empty") in ("goes on", "empty")
        """
    )
    assert out == "woken\n" * (threads * ROUNDS)


@pytest.mark.parametrize("method", ["get", "join"])
def test_threads_blocked_in_a_queue_are_woken(method):
    out = run(
        f"""
        code = '''
        import threading, lives
        for _ in range(4):
            threading.Thread(target=lives.blocked_in_queue, args=(queue, "{method}")).start()
        '''
        for _ in range(rounds):
            queue = interpchannels.Queue()
            if "{method}" == "join":
                queue.put("unfinished")
            interp = create_interpreter()
            run_in(interp, "pass")
            run_in(interp, code, {{"queue": queue}})
            destroy_interpreter(interp)
            stats = queue._recv.stats()
            assert (stats.open_senders, stats.open_receivers, stats.waiting_receivers) == (1, 1, 0)
            queue.put("goes on")
            while not queue.empty():
                queue.get()
                queue.task_done()
            queue.join()
        """
    )
    assert out == "woken\n" * (4 * ROUNDS)


def test_peers_of_an_interpreter_that_ends_are_woken():
    """Blocked threads of the main interpreter, whose peers were all in the one that ends."""
    run(
        """
        def closed(call):
            try:
                call.result()
            except ChannelClosedError:
                return True

        for _ in range(rounds):
            to_recv, to_send = create(1)
            from_recv, from_send = create()
            interp = create_interpreter()
            run_in(interp, "pass")
            run_in(interp, "pass", {"recv": to_recv, "send": from_send})
            to_recv.close()
            from_send.close()
            to_send.send("fills it")
            calls = [Call(to_send.send, 1), Call(to_send.send, 2), Call(from_recv.recv)]
            wait_until(lambda: to_send.stats().waiting_senders == 2)
            wait_until(lambda: from_recv.stats().waiting_receivers == 1)
            destroy_interpreter(interp)
            assert all(map(closed, calls))
        """
    )


def test_nothing_is_lost_while_a_receiver_dies():
    """Two interpreters share a channel's receivers; one ends in full traffic. Each item comes out once."""
    run(
        """
        code = '''
        import os, threading
        from interpchannels import ChannelClosedError

        def run():
            try:
                while True:
                    number = recv.recv()
                    os.write(w, number.to_bytes(4, "big"))
            except ChannelClosedError:
                pass

        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads: thread.start()
        '''
        for _ in range(rounds):
            recv, send = create(16)
            r, w = os.pipe()
            victim = create_interpreter()
            run_in(victim, "pass")
            run_in(victim, code, {"recv": recv, "w": w})
            count = 3000
            producer = Call(lambda: [send.send(n) for n in range(count)] and send.close())
            mine = []
            for number in recv:
                mine.append(number)
                if len(mine) == 200:
                    killer = Call(destroy_interpreter, victim)
            if len(mine) < 200:
                killer = Call(destroy_interpreter, victim)
            producer.result()
            killer.result()
            os.close(w)
            with open(r, "rb") as pipe:
                data = pipe.read()
            theirs = [int.from_bytes(data[i : i + 4], "big") for i in range(0, len(data), 4)]
            assert sorted(mine + theirs) == list(range(count))
            assert mine == sorted(mine)
            recv.close()
        """
    )


def test_nothing_is_lost_while_a_sender_dies():
    """What its send() returned for has been sent; what it raised for has not."""
    run(
        """
        code = '''
        import os, threading
        from interpchannels import ChannelClosedError

        def run():
            number = 0
            try:
                while True:
                    send.send((number, b"z" * (number % 3 * 40_000)))
                    number += 1
            except ChannelClosedError:
                os.write(w, number.to_bytes(4, "big"))

        threading.Thread(target=run).start()
        '''
        for turn in range(rounds):
            # Bounded: a thread that never has to wait is not stopped by the end, as with any queue.
            recv, send = create((0, 1, 8)[turn % 3])
            r, w = os.pipe()
            victim = create_interpreter()
            run_in(victim, "pass")
            run_in(victim, code, {"send": send, "w": w})
            send.close()
            got = [recv.recv() for _ in range(50)]
            killer = Call(destroy_interpreter, victim)
            got.extend(recv)
            killer.result()
            os.close(w)
            with open(r, "rb") as pipe:
                sent = int.from_bytes(pipe.read(), "big")
            assert [number for number, _ in got] == list(range(sent)), (len(got), sent)
            assert all(len(body) == number % 3 * 40_000 for number, body in got)
        """
    )


def test_threads_blocked_in_select():
    out = run(
        """
        code = '''
        import lives, threading
        for _ in range(3):
            threading.Thread(target=lives.blocked_select, args=(recv, to_full, "x" * 50_000)).start()
        '''
        for _ in range(rounds):
            recv, send = create()
            full, to_full = create(0)
            interp = create_interpreter()
            run_in(interp, "pass")
            run_in(interp, code, {"recv": recv, "to_full": to_full})
            wait_until(lambda: send.stats().waiting_receivers == full.stats().waiting_senders == 3)
            destroy_interpreter(interp)
            assert send.stats().waiting_receivers == full.stats().waiting_senders == 0
        """
    )
    assert out == "woken\n" * 3 * ROUNDS


def test_nothing_is_lost_while_those_who_select_die():
    """Two interpreters select from the same two channels; one ends in full traffic. Each item comes out once."""
    run(
        """
        code = '''
        import os, threading
        from interpchannels import ChannelClosedError, select

        def run():
            try:
                while True:
                    _, number = select(one, two, (full, None))
                    os.write(w, number.to_bytes(4, "big"))
            except ChannelClosedError:
                pass

        for _ in range(2): threading.Thread(target=run).start()
        '''
        for _ in range(rounds):
            (one, to_one), (two, to_two), (kept, full) = create(0), create(3), create(0)
            r, w = os.pipe()
            victim = create_interpreter()
            run_in(victim, "pass")
            run_in(victim, code, {"one": one, "two": two, "full": full, "w": w})
            count = 3000

            def produce():
                for number in range(count):
                    interpchannels.select((to_one, number), (to_two, number))
                to_two.close()

            producer = Call(produce)
            mine = []
            killer = None
            try:
                while True:
                    mine.append(interpchannels.select(one, two)[1])
                    if len(mine) == 200:
                        killer = Call(destroy_interpreter, victim)
            except ChannelClosedError:
                pass
            producer.result()
            (killer or Call(destroy_interpreter, victim)).result()
            os.close(w)
            with open(r, "rb") as pipe:
                data = pipe.read()
            theirs = [int.from_bytes(data[i : i + 4], "big") for i in range(0, len(data), 4)]
            assert sorted(mine + theirs) == list(range(count)), (len(mine), len(theirs))
            assert kept.stats().waiting_senders == 0
        """
    )


def test_worker_that_leaves_threads_blocked():
    out = run(
        """
        for _ in range(rounds):
            recv, send = create()
            full_recv, full_send = create(1)
            worker = spawn(lives.leave_threads_blocked, recv, full_send)
            assert worker.result() == "returned"
            worker.join()
            assert recv.stats().waiting_receivers == full_recv.stats().waiting_senders == 0
        """
    )
    assert out == "woken\nwoken\n" * ROUNDS


def test_handles_in_odd_places():
    """Module globals, cycles, threads' locals, atexit, finalizers: each gives its count back at the end."""
    run(
        """
        code = '''
        import atexit, gc, sys, threading, types
        import interpchannels
        from interpchannels import ChannelError

        sys.modules["holder"] = types.ModuleType("holder")
        sys.modules["holder"].end = send.clone()
        cycle = [send.clone()]
        cycle.append(cycle)
        gc.disable()
        local = threading.local()
        local.end = send.clone()

        def at_exit(end=send.clone()):
            try:
                end.send("at exit")
                end.stats()
                recv.recv_nowait(None)
            except ChannelError:
                pass
        atexit.register(at_exit)

        class Last:
            def __init__(self, end):
                self.end = end
            def __del__(self):
                try:
                    self.end.send("finalizer")
                    self.end.close()
                except ChannelError:
                    pass
        sys.last = Last(send.clone())
        last = Last(send.clone())
        last.me = last
        del last
        '''
        for _ in range(rounds):
            recv, send = create()
            interp = create_interpreter()
            run_in(interp, "pass")
            run_in(interp, code, {"recv": recv, "send": send})
            destroy_interpreter(interp)
            assert recv.stats().open_senders == 1, recv.stats()
            assert recv.stats().open_receivers == 1, recv.stats()
            send.close()
            assert set(recv) <= {"at exit", "finalizer"}
        """
    )


def test_blocking_calls_at_an_interpreters_exit_do_not_hang():
    run(
        """
        code = '''
        import atexit
        from interpchannels import ChannelClosedError

        def at_exit():
            for blocking in (recv.recv, lambda: [full.send(n) for n in range(3)]):
                try:
                    blocking()
                except ChannelClosedError:
                    pass
        atexit.register(at_exit)
        '''
        for _ in range(rounds):
            recv, send = create()
            full_recv, full = create(1)
            interp = create_interpreter()
            run_in(interp, "pass")
            run_in(interp, code, {"recv": recv, "full": full})
            destroy_interpreter(interp)
        """
    )


def test_interpreters_that_come_and_go_at_the_same_time():
    run(
        """
        def life(number):
            for _ in range(rounds):
                interp = create_interpreter()
                run_in(interp, "pass")
                run_in(interp, f"send.send(({number}, b'q' * 100_000)); got = recv.recv()",
                       {"send": send, "recv": recv})
                destroy_interpreter(interp)

        recv, send = create()
        calls = [Call(life, number) for number in range(4)]
        for call in calls:
            call.result(180)
        assert len(recv) == 0
        assert recv.stats().sent == recv.stats().received == 4 * rounds
        """
    )


def test_ended_by_another_thread_than_the_one_that_made_it():
    run(
        """
        for _ in range(rounds):
            recv, send = create()
            interp = Call(create_interpreter).result()
            Call(run_in, interp, "pass").result()
            Call(run_in, interp, "send.send(b'x' * 200_000)", {"send": send}).result()
            Call(destroy_interpreter, interp).result()
            assert recv.recv() == b"x" * 200_000
        """
    )
