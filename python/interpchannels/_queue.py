"""`Queue`: one channel with the interface of `queue.Queue`.

A Queue holds a handle of both ends, so it is open while any Queue on its channel is alive, in whatever interpreter.
What is unfinished is counted by the channel itself. Where nothing has to be converted a method is one call of an end.
"""

from __future__ import annotations

from operator import index
from typing import Any

from interpchannels import _interpchannels
from interpchannels._interpchannels import (
    ChannelEmptyError,
    ChannelFullError,
    RecvChannel,
    SendChannel,
)

# What create() takes at most: as good as unbounded.
_MAX_SIZE = 2**62


class Queue[T]:
    """A queue between interpreters, and threads, with the interface of `queue.Queue`.

    maxsize: how many items may be queued; 0 or less: any number. It does not change afterwards.

    Items are copied, as a channel copies them. A Queue crosses to another interpreter every way that a channel's end
    does, and arrives as another handle of the same queue: what is put into one comes out of the others, and
    `task_done()` and `join()` count for all of them. When the last one has gone, what is queued is dropped.

    It raises what `queue.Queue` raises: ChannelEmptyError is a `queue.Empty`, ChannelFullError a `queue.Full`,
    ChannelClosedError a `queue.ShutDown` (3.13 and newer). May be used in any thread of the interpreter that holds it.

    >>> tasks = interpchannels.Queue()
    >>> tasks.put("first")
    >>> tasks.get()
    'first'
    >>> tasks.task_done()
    >>> tasks.join()
    """

    __slots__ = ("__weakref__", "_recv", "_send")

    _recv: RecvChannel[T]
    _send: SendChannel[T]

    def __init__(self, maxsize: int = 0) -> None:
        size = index(maxsize)
        capacity = min(size, _MAX_SIZE) if size > 0 else -1
        self._recv, self._send = _interpchannels._create_ends(capacity, 0, True)

    def put(self, item: T, block: bool = True, timeout: float | None = None) -> None:
        """Put a copy of item into the queue.

        Waits for a place where the queue is full, at most `timeout` seconds (None: without bound), then raises
        ChannelFullError; at once where block is false, and timeout is ignored. ValueError for a negative timeout.
        ChannelClosedError once the queue was shut down, or this object was closed. NotShareableError where item
        cannot cross. What fails leaves nothing in the queue.

        >>> queue = interpchannels.Queue(maxsize=1)
        >>> queue.put({"a": 1})
        >>> queue.put({"b": 2}, timeout=0.01)
        Traceback (most recent call last):
        ...
        interpchannels.ChannelFullError: queue ... is full (maxsize 1): no place within 0.01 seconds
        """
        if not block:
            self._send.send_nowait(item)
        elif timeout is None or self._send.capacity is None:
            self._send.send(item)
        else:
            _check(timeout)
            try:
                self._send.send(item, timeout)
            except TimeoutError:
                raise ChannelFullError(
                    f"queue {self._send.id} is full (maxsize {self.maxsize}): no place within {timeout} seconds"
                ) from None

    def get(self, block: bool = True, timeout: float | None = None) -> T:
        """Take the next item out of the queue and return it.

        Waits for one, at most `timeout` seconds (None: without bound), then raises ChannelEmptyError; at once where
        block is false, and timeout is ignored. ValueError for a negative timeout. ChannelClosedError once the queue
        was shut down and is empty, or this object was closed, or the interpreter ends.

        An item that cannot be decoded here raises why, and is gone; it stays unfinished until `task_done()`.

        >>> queue = interpchannels.Queue()
        >>> queue.get(timeout=0.01)
        Traceback (most recent call last):
        ...
        interpchannels.ChannelEmptyError: queue ... is empty: no item within 0.01 seconds
        """
        if not block:
            return self._recv.recv_nowait()
        if timeout is None:
            return self._recv.recv()
        _check(timeout)
        try:
            return self._recv.recv(timeout)
        except TimeoutError as error:
            # Not one of an item's own code, which has a frame below this one.
            if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
                raise
        raise ChannelEmptyError(f"queue {self._recv.id} is empty: no item within {timeout} seconds")

    def put_nowait(self, item: T) -> None:
        """Put a copy of item into the queue, or raise ChannelFullError: `put(item, block=False)`.

        >>> queue = interpchannels.Queue()
        >>> queue.put_nowait(1)
        """
        self.put(item, False)

    def get_nowait(self) -> T:
        """Take the next item, or raise ChannelEmptyError: `get(block=False)`.

        >>> queue = interpchannels.Queue()
        >>> queue.put(1)
        >>> queue.get_nowait()
        1
        """
        return self.get(False)

    def qsize(self) -> int:
        """Return how many items are queued now. Another interpreter may change that at any time.

        >>> queue = interpchannels.Queue()
        >>> queue.put("item")
        >>> queue.qsize()
        1
        """
        return len(self._recv)

    def empty(self) -> bool:
        """Return True where nothing is queued now; see `qsize()`.

        >>> interpchannels.Queue().empty()
        True
        """
        return not len(self._recv)

    def full(self) -> bool:
        """Return True where `maxsize` items are queued now, which an unbounded queue never has; see `qsize()`.

        >>> queue = interpchannels.Queue(maxsize=1)
        >>> queue.put("item")
        >>> queue.full()
        True
        """
        capacity = self._recv.capacity
        return capacity is not None and len(self._recv) >= capacity

    @property
    def maxsize(self) -> int:
        """How many items may be queued; 0: any number.

        >>> interpchannels.Queue(maxsize=3).maxsize
        3
        """
        return self._recv.capacity or 0

    @property
    def unfinished_tasks(self) -> int:
        """How many items were put and neither called done nor dropped by `shutdown(immediate=True)`.

        >>> queue = interpchannels.Queue()
        >>> queue.put("item")
        >>> queue.unfinished_tasks
        1
        """
        return _interpchannels._unfinished_tasks(self._recv)

    @property
    def is_shutdown(self) -> bool:
        """True once nothing can be put any more: the queue was shut down, or this object was closed.

        >>> interpchannels.Queue().is_shutdown
        False
        """
        return self._send.closed

    def task_done(self) -> None:
        """Say that an item that was got is done with. Any interpreter's Queue on this channel may say it.

        ValueError where all that was put is done with already. Never blocks.

        >>> queue = interpchannels.Queue()
        >>> queue.put("item")
        >>> item = queue.get()
        >>> queue.task_done()
        >>> queue.task_done()
        Traceback (most recent call last):
        ...
        ValueError: task_done() called too many times
        """
        _interpchannels._task_done(self._recv)

    def join(self) -> None:
        """Wait until every item that was put, from whatever interpreter, is done with.

        ChannelClosedError where the interpreter ends meanwhile; KeyboardInterrupt at once in the main thread.

        >>> queue = interpchannels.Queue()
        >>> queue.join()
        """
        _interpchannels._join_tasks(self._recv)

    def shutdown(self, immediate: bool = False) -> None:
        """Close the queue for everyone: puts raise ChannelClosedError, and so do gets once it is empty.

        Blocked puts raise, and so do blocked gets where nothing is left. immediate: what is queued is dropped and
        counts as done. Idempotent; never blocks. ChannelClosedError where this object was closed.

        >>> queue = interpchannels.Queue()
        >>> queue.put("last")
        >>> queue.shutdown()
        >>> queue.get()
        'last'
        >>> queue.get()
        Traceback (most recent call last):
        ...
        interpchannels.ChannelClosedError: cannot recv from channel ...: it is closed and drained; stop receiving
        """
        self._recv.shutdown(immediate)

    def close(self) -> None:
        """Let go of this object's handle, as of a `multiprocessing.Queue`: its puts and gets raise from now on.

        The others go on; when all are closed or gone, what is queued is dropped. `task_done()` and `join()` still
        work here. Idempotent; never blocks.

        >>> queue = interpchannels.Queue()
        >>> queue.close()
        >>> queue.put("item")
        Traceback (most recent call last):
        ...
        interpchannels.ChannelClosedError: this SendChannel of channel ... is closed; ...
        """
        self._send.close()
        self._recv.close()

    def join_thread(self) -> None:
        """Do nothing: for code that was written for `multiprocessing.Queue`. There is no feeder thread to join.

        >>> queue = interpchannels.Queue()
        >>> queue.close()
        >>> queue.join_thread()
        """

    def cancel_join_thread(self) -> None:
        """Do nothing, as `join_thread()`.

        >>> interpchannels.Queue().cancel_join_thread()
        """

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Queue):
            return NotImplemented
        return self._recv == other._recv

    def __hash__(self) -> int:
        return hash(self._recv)

    def __repr__(self) -> str:
        bound = f" maxsize={self.maxsize}" if self.maxsize else ""
        over = " shut down" if self.is_shutdown else ""
        return f"<{type(self).__name__} id={self._recv.id}{bound}{over}>"


def _check(timeout: float) -> None:
    if timeout < 0:
        raise ValueError("'timeout' must be a non-negative number")


def _of_ends(recv: RecvChannel[Any], send: SendChannel[Any]) -> Queue[Any]:
    """Make the Queue that arrives in this interpreter."""
    queue: Queue[Any] = Queue.__new__(Queue)
    queue._recv, queue._send = recv, send
    return queue


# A Queue pickles by the name that the package has for it.
Queue.__module__ = "interpchannels"

_interpchannels._set_queue_type(Queue, _of_ends)
