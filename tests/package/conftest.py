"""What every test of the package gets: the helpers on sys.path, and a check that it left nothing behind."""

import gc
import sys
from pathlib import Path

import pytest

_here = Path(__file__).resolve().parent
for _folder in (str(_here), str(_here.parent)):
    if _folder not in sys.path:
        sys.path.append(_folder)

import support  # noqa: E402

_failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        item.stash[_failed] = True
    return report


@pytest.fixture(autouse=True)
def nothing_left_behind(request):
    """No channel and no interpreter outlives the test that made it (a failed test is left alone)."""
    import interpchannels

    def alive():
        gc.collect()
        return {snapshot.id for snapshot in interpchannels.list_all()}

    channels, interpreters = alive(), set(support.list_interpreters())
    yield
    if request.node.stash.get(_failed, False):
        return
    assert alive() - channels == set(), "channels left over"
    assert set(support.list_interpreters()) - interpreters == set(), "interpreters left over"


@pytest.fixture
def interpreter():
    """The id of an interpreter that lives as long as the test, ready to import from our sys.path."""
    made = support.create_interpreter()
    support.run_in(made, "pass")  # this puts our sys.path there
    yield made
    if made in support.list_interpreters():
        support.destroy_interpreter(made)
