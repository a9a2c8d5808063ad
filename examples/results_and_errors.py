"""What comes back from a worker: its result, or its exception with the traceback of the other interpreter."""

import threading

import interpchannels
from interpchannels import ChannelClosedError, NotShareableError, SendChannel


def average(numbers: list[float]) -> float:
    """ZeroDivisionError for an empty list."""
    return sum(numbers) / len(numbers)


def give_up(results: SendChannel[int]) -> None:
    """Sends one result and fails before the second."""
    results.send(1)
    raise RuntimeError("no more to give")


def main() -> None:
    """Shows each case in turn."""
    print("a result:", interpchannels.spawn(average, [1.0, 2.0, 6.0]).result())

    try:
        interpchannels.spawn(average, []).result()
    except ZeroDivisionError as error:
        print("an exception:", error)
        print("its cause is the traceback there:", *str(error.__cause__).splitlines()[:1])

    # A worker that fails lets go of its ends like one that returns, so whoever waits for it isn't left hanging.
    results, results_in = interpchannels.create()
    with results_in:
        worker = interpchannels.spawn(give_up, results_in)
    print("before it failed:", list(results))
    try:
        results.recv()
    except ChannelClosedError:
        print("after that: closed")
    try:
        worker.result()
    except RuntimeError as error:
        print("because:", error)

    # What can't cross is refused before anything is sent, with the way to it.
    try:
        interpchannels.spawn(average, [1.0, threading.Lock()])
    except NotShareableError as error:
        print("refused:", error)


if __name__ == "__main__":
    main()
