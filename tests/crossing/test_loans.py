"""Large bytes and str are loaned: they arrive intact, and their owner gets them back, whatever happens meanwhile."""

import hashlib
import sys

import crossing_functions as functions
import pytest

import support
from interpchannels import create, spawn
from support import run_in, run_quietly, wait_until

KINDS = ["bytes", "ascii", "latin", "two bytes", "four bytes", "surrogates"]
MIB = 1 << 20


def facts(value):
    data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    return type(value).__name__, len(value), hashlib.sha256(data).hexdigest()


def references(held):
    """How many refer to held[0], counted the same way each time: what a caller adds depends on the version."""
    return sys.getrefcount(held[0])


def wait_for_references(held, count):
    """Loans come back by a pending call, which the owner runs between bytecodes: this loop's will do."""
    wait_until(lambda: references(held) == count)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [8 * 1024, 64 * 1024, MIB, 3 * MIB + 17])
def test_in_the_same_interpreter(kind, size):
    recv, send = create()
    value = functions.big(kind, size)
    before = references(held := [value])
    for _ in range(5):
        send.send(value)
        got = recv.recv()
        assert type(got) is type(value) and got == value
    got = None
    wait_for_references(held, before)


@pytest.mark.parametrize("kind", KINDS)
def test_to_another_interpreter(kind):
    recv, send = create()
    back_recv, back_send = create()
    worker = spawn(functions.digest, recv, back_send)
    value = functions.big(kind, MIB)
    before = references(held := [value])
    for _ in range(5):
        send.send(value)
    for _ in range(5):
        assert back_recv.recv() == facts(value)
    wait_for_references(held, before)
    send.close()
    worker.result()
    worker.join()


@pytest.mark.parametrize("kind", KINDS)
def test_from_another_interpreter(kind):
    recv, send = create()
    worker = spawn(functions.send_big_and_return, send, kind, MIB)
    got = recv.recv()
    assert facts(got) == facts(functions.big(kind, MIB))
    worker.result()
    worker.join()


def test_64_mib():
    recv, send = create()
    back_recv, back_send = create()
    worker = spawn(functions.digest, recv, back_send)
    value = functions.big("bytes", 64 * MIB)
    before = references(held := [value])
    send.send(value)
    assert recv.capacity is None
    assert back_recv.recv() == facts(value)
    mine_recv, mine_send = create()
    mine_send.send(value)
    assert mine_recv.recv() == value
    wait_for_references(held, before)
    send.close()
    worker.result()
    worker.join()


@pytest.mark.parametrize("kind", ["bytes", "two bytes"])
def test_among_other_things(kind):
    value = functions.big(kind, MIB)
    before = references(held := [value])
    recv, send = create()
    for _ in range(3):
        send.send([value, {"x": (value, 1)}, "small"])
        got = recv.recv()
        assert got[0] is got[1]["x"][0]
        assert got[0] == value and got[2] == "small"
    got = None
    wait_for_references(held, before)


def test_bytes_as_keys_and_in_sets():
    value = functions.big("bytes", MIB)
    before = references(held := [value])
    recv, send = create()
    send.send([{value: 1}, {value}, frozenset([value])])
    got = recv.recv()
    assert got[0][value] == 1 and value in got[1] and value in got[2]
    got = None
    wait_for_references(held, before)


@pytest.mark.parametrize("way", ["close", "shutdown", "drop", "timeout", "full", "closed"])
def test_what_is_not_received_is_given_back(way):
    value = functions.big("bytes", MIB)
    before = references(held := [value])
    recv, send = create(None if way in ("close", "shutdown", "drop") else 0)
    if way in ("close", "shutdown", "drop"):
        for _ in range(5):
            send.send([value, value])
        assert references(held) > before
    if way == "close":
        recv.close()
    elif way == "shutdown":
        recv.shutdown(immediate=True)
    elif way == "drop":
        del recv
    elif way == "timeout":
        with pytest.raises(TimeoutError):
            send.send(value, timeout=0.001)
    elif way == "full":
        from interpchannels import ChannelFullError

        with pytest.raises(ChannelFullError):
            send.send_nowait(value)
    elif way == "closed":
        from interpchannels import ChannelClosedError

        recv.close()
        with pytest.raises(ChannelClosedError):
            send.send(value)
    wait_for_references(held, before)


def test_the_owner_may_forget_the_value():
    recv, send = create()
    expected = facts(functions.big("bytes", MIB))
    for _ in range(20):
        send.send(functions.big("bytes", MIB))
    for _ in range(20):
        assert facts(recv.recv()) == expected


def test_an_owner_over_there_gets_its_loans_back():
    interp = support.create_interpreter()
    recv, send = create()
    run_in(interp, "pass")
    run_in(
        interp,
        """
        import sys, time
        import crossing_functions
        held = [crossing_functions.big("bytes", 1 << 20)]
        before = sys.getrefcount(held[0])
        for _ in range(4):
            send.send(held[0])
        """,
        {"send": send},
    )
    run_in(interp, "assert sys.getrefcount(held[0]) > before")
    for _ in range(4):
        recv.recv()
    run_in(
        interp,
        """
        # Without a GIL CPython forgets that it was asked to call us, where no thread of the interpreter was alive then:
        # what was lent comes back with what is lent next.
        if not getattr(sys, "_is_gil_enabled", lambda: True)():
            send.send(crossing_functions.big("bytes", 1 << 20))
        deadline = time.monotonic() + 60
        while sys.getrefcount(held[0]) != before:
            assert time.monotonic() < deadline, sys.getrefcount(held[0])
        """,
    )
    support.destroy_interpreter(interp)


@pytest.mark.parametrize("kind", KINDS)
def test_the_owner_ends_while_the_loan_is_queued(kind):
    recv, send = create()
    expected = facts(functions.big(kind, MIB))
    for _ in range(support.ROUNDS):
        workers = [spawn(functions.send_big_and_return, send, kind, MIB) for _ in range(2)]
        for worker in workers:
            worker.result()
            worker.join()  # its interpreter is gone
        assert len(recv) == 2
        assert facts(recv.recv()) == expected
        assert facts(recv.recv()) == expected


def test_the_owner_ends_while_others_copy():
    """The end waits for a copy in progress; whatever comes after it finds the copy that was made."""
    run_quietly(
        f"""
        import interpchannels
        from crossing_functions import big, digest, send_big_and_return

        for _ in range({support.ROUNDS}):
            recv, send = interpchannels.create()
            back_recv, back_send = interpchannels.create()
            takers = [interpchannels.spawn(digest, recv, back_send) for _ in range(2)]
            givers = [interpchannels.spawn(send_big_and_return, send, "bytes", 4 << 20) for _ in range(4)]
            send.close(); back_send.close()
            got = list(back_recv)
            assert len(got) == 4 and len(set(got)) == 1, got
            for worker in givers + takers:
                worker.result()
                worker.join()
        """,
        timeout=180,
    )


def test_memory_does_not_grow():
    """Hundreds of loans later the process is as large as before."""
    run_quietly(
        """
        import resource
        import interpchannels
        from crossing_functions import big, digest

        recv, send = interpchannels.create()
        there_recv, there_send = interpchannels.create()
        back_recv, back_send = interpchannels.create()
        worker = interpchannels.spawn(digest, there_recv, back_send)

        def rounds(count):
            for _ in range(count):
                send.send(big("bytes", 1 << 20))
                recv.recv()
                there_send.send(big("two bytes", 1 << 20))
                back_recv.recv()
                send.send([big("ascii", 1 << 20)])
                recv.recv()

        rounds(30)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        rounds(200)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        there_send.close()
        worker.result()
        assert grown < 64 * 1024, f"{grown} KiB more"
        """,
        timeout=180,
    )


def test_interned_and_cached_properties_stay():
    """A str that was loaned is still whole where it was made: hash, UTF-8 form, interned or not."""
    value = functions.big("two bytes", MIB)
    digest = hash(value)
    recv, send = create()
    send.send(value)
    got = recv.recv()
    assert hash(value) == digest == hash(got)
    assert got.encode() == value.encode()
    assert sys.intern(got[:50]) == value[:50]
