"""Functions that the tests run in other interpreters: importable there, as spawn() and Interpreter.call need."""

import os
import random
import sys
import threading
import time

import interpchannels

kept = []


def add(a, b):
    return a + b


def identity(value):
    return value


def echo(recv, send):
    """Send back all that comes."""
    for value in recv:
        send.send(value)


def answer(recv):
    """Answer each (number, end) by that end."""
    for number, end in recv:
        with end:
            end.send(number * 2)


def produce(send, count):
    for number in range(count):
        send.send(number)


def produce_and_fail(send, count):
    produce(send, count)
    raise ValueError("after the last item")


def produce_and_return_end(send, count):
    produce(send, count)
    return send


def send_one(send, value):
    send.send(value)


def send_and_wait(send, values, gate):
    """Send all values, then stay alive until the gate opens or goes."""
    for value in values:
        send.send(value)
    wait_for(gate)


def wait_for(gate):
    try:
        return gate.recv()
    except interpchannels.ChannelClosedError:
        return None


def gate_then_return(gate, value):
    """Wait for the gate, then return the value: it shows when the argument was encoded."""
    wait_for(gate)
    return value


def collect(recv):
    return list(recv)


def make_channel(values):
    """Return the receiving end of a channel that was made and filled here."""
    recv, send = interpchannels.create()
    for value in values:
        send.send(value)
    return recv


def nested_ends(value):
    """Dig the SendChannel out of a nested value and use it."""
    value["ends"][0][1].send("dug out")


def interpreter_facts(*_):
    """Who runs this: the thread and the process, and whether this module is a copy of its own."""
    return threading.get_ident(), os.getpid(), id(sys.modules)


def search_path():
    return list(sys.path)


def raise_zero_division():
    return 1 // 0


class LockedError(Exception):
    """An exception that cannot cross: it holds a lock."""

    def __init__(self, text):
        super().__init__(text)
        self.lock = threading.Lock()


def raise_what_cannot_cross():
    raise LockedError("holds a lock")


class TwoArguments(Exception):
    """An exception whose pickle does not load: its constructor wants more than its args hold."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def raise_what_cannot_be_loaded():
    raise TwoArguments("one", "two")


def raise_exit(status):
    sys.exit(status)


def raise_interrupt():
    raise KeyboardInterrupt


def raise_closed(recv):
    """Let a ChannelClosedError out."""
    while True:
        recv.recv()


def raise_chained():
    try:
        raise_zero_division()
    except ZeroDivisionError as exc:
        raise LookupError("the second one") from exc


def return_lock():
    return threading.Lock()


def spawn_within(a, b):
    """A Worker started by a Worker."""
    return interpchannels.spawn(add, a, b).result()


def send_numbered(send, name, count, seed):
    """Send (name, 0), (name, 1)… by a random mix of the ways that there are; every failed try is tried again."""
    rng = random.Random(seed)
    for number in range(count):
        item = (name, number, payload(name, number))
        while True:
            way = rng.randrange(3)
            try:
                if way == 0:
                    send.send(item)
                elif way == 1:
                    send.send_nowait(item)
                else:
                    send.send(item, timeout=rng.random() / 1000)
            except (interpchannels.ChannelFullError, TimeoutError):
                time.sleep(0)
                continue
            break


def send_numbered_by_threads(send, name, count, seed, threads):
    """send_numbered() by several threads of one interpreter."""
    running = [
        threading.Thread(target=send_numbered, args=(send, f"{name}.{n}", count, seed + n))
        for n in range(threads)
    ]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def receive_numbered(recv, seed):
    """Receive until the end by a random mix of ways; returns (name, number) as they came."""
    rng = random.Random(seed)
    got = []
    while True:
        way = rng.randrange(3)
        try:
            if way == 0:
                name, number, body = recv.recv()
            elif way == 1:
                name, number, body = recv.recv_nowait()
            else:
                name, number, body = recv.recv(timeout=rng.random() / 1000)
        except (interpchannels.ChannelEmptyError, TimeoutError):
            time.sleep(0)
            continue
        except interpchannels.ChannelClosedError:
            return got
        if body != payload(name, number):
            raise AssertionError(f"item {number} of {name} arrived damaged")
        got.append((name, number))


def receive_numbered_by_threads(recv, seed, threads):
    """receive_numbered() by several threads of one interpreter; returns a list for each."""
    results = [None] * threads

    def run(index):
        results[index] = receive_numbered(recv, seed + index)

    running = [threading.Thread(target=run, args=(n,)) for n in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return results


def payload(name, number):
    """What rides along with item `number`: mostly nothing, sometimes text, a nest, or bytes worth a loan."""
    if number % 97 == 96:
        return bytes([number % 251]) * 200_000
    if number % 7 == 6:
        return {"name": name, "squares": [number, number**2, number**9]}
    if number % 3 == 2:
        return f"{name}/{number}" * 5
    return None


class FailsToLoad:
    """Pickles, and raises where it is loaded."""

    def __init__(self, text):
        self.text = text

    def __reduce__(self):
        return fail_to_load, (self.text,)


def fail_to_load(text):
    raise RuntimeError(text)


def send_all(send, values):
    return send.send_many(values)


def send_many_numbered(send, name, count):
    """(name, 0), (name, 1), … in batches of every size, by lists and by generators."""
    rng = random.Random(name)
    number = 0
    while number < count:
        until = min(count, number + rng.randrange(1, 300))
        items = ((name, n) for n in range(number, until))
        number += send.send_many(list(items) if rng.random() < 0.7 else items)
    return number


def receive_many(recv):
    rng = random.Random()
    got = []
    while True:
        try:
            got += recv.recv_many(rng.randrange(1, 200))
        except interpchannels.ChannelClosedError:
            return got
