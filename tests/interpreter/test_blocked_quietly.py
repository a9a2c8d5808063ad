"""A blocked call sleeps: a thread that is blocked for 2 s uses under 20 ms of CPU and hardly wakes at all."""

import os
import sys

import pytest
from lives import script

from support import has_gil, run_quietly

SECONDS = 2.0
CPU = 0.02 * float(os.environ.get("INTERPCHANNELS_SLOWNESS", "1"))
# Only the main thread of the main interpreter may wake a few times a second, to see signals that others took.
SWITCHES_OF_MAIN = 20 * SECONDS
SWITCHES = 10 if has_gil() else SWITCHES_OF_MAIN  # without a GIL all do, for what they have to free

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="counts by getrusage()")

MEASURE = """
import resource

def usage():
    now = resource.getrusage(resource.RUSAGE_THREAD)
    return time.thread_time(), now.ru_nvcsw

def blocked_here(call):
    "What this thread uses in call(), which has to time out."
    cpu, switches = usage()
    before = time.monotonic()
    try:
        call()
    except TimeoutError:
        pass
    else:
        raise SystemExit("it did not block")
    assert time.monotonic() - before >= 1.9
    after, more = usage()
    say(f"{after - cpu} {more - switches}")
"""


def measure(body):
    out = run_quietly(script(MEASURE) + _dedented(body))
    return [tuple(float(number) for number in line.split()) for line in out.splitlines()]


def _dedented(text):
    import textwrap

    return textwrap.dedent(text)


@pytest.mark.parametrize(
    "call",
    [
        "recv.recv(timeout=SECONDS)",
        "zero_recv.recv(timeout=SECONDS)",
        "full_send.send(2, timeout=SECONDS)",
        "zero_send.send(b'x' * 500_000, timeout=SECONDS)",
        "worker.join(timeout=SECONDS)",
        "worker.result(timeout=SECONDS)",
    ],
)
def test_in_the_main_thread(call):
    ((cpu, switches),) = measure(
        f"""
        recv, send = create()
        zero_recv, zero_send = create(0)
        full_recv, full_send = create(1)
        full_send.send(1)
        worker = spawn(lives.wait_for, recv)
        wait_until(lambda: send.stats().waiting_receivers == 1)
        blocked_here(lambda: {call.replace("SECONDS", str(SECONDS))})
        send.close()
        worker.join()
        """
    )
    assert cpu < CPU, f"{cpu * 1000:.1f} ms of CPU"
    assert switches < SWITCHES_OF_MAIN, f"{switches:.0f} voluntary context switches"


def test_in_other_threads():
    used = measure(
        """
        recv, send = create()
        full_recv, full_send = create(1)
        full_send.send(1)
        back_recv, back_send = create()
        calls = [Call(lives.quiet_recv, recv, back_send), Call(lives.quiet_send, full_send, back_send)]
        wait_until(lambda: send.stats().waiting_receivers == 1)
        wait_until(lambda: full_recv.stats().waiting_senders == 1)
        time.sleep(2)
        send.shutdown()
        full_send.shutdown()
        for call in calls:
            call.result()
            cpu, voluntary, _ = back_recv.recv()
            say(f"{cpu} {voluntary}")
        """
    )
    assert len(used) == 2
    for cpu, switches in used:
        assert cpu < CPU, f"{cpu * 1000:.1f} ms of CPU"
        assert switches < SWITCHES, f"{switches:.0f} voluntary context switches"


def test_in_other_interpreters():
    used = measure(
        """
        recv, send = create()
        full_recv, full_send = create(1)
        full_send.send(1)
        back_recv, back_send = create()
        workers = [
            spawn(lives.quiet_recv, recv, back_send), spawn(lives.quiet_send, full_send, back_send)
        ]
        wait_until(lambda: send.stats().waiting_receivers == 1)
        wait_until(lambda: full_recv.stats().waiting_senders == 1)
        time.sleep(2)
        send.shutdown()
        full_send.shutdown()
        for worker in workers:
            worker.result()
            cpu, voluntary, _ = back_recv.recv()
            say(f"{cpu} {voluntary}")
        """
    )
    assert len(used) == 2
    for cpu, switches in used:
        assert cpu < CPU, f"{cpu * 1000:.1f} ms of CPU"
        assert switches < SWITCHES, f"{switches:.0f} voluntary context switches"


def test_the_whole_process():
    """Workers blocked in every way, and the main thread in a plain sleep: nobody runs, helpers included."""
    ((cpu, switches),) = measure(
        """
        recv, send = create()
        full_recv, full_send = create(1)
        full_send.send(1)
        zero_recv, zero_send = create(0)
        workers = [
            spawn(lives.blocked_recv, recv), spawn(lives.blocked_recv, recv),
            spawn(lives.blocked_send, full_send, b"x" * 500_000),
            spawn(lives.blocked_send, zero_send, 1),
        ]
        wait_until(lambda: send.stats().waiting_receivers == 2)
        wait_until(lambda: full_recv.stats().waiting_senders == 1)
        wait_until(lambda: zero_recv.stats().waiting_senders == 1)
        time.sleep(0.1)
        before = resource.getrusage(resource.RUSAGE_SELF)
        cpu = time.process_time()
        time.sleep(2)
        cpu = time.process_time() - cpu
        after = resource.getrusage(resource.RUSAGE_SELF)
        lives.say(f"{cpu} {after.ru_nvcsw - before.ru_nvcsw}")
        # What they say when they are woken is not for the test.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        for end in (send, full_send, zero_send):
            end.shutdown()
        for worker in workers:
            worker.join()
        """
    )
    assert cpu < CPU, f"{cpu * 1000:.1f} ms of CPU"
    assert switches < SWITCHES * 5, f"{switches:.0f} voluntary context switches"


def test_a_long_wait_costs_what_a_short_one_does():
    """No polling: what it costs to be blocked does not grow with how long one is."""
    used = measure(
        """
        for seconds in (0.1, 2.0):
            recv, send = create()
            back_recv, back_send = create()
            worker = spawn(lives.quiet_recv, recv, back_send)
            wait_until(lambda: send.stats().waiting_receivers == 1)
            time.sleep(seconds)
            send.close()
            worker.join()
            cpu, voluntary, _ = back_recv.recv()
            say(f"{cpu} {voluntary}")
        """
    )
    (_, short), (_, long) = used
    assert long <= short + (5 if has_gil() else 30)
