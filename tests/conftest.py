"""What the whole suite needs of its own process, and what every test is asked: is the process as it was before it?"""

import gc
import signal

import pytest

import support


def pytest_configure(config):
    """Let Ctrl-C work here and in every child: a shell starts what it runs in the background with SIGINT ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


_failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        item.stash[_failed] = True
    return report


@pytest.fixture(autouse=True)
def counters_back(request):
    """No channel, end, item, waiter, loan or interpreter outlives the test that made it.

    A failed test is left alone. Loans come back by and by, so there is a wait.
    """
    import interpchannels

    def counters():
        gc.collect()
        return interpchannels.stats(), set(support.list_interpreters())

    before = counters()
    yield
    if request.node.stash.get(_failed, False):
        return
    request.node.funcargs.clear()  # what other fixtures made is still held there
    try:
        support.wait_until(lambda: counters() == before, 20)
    except AssertionError:
        after = counters()
        assert after == before, f"left behind: {after} after, {before} before"
