"""What the scripts about lives and deaths share: the scripts' first lines, and the workers' functions.

A script says what happened by os.write(): that needs no lock, no buffer and no living interpreter.
"""

import os
import textwrap
import threading
import time

import interpchannels

# Every script begins with this.
PRELUDE = """
import atexit, faulthandler, gc, os, signal, sys, threading, time
import interpchannels, lives, support
from interpchannels import ChannelClosedError, create, spawn
from support import (
    Call, create_interpreter, destroy_interpreter, run_in, run_in_thread, wait_until
)

rounds = int(os.environ.get("LIVES_ROUNDS", "1"))
say = lives.say
"""


# It dumps before the limit of run_script() and names the hanging line. Not where a script forks:
# a child deadlocks at its exit in faulthandler's wait for a thread that only the parent has.
WATCHDOG = "faulthandler.dump_traceback_later(support.HANG * 0.9, exit=True)\n"


def script(body: str, *, watchdog: bool = True) -> str:
    """A script from its body, which may be indented."""
    return PRELUDE + (WATCHDOG if watchdog else "") + textwrap.dedent(body)


def say(text: str) -> None:
    """Write a line to stdout, whatever state the interpreter is in."""
    os.write(1, f"{text}\n".encode())


def blocked_recv(recv, word="woken"):
    """Wait for an item that never comes; say `word` when the channel's end wakes us."""
    try:
        recv.recv()
    except interpchannels.ChannelClosedError:
        say(word)
    else:
        say("received something")


def blocked_send(send, value, word="woken"):
    """Wait for a place that never gets free."""
    try:
        while True:
            send.send(value)
    except interpchannels.ChannelClosedError:
        say(word)


def blocked_call(call, word="woken"):
    """Call what never returns; say `word` when it is ended."""
    try:
        call()
    except interpchannels.ChannelClosedError:
        say(word)
    else:
        say("returned")


def blocked_in_queue(queue, method):
    """The same, by the method's name."""
    blocked_call(getattr(queue, method) if method != "put" else lambda: queue.put(1))


def work_off(queue):
    """Call all items done in a thread, so slowly that the process is at its exit meanwhile, and join them here."""

    def work():
        while queue.unfinished_tasks:
            queue.get()
            time.sleep(0.002)
            queue.task_done()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        queue.join()
        say("worked off")
    except interpchannels.ChannelClosedError:
        say("cut off")
    thread.join()


def blocked_select(recv, send, value, word="woken"):
    """Wait for an item or a place, neither of which comes."""
    try:
        interpchannels.select(recv, (send, value))
    except interpchannels.ChannelClosedError:
        say(word)
    else:
        say("selected something")


def select_for_ever(recv, send, value):
    """Receive or send, whichever can be done, until one of the two is over."""
    try:
        while True:
            interpchannels.select(recv, (send, value), recv)
    except interpchannels.ChannelClosedError:
        pass


def drain(recv, word="drained"):
    """Count all that comes."""
    count = sum(1 for _ in recv)
    say(f"{word} {count}")


def drain_slowly(recv):
    """The same, so slowly that the process is at its exit meanwhile."""
    count = 0
    for _ in recv:
        count += 1
        time.sleep(0.002)
    say(f"drained {count}")


def hold_and_wait(keep, recv):
    """Hold one end, and wait on another."""
    blocked_recv(recv)
    del keep


def wait_on_own_channel():
    """Hold both ends of a channel and wait for an item that only we could send."""
    recv, send = interpchannels.create()
    blocked_recv(recv)
    del send


def drain_and_say(recv):
    """Say each item that comes, and how it ended."""
    try:
        for value in recv:
            say(str(value))
        say("drained")
    except interpchannels.ChannelClosedError:
        say("cut-off")


def serve(recv, send):
    """The one half of a dialogue: answer until the other has had enough."""
    count = 0
    for value in recv:
        send.send(value)
        count += 1
    say(f"served {count}")


def ask(send, recv, count):
    """The other half; at every moment one of the two is blocked, and mostly both are about to be."""
    for number in range(count):
        send.send(number)
        if recv.recv() != number:
            say("wrong answer")
    say(f"asked {count}")


def pass_on_all(recv, send):
    """Hand on until the end; an early one is told."""
    count = 0
    try:
        for value in recv:
            send.send(value)
            count += 1
    except interpchannels.ChannelClosedError:
        say(f"cut off after {count}")


def wait_for_own_thread(seconds):
    """Wait on a channel for what another thread of this interpreter computes meanwhile."""
    recv, send = interpchannels.create()

    def work():
        compute(seconds)
        send.send("the thread's result")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        say(recv.recv())
    except interpchannels.ChannelClosedError:
        say("cut off")
    thread.join()


def compute(seconds, word="computed"):
    """Be busy without touching a channel."""
    deadline = time.monotonic() + seconds
    total = 0
    while time.monotonic() < deadline:
        total += sum(range(1000))
    say(word)
    return total


def flood(send):
    """Send until nobody is there any more."""
    number = 0
    try:
        while True:
            send.send((number, "x" * (number % 50), b"y" * (number % 7 * 30_000)))
            number += 1
    except interpchannels.ChannelClosedError:
        pass


def swallow(recv):
    """Receive until the end of the channel or of this interpreter."""
    try:
        for _ in recv:
            pass
    except interpchannels.ChannelClosedError:
        pass


def pass_on(recv, send):
    """Hand on until one of the sides is gone."""
    try:
        for value in recv:
            send.send(value)
    except interpchannels.ChannelClosedError:
        pass


def leave_threads_blocked(recv, send):
    """Start threads that block in recv and send, and return when they do."""
    threads = []
    for target, arguments in ((blocked_recv, (recv,)), (blocked_send, (send, "x"))):
        threads.append(threading.Thread(target=target, args=arguments))
        threads[-1].start()
    while recv.stats().waiting_receivers < 1 or send.stats().waiting_senders < 1:
        time.sleep(0.001)
        if not any(thread.is_alive() for thread in threads):
            break  # the process is ending, and woke them already
    return "returned"


def start_worker_that_waits(recv):
    """A Worker inside a Worker, left behind."""
    interpchannels.spawn(blocked_recv, recv)
    return "returned"


def send_all(send, values):
    for value in values:
        send.send(value)


def wait_for(gate):
    """Wait until the gate opens or is gone."""
    try:
        return gate.recv()
    except interpchannels.ChannelClosedError:
        return None


def quiet_recv(recv, send):
    """Block in recv() and tell what the thread used meanwhile: CPU seconds, voluntary and other switches."""
    import resource

    before = resource.getrusage(resource.RUSAGE_THREAD)
    cpu = time.thread_time()
    try:
        recv.recv()
    except interpchannels.ChannelClosedError:
        pass
    cpu = time.thread_time() - cpu
    after = resource.getrusage(resource.RUSAGE_THREAD)
    send.send((cpu, after.ru_nvcsw - before.ru_nvcsw, after.ru_nivcsw - before.ru_nivcsw))


def quiet_send(full, send):
    """The same, blocked in send()."""
    import resource

    before = resource.getrusage(resource.RUSAGE_THREAD)
    cpu = time.thread_time()
    try:
        full.send("more")
    except interpchannels.ChannelClosedError:
        pass
    cpu = time.thread_time() - cpu
    after = resource.getrusage(resource.RUSAGE_THREAD)
    send.send((cpu, after.ru_nvcsw - before.ru_nvcsw, after.ru_nivcsw - before.ru_nivcsw))
