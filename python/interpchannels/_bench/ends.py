"""Setting up the other end for a sample and ending it afterwards, so that no case is disturbed by another's threads.

Whatever ends the block, an exception included, ends the other end too: ends of channels are closed by it, a thread
gets None. So no sample leaves a thread that would keep the process from ending.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import interpchannels
from interpchannels import RecvChannel, SendChannel


@contextmanager
def interpreter(
    function: Callable[..., None], *arguments: object
) -> Iterator[tuple[SendChannel[Any], RecvChannel[Any]]]:
    """Runs `function(recv, send, *arguments)` in an interpreter: what it receives, and what it sent."""
    far_requests, requests = interpchannels.create()
    replies, far_replies = interpchannels.create()
    with requests, replies:
        with far_requests, far_replies:
            worker = interpchannels.spawn(function, far_requests, far_replies, *arguments)
        yield requests, replies
    worker.result()


@contextmanager
def thread(
    function: Callable[..., None], *arguments: object
) -> Iterator[tuple["SimpleQueue[Any]", "SimpleQueue[Any]"]]:
    """Runs `function(requests, replies, *arguments)` in a thread of this interpreter."""
    requests: SimpleQueue[Any] = SimpleQueue()
    replies: SimpleQueue[Any] = SimpleQueue()
    other = threading.Thread(target=function, args=(requests, replies, *arguments))
    other.start()
    try:
        yield requests, replies
    finally:
        requests.put(None)
        other.join()
