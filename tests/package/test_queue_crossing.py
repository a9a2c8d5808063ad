"""A Queue crosses every way that an end can, and is open while any Queue on its channel is alive."""

import copy
import gc
import pickle
import sys

import pytest
import queue_functions
from crossing_object import Holder
from queue_functions import NamedQueue, ShutDown, handles, queue_twin, waiting

import interpchannels
import support
from interpchannels import ChannelClosedError, Queue, create, list_all, spawn
from support import Call, run_in, run_script, wait_until

since_313 = pytest.mark.skipif(sys.version_info < (3, 13), reason="3.13's interface")
since_314 = pytest.mark.skipif(sys.version_info < (3, 14), reason="3.14's interface")

# Handles ------------------------------------------------------------------------------------------------------


def test_it_is_open_while_any_queue_is_alive(interpreter):
    q = Queue()
    q.put("kept")
    number = q._recv.id
    run_in(interpreter, "mine = q", {"q": q})
    assert handles(q) == 2
    del q
    gc.collect()
    assert number in {info.id for info in list_all()}
    back = Queue()
    run_in(interpreter, "back.put(mine.get()); back.put(mine)", {"back": back})
    assert back.get() == "kept"
    again = back.get()
    assert again._recv.id == number
    run_in(interpreter, "mine.put('once more'); del mine, q, back; import gc; gc.collect()")
    assert again.get() == "once more"
    assert handles(again) == 1


def test_when_all_are_gone_what_is_queued_is_released():
    q = Queue()
    recv, send = create()
    q.put(send)
    q.put(b"x" * 200_000)
    twin = queue_twin(q)
    send.close()
    del q
    gc.collect()
    with pytest.raises(TimeoutError):
        recv.recv(timeout=0)
    del twin
    gc.collect()
    with pytest.raises(ChannelClosedError):
        recv.recv(timeout=10)


def test_close():
    q = Queue()
    twin = queue_twin(q)
    q.put("there")
    q.close()
    q.close()
    q.join_thread()
    q.cancel_join_thread()
    for call in (q.get, q.get_nowait, lambda: q.get(timeout=1), lambda: q.put(1), q.shutdown):
        with pytest.raises(ChannelClosedError, match="is closed"):
            call()
    assert q.is_shutdown and not twin.is_shutdown
    assert q == twin and q.qsize() == 1
    assert twin.get() == "there"
    q.task_done()
    q.join()
    twin.put("goes on")


def test_close_wakes_what_is_blocked_on_this_object():
    q, full = Queue(), Queue(1)
    full.put(1)
    twins = queue_twin(q), queue_twin(full)
    calls = [Call(q.get), Call(full.put, 2)]
    wait_until(lambda: waiting(q) == (0, 1) and waiting(full) == (1, 0))
    q.close()
    full.close()
    for call in calls:
        with pytest.raises(ChannelClosedError, match="is closed"):
            call.result()
    assert twins[1].get() == 1


def test_close_of_the_last_one_releases_join():
    q = Queue()
    q.put("dropped")
    joined = Call(q.join)
    q.close()
    joined.result()


# Crossing -----------------------------------------------------------------------------------------------------


def test_through_a_channel():
    recv, send = create(pickle=False)
    q = Queue(3)
    for value, dig in (
        (q, lambda got: got),
        ([1, {"q": q}], lambda got: got[1]["q"]),
        ((q, q), lambda got: got[0] if got[0] is got[1] else None),
        ({q: "as a key"}, lambda got: next(iter(got))),
        ({q, 1}, lambda got: (got - {1}).pop()),
    ):
        send.send(value)
        assert handles(q) == 2
        got = dig(recv.recv())
        assert type(got) is Queue and got == q and got is not q and got.maxsize == 3
        got.put(1)
        assert q.get() == 1
        del got, value
        gc.collect()
        assert handles(q) == 1


def test_inside_a_pickled_object():
    recv, send = create()
    q = Queue()
    send.send(Holder([q, {"again": q}]))
    assert handles(q) == 2  # by reference, not by number
    got = recv.recv().value
    assert got[0] is got[1]["again"] and got[0] == q


def test_dropped_on_its_way():
    recv, send = create()
    q = Queue()
    send.send([q, Holder(q)])
    assert handles(q) > 1
    recv.close()
    assert handles(q) == 1


def test_a_queue_in_itself_keeps_nothing_alive():
    q = Queue()
    number = q._recv.id
    q.put(q)
    q.put([q, Holder(q)])
    got = q.get()
    got.put("still works")
    del got
    gc.collect()
    del q
    gc.collect()
    assert number not in {info.id for info in list_all()}


def test_a_closed_one_does_not_cross(interpreter):
    q = Queue()
    keep = queue_twin(q)
    q.close()
    _recv, send = create()
    with pytest.raises(ChannelClosedError, match="closed"):
        send.send(q)
    if sys.version_info[:2] != (
        3,
        13,
    ):  # which crashes on any value that it cannot share, a lock for one
        with pytest.raises(Exception):
            run_in(interpreter, "pass", {"q": q})
    assert handles(keep) == 1


def test_one_that_was_shut_down_crosses():
    q = Queue()
    q.put("left")
    q.shutdown()
    twin = queue_twin(q)
    assert twin.is_shutdown and twin.get() == "left"
    with pytest.raises(ShutDown):
        twin.get()


def test_a_subclass_crosses_as_what_it_is():
    q = NamedQueue("mine", 2)
    recv, send = create()
    send.send([q])
    assert handles(q) == 2
    (got,) = recv.recv()
    assert type(got) is NamedQueue and got.name == "mine" and got == q and got.maxsize == 2
    got.put(1)
    assert q.get() == 1


def test_to_a_worker_and_back():
    q = Queue(4)
    assert spawn(queue_functions.use, q, [1, 2]).result() == ("Queue", 4, 1)
    assert q.get() == [1, 2]
    made = spawn(queue_functions.make, 3, "abc").result()
    assert [made.get() for _ in range(3)] == list("abc")
    assert made.maxsize == 3 and handles(made) == 1
    assert spawn(queue_functions.identity, {"q": q}).result()["q"] == q
    wait_until(lambda: handles(q) == 1)


def test_exec_shared(interpreter):
    q = Queue(2)
    run_in(interpreter, "import sys; assert 'interpchannels' not in sys.modules")
    run_in(interpreter, "q.put('from there'); assert type(q).__name__ == 'Queue'", {"q": q})
    assert q.get() == "from there"
    assert handles(q) == 2
    q.put("to there")
    run_in(
        interpreter,
        """
        import interpchannels
        assert type(q) is interpchannels.Queue and q.maxsize == 2
        assert q.get() == "to there"
        q.task_done()
        del q
        import gc
        gc.collect()
        """,
    )
    assert handles(q) == 1 and q.unfinished_tasks == 1


def test_to_an_interpreter_that_has_the_drop_in_alone(interpreter):
    """The extension is there under CPython's name, and nobody imported the package yet."""
    q = Queue()
    run_in(
        interpreter,
        f"""
        import importlib.util, sys
        spec = importlib.util.spec_from_file_location(
            "_interpchannels", {interpchannels._interpchannels.__file__!r}
        )
        drop_in = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(drop_in)
        assert "interpchannels" not in sys.modules
        """,
    )
    run_in(interpreter, "q.put('x'); assert type(q).__name__ == 'Queue'; del q", {"q": q})
    assert q.get() == "x"


def test_a_run_that_fails_leaves_the_count_right(interpreter):
    q = Queue()
    for _ in range(3):
        with pytest.raises(support.RunFailed):
            run_in(interpreter, "raise LookupError", {"q": q})
    run_in(interpreter, "del q; import gc; gc.collect()")
    assert handles(q) == 1


@since_313
def test_inside_tuples_shared(interpreter):
    q = Queue()
    run_in(interpreter, "t[1][0].put('x'); assert t[1][0] == t[0]", {"t": (q, (q, 1))})
    assert q.get() == "x"


@since_314
class TestConcurrentInterpreters:
    @pytest.fixture
    def interp(self):
        from concurrent import interpreters

        made = interpreters.create()
        run_in(made.id, "pass")
        yield made
        made.close()

    def test_prepare_main(self, interp):
        q = Queue()
        interp.prepare_main(q=q)
        interp.exec("q.put('prepared')")
        assert q.get() == "prepared"

    def test_call(self, interp):
        q = Queue()
        assert interp.call(queue_functions.use, q, value=1) == ("Queue", 0, 1)
        q.put("second")
        assert interp.call(queue_functions.fetch, q) == 1
        assert interp.call(queue_functions.identity, q) == q
        assert interp.call(queue_functions.make, 2, ["made there"]).get() == "made there"

    def test_executor(self):
        from concurrent.futures import InterpreterPoolExecutor

        path = f"import sys; sys.path.extend({support.search_path()!r})"
        tasks, results = Queue(), Queue()
        with InterpreterPoolExecutor(2, initializer=exec, initargs=(path,)) as pool:
            futures = [pool.submit(queue_functions.finish_all, tasks, results) for _ in range(2)]
            for n in range(20):
                tasks.put(n)
            tasks.join()
            tasks.shutdown()
            assert [future.result() for future in futures] == ["shut down"] * 2
        assert sorted(results.get() for _ in range(20)) == list(range(20))


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_plain_pickle_makes_a_handle(protocol):
    q = Queue(3)
    q.put("x")
    frozen = pickle.dumps([q, Holder(q)], protocol)
    assert handles(q) == 1
    twin, held = pickle.loads(frozen)
    assert held.value is twin and twin == q and twin.maxsize == 3
    assert handles(q) == 2
    assert twin.get() == "x"
    twin.task_done()
    q.join()
    del twin, held
    gc.collect()
    q.close()
    with pytest.raises(ChannelClosedError):
        pickle.loads(frozen)


def test_copies():
    q = Queue()
    deep, shallow = copy.deepcopy(q), copy.copy(q)
    assert deep == q == shallow
    deep.close()
    q.put(1)
    assert shallow.get() == 1


def test_plain_pickle_in_another_process():
    q = Queue()
    done = run_script(f"import pickle; pickle.loads({pickle.dumps(q)!r})", status=1)
    assert "process" in done.stderr.splitlines()[-1]
    assert handles(q) == 1


def test_plain_pickle_in_another_interpreter(interpreter):
    q = Queue()
    run_in(interpreter, f"import pickle; pickle.loads({pickle.dumps(q)!r}).put('minted')")
    assert q.get() == "minted"


def test_what_is_no_queue_does_not_cross_as_one():
    _recv, send = create()
    half = Queue.__new__(Queue)
    with pytest.raises(AttributeError):
        send.send(half)
    (half._recv, _), (_, half._send) = create(), create()
    with pytest.raises(TypeError, match="one channel"):
        send.send(half)


def test_the_functions_below():
    """The extension's own functions take a receiving end and nothing else."""
    q = Queue()
    for name in ("_task_done", "_join_tasks", "_unfinished_tasks"):
        function = getattr(interpchannels._interpchannels, name)
        for wrong in (q, q._send, None, 1):
            with pytest.raises(TypeError):
                function(wrong)
