"""The smallest useful program: values go to another interpreter and come back."""

import interpchannels
from interpchannels import RecvChannel, SendChannel


def double(numbers: RecvChannel[int], doubles: SendChannel[int]) -> None:
    """Runs in an interpreter of its own, until no more numbers come."""
    for number in numbers:
        doubles.send(2 * number)


if __name__ == "__main__":
    numbers, numbers_in = interpchannels.create()
    doubles, doubles_in = interpchannels.create()
    # The worker has handles of its own, so these two are closed: `doubles` ends when the worker lets go of the last.
    with numbers, doubles_in:
        interpchannels.spawn(double, numbers, doubles_in)
    with numbers_in:
        for number in range(5):
            numbers_in.send(number)
    print(list(doubles))  # [0, 2, 4, 6, 8]
