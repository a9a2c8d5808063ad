"""What cannot cross: NotShareableError tells the type and the path to it, and nothing stays in the channel."""

import itertools
import os
import sys
import threading

import crossing_samples as samples
import pytest

from interpchannels import ChannelEmptyError, NotShareableError, create


def a_function_of_its_own():
    def local():
        return 1

    return local


OUTCASTS = {
    "lock": threading.Lock,
    "RLock": threading.RLock,
    "generator": lambda: (x for x in ()),
    "frame": sys._getframe,
    "module": lambda: os,
    "function": a_function_of_its_own,
    "coroutine": lambda: _coroutine(),
    "code": lambda: a_function_of_its_own().__code__,
    "socket": lambda: __import__("socket").socket(),
    "TextIOWrapper": lambda: open(os.devnull),  # noqa: SIM115
}


class _Coroutine:
    def __await__(self):
        yield


def _coroutine():
    async def run():
        await _Coroutine()

    made = run()
    made.close()
    return made


PLACES = {
    "item": lambda bad: bad,
    "item[3]": lambda bad: [1, 2, 3, bad],
    "item[0]": lambda bad: (bad,),
    "item['a']": lambda bad: {"a": bad},
    "item['a'][3]": lambda bad: {"b": 1, "a": [1, [2], 3, bad]},
    "item[1]['x'][0][2]": lambda bad: [0, {"x": ([1, 2, bad],)}],
    "item[7]": lambda bad: {7: bad},
    "item[(1, 'k')][0]": lambda bad: {(1, "k"): [bad]},
    "item[2.5]": lambda bad: {2.5: bad},
    "item[b'k']": lambda bad: {b"k": bad},
    "item[None]": lambda bad: {None: bad},
}


@pytest.fixture
def channel():
    recv, send = create()
    yield recv, send
    send.close()
    recv.close()


def check(channel, value, *expected):
    """The send fails, tells all that is expected, and leaves the channel as it was."""
    recv, send = channel
    send.send("before")
    for operation in (send.send, send.send_nowait, lambda obj: send.send(obj, timeout=0)):
        with pytest.raises(NotShareableError) as caught:
            operation(value)
        for text in expected:
            assert text in str(caught.value)
    assert len(recv) == 1
    assert recv.stats().sent - recv.stats().received == 1
    assert recv.recv() == "before"
    with pytest.raises(ChannelEmptyError):
        recv.recv_nowait()
    return str(caught.value)


@pytest.mark.parametrize("kind", OUTCASTS)
def test_each_kind_at_the_top(channel, kind):
    bad = OUTCASTS[kind]()
    check(channel, bad, type(bad).__name__)


@pytest.mark.parametrize("kind", ["lock", "generator", "frame", "module", "function"])
@pytest.mark.parametrize("path", PLACES)
def test_path(channel, kind, path):
    bad = OUTCASTS[kind]()
    message = check(channel, PLACES[path](bad), type(bad).__name__, path)
    assert path + "[" not in message  # and not some longer path


def test_the_path_is_exact(channel):
    """The first one that cannot cross, not its neighbours."""
    value = {"a": [0, {"good": 1, "bad": threading.Lock(), "worse": threading.Lock()}]}
    check(channel, value, "item['a'][1]['bad']", "lock")


def test_in_sets(channel):
    bad = a_function_of_its_own()
    for value in ({bad}, frozenset([bad]), [{(1, bad)}]):
        check(channel, value, "function", "item")


def test_as_key(channel):
    bad = threading.Lock()
    check(channel, {bad: 1}, "lock", "item")
    check(channel, [{(1, bad): 1}], "lock", "item[0]")


def test_inside_an_instance(channel):
    """Pickle finds it, so that the path may end at the instance; the type is told all the same."""
    for value in (samples.Node(threading.Lock()), samples.MyList([threading.Lock()])):
        check(channel, {"a": [value]}, "lock", "item['a'][0]")
    check(channel, samples.Record("r", [threading.Lock()]), "lock", "item")


def test_the_original_error_is_the_cause(channel):
    _recv, send = channel
    with pytest.raises(NotShareableError) as caught:
        send.send([threading.Lock()])
    assert caught.value.__cause__ is None or "pickle" in str(caught.value.__cause__)


def test_a_deep_path_is_told_in_reasonable_length(channel):
    value = threading.Lock()
    for _ in range(500):
        value = [value]
    message = check(channel, value, "lock", "item[0][0]")
    assert len(message) < 20_000


def test_a_path_with_odd_keys(channel):
    class OddRepr:
        def __repr__(self):
            raise ZeroDivisionError

        def __reduce__(self):
            return str, ("odd",)

    long_key = "k" * 100_000
    message = check(channel, {long_key: threading.Lock()}, "lock", "item[")
    assert len(message) < 2 * len(long_key)
    check(channel, {"\ud800\x00'\"": threading.Lock()}, "lock", "item[")
    recv, send = channel
    with pytest.raises((NotShareableError, ZeroDivisionError)):
        send.send({OddRepr(): threading.Lock()})
    assert len(recv) == 0


def test_an_error_of_reduce_is_not_hidden(channel):
    recv, send = channel
    for error in (ZeroDivisionError, OSError, MemoryError):
        for value in (samples.FailsToDump(error), [1, {"x": samples.FailsToDump(error)}]):
            with pytest.raises((NotShareableError, error)) as caught:
                send.send(value)
            assert has_in_chain(caught.value, error)
            assert len(recv) == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_is_no_exception_goes_through_as_it_is(channel, error):
    recv, send = channel
    for value in (samples.FailsToDump(error), [samples.FailsToDump(error)]):
        with pytest.raises(error):
            send.send(value)
    assert len(recv) == 0


def has_in_chain(error, kind):
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__ or error.__context__
    return False


def test_references_are_given_back(channel):
    """A failed encoding keeps nothing of what it had encoded already."""
    _recv, send = channel
    big, small, array = b"x" * 1_000_000, "some text" * 3, bytearray(10)
    parts = [big, small, array, [big]]
    counts = [sys.getrefcount(part) for part in parts]
    for _ in range(50):
        with pytest.raises(NotShareableError):
            send.send([*parts, threading.Lock()])
    assert [sys.getrefcount(part) for part in parts] == counts
    array.append(1)  # not exported


def test_classes_that_only_exist_here(channel):
    class Local:
        pass

    check(channel, [Local()], "Local", "item[0]")
    check(channel, {"x": Local}, "Local", "item['x']")


def test_iterators_that_do_not_pickle_any_more(channel):
    if sys.version_info < (3, 14):
        pytest.skip("itertools could be pickled up to 3.13")
    check(channel, [itertools.count()], "count", "item[0]")
