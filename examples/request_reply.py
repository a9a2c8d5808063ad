"""Requests with answers: each request carries the end of a channel that its answer is to come through.

The server knows no client. It can't mix up two answers, and a client that goes away hurts nobody.
"""

import interpchannels
from interpchannels import ChannelClosedError, RecvChannel, SendChannel

type Request = tuple[str, SendChannel[int]]


def count_letters(requests: RecvChannel[Request]) -> None:
    """The server, in an interpreter of its own: answers until no client is left."""
    for word, reply in requests:
        with reply:
            try:
                reply.send(len(word))
            except ChannelClosedError:  # this client has gone
                pass


def ask(server: SendChannel[Request], word: str) -> int:
    """Sends one request and waits for its answer, ten seconds at most (TimeoutError)."""
    answer: RecvChannel[int]
    answer, reply = interpchannels.create(capacity=1)
    with answer:
        with reply:  # the request takes a handle of its own along
            server.send((word, reply))
        # Should the server die before it answers, this raises ChannelClosedError: its end dies with it.
        return answer.recv(timeout=10)


def client(server: SendChannel[Request], words: list[str]) -> int:
    """Another interpreter that asks."""
    return sum(ask(server, word) for word in words)


def main() -> None:
    """One server; this program and two other interpreters ask it."""
    requests, server = interpchannels.create()
    with requests:
        serving = interpchannels.spawn(count_letters, requests)
    with server:
        clients = [
            interpchannels.spawn(client, server, ["a", "bb", "ccc"]),
            interpchannels.spawn(client, server, ["channel", "interpreter"]),
        ]
        print("here:", ask(server, "subinterpreter"))
        print("there:", [worker.result() for worker in clients])
    serving.join()  # the last client has gone, and so the server ends


if __name__ == "__main__":
    main()
