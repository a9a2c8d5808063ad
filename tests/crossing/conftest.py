"""What the tests of the crossing share: the helpers on sys.path, hypothesis' profile, echoes."""

import os
import sys
from pathlib import Path

import hypothesis
import pytest

_here = Path(__file__).resolve().parent
for _folder in (str(_here), str(_here.parent)):
    if _folder not in sys.path:
        sys.path.append(_folder)

import crossing_functions  # noqa: E402

import support  # noqa: E402

hypothesis.settings.register_profile(
    "crossing",
    max_examples=int(os.environ.get("INTERPCHANNELS_EXAMPLES", "200")),
    deadline=None,  # the machine may be busy; a hang is what faulthandler_timeout is for
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    # To count what is left, a run has to be as the one before.
    **({"derandomize": True, "database": None} if support.COUNTED else {}),
)
hypothesis.settings.load_profile("crossing")


@pytest.fixture(scope="session")
def echo_here():
    """A function that sends a value through a channel of this interpreter and returns what arrives."""
    import interpchannels

    recv, send = interpchannels.create()

    def echo(value):
        send.send(value)
        try:
            return recv.recv()
        finally:
            assert len(recv) == 0

    yield echo
    send.close()
    recv.close()


@pytest.fixture(scope="session")
def echo_there():
    """The same by way of another interpreter, which sends back what it received."""
    import interpchannels

    there_recv, there_send = interpchannels.create()
    back_recv, back_send = interpchannels.create()
    worker = interpchannels.spawn(crossing_functions.echo, there_recv, back_send)
    there_recv.close()
    back_send.close()

    def echo(value):
        there_send.send(value)
        got = back_recv.recv()
        if isinstance(got, str) and got.startswith(crossing_functions.ECHO_FAILED):
            pytest.fail(got)
        return got

    yield echo
    there_send.close()
    worker.result()
    worker.join()
    back_recv.close()


@pytest.fixture(scope="session", autouse=True)
def both_echoes(echo_here, echo_there):
    """Made, and at rest, before the first test: a test is asked what it left behind."""
    import interpchannels

    support.wait_until(lambda: interpchannels.stats().waiting_receivers)


@pytest.fixture(autouse=True)
def loans_back(counters_back, echo_there):
    """An interpreter takes back what it lent when it runs, and the echo's is blocked between two values.

    It is blocked again when the next test begins to count. Where references are counted, it also lets go of its garbage
    and of what CPython keeps for later, which grows until it is full: free lists, and names that were looked up.
    """
    import interpchannels

    yield
    echo_there(crossing_functions.COLLECT if support.COUNTED else None)
    support.wait_until(lambda: interpchannels.stats().waiting_receivers)


@pytest.fixture(params=["here", "there"])
def echo(request):
    """Both, one after the other."""
    return request.getfixturevalue(f"echo_{request.param}")
