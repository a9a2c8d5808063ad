"""Functions that the tests of asyncio run in other interpreters, each with a loop of its own there."""

import asyncio
import random


def echo(recv, send):
    """Send back all that comes."""

    async def main():
        async for value in recv:
            await send.send_async(value)

    asyncio.run(main())


def cancel_at_random(recv, send, first, sends, seed):
    """`traffic()` on a loop of this interpreter's."""
    return asyncio.run(traffic(recv, send, first, sends, seed))


async def traffic(recv, send, first, sends, seed, cancellations=None):
    """Send `sends` numbers from `first` on and receive what comes, cancelled at random moments.

    Returns (what was sent, what was received, how many cancellations there were). Ends when all numbers were sent and
    at least `cancellations` (default: `sends`) operations were cancelled. A send that was withdrawn is made again.
    """
    draw = random.Random(seed)
    todo = list(range(first, first + sends))
    sent, received = [], []
    cancelled = 0
    cancellations = sends if cancellations is None else cancellations
    tasks = {}  # a send with its number, a receive with None

    def settle(task):
        number = tasks.pop(task)
        try:
            value = task.result()
        except asyncio.CancelledError as error:
            if number is not None:
                (sent if getattr(error, "sent", False) else todo).append(number)
        else:
            if number is None:
                received.append(value)
            else:
                sent.append(number)

    while len(sent) < sends or cancelled < cancellations:
        while len(tasks) < 30:
            if todo and draw.random() < 0.5:
                number = todo.pop()
                tasks[asyncio.create_task(send.send_async(number))] = number
            else:
                tasks[asyncio.create_task(recv.recv_async())] = None
        # A few turns of the loop, so that they stand at all stages.
        for _ in range(draw.randrange(3)):
            await asyncio.sleep(0)
        for task in draw.sample(list(tasks), 8):
            cancelled += task.cancel()
        await asyncio.sleep(0)
        for task in [task for task in tasks if task.done()]:
            settle(task)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in list(tasks):
        settle(task)
    return sent, received, cancelled
