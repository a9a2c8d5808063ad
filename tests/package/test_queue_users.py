"""Code that was written for other queues, on interpchannels.Queue; and an account of what went through it."""

import contextlib
import logging
import logging.config
import logging.handlers
import sys
import threading
from collections import Counter, defaultdict

import pytest
import queue_functions
from queue_functions import Kept, ShutDown, handles

import support
from interpchannels import Queue, spawn
from support import Call, wait_until

# Code that was written for others -----------------------------------------------------------------------------


def test_the_sentinel_pattern_of_multiprocessing():
    tasks, results = Queue(), Queue()
    workers = [spawn(queue_functions.double_until_none, tasks, results) for _ in range(3)]
    for n in range(100):
        tasks.put(n)
    for _ in workers:
        tasks.put(None)
    tasks.close()
    tasks.join_thread()
    assert sorted(results.get() for _ in range(100)) == [2 * n for n in range(100)]
    for worker in workers:
        worker.join()
    assert results.empty()


def test_a_producer_that_closes_loses_nothing():
    q = Queue()
    worker = spawn(queue_functions.put_all_and_close, q, list(range(1000)))
    assert [q.get() for _ in range(1000)] == list(range(1000))
    worker.join()
    assert handles(q) == 1


def test_the_worker_pattern_of_queue():
    """The example of the documentation of `queue`, with threads."""
    q = Queue()
    done = []

    def worker():
        with contextlib.suppress(ShutDown):
            while True:
                item = q.get()
                done.append(item)
                q.task_done()

    thread = threading.Thread(target=worker, daemon=True)
    thread.start()
    for item in range(30):
        q.put(item)
    q.join()
    assert done == list(range(30))
    q.shutdown()
    thread.join()


# Logging ------------------------------------------------------------------------------------------------------


def test_workers_log_to_a_listener_here():
    """The cookbook's way: each process a QueueHandler, one QueueListener for them all."""
    records, kept = Queue(), Kept()
    listener = logging.handlers.QueueListener(records, kept)
    listener.start()
    workers = [spawn(queue_functions.log_some, records, 20) for _ in range(2)]
    for worker in workers:
        worker.result()
    listener.stop()
    assert records.unfinished_tasks == 0
    messages = [message for name, _, message in kept.lines if name == "worker"]
    for number in range(20):
        assert sum(message.startswith(f"record {number} of <") for message in messages) == 2
    failed = [message for _, level, message in kept.lines if level == "ERROR"]
    assert len(failed) == 2
    for message in failed:
        assert (
            message.startswith("it failed\nTraceback") and "LookupError: in the worker" in message
        )
    assert handles(records) == 1


def test_a_worker_listens_to_what_is_logged_here():
    records = Queue()
    worker = spawn(queue_functions.listen, records)
    queue_functions.log_some(records, 5)
    logging.handlers.QueueListener(records).enqueue_sentinel()
    records.join()
    lines = worker.result()
    assert [level for _, level, _ in lines] == ["INFO"] * 5 + ["ERROR"]
    assert lines[0][2].startswith("record 0 of <")
    assert "LookupError: in the worker" in lines[5][2]


def test_records_keep_what_was_added_to_them():
    records = Queue()
    spawn(queue_functions.log_some, records, 0).result()
    record = records.get()
    assert record.answer == 42 and record.funcName == "log_some" and record.exc_info is None


@pytest.mark.skipif(
    sys.version_info < (3, 13), reason="3.12 takes the standard library's queues alone"
)
def test_dict_config():
    """Since 3.12.4 and 3.13 dictConfig() takes what looks like a queue."""
    records = Queue()
    name = "queue of ours"
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "kept": {"class": "queue_functions.Kept"},
                "queue": {
                    "class": "logging.handlers.QueueHandler",
                    "queue": records,
                    "handlers": ["kept"],
                },
            },
            "loggers": {name: {"handlers": ["queue"], "level": "INFO", "propagate": False}},
        }
    )
    logger = logging.getLogger(name)
    (handler,) = logger.handlers
    try:
        assert handler.queue is records
        handler.listener.start()
        logger.info("by %s", "configuration")
        handler.listener.stop()
        (kept,) = handler.listener.handlers
        assert kept.lines == [(name, "INFO", "by configuration")]
    finally:
        logger.removeHandler(handler)
        logging.shutdown([lambda: handler])
        handler.queue = handler.listener = None


# Under load ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("maxsize", [0, 1, 7])
def test_nothing_is_lost_and_each_producers_order_kept(maxsize):
    """Producers and consumers in interpreters and threads, by every way to put and to get, and an account."""
    count, producers = 300, 4
    q = Queue(maxsize)
    consumers = [
        spawn(queue_functions.in_threads, queue_functions.get_numbered, q, 10 * seed, 2)
        for seed in range(2)
    ]
    here = Call(queue_functions.get_numbered, q, 99)
    senders = [
        spawn(queue_functions.put_numbered, q, f"worker {n}", count, n)
        for n in range(producers - 1)
    ]
    queue_functions.put_numbered(q, "main", count, 17)
    for sender in senders:
        sender.result()
    q.join()
    assert q.empty() and q.unfinished_tasks == 0
    q.shutdown()
    got = [here.result()]
    for consumer in consumers:
        got += consumer.result()
    names = ["main"] + [f"worker {n}" for n in range(producers - 1)]
    assert Counter(item for items in got for item in items) == Counter(
        (name, number) for name in names for number in range(count)
    )
    for items in got:
        numbers = defaultdict(list)
        for name, number in items:
            numbers[name].append(number)
        assert all(found == sorted(found) for found in numbers.values())
    with pytest.raises(ValueError):
        q.task_done()


def test_shutdown_in_full_traffic():
    """Whatever was put is got, dropped, or was never put; and join() comes back."""
    for seed in range(support.ROUNDS):
        immediate = bool(seed % 2)
        q = Queue(3)
        consumers = [spawn(queue_functions.get_numbered, q, n) for n in range(2)]
        put = []

        def produce(to=q, put=put):
            for number in range(100_000):
                try:
                    to.put(number)
                except ShutDown:
                    return
                put.append(number)

        producer = Call(produce)
        wait_until(lambda q=q: q._recv.stats().received > 50)
        q.shutdown(immediate)
        producer.result()
        got = sorted(item for consumer in consumers for item in consumer.result())
        q.join()
        assert len(got) == len(set(got)) and set(got) <= set(put)
        if not immediate:
            assert got == put
