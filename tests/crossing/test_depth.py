"""Nesting of any depth gives the value or RecursionError, in the sender or in the receiver, and never a crash."""

import pytest

from support import run_quietly

SAME_INTERPRETER = """
    import sys
    import interpchannels
    from crossing_functions import depth_of, nest

    kind, depth = sys.argv[1], int(sys.argv[2])
    recv, send = interpchannels.create()
    value = nest(kind, depth)
    try:
        send.send(value)
    except RecursionError:
        print("RecursionError")
        assert len(recv) == 0
    else:
        try:
            got = recv.recv()
        except RecursionError:
            print("RecursionError")
        else:
            assert depth_of(got) == depth, depth_of(got)
            print("value")
        got = None
    send.send("goes on")
    assert recv.recv() == "goes on"
    value = None
"""

OTHER_INTERPRETER = """
    import sys
    import interpchannels
    from crossing_functions import measure_depths, nest

    kind, depth = sys.argv[1], int(sys.argv[2])
    recv, send = interpchannels.create()
    back_recv, back_send = interpchannels.create()
    worker = interpchannels.spawn(measure_depths, recv, back_send)
    value = nest(kind, depth)
    try:
        send.send(value)
    except RecursionError:
        print("RecursionError")
    else:
        got = back_recv.recv()
        assert got in (depth, "RecursionError"), got
        print("value" if got == depth else got)
    send.send([[[]]])
    assert back_recv.recv() == 2
    send.close()
    worker.result()
    value = None
"""

IN_A_THREAD_WITH_A_SMALL_STACK = """
    import sys, threading
    import interpchannels
    from crossing_functions import depth_of, nest

    kind, depth = sys.argv[1], int(sys.argv[2])
    recv, send = interpchannels.create()
    value = nest(kind, depth)
    outcome = []

    def run():
        try:
            send.send(value)
            got = recv.recv()
            assert depth_of(got) == depth
            outcome.append("value")
            kept.append(got)
        except RecursionError:
            outcome.append("RecursionError")

    kept = []
    threading.stack_size(256 * 1024)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    print(*outcome)
"""

QUEUED_AND_DROPPED = """
    import sys
    import interpchannels
    from crossing_functions import nest

    kind, depth = sys.argv[1], int(sys.argv[2])
    recv, send = interpchannels.create()
    try:
        send.send(nest(kind, depth))
        print("value")
    except RecursionError:
        print("RecursionError")
    recv.close()
"""

SCRIPTS = {
    "same interpreter": SAME_INTERPRETER,
    "other interpreter": OTHER_INTERPRETER,
    "small stack": IN_A_THREAD_WITH_A_SMALL_STACK,
    "dropped": QUEUED_AND_DROPPED,
}


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("kind", ["list", "tuple", "dict", "frozenset", "mixed"])
@pytest.mark.parametrize("depth", [1_000_000])
def test_native_types(script, kind, depth):
    out = run_quietly(SCRIPTS[script], args=(kind, str(depth)), timeout=240)
    assert out in ("value\n", "RecursionError\n")


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("kind", ["list", "dict", "tuple", "mixed"])
def test_a_depth_that_people_use(script, kind):
    """A few hundred levels are no depth at all: the value arrives."""
    assert run_quietly(SCRIPTS[script], args=(kind, "300")) == "value\n"


@pytest.mark.parametrize("script", ["same interpreter", "other interpreter", "dropped"])
@pytest.mark.parametrize("depth", [100, 20_000])
def test_instances(script, depth):
    """A chain of objects goes as deep as pickle goes (which itself crashes on a small stack)."""
    out = run_quietly(SCRIPTS[script], args=("object", str(depth)))
    assert out == "value\n" if depth == 100 else out in ("value\n", "RecursionError\n")


def test_an_outcast_deep_inside():
    run_quietly(
        """
        import threading
        import interpchannels
        recv, send = interpchannels.create()
        value = threading.Lock()
        for _ in range(1_000_000):
            value = [value]
        for _ in range(3):
            try:
                send.send(value)
            except (interpchannels.NotShareableError, RecursionError) as exc:
                assert len(str(exc)) < 10_000_000
            else:
                raise SystemExit("sent a lock")
        assert len(recv) == 0
        """,
        timeout=240,
    )


def test_near_the_recursion_limit():
    """The caller's own depth may leave no room for the encoding's."""
    run_quietly(
        """
        import sys
        import interpchannels
        from crossing_samples import Node
        recv, send = interpchannels.create()
        value = [[Node([Node({"x": (1,)})])]]

        def at(depth):
            if depth:
                return at(depth - 1)
            try:
                send.send(value)
                recv.recv()
                return "value"
            except RecursionError:
                return "RecursionError"

        outcomes = set()
        for depth in range(sys.getrecursionlimit() - 40, sys.getrecursionlimit()):
            try:
                outcomes.add(at(depth))
            except RecursionError:
                outcomes.add("RecursionError")
            while len(recv):
                recv.recv()
        assert "RecursionError" in outcomes
        send.send(value)
        assert type(recv.recv()[0][0]) is Node
        """
    )
