"""A pipeline: one interpreter makes numbers, four look for primes on a core each, this one gathers.

Nobody sends a "stop". Each stage ends when the last sender of its channel has gone. Both channels are bounded, so a
fast stage waits for a slow one instead of filling the memory.
"""

import interpchannels
from interpchannels import RecvChannel, SendChannel

LIMIT = 20_000
STEP = 500
WORKERS = 4

type Span = tuple[int, int]


def make(spans: SendChannel[Span], limit: int, step: int) -> None:
    """Sends the spans that make up 0 … limit."""
    for start in range(0, limit, step):
        spans.send((start, start + step))


def sieve(spans: RecvChannel[Span], primes: SendChannel[list[int]]) -> None:
    """Sends the primes of each span that it gets hold of."""
    for start, end in spans:
        primes.send([n for n in range(max(start, 2), end) if is_prime(n)])


def is_prime(number: int) -> bool:
    """Trial division: slow on purpose."""
    return all(number % divisor for divisor in range(2, int(number**0.5) + 1))


def main() -> None:
    """Starts the stages, and gathers in whatever order the results come."""
    spans, spans_in = interpchannels.create(capacity=8)
    primes, primes_in = interpchannels.create(capacity=8)
    # The stages have handles of their own; this program keeps only the end that it reads.
    with spans, spans_in, primes_in:
        interpchannels.spawn(make, spans_in, LIMIT, STEP)
        for _ in range(WORKERS):
            interpchannels.spawn(sieve, spans, primes_in)
    found = sorted(prime for some in primes for prime in some)
    print(f"{len(found)} primes below {LIMIT}, the last of them {found[-1]}")


if __name__ == "__main__":
    main()
