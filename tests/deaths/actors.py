"""Who sends and receives, in the main interpreter and in those that end: the same functions for both.

An actor is a thread with a spec (a plain tuple, so that it crosses). It writes down what it is about to do and what
came of it, goes on for a few operations after it was told that its interpreter ends, and comes to an end by itself: a
sender after its count, a receiver when its channel is over.

Little is imported, and from the package the extension alone: an interpreter that lives for some milliseconds should
not spend them on imports. asyncio is imported where an actor needs it.
"""

import _random
import atexit
import os
import sys
import threading
import time

from deaths.account import (
    BEGUN,
    CLOSED,
    DONE,
    ERROR,
    GOT,
    KEPT,
    KILL,
    REFUSED,
    SENT,
    TRY,
    UNBOUND,
    WRONG,
    make_log,
    number_of,
)
from interpchannels import _interpchannels as channels

ChannelClosedError = channels.ChannelClosedError
# Not closed, and yet not done.
NOT_NOW = (TimeoutError, channels.ChannelFullError)

# What the negative controls do: to an item now and then, "drop" or "double" it as it is received, or "refuse" it after
# it was sent; or have the soak "hang".
PLANTED = os.environ.get("INTERPCHANNELS_DEATHS_PLANT", "")

LARGE = 20_000  # lent, and above what a record holds itself


# Values ---------------------------------------------------------------------------------------------------


def make(payload, item):
    """Return a value that tells which item it is, and whether it is whole."""
    stamp = item.to_bytes(8, "big")
    if payload == "small":
        return (item, str(item))
    if payload == "list":
        return [item, [stamp] * (item % 7), {"a": 2.5, item: None}]
    if payload == "loan":
        return (item, stamp * (LARGE // 8), str(item))
    if payload == "text":
        return (item, "\u20ac" * LARGE + str(item))
    if payload == "raw":
        return stamp * (1 if item % 3 else LARGE // 8)
    if payload == "view":
        return (item, memoryview(stamp * 64))
    if payload == "object":
        return (item, ValueError(item, stamp))
    if payload == "ends":
        return (item, *channels._create_ends(-1, 0, True))
    if payload == "buffer":
        return channels.Buffer(stamp * (8 if item % 2 else LARGE // 8))
    if payload == "buffers":
        return (item, [channels.Buffer(stamp), channels.Buffer(stamp * 600), stamp * (LARGE // 8)])
    raise ValueError(payload)


def item_of(value):
    """Return the item that a value is, or None where it is not whole."""
    if isinstance(value, tuple | list):
        item, *rest = value
        stamp = item.to_bytes(8, "big")
        for part in rest:
            if not is_whole(part, item, stamp):
                return None
        return item
    data = bytes(value)
    item = int.from_bytes(data[:8], "big")
    return item if len(data) % 8 == 0 and data == data[:8] * (len(data) // 8) else None


def is_whole(part, item, stamp):
    if isinstance(part, str):
        return part == str(item) or part == "\u20ac" * LARGE + str(item)
    if isinstance(part, dict):
        return part == {"a": 2.5, item: None}
    if isinstance(part, list):
        return all(is_whole(one, item, stamp) for one in part)
    if isinstance(part, ValueError):
        return part.args == (item, stamp)
    if isinstance(part, channels.RecvChannel | channels.SendChannel):
        # The end of this interpreter closes its handles, those that have just come as well; this flag is set before.
        return not part.closed or threading._SHUTTING_DOWN
    data = bytes(part)
    return data == stamp * (len(data) // 8)


def buffers_of(value):
    """The Buffers in a value."""
    if isinstance(value, channels.Buffer):
        return [value]
    if isinstance(value, tuple | list):
        return [found for part in value for found in buffers_of(part)]
    return []


def import_asyncio():
    """Import asyncio without ssl, which takes long and which nobody here needs.

    CPython 3.12 crashes at its exit where another interpreter has used ssl, hashlib or asyncio's part in C.
    """
    sys.modules.setdefault("ssl", None)
    if sys.version_info < (3, 13):
        sys.modules.setdefault("_asyncio", None)
    import asyncio  # noqa: F401


# Senders --------------------------------------------------------------------------------------------------


class Actor:
    """What both kinds have: the spec, the log and a source of random numbers."""

    def __init__(self, fd, spec):
        (
            self.role,
            self.cell,
            self.who,
            self.how,
            self.ends,
            self.payload,
            self.count,
            self.seed,
            self.tidy,
        ) = spec
        self.fd = fd
        self.log = make_log(fd)
        self.random = _random.Random(self.seed).random
        self.late = 3  # operations that are tried after the interpreter's end has begun
        self.next = 0
        self.kept = []

    def __call__(self):
        try:
            if self.how == "async":
                import_asyncio()  # before it says that it has begun, since it takes long
            self.log(BEGUN, self.who, self.cell << 24)
            getattr(self, f"{self.role}_{self.how}", getattr(self, self.role))()
        except BaseException as error:
            self.unexpected(error)
        finally:
            if self.tidy:
                self.kept.clear()
                for end in self.ends:
                    if self.how != "drop_in":
                        end.close()
                self.ends = ()
            self.log(DONE, self.who, self.cell << 24)

    def unexpected(self, error):
        import traceback

        os.write(2, "".join(traceback.format_exception(error)).encode())
        self.log(ERROR, self.who, number_of(self.cell, self.who, 0))

    def pick(self, many):
        return many[int(self.random() * len(many))]

    # --- sending ---

    def begin(self):
        """Make the next item, and write down that it is about to be sent."""
        item = number_of(self.cell, self.who, self.next)
        self.next += 1
        value = make(self.payload, item)
        self.log(TRY, self.who, item)
        return item, value

    def sent(self, item, value):
        self.log(REFUSED if PLANTED == "refuse" and self.random() < 0.02 else SENT, self.who, item)
        for buffer in buffers_of(value):
            if not buffer.detached:
                self.log(KEPT, self.who, item)

    def refused(self, item, value, error):
        self.log(CLOSED if isinstance(error, ChannelClosedError) else REFUSED, self.who, item)
        for buffer in buffers_of(value):
            # It is the sender's again, whole.
            if buffer.detached or bytes(buffer)[:8] != item.to_bytes(8, "big"):
                self.log(KEPT, self.who, item)

    def is_over(self, error):
        """After an error: whether to stop."""
        if not isinstance(error, ChannelClosedError):
            return False
        self.late -= 1
        return self.late < 0

    def send(self):
        while self.next < self.count:
            item, value = self.begin()
            try:
                self.send_one(value)
            except (ChannelClosedError, *NOT_NOW) as error:
                self.refused(item, value, error)
                if self.is_over(error):
                    return
            else:
                self.sent(item, value)

    def send_one(self, value):
        (end,) = self.ends
        if self.how == "timeout":
            end.send(value, timeout=0.0002)
        elif self.how == "nowait":
            end.send_nowait(value)
        else:
            end.send(value)

    def send_many(self):
        (end,) = self.ends
        while self.next < self.count:
            begun = [self.begin() for _ in range(1 + int(self.random() * 12))]
            try:
                went = end.send_many([value for _, value in begun])
            except ChannelClosedError as error:
                for item, value in begun[error.sent :]:
                    self.refused(item, value, error)
                went = error.sent
                if self.is_over(error):
                    self.count = 0
            for item, value in begun[:went]:
                self.sent(item, value)

    def send_select(self):
        # Nobody reads from the full one, so what is offered there is never sent.
        recv, full = channels._create_ends(0, 0, True)
        decoys = [(full, "never"), recv.clone()] if self.random() < 0.5 else []
        while self.next < self.count:
            item, value = self.begin()
            try:
                # A Buffer can be moved to one place only.
                ends = self.ends if not buffers_of(value) else [self.pick(self.ends)]
                operations = [(end, value) for end in ends] + decoys[:1]
                channels.select(*operations, timeout=0.001 if self.random() < 0.1 else None)
            except (ChannelClosedError, *NOT_NOW) as error:
                self.refused(item, value, error)
                if self.is_over(error):
                    return
            else:
                self.sent(item, value)
        try:
            if recv.recv_nowait(None) is not None:
                self.log(WRONG, self.who, self.cell << 24)
        except ChannelClosedError:
            pass  # the process ends, and has closed it

    def send_async(self):
        import asyncio

        async def run():
            while self.next < self.count:
                item, value = self.begin()
                try:
                    await self.pick(self.ends).send_async(value)
                except asyncio.CancelledError as error:
                    if getattr(error, "sent", False):
                        self.sent(item, value)
                    else:
                        self.refused(item, value, error)
                except ChannelClosedError as error:
                    self.refused(item, value, error)
                    if self.is_over(error):
                        return
                else:
                    self.sent(item, value)

        self.run_tasks(run)

    def run_tasks(self, run):
        """Three tasks, each cancelled now and then in what it waits for."""
        import asyncio

        async def main():
            pending = {asyncio.create_task(run()) for _ in range(3)}
            await asyncio.sleep(
                0
            )  # a task that is cancelled before its first step has no say in it
            while pending:
                done, pending = await asyncio.wait(pending, timeout=0.001)
                for task in done:
                    task.result()
                if pending and self.random() < 0.3:
                    self.pick(list(pending)).cancel()

        asyncio.run(main())

    # --- receiving ---

    def got(self, value):
        if type(value).__name__ == "UnboundItems":
            self.log(UNBOUND, self.who, self.cell << 24)
            return
        item = item_of(value)
        planted = PLANTED if PLANTED and self.random() < 0.02 else ""
        if item is None:
            self.log(WRONG, self.who, self.cell << 24)
        elif planted != "drop":
            self.log(GOT, self.who, item)
            if planted == "double":
                self.log(GOT, self.who, item)
            if not self.tidy and len(self.kept) < 20:
                self.kept.append(value)  # it goes with the interpreter

    def recv(self):
        while self.count > 0:
            self.count -= 1
            try:
                for value in self.recv_some():
                    self.got(value)
            except TimeoutError:
                self.count += 1
            except channels.ItemInterpreterDestroyed as error:
                for value in getattr(error, "received", ()):  # recv_many's
                    self.got(value)
                self.log(UNBOUND, self.who, self.cell << 24)
            except ChannelClosedError as error:
                if self.is_over(error):
                    return

    def recv_some(self):
        (end,) = self.ends
        if self.how == "timeout":
            return [end.recv(timeout=0.0005)]
        if self.how == "nowait":
            value = end.recv_nowait(None)
            if value is None:
                time.sleep(0.0001)
            return [value] if value is not None else []
        if self.how == "many":
            return end.recv_many(1 + int(self.random() * 12))
        if self.how == "into" and self.payload == "raw":
            memory = bytearray(LARGE)
            return [bytes(memory[: end.recv_into(memory)])]
        return [end.recv()]

    def recv_iterate(self):
        (end,) = self.ends
        while self.count > 0:
            try:
                for value in end:
                    self.got(value)
                    self.count -= 1
                    if self.count <= 0:
                        break
                else:
                    return
            except channels.ItemInterpreterDestroyed:
                self.log(UNBOUND, self.who, self.cell << 24)
            except ChannelClosedError:
                return  # not the end of the channel, but of the interpreter

    def recv_select(self):
        silent, unused = channels._create_ends(0, 0, True)
        ends = list(self.ends)
        while self.count > 0 and ends:
            self.count -= 1
            try:
                operations = ends + ([silent] if self.random() < 0.3 else [])
                _, value = channels.select(
                    *operations, timeout=0.001 if self.random() < 0.1 else None
                )
                self.got(value)
            except TimeoutError:
                self.count += 1
            except channels.ItemInterpreterDestroyed:
                self.log(UNBOUND, self.who, self.cell << 24)
            except ChannelClosedError as error:
                ends = [end for end in ends if not end.closed]
                if self.is_over(error):
                    return
        unused.close()

    def recv_async(self):
        import asyncio

        async def run():
            while self.count > 0:
                self.count -= 1
                try:
                    self.got(await self.pick(self.ends).recv_async())
                except asyncio.CancelledError:
                    self.count += 1
                except channels.ItemInterpreterDestroyed:
                    self.log(UNBOUND, self.who, self.cell << 24)
                except ChannelClosedError as error:
                    if self.is_over(error):
                        return

        self.run_tasks(run)

    # --- the drop-in's, by a ChannelID; only its send can block ---

    def send_drop_in(self):
        (cid,) = self.ends
        while self.next < self.count:
            item, value = self.begin()
            blocking = self.random() < 0.7
            timeout = 0.0005 if blocking and self.random() < 0.3 else None
            try:
                channels.send(cid, value, blocking=blocking, timeout=timeout)
            except (ChannelClosedError, *NOT_NOW) as error:
                self.refused(item, value, error)
                if self.is_over(error):
                    return
            else:
                self.sent(item, value)

    def recv_drop_in(self):
        """Take what comes, for as long as something does."""
        (cid,) = self.ends
        idle = 0
        while self.count > 0 and idle < 100:
            value, unbound = channels.recv(cid, None)
            if unbound is not None:
                self.log(UNBOUND, self.who, self.cell << 24)
            elif value is None:
                idle += 1
                time.sleep(0.0001)
                continue
            else:
                self.got(value)
            idle = 0
            self.count -= 1

    # --- a Worker, whose arguments and whose result are items as well ---

    def spawn(self):
        from interpchannels._worker import spawn

        inner = self.ends  # specs of actors that the Worker starts
        self.ends = ()
        item, value = self.begin()
        try:
            worker = spawn(work, self.fd, item, value, inner, self.seed)
        except RuntimeError as error:  # no thread starts any more in an interpreter that ends
            self.refused(item, value, error)
            return
        finally:
            del inner
        self.sent(item, value)
        if self.random() < 0.3:
            return  # nobody asks for its result
        self.got(worker.result())


def work(fd, item, value, specs, seed):
    """Run in a Worker: take the argument, start actors, and end in the middle of what they do."""
    log = make_log(fd)
    log(GOT if item_of(value) == item else WRONG, 0, item)
    for spec in specs:
        threading.Thread(target=Actor(fd, spec)).start()
    del specs, spec
    random = _random.Random(seed).random
    time.sleep((0, 0.001, 0.005, 0.03)[int(random() * 4)] * random())
    log(KILL, 255, item)
    result = item + 1
    log(TRY, 0, result)
    log(SENT, 0, result)
    return make("buffers", result)


# Lives ----------------------------------------------------------------------------------------------------


class LastWords:
    """Sends when the interpreter takes its objects apart, with what is left of it by then."""

    def __init__(self, end, fd, cell, who):
        self.end, self.cell, self.who, self.log = end, cell, who, make_log(fd)

    def __del__(self, count=60_000, facts=(TRY, SENT, REFUSED)):
        item = (self.cell << 24) + (self.who << 16) + count
        self.log(facts[0], self.who, item)
        try:
            self.end.send_nowait((item, str(item)))
        except Exception:  # whichever: it says that nothing was sent
            self.log(facts[2], self.who, item)
        else:
            self.log(facts[1], self.who, item)


def live(plan):
    """Start all actors of a plan, in threads, and return. The plan is a channel that holds it."""
    fd, specs, at_exit, last_words = plan.recv()
    actors = [Actor(fd, spec) for spec in specs]
    late = [Actor(fd, spec) for spec in at_exit]
    for actor in late:
        atexit.register(actor)
    if last_words:
        end, cell, who = last_words
        sys.deaths_last_words = LastWords(end, fd, cell, who)
    for actor in actors:
        if not actor.tidy:
            _held.append(actor)
        threading.Thread(target=actor).start()


# Actors that leave it to the interpreter's end to let go of their ends and of what they received.
_held = []
