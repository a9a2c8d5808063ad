"""What is counted: `pairs.py VALUE COUNT` sends a value and receives it again, COUNT times, in one thread."""

import gc
import sys
from itertools import repeat

VALUES: dict[str, object] = {
    "int": 1_000_000,
    "str 16": "sixteen letters!",
    "dict": {"a": 1, "b": [1, 2, 3], "c": "hello"},
}


def main() -> None:
    import interpchannels  # here, for run.py wants VALUES alone

    value, count = VALUES[sys.argv[1]], int(sys.argv[2])
    receiver, sender = interpchannels.create()
    send, recv = sender.send, receiver.recv
    gc.disable()
    for _ in repeat(None, count):
        send(value)
        recv()


if __name__ == "__main__":
    main()
