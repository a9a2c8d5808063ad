"""What the tests of Queue share: functions for other interpreters, classes that cross by pickle, and looks inside."""

import logging
import logging.handlers
import queue
import random
import threading

import interpchannels
from interpchannels import ChannelClosedError, create

# queue.ShutDown came with 3.13; before, a queue that was shut down raises a ChannelClosedError that is no more.
ShutDown = getattr(queue, "ShutDown", ChannelClosedError)


def waiting(q):
    """The blocked puts and gets."""
    stats = q._recv.stats()
    return stats.waiting_senders, stats.waiting_receivers


def handles(q):
    """How many Queues there are on its channel, those on their way included."""
    stats = q._recv.stats()
    assert stats.open_receivers == stats.open_senders
    return stats.open_receivers


def queue_twin(q):
    """Another handle of the queue, as it arrives by way of a channel."""
    recv, send = create(pickle=False)
    send.send(q)
    return recv.recv()


class NamedQueue(interpchannels.Queue):
    """A subclass, with an attribute of its own."""

    def __init__(self, name, maxsize=0):
        super().__init__(maxsize)
        self.name = name


class RaisesOnArrival:
    """Raises the given error while it is loaded."""

    def __init__(self, error):
        self.error = error

    def __reduce__(self):
        return raise_it, (self.error,)


def raise_it(error):
    raise error


def double_until_none(tasks, results):
    """What a consumer of multiprocessing's documentation does: until the sentinel."""
    while (number := tasks.get()) is not None:
        results.put(number * 2)
    results.close()
    results.join_thread()


def put_all_and_close(to, values):
    """A producer that was written for multiprocessing.Queue."""
    for value in values:
        to.put(value)
    to.close()
    to.join_thread()


def finish_all(tasks, results):
    """Consume for a queue that is joined; until it is shut down."""
    try:
        while True:
            item = tasks.get()
            results.put(item)
            tasks.task_done()
    except ChannelClosedError:
        return "shut down"


def join_and_say(tasks, said):
    said.put("joining")
    tasks.join()
    said.put("joined")


def identity(value):
    return value


def use(to, value):
    """Put a value, and say what the queue is like over there."""
    to.put(value)
    return type(to).__qualname__, to.maxsize, to.qsize()


def fetch(source):
    return source.get()


def make(maxsize, values):
    made = interpchannels.Queue(maxsize)
    for value in values:
        made.put(value)
    return made


def blocked(call, said):
    """Call `get` or `put` of a queue, and say how it ended."""
    target, method, *args = call
    said.put("calling")
    try:
        said.put(("returned", getattr(target, method)(*args)))
    except Exception as error:
        said.put(("raised", type(error).__name__))


def put_numbered(to, name, count, seed):
    """Put (name, 0), (name, 1)… by a random mix of the ways that there are; each failed try is tried again."""
    rng = random.Random(seed)
    for number in range(count):
        item = (name, number)
        while True:
            try:
                way = rng.randrange(4)
                if way == 0:
                    to.put(item)
                elif way == 1:
                    to.put_nowait(item)
                elif way == 2:
                    to.put(item, timeout=rng.random() / 1000)
                else:
                    to.put(item, False)
                break
            except queue.Full:
                continue


def get_numbered(source, seed):
    """Get until the queue is shut down, calling each item done; returns what came, in order."""
    rng = random.Random(seed)
    got = []
    while True:
        try:
            way = rng.randrange(4)
            if way == 0:
                item = source.get()
            elif way == 1:
                item = source.get_nowait()
            elif way == 2:
                item = source.get(timeout=rng.random() / 1000)
            else:
                item = source.get(False)
        except queue.Empty:
            continue
        except ChannelClosedError:
            return got
        got.append(item)
        source.task_done()


def in_threads(function, source, seed, threads):
    """The same function in several threads of one interpreter; returns what each returned."""
    results = [None] * threads

    def run(index):
        results[index] = function(source, seed + index)

    running = [threading.Thread(target=run, args=(n,)) for n in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return results


def log_some(records, count):
    """Log by way of a QueueHandler: with arguments that only live here, and an exception."""
    # Nobody else's: pytest would keep the records of one that it finds, and with the exception this call.
    logger = logging.Logger("worker", logging.DEBUG)
    handler = logging.handlers.QueueHandler(records)
    logger.addHandler(handler)
    for number in range(count):
        logger.info("record %d of %s", number, threading.current_thread())
    try:
        raise_it(LookupError("in the worker"))
    except LookupError:
        logger.exception("it failed", extra={"answer": 42})
    logger.removeHandler(handler)


class Kept(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append((record.name, record.levelname, record.getMessage()))


def listen(records):
    """A QueueListener in this thread until its sentinel: its start() wants a daemon, which no Worker may have."""
    kept = Kept()
    listener = logging.handlers.QueueListener(records, kept)
    while (record := listener.dequeue(True)) is not None:
        listener.handle(record)
        records.task_done()
    records.task_done()
    return kept.lines
