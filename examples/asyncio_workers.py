"""An event loop whose computing is done elsewhere: by Workers, in interpreters of their own, on cores of their own.

The loop never blocks. Sending waits while the Workers have enough to do, receiving while they compute.
"""

import asyncio
import math

import interpchannels
from interpchannels import RecvChannel, SendChannel

type Answer = tuple[int, bool]


def is_prime(number: int) -> bool:
    """What takes the time."""
    return number > 1 and all(number % n for n in range(2, math.isqrt(number) + 1))


def compute(numbers: RecvChannel[int], answers: SendChannel[Answer]) -> None:
    """A Worker: blocks as threads do, and ends when no number is left."""
    for number in numbers:
        answers.send((number, is_prime(number)))


async def feed(numbers: SendChannel[int], todo: range) -> None:
    """Sends every number, and then says that there are no more."""
    with numbers:
        for number in todo:
            await numbers.send_async(number)


async def main() -> None:
    """Two Workers; this loop feeds them and collects what they find."""
    work: RecvChannel[int]
    answers: RecvChannel[Answer]
    work, numbers = interpchannels.create(capacity=4)
    answers, results = interpchannels.create()
    workers = [interpchannels.spawn(compute, work, results) for _ in range(2)]
    work.close()
    results.close()  # what is left of it is the Workers', so `answers` ends with them
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(feed(numbers, range(10**12, 10**12 + 200)))
        primes = sorted([number async for number, prime in answers if prime])
    print(len(primes), "primes, the first of them", primes[0])
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    asyncio.run(main())
