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
    """No channel, end, item, waiter, loan, Buffer or interpreter outlives the test that made it.

    A failed test is left alone. Loans come back by and by, so there is a wait; and what an earlier, failed test left
    may go meanwhile. Garbage is collected only where there is more than before: what stood there before is what the
    test before it was allowed to leave, so the allowance never grows.
    """
    import interpchannels

    def counters():
        return (*interpchannels.stats(), len(support.list_interpreters()))

    def is_back():
        return all(now <= then for now, then in zip(counters(), before, strict=True))

    def is_back_without_garbage():
        gc.collect()
        return is_back()

    before = counters()
    yield
    if request.node.stash.get(_failed, False):
        return
    request.node.funcargs.clear()  # what other fixtures made is still held there
    if is_back():
        return
    try:
        support.wait_until(is_back_without_garbage, 20)
    except AssertionError:
        names = (*interpchannels.ProcessStats.__match_args__, "interpreters")
        after = dict(zip(names, counters(), strict=True))
        left = {
            name: count
            for (name, count), old in zip(after.items(), before, strict=True)
            if count > old
        }
        raise AssertionError(f"left behind: {left}") from None
