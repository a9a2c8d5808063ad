"""Threads of one interpreter that use the same things at once, with nothing between them but what we and CPython lock.

On a CPython with a GIL these pass by its grace. On a free-threaded one, with the GIL off, nothing else keeps a thread
from changing a container, a handle or a Buffer in the middle of another's call. Each script has a process of its own,
since what goes wrong here is memory.
"""

import pytest

from support import HANG, run_quietly

PRELUDE = """
    import os, sys, threading
    import interpchannels
    from interpchannels import ChannelClosedError

    # Within a thread. Where each round has threads of its own there are a tenth: to begin one takes a thirtieth of a
    # second on a busy free-threaded CPython.
    ROUNDS = int(os.environ.get("INTERPCHANNELS_THREADS_ROUNDS", "200"))
    FEW = max(ROUNDS // 10, 1)

    def at_once(*functions):
        '''Run each in a thread; the first error of any.'''
        errors = []
        begin = threading.Barrier(len(functions))
        def run(function):
            begin.wait()
            try:
                function()
            except BaseException as error:
                errors.append(error)
        threads = [threading.Thread(target=run, args=(function,)) for function in functions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    def while_changing(change, use, users=2):
        '''change(i) again and again for as long as the users take for their rounds of use().'''
        left = [None] * users
        def changes():
            i = 0
            while left:
                change(i)
                i += 1
        def uses():
            try:
                for _ in range(ROUNDS):
                    use()
            finally:
                left.pop()
        at_once(changes, *[uses] * users)
"""


def run(script: str) -> str:
    return run_quietly(PRELUDE + script)


# Values ---------------------------------------------------------------------------------------------------


# What a container holds is fresh each time, so that what it lets go of is freed.
FILLED = {
    "list": ("[fresh(i) for i in range(60)]", "list.__setitem__(shared, i % 40, fresh(i))"),
    "list that grows": ("[fresh(i) for i in range(60)]", "shared.append(fresh(i)); shared.pop(0)"),
    "list that is emptied": ("[]", "shared.extend(map(fresh, range(30))); shared.clear()"),
    "dict": ("{str(i): fresh(i) for i in range(60)}", "shared[str(i % 40)] = fresh(i)"),
    "dict whose keys change": (
        "{}",
        "shared[f'key {i}'] = fresh(i); shared.pop(f'key {i - 20}', None)",
    ),
    "dict that is emptied": (
        "{}",
        "shared.update((f'key {j}', fresh(j)) for j in range(30)); shared.clear()",
    ),
    "set": ("set()", "shared.add(f'item {i}'); shared.discard(f'item {i - 20}')"),
    "bytearray": ("bytearray(100)", "shared.extend(b'x' * 1000); shared.clear()"),
    "dicts with the same keys": (
        "[{'a': fresh(1), 'b': fresh(2), 'c': 3} for _ in range(30)]",
        "d = shared[i % 30]; d[f'{i}'] = 1; del d[f'{i}']; d['a'] = fresh(i)",
    ),
    "dicts whose keys change": (
        "[{f'a{i}': 1, 'bb': 2} for i in range(30)]",
        "shared[i % 30] = {f'a{i}': 1, 'bb': 2}; shared[(i + 1) % 30].clear()",
    ),
}

# What lies in it: nothing that runs code; containers; what has frames, since it runs code or lies too deep.
FRESH = {
    "numbers": "10**20 + i",
    "text": "f'text {i}'",
    "containers": "[i, [f'{i}'], {'k': f'{i}', 'l': [i]}, (f'{i}', [])]",
    "sets": "{f'{i}', i + 0.5}",
    "objects": "Point(f'{i}', [i])",
    "deep": "[[[[[[[[[[[[f'{i}']]]]]]]]]]]]",
}


@pytest.mark.parametrize("fresh", FRESH)
@pytest.mark.parametrize("filled", FILLED)
def test_a_value_is_changed_while_it_is_sent(filled, fresh, tmp_path):
    """What arrives is a state of it, or the send says that it changed; never a crash, or a value nobody put in."""
    made, change = FILLED[filled]
    (tmp_path / "points.py").write_text(
        "class Point:\n    def __init__(self, x, y):\n        self.x, self.y = x, y\n"
    )
    run(f"""
    sys.path.insert(0, {str(tmp_path)!r})
    from points import Point
    def fresh(i):
        return {FRESH[fresh]}
    shared = {made}
    kind = type(shared)
    recv, send = interpchannels.create()
    def use():
        try:
            send.send(shared)
        except RuntimeError as error:
            if "while it was being sent" not in str(error):
                raise
        else:
            assert type(recv.recv()) is kind
    def change(i):
        {change}
    while_changing(change, use)
""")


def test_the_keys_of_a_value_stay_with_their_items():
    """Neighbours in a list share their keys on the way; another thread exchanges the neighbour meanwhile."""
    run("""
    rows = [{f'a{i}': f'a{i}', f'b{i}': f'b{i}'} for i in range(40)]
    recv, send = interpchannels.create()
    def change(i):
        rows[i % 40] = {f'a{i}': f'a{i}', f'b{i}': f'b{i}'}
        row = rows[(i + 7) % 40]
        row.pop(next(iter(row), None), None)
        row[f'c{i}'] = f'c{i}'
    def use():
        try:
            send.send(rows)
        except RuntimeError as error:
            if "while it was being sent" not in str(error):
                raise
        else:
            for row in recv.recv():
                for key, value in row.items():
                    assert key == value, (key, value)
    while_changing(change, use)
""")


def test_objects_change_while_they_are_sent(tmp_path):
    """Attributes of every kind, and the class itself."""
    (tmp_path / "things.py").write_text(
        "from dataclasses import dataclass\n"
        "@dataclass\n"
        "class Data:\n    a: object\n    b: object\n"
        "class Slots:\n    __slots__ = ('a', 'b')\n"
        "class Free:\n    pass\n"
    )
    run(f"""
    sys.path.insert(0, {str(tmp_path)!r})
    import things
    data, slots, free = things.Data('', []), things.Slots(), things.Free()
    slots.a = slots.b = ''
    recv, send = interpchannels.create()
    def change(i):
        data.a = slots.a = free.a = f'{{i}}' * 3
        data.b, slots.b, free.b = [f'{{i}}'], {{}}, (f'{{i}}',)
        setattr(free, f'x{{i % 10}}', i)
        if i % 7 == 0:
            free.__dict__.pop(f'x{{(i + 3) % 10}}', None)
        if i % 50 == 0:
            things.Free.attribute = f'{{i}}'
    def use():
        try:
            send.send([data, slots, free])
        except RuntimeError as error:
            if "while it was being sent" not in str(error):
                raise
        else:
            got = recv.recv()
            assert [type(one) for one in got] == [things.Data, things.Slots, things.Free]
    while_changing(change, use)
""")


def test_registrations_and_classes_of_many_threads(tmp_path):
    """The plans for classes are made, used and forgotten by many threads at once."""
    (tmp_path / "many.py").write_text(
        "for i in range(40):\n"
        "    exec(f'class C{i}:\\n    def __init__(self, x): self.x = x')\n"
        "class Told:\n    def __init__(self, x): self.x = x\n"
    )
    run(f"""
    sys.path.insert(0, {str(tmp_path)!r})
    import many
    classes = [getattr(many, f'C{{i}}') for i in range(40)]
    recv, send = interpchannels.create()
    def change(i):
        interpchannels.register(many.Told, lambda t: t.x, many.Told)
    def use():
        send.send([cls('x') for cls in classes] + [many.Told([1])])
        *got, told = recv.recv()
        assert [type(one) for one in got] == classes and type(told) is many.Told
    interpchannels.register(many.Told, lambda t: t.x, many.Told)
    while_changing(change, use, users=3)
""")


def test_values_that_are_pickled_by_many_threads():
    """What is made on first use is made by whoever comes first."""
    run("""
    import collections
    recv, send = interpchannels.create()
    def use():
        for i in range(20):
            send.send(collections.Counter(a=i))
            assert type(recv.recv()) is collections.Counter
    at_once(*[use] * 4)
""")


def test_a_list_is_changed_while_its_items_are_sent():
    """send_many() looks at a list item by item; what it sends was in it."""
    run("""
    shared = [f'text {i}' for i in range(50)]
    recv, send = interpchannels.create()
    def change(i):
        shared[i % 30] = f'text {i}'
        if i % 3 == 0:
            shared.append([i])
            del shared[0]
    def use():
        send.send_many(shared)
        try:
            items = recv.recv_many(timeout=0)
        except TimeoutError:  # another user took these
            return
        for item in items:
            assert isinstance(item, list) or item.startswith('text '), item
    while_changing(change, use)
""")


# Handles --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [None, 2, 0])
def test_handles_are_closed_while_they_are_used(capacity):
    """Each call ends with an item, or says that it is closed; the counts of the ends are right afterwards."""
    run(f"""
    before = interpchannels.stats()
    for _ in range(FEW):
        recv, send = interpchannels.create(capacity={capacity})
        done = []
        def sends():
            try:
                for i in range(50):
                    send.send(['item', i])
            except ChannelClosedError:
                pass
        def receives():
            try:
                for _ in range(50):
                    recv.recv()
            except ChannelClosedError:
                pass
        def closes(end):
            end.stats(), repr(end), len(end), end.closed
            end.close()
        at_once(sends, sends, receives, receives, lambda: closes(send), lambda: closes(recv))
        assert recv.closed and send.closed
        assert send.stats().open_senders == recv.stats().open_receivers == 0
    del recv, send
    after = interpchannels.stats()
    assert (after.open_senders, after.open_receivers) == (before.open_senders, before.open_receivers)
""")


def test_handles_are_closed_while_they_are_cloned_and_sent():
    """An end that arrives works, whatever became of the handle that it was made from: no count rises from 0."""
    run("""
    def tries(function, *args):
        try:
            return function(*args)
        except ChannelClosedError:
            return None
    ways = interpchannels.create()
    for _ in range(FEW):
        recv, send = interpchannels.create()
        got = []
        def clones():
            got.append(tries(send.clone))
        def moves():
            tries(ways[1].send, send)
        at_once(clones, clones, moves, send.close)
        while len(ways[0]):
            got.append(tries(ways[0].recv))
        open_ones = [one for one in got if one is not None]
        assert recv.stats().open_senders == len(open_ones)
        assert recv.closed == (not open_ones), (recv, open_ones)
        for one in open_ones:
            one.send('here')
        assert len(recv) == len(open_ones)
""")


def test_the_descriptor_of_a_handle_that_is_used_and_closed():
    """fileno() makes it, each receive looks at it, close() takes it away."""
    run("""
    for _ in range(FEW):
        recv, send = interpchannels.create()
        def tries(function, *args):
            try:
                for i in range(20):
                    function(*args)
            except ChannelClosedError:
                pass
        at_once(
            lambda: tries(recv.fileno),
            lambda: tries(recv.fileno),
            lambda: tries(recv.recv_nowait, None),
            lambda: tries(recv.recv_nowait, None),
            lambda: tries(send.send, 1),
            recv.close,
        )
""")


def test_one_channel_many_threads():
    """Every item arrives once, whole; each sender's in its order."""
    run("""
    senders, receivers, items = 4, 4, 20 * ROUNDS
    for capacity in (None, 3, 0):
        recv, send = interpchannels.create(capacity=capacity)
        got = [[] for _ in range(receivers)]
        left = [None] * senders
        def sends(who):
            def function():
                for i in range(items // (20 if capacity == 0 else 1)):
                    send.send((who, i, {'text': f'{who} {i}'}))
                left.pop()
                if not left:
                    send.shutdown()
            return function
        def receives(into):
            def function():
                for item in recv:
                    into.append(item)
            return function
        at_once(*[sends(n) for n in range(senders)], *[receives(into) for into in got])
        everything = [(who, i) for into in got for who, i, value in into if value == {'text': f'{who} {i}'}]
        n = items // (20 if capacity == 0 else 1)
        assert sorted(everything) == [(who, i) for who in range(senders) for i in range(n)]
        for into in got:
            for who in range(senders):
                mine = [i for w, i, _ in into if w == who]
                assert mine == sorted(mine)
""")


def test_the_drop_in_of_many_threads():
    """Channels by number, which are remembered, made and destroyed at once."""
    run("""
    from interpchannels import _interpchannels as channels
    args = (3,) if sys.version_info < (3, 14) else ()
    ids = [channels.create(*args) for _ in range(4)]
    numbers = [int(cid) for cid in ids]
    def use(number):
        for i in range(10 * ROUNDS):
            channels.send(number, i, blocking=False)
            channels.recv(number, None)
    def changes():
        for _ in range(ROUNDS):
            cid = channels.create(*args)
            channels.send(int(cid), 'x', blocking=False)
            assert channels.recv(int(cid))[0] == 'x'
            channels.list_all()
            channels.destroy(cid)
    at_once(changes, changes, *[lambda n=n: use(n) for n in numbers])
""")


def test_select_of_many_threads():
    run("""
    pairs = [interpchannels.create() for _ in range(3)]
    items = 10 * ROUNDS
    got = [[] for _ in range(3)]
    def sends(n):
        for i in range(items):
            pairs[n][1].send(i)
    def receives(into):
        for _ in range(items):
            into.append(interpchannels.select(*[recv for recv, _ in pairs])[1])
    at_once(*[lambda n=n: sends(n) for n in range(3)], *[lambda into=into: receives(into) for into in got])
    assert sorted(sum(got, [])) == sorted(list(range(items)) * 3)
""")


# Buffers --------------------------------------------------------------------------------------------------


def test_a_buffer_is_sent_while_views_of_it_are_taken():
    """A view is of its memory, or the Buffer was moved; never both."""
    run("""
    recv, send = interpchannels.create()
    for _ in range(FEW):
        buffer = interpchannels.Buffer(64)
        moved = []
        def views():
            for _ in range(10):
                try:
                    with memoryview(buffer) as view:
                        view[0] = 1
                        bytes(view)
                    len(buffer)
                except ValueError:
                    pass
        def moves():
            for _ in range(10):
                try:
                    send.send(buffer)
                    moved.append(recv.recv())
                except (BufferError, ValueError):
                    pass
        at_once(views, views, moves, moves)
        assert len(moved) <= 1 and buffer.detached == bool(moved)
        for one in moved:
            assert len(one) == 64
    assert interpchannels.stats().buffers <= 1 + len(moved)
""")


def test_a_buffer_is_sent_by_many_threads_into_a_full_channel():
    """Sends that fail give it back; one alone can have it at a time."""
    run("""
    recv, send = interpchannels.create(capacity=1)
    send.send('full')
    buffer = interpchannels.Buffer(64)
    def use():
        for _ in range(10 * ROUNDS):
            try:
                send.send_nowait([buffer])
            except interpchannels.ChannelFullError:
                pass
            except ValueError as error:
                assert 'a send holds' in str(error)
    at_once(*[use] * 4)
    assert not buffer.detached and len(buffer) == 64
""")


# asyncio --------------------------------------------------------------------------------------------------


def test_event_loops_of_many_threads():
    """A loop for each thread, one channel for all of them; tasks are cancelled now and then."""
    run("""
    import asyncio
    recv, send = interpchannels.create(capacity=2)
    items = 3 * ROUNDS
    got = []
    async def receives():
        while True:
            try:
                async with asyncio.timeout(0.0005):
                    item = await recv.recv_async()
            except TimeoutError:
                continue
            if item is None:
                return
            got.append(item)
    async def sends(who):
        for i in range(items):
            await send.send_async((who, i))
    async def both(who):
        async with asyncio.TaskGroup() as group:
            group.create_task(receives())
            await sends(who)
            await send.send_async(None)
    at_once(*[lambda who=who: asyncio.run(both(who)) for who in range(3)])
    while len(recv):
        item = recv.recv()
        assert item is None or got.append(item) is None
    assert sorted(got) == [(who, i) for who in range(3) for i in range(items)]
""")


def test_coroutines_that_end_in_another_thread():
    """One that waits in a loop is closed, or goes as garbage, in another thread."""
    run("""
    import asyncio, gc
    recv, send = interpchannels.create()
    def loops():
        async def main():
            for _ in range(ROUNDS):
                coroutine = recv.recv_async()
                try:
                    coroutine.send(None)
                except StopIteration:
                    continue
                given.append(coroutine)
                if len(given) > 20:
                    await asyncio.sleep(0)
        try:
            asyncio.run(main())
        finally:
            left.clear()
    def ends():
        while left or given:
            if given:
                coroutine = given.pop()
                try:
                    coroutine.close()
                except ValueError:
                    pass
            send.send(1)
            recv.recv_nowait(None)
    given, left = [], [1]
    at_once(loops, ends, ends)
""")


def test_one_coroutine_for_two_threads():
    """One of them runs it; the other is told."""
    run("""
    recv, send = interpchannels.create()
    for i in range(FEW):
        send.send(i)
        coroutine = recv.recv_async()
        got = []
        def steps():
            try:
                coroutine.send(None)
            except StopIteration as stop:
                got.append(stop.value)
            except (RuntimeError, ValueError):
                pass
        at_once(steps, steps, steps)
        assert got == [i], got
""")


# Another thread drops the last sender, or receiver, that the thread made which waits. Without a GIL it is that thread
# which frees it.
WAITS = {
    "recv": "recv.recv()",
    "recv with a timeout": f"recv.recv({HANG})",
    "recv_many": "recv.recv_many()",
    "iteration": "assert list(recv) == []; raise ChannelClosedError",
    "select": "interpchannels.select(recv, other)",
    "send": "send.send(2)",
    "send_many": "send.send_many([2, 3])",
    "select of a send": "interpchannels.select(other, (send, 2))",
    "a Worker": "worker.result()",
    "recv_async": "asyncio.run(wait(recv.recv_async))",
    "send_async": "asyncio.run(wait(send.send_async, 2))",
}


@pytest.mark.parametrize("name", WAITS)
def test_an_end_that_another_thread_drops(name):
    run(
        f"""
    import asyncio
    from support import wait_until

    async def wait(method, *args):
        return await method(*args)

    recv, send = interpchannels.create(1)
    other, spare = interpchannels.create()
    name = {name!r}
    side = "waiting_senders" if "send" in name else "waiting_receivers"
    if "send" in name:
        send.send(1)
        box, kept = [recv], send
        del recv
    else:
        box, kept = [send], recv
        del send
    if name == "a Worker":
        worker = interpchannels.spawn(recv.recv)

    def drop():
        wait_until(lambda: getattr(kept.stats(), side) == 1)
        box.pop()

    thread = threading.Thread(target=drop)
    thread.start()
    try:
        {WAITS[name]}
    except ChannelClosedError:
        pass
    else:
        raise AssertionError("it was not closed")
    thread.join()
    """
    )
