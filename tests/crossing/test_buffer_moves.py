"""Buffer: memory that a send moves, and that comes back where the send fails."""

import copy
import ctypes
import gc
import pickle
import sys
import threading

import buffer_functions
import pytest
from buffer_functions import mark_of, marked

import interpchannels
from interpchannels import (
    Buffer,
    ChannelClosedError,
    ChannelFullError,
    NotShareableError,
    _interpchannels,
    _worker,
    create,
    select,
    spawn,
)
from support import Call, _interpreters, run_in, run_quietly, wait_until


def live():
    """How many Buffers have memory, in this process."""
    return interpchannels.stats().buffers


def are_live(count):
    """That many, those that only a cycle holds not among them."""
    if live() != count:
        gc.collect()
    return live() == count


@pytest.fixture(autouse=True)
def no_memory_left_over():
    before = live()
    yield
    assert are_live(before)


class Holder:
    """An object that only pickle knows, with Buffers in it."""

    def __init__(self, *parts):
        self.parts = parts

    def __reduce__(self):  # so that it does not go natively
        return Holder, self.parts


def unpicklable():
    return lambda: None


# --- the object ---


def test_memory_of_a_size():
    buffer = Buffer(5)
    assert len(buffer) == 5
    assert bytes(buffer) == bytes(5)
    view = memoryview(buffer)
    assert (view.format, view.shape, view.readonly, view.nbytes) == ("B", (5,), False, 5)
    view[1:3] = b"ab"
    assert bytes(buffer) == b"\0ab\0\0"
    assert repr(buffer) == "<Buffer of 5 bytes>"
    assert not buffer.detached


@pytest.mark.parametrize("size", [1, 2**20, 2**22 - 1, 2**22, 2**22 + 1, 2**24])
def test_memory_is_zero(size):
    dirty = Buffer(size)
    with memoryview(dirty) as view:
        view[:] = b"x" * size
    del dirty
    assert bytes(Buffer(size)) == bytes(size)


@pytest.mark.parametrize(
    "source",
    [
        b"abcdef",
        bytearray(b"abcdef"),
        memoryview(b"abcdef")[::-2],
        memoryview(bytes(24)).cast("i", (2, 3)),
        memoryview(b""),
        (ctypes.c_int16 * 3)(1, 2, 3),
    ],
)
def test_a_copy_of_other_memory(source):
    buffer = Buffer(source)
    assert bytes(buffer) == memoryview(source).tobytes()
    again = Buffer(buffer)
    with memoryview(again) as view:
        view[:1] = b"?"[: len(view)]
    assert bytes(buffer) == memoryview(source).tobytes()


def test_an_index_is_a_size():
    class Index:
        def __index__(self):
            return 3

    assert bytes(Buffer(Index())) == bytes(3)
    assert len(Buffer(0)) == 0
    assert len(Buffer(True)) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((-1,), ValueError, "negative"),
        ((2**80,), OverflowError, "index-sized"),
        ((2**62,), MemoryError, "no memory for a Buffer of 4611686018427387904 bytes"),
        (("text",), TypeError, "not str"),
        ((1.5,), TypeError, "not float"),
        ((None,), TypeError, "not NoneType"),
        ((), TypeError, "expected 1 argument"),
        ((1, 2), TypeError, "expected 1 argument"),
    ],
)
def test_what_it_cannot_be_made_of(arguments, error, says):
    with pytest.raises(error, match=says):
        Buffer(*arguments)
    with pytest.raises(TypeError):
        Buffer(size=1)


def test_it_is_equal_to_itself_alone():
    one, two = Buffer(b"a"), Buffer(b"a")
    assert one == one and one != two and len({one, two}) == 2


def test_it_cannot_be_pickled_or_subclassed():
    buffer = Buffer(b"abc")
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="send it through a channel"):
            attempt(buffer)
    with pytest.raises(TypeError):
        type("Mine", (Buffer,), {})
    with pytest.raises(TypeError):
        Buffer.detached = True
    assert bytes(buffer) == b"abc"


# --- moving ---


def address(buffer):
    with memoryview(buffer) as view:
        return ctypes.addressof(ctypes.c_char.from_buffer(view))


@pytest.mark.parametrize("size", [0, 1, 100_000, 2**23])
def test_it_moves(size):
    recv, send = create()
    buffer = Buffer(size)
    where = address(buffer) if size else None
    send.send(buffer)
    assert buffer.detached
    assert repr(buffer) == "<Buffer detached>"
    got = recv.recv()
    assert type(got) is Buffer and got is not buffer
    assert len(got) == size
    assert where is None or address(got) == where  # no copy
    send.send(got)  # the receiver may send it on
    assert got.detached and len(recv.recv()) == size


def test_use_after_the_move():
    recv, send = create()
    buffer = Buffer(8)
    send.send(buffer)
    for use in (len, bytes, memoryview, bool, Buffer, send.send, lambda b: send.send([b])):
        with pytest.raises(ValueError, match="detached: it was sent"):
            use(buffer)
    assert len(recv) == 1
    assert buffer in {buffer: 1}


def test_the_same_one_twice_arrives_once(echo):
    buffer = marked(7)
    got = echo([buffer, {"again": (buffer,)}])
    assert got[0] is got[1]["again"][0]
    assert mark_of(got[0]) == 7
    assert buffer.detached


def test_inside_of_containers(echo):
    buffers = [marked(i) for i in range(4)]
    got = echo((buffers[0], {"b": buffers[1]}, [[buffers[2]], {3: (buffers[3], "x")}], buffers[0]))
    assert [mark_of(b) for b in (got[0], got[1]["b"], got[2][0][0], got[2][1][3][0])] == [
        0,
        1,
        2,
        3,
    ]
    assert got[3] is got[0]
    assert all(b.detached for b in buffers)
    assert live() >= 4


def test_inside_of_what_is_pickled(echo_here):
    buffers = [marked(i) for i in range(3)]
    got = echo_here([Holder(buffers[0], {"x": buffers[1]}), buffers[2], Holder(buffers[0])])
    one, two, three = got
    assert [mark_of(b) for b in (one.parts[0], one.parts[1]["x"], two)] == [0, 1, 2]
    assert three.parts[0] is one.parts[0]
    assert all(b.detached for b in buffers)


def test_where_pickle_is_switched_off():
    recv, send = create(pickle=False)
    send.send([marked(1)])
    assert mark_of(recv.recv()[0]) == 1


def test_another_interpreter_writes_to_it(echo_there):
    buffer = Buffer(b"abc" * 10_000)
    where = address(buffer)
    got = echo_there(buffer)
    assert address(got) == where
    assert bytes(got) == b"abc" * 10_000


def test_a_worker_gets_and_returns_them():
    buffer = marked(3, 2**16)
    worker = spawn(mark_of, buffer)
    assert buffer.detached
    assert worker.result() == 3
    got = spawn(buffer_functions.make_and_return, 2**16).result()
    assert bytes(got) == bytes(2**16 - 1) + b"*"


def test_its_bytes_are_counted():
    recv, send = create()
    send.send(Buffer(1_000_000))
    assert 1_000_000 <= send.stats().bytes < 1_000_100
    recv.recv()


def test_by_way_of_the_drop_in():
    channel = _interpchannels.create(3)
    buffer = marked(5)
    _interpchannels.send(channel, buffer, blocking=False)
    assert buffer.detached
    got, unbound = _interpchannels.recv(channel)
    assert unbound is None and mark_of(got) == 5
    _interpchannels.destroy(channel)


# --- a live view ---


VIEWS = {
    "memoryview": memoryview,
    "slice": lambda b: memoryview(b)[1:2],
    "cast": lambda b: memoryview(b).cast("I"),
    "ctypes": lambda b: (ctypes.c_char * 8).from_buffer(b),
}


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize(
    "wrap", [lambda b: b, lambda b: [marked(1), b], lambda b: [marked(1), Holder(b)]]
)
def test_a_live_view_refuses_the_move(name, wrap):
    recv, send = create()
    buffer = marked(2)
    view = VIEWS[name](buffer)
    value = wrap(buffer)
    with pytest.raises(BufferError, match="live view"):
        send.send(value)
    assert len(recv) == 0
    assert not buffer.detached and mark_of(buffer) == 2
    if isinstance(value, list):
        assert mark_of(value[0]) == 1
    del view
    gc.collect()
    send.send(value)
    assert buffer.detached
    recv.recv()


def test_no_view_while_a_send_holds_it():
    recv, send = create(0)
    buffer = marked(2)
    call = Call(send.send, [buffer], timeout=None)
    wait_until(lambda: send.stats().waiting_senders)
    assert buffer.detached
    for use in (memoryview, len, send.send_nowait):
        with pytest.raises(ValueError, match="a send holds its memory"):
            use(buffer)
    assert mark_of(recv.recv()[0]) == 2
    call.result()
    with pytest.raises(ValueError, match="it was sent"):
        memoryview(buffer)


# --- a send that fails gives it back ---


WRAPS = {
    "alone": lambda b: b,
    "nested": lambda b: [b, {"x": (b,)}],
    "pickled": lambda b: Holder(b, [b]),
    "with another": lambda b: (marked(0), b, Buffer(10_000)),
}


@pytest.fixture(params=WRAPS)
def wrapped(request):
    """A value with a Buffer in it, the Buffer, and a check that it is back."""
    buffer = marked(9)
    value = WRAPS[request.param](buffer)

    def check():
        assert not buffer.detached
        assert mark_of(buffer) == 9
        for other in value if isinstance(value, tuple) else ():
            assert not other.detached
        memoryview(buffer).release()  # it can be used, and moved
        recv, send = create()
        send.send(value)
        assert buffer.detached
        recv.recv()

    return value, buffer, check


@pytest.mark.parametrize("capacity", [0, 1])
@pytest.mark.parametrize("timeout", [0, 0.001])
def test_timeout(wrapped, capacity, timeout):
    value, _, check = wrapped
    recv, send = create(capacity)
    for _ in range(capacity):
        send.send(None)
    with pytest.raises(TimeoutError):
        send.send(value, timeout=timeout)
    check()
    assert len(recv) == capacity


@pytest.mark.parametrize("capacity", [0, 1])
def test_full(wrapped, capacity):
    value, _, check = wrapped
    recv, send = create(capacity)
    for _ in range(capacity):
        send.send(None)
    with pytest.raises(ChannelFullError):
        send.send_nowait(value)
    check()
    assert len(recv) == capacity


@pytest.mark.parametrize("how", ["shutdown", "close send", "last receiver"])
@pytest.mark.parametrize("capacity", [0, 1])
def test_closed_while_it_waits(wrapped, how, capacity):
    value, buffer, check = wrapped
    recv, send = create(capacity)
    other = send.clone()
    for _ in range(capacity):
        send.send(None)
    call = Call(send.send, value)
    wait_until(lambda: other.stats().waiting_senders)
    assert buffer.detached
    {"shutdown": recv.shutdown, "close send": send.close, "last receiver": recv.close}[how]()
    with pytest.raises(ChannelClosedError):
        call.result()
    del call
    gc.collect()
    check()


@pytest.mark.parametrize("how", ["shutdown", "close send", "last receiver"])
def test_closed_before(wrapped, how):
    value, _, check = wrapped
    recv, send = create()
    {"shutdown": recv.shutdown, "close send": send.close, "last receiver": recv.close}[how]()
    with pytest.raises(ChannelClosedError):
        send.send(value)
    check()


@pytest.mark.parametrize("make", [unpicklable, lambda: Holder(unpicklable())])
def test_a_later_part_cannot_cross(wrapped, make):
    value, _, check = wrapped
    recv, send = create()
    with pytest.raises(NotShareableError):
        send.send([value, make()])
    with pytest.raises(NotShareableError):
        send.send(Holder(value, make()))
    assert len(recv) == 0
    check()


def test_a_later_part_needs_pickle():
    recv, send = create(pickle=False)
    buffer = marked(9)
    with pytest.raises(NotShareableError, match=r"item\[1\]"):
        send.send([buffer, Holder()])
    assert len(recv) == 0
    assert mark_of(buffer) == 9


def test_a_later_end_is_closed(wrapped):
    value, _, check = wrapped
    recv, send = create()
    end = create()[0]
    end.close()
    for refused in ([value, end], Holder(value, end)):
        with pytest.raises(ChannelClosedError):
            send.send(refused)
    assert len(recv) == 0
    check()


class ClosesItsEnd:
    def __init__(self, end):
        self.end = end

    def __reduce__(self):
        self.end.close()
        return (str, ())


def test_the_end_is_closed_while_the_value_is_encoded(wrapped):
    value, _, check = wrapped
    recv, send = create()
    with pytest.raises(ChannelClosedError):
        send.send([value, ClosesItsEnd(send)])
    assert len(recv) == 0
    check()


def test_what_pickles_at_the_second_try(wrapped):
    """A part that does not pickle, but has memory to show: the value is encoded twice."""
    import mmap

    value, buffer, _ = wrapped
    recv, send = create()
    with mmap.mmap(-1, 64) as mapped:
        send.send([value, mapped])
    assert buffer.detached
    got = recv.recv()
    assert type(got[1]) is memoryview


def test_select_that_does_something_else(wrapped):
    value, _, check = wrapped
    _recv, send = create(1)
    other_recv, other_send = create()
    send.send(None)
    other_send.send("this")
    assert select((send, value), other_recv) == (other_recv, "this")
    check()


def test_select_that_waits_and_does_something_else(wrapped):
    value, buffer, check = wrapped
    _recv, send = create(0)
    other_recv, other_send = create()
    call = Call(select, (send, value), other_recv)
    wait_until(lambda: other_send.stats().waiting_receivers)
    assert buffer.detached
    other_send.send("this")
    assert call.result() == (other_recv, "this")
    del call
    gc.collect()
    check()


@pytest.mark.parametrize("options", [{"timeout": 0}, {"timeout": 0.001}, {"default": None}])
def test_select_that_does_nothing(wrapped, options):
    value, _, check = wrapped
    _recv, send = create(0)
    try:
        assert select((send, value), **options) is None
    except TimeoutError:
        assert "timeout" in options
    check()


def test_select_that_cannot_encode(wrapped):
    value, _, check = wrapped
    recv, send = create()
    with pytest.raises(NotShareableError):
        select((send, value), (send, unpicklable()))
    with pytest.raises(TypeError):
        select((send, value), "no operation")
    assert len(recv) == 0
    check()


def test_select_moves_the_one_that_it_sends():
    recv, send = create()
    full_recv, full_send = create(0)
    kept, moved = marked(1), marked(2)
    assert select((full_send, kept), (send, moved)) == (send, None)
    assert moved.detached and mark_of(kept) == 1
    assert mark_of(recv.recv()) == 2
    full_recv.close()


def test_one_buffer_in_two_operations():
    recv, send = create()
    buffer = marked(1)
    with pytest.raises(ValueError, match="a send holds its memory"):
        select((send, buffer), (send, [buffer]))
    assert mark_of(buffer) == 1
    assert len(recv) == 0


@pytest.mark.parametrize("iterate", [list, iter])
def test_send_many_keeps_what_it_did_not_send(iterate):
    recv, send = create(3)
    buffers = [marked(i) for i in range(4)]
    with pytest.raises(TimeoutError) as caught:
        send.send_many(
            iterate([buffers[0], "small", [buffers[1]], buffers[2], buffers[3]]), timeout=0.001
        )
    assert caught.value.sent == 3
    assert [b.detached for b in buffers] == [True, True, False, False]
    assert [mark_of(b) for b in buffers[2:]] == [2, 3]
    assert mark_of(recv.recv()) == 0
    with pytest.raises(ValueError, match="detached") as caught:
        send.send_many(iterate([buffers[2], buffers[2], buffers[3]]))
    assert caught.value.sent == 1
    assert [b.detached for b in buffers] == [True, True, True, False]
    while len(recv):
        recv.recv()


@pytest.mark.parametrize("blocking", [{"blocking": False}, {"timeout": 0.001}])
@pytest.mark.parametrize(
    "wrap", [lambda b: b, lambda b: (marked(0), b), lambda b: (b, unpicklable())]
)
def test_the_drop_in(wrap, blocking):
    buffer = marked(9)
    value = wrap(buffer)
    channel = _interpchannels.create(3)
    _interpchannels.close(channel, force=True)
    with pytest.raises(ChannelClosedError):
        _interpchannels.send(channel, value, **blocking)
    _interpchannels.destroy(channel)
    with pytest.raises(interpchannels.ChannelNotFoundError):
        _interpchannels.send(channel, value, **blocking)
    assert mark_of(buffer) == 9


def test_the_drop_in_times_out():
    channel = _interpchannels.create(3)
    buffer = marked(1)
    with pytest.raises(TimeoutError):
        _interpchannels.send(channel, buffer, timeout=0.001)
    assert mark_of(buffer) == 1
    with pytest.raises((ValueError, TypeError)):  # NotShareableError is the one or the other
        _interpchannels.send(channel, (buffer, unpicklable()), blocking=False)
    assert mark_of(buffer) == 1
    _interpchannels.destroy(channel)


def test_spawn_that_cannot_encode(wrapped):
    value, _, check = wrapped
    with pytest.raises(NotShareableError):
        spawn(mark_of, value, unpicklable())
    check()


def test_spawn_without_a_thread(wrapped, monkeypatch):
    value, _, check = wrapped

    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="start new thread") as caught:
        spawn(mark_of, value)
    monkeypatch.undo()
    assert caught
    check()


def test_spawn_of_a_worker_that_never_takes_its_task(wrapped, monkeypatch):
    value, _, check = wrapped
    monkeypatch.setattr(_worker, "_BOOT", "raise OSError('no way'){path!r:.0}")
    worker = spawn(mark_of, value)
    with pytest.raises(interpchannels.RemoteError, match="no way"):
        worker.result()
    check()


def test_an_interrupt():
    out = run_quietly(
        """
        import signal, threading
        from interpchannels import Buffer, create, select
        from support import wait_until
        signal.signal(signal.SIGINT, signal.default_int_handler)
        recv, send = create(0)
        buffer = Buffer(b"abc")
        main = threading.get_ident()

        def interrupt():
            wait_until(lambda: recv.stats().waiting_senders)
            signal.pthread_kill(main, signal.SIGINT)

        for call in (lambda: send.send([buffer]), lambda: select((send, buffer))):
            thread = threading.Thread(target=interrupt)
            thread.start()
            try:
                call()
            except KeyboardInterrupt:
                print(bytes(buffer), buffer.detached)
            thread.join()
        """
    )
    assert out.split("\n")[:2] == ["b'abc' False"] * 2


# --- what was sent and is dropped is freed ---


@pytest.mark.parametrize("how", ["immediate", "last receiver", "decoding"])
def test_what_the_channel_drops_is_freed(how):
    before = live()
    recv, send = create()
    buffer = Buffer(2**20)
    send.send([buffer, Broken()] if how == "decoding" else [buffer])
    assert are_live(before + 1)
    if how == "immediate":
        recv.shutdown(immediate=True)
    elif how == "last receiver":
        recv.close()
    else:
        with pytest.raises(ZeroDivisionError):
            recv.recv()
    assert are_live(before)
    assert buffer.detached
    with pytest.raises(ValueError, match="it was sent"):
        len(buffer)


def break_it():
    raise ZeroDivisionError


class Broken:
    def __reduce__(self):
        return (break_it, ())


def test_a_buffer_outlives_its_sender():
    recv, send = create()
    worker = spawn(buffer_functions.send_and_return, send, ["from there", marked(4)])
    worker.join()
    send.close()
    assert mark_of(recv.recv()[1]) == 4


def test_its_owner_ends_with_one_queued_and_one_held(interpreter_with_path):
    before = live()
    recv, send = create()
    run_in(
        interpreter_with_path,
        """
        from buffer_functions import marked
        kept, sent = marked(1), marked(2)
        send.send(sent)
        """,
        {"send": send},
    )
    assert are_live(before + 2)
    interpreter_with_path.destroy()
    assert are_live(before + 1)
    assert mark_of(recv.recv()) == 2


def test_an_interpreter_that_ends_while_it_sends():
    """Its blocked send raises and gives the Buffer back to it, and its end frees that."""
    out = run_quietly(
        """
        from interpchannels import Buffer, create, spawn, stats

        def sends_for_ever(send):
            import threading
            from interpchannels import Buffer, ChannelClosedError
            buffer = Buffer(10)

            def blocked():
                try:
                    send.send(buffer)
                except ChannelClosedError:
                    assert not buffer.detached and bytes(buffer) == bytes(10)
                else:
                    raise SystemExit("it was sent")

            threading.Thread(target=blocked).start()

        recv, send = create(0)
        worker = spawn(sends_for_ever, send)
        worker.join()
        assert stats().buffers == 0
        print("done")
        """
    )
    assert out == "done\n"


def test_the_process_ends_while_a_daemon_sends_one():
    """Its thread may never come back to Python (3.14), or unwind without it (3.12, 3.13)."""
    for capacity in (0, 1):
        run_quietly(
            f"""
            import threading
            from interpchannels import Buffer, ChannelClosedError, create
            from support import wait_until
            recv, send = create({capacity})
            for _ in range({capacity}):
                send.send(None)

            def blocked():
                try:
                    send.send([Buffer(2**23), {{"x": Buffer(10)}}])
                except ChannelClosedError:
                    pass

            threads = [threading.Thread(target=blocked, daemon=True) for _ in range(4)]
            for thread in threads:
                thread.start()
            wait_until(lambda: recv.stats().waiting_senders == 4)
            """
        )


class Interpreter(int):
    def destroy(self):
        import support

        support.destroy_interpreter(int(self))


@pytest.fixture
def interpreter_with_path():
    import support

    made = Interpreter(support.create_interpreter())
    run_in(made, "pass")
    yield made
    if made in support.list_interpreters():
        made.destroy()


def test_by_way_of_cpythons_registry(interpreter_with_path):
    """Which offers nothing to give it back by: refused."""
    buffer = marked(1)
    with pytest.raises((TypeError, ValueError), match=r"Buffer"):
        if sys.version_info >= (3, 13):  # whose exec() crashes where something does not cross
            _interpreters.set___main___attrs(interpreter_with_path, {"buffer": buffer})
        else:
            run_in(interpreter_with_path, "pass", {"buffer": buffer})
    assert mark_of(buffer) == 1


# --- all of it at once ---


@pytest.mark.parametrize("capacities", [(0, 0, 0, 0), (1, 2, 1, 2), (0, 1, None, 3)])
def test_each_is_with_one_owner_at_any_time(capacities):
    count, rounds = 12, 1500
    before = live()
    channels = [create(capacity) for capacity in capacities]
    starts = [[marked(4 * mark + place) for mark in range(count // 4)] for place in range(4)]
    sends = [send for _, send in channels]
    calls: list = []
    for place, (recv, _) in enumerate(channels):
        others = [send for i, send in enumerate(sends) if i != place]
        arguments = (place, recv, others, rounds, starts[place])
        if place < 2:
            calls.append(Call(buffer_functions.juggle, *arguments))
        else:
            calls.append(spawn(buffer_functions.juggle, *arguments))
    marks = [mark for call in calls for mark in call.result()]
    for recv, _ in channels:
        marks += [mark_of(buffer) for buffer in buffer_functions.drain(recv)]
    assert sorted(marks) == list(range(count))
    moves = [send.stats().sent for send in sends]
    # How often they moved is up to the scheduler; on average each of them did.
    assert all(moves) and sum(moves) > count, moves
    del calls, starts
    for recv, send in channels:
        recv.close()
        send.close()
    assert are_live(before)
