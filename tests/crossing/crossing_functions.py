"""Functions that the tests of the crossing run in other interpreters."""

import gc
import hashlib
import sys

ECHO_FAILED = "the echo failed: "
COLLECT = "the echo collects its garbage"


def echo(recv, send):
    """Send back all that comes; what cannot be received or sent back is answered by a text."""
    import interpchannels

    while True:
        try:
            send.send(
                collected(recv.recv())
            )  # nobody holds it here while the next one is waited for
        except interpchannels.ChannelClosedError:
            return
        except Exception as exc:
            send.send(f"{ECHO_FAILED}{type(exc).__name__}: {exc}")


def collected(value):
    if type(value) is str and value == COLLECT:
        getattr(sys, "_clear_internal_caches", sys._clear_type_cache)()
        gc.collect()
    return value


def digest(recv, send):
    """Send back what kind of thing came, its length and its digest; let go of it before that."""
    for value in recv:
        data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        facts = (type(value).__name__, len(value), hashlib.sha256(data).hexdigest())
        del value, data
        send.send(facts)


def send_big_and_return(send, kind, size):
    """Send a loan and end, with the loan still queued."""
    send.send(big(kind, size))


def big(kind, size):
    """A large value whose every part tells where it belongs."""
    block = bytes(range(256)) * 4
    if kind == "bytes":
        return block * (size // len(block))
    ascii_text = "".join(map(chr, range(32, 127)))
    alphabet = {
        "ascii": ascii_text,
        "latin": ascii_text + "".join(map(chr, range(161, 256))),
        "two bytes": ascii_text + "\u20ac\u4e2d\u6587",
        "four bytes": ascii_text + "\U0001f600\u20ac",
        "surrogates": ascii_text + "\ud800\udfff",
    }[kind]
    return alphabet * (size // len(alphabet))


def receive_with_failures(recv, send):
    """Receive everything; send back the name of the error, or the value."""
    import interpchannels

    while True:
        try:
            send.send(("value", recv.recv()))
        except interpchannels.ChannelClosedError:
            return
        except Exception as exc:
            send.send(("error", type(exc).__name__))


def nest(kind, depth):
    """A value that is nested `depth` deep."""
    value = {"list": [], "tuple": (), "dict": {}, "frozenset": frozenset()}.get(kind)
    if kind == "list":
        for _ in range(depth):
            value = [value]
    elif kind == "tuple":
        for _ in range(depth):
            value = (value,)
    elif kind == "dict":
        for _ in range(depth):
            value = {"x": value}
    elif kind == "frozenset":
        for _ in range(depth):
            value = frozenset([value])
    elif kind == "mixed":
        value = None
        for level in range(depth):
            value = [value] if level % 3 == 0 else (value, 1) if level % 3 == 1 else {1: value}
    elif kind == "object":
        import crossing_samples

        for _ in range(depth):
            value = crossing_samples.Node(value)
    else:
        raise ValueError(kind)
    return value


def depth_of(value):
    """How deep a nested value is, without recursion."""
    import crossing_samples

    depth = 0
    while True:
        if type(value) is crossing_samples.Node:
            value = value.child
        elif isinstance(value, (list, tuple, frozenset)) and value:
            value = next(iter(value))
        elif isinstance(value, dict) and value:
            (value,) = value.values()
        else:
            return depth
        depth += 1


def measure_depths(recv, send):
    """Send back the depth of each value that comes, or the name of the error."""
    import interpchannels

    while True:
        try:
            value = recv.recv()
        except interpchannels.ChannelClosedError:
            return
        except RecursionError:
            send.send("RecursionError")
        else:
            send.send(depth_of(value))
            value = None


def references(value):
    """sys.getrefcount as a caller sees it."""
    return sys.getrefcount(value) - 1


def receive_and_say(recv):
    """Receive everything; return what arrived, or what the ImportError said."""
    said = []
    while True:
        try:
            value = recv.recv()
        except ImportError as error:
            said.append((type(error).__name__, str(error), type(error.__cause__).__name__))
            continue
        except Exception:
            return said
        said.append((type(value).__name__, list(value)) if type(value) is memoryview else "array")


def imported_by_receiving(recv, send, module):
    """Receive one instance; tell whether its module was there before and after."""
    before = module in sys.modules
    got = recv.recv()
    send.send((before, module in sys.modules, type(got).__name__, got.a, got.b))


def receive_errors(recv, send):
    """Receive everything; send back it, or the error's class, text and module name."""
    import interpchannels

    while True:
        try:
            send.send(recv.recv())
        except interpchannels.ChannelClosedError:
            return
        except Exception as exc:
            send.send((type(exc).__name__, str(exc), getattr(exc, "name", None)))


def look_up(recv, send):
    """Answers with what is under keys that were made here."""
    with recv, send:
        for count, table in recv:
            send.send([table[f"key {n}"] for n in range(count)])
