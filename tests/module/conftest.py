"""Lets the tests of this folder, and the scripts that they run, import `support` and `dropin`."""

import sys
from pathlib import Path

import pytest

_here = Path(__file__).resolve().parent
for _folder in (str(_here), str(_here.parent)):
    if _folder not in sys.path:
        sys.path.append(_folder)

import dropin  # noqa: E402

import support  # noqa: E402


@pytest.fixture(autouse=True)
def clean_table():
    """No channel that a test leaves behind is seen by the next one."""
    yield
    if dropin.LIST_ALL_CRASHES:
        return
    for cid, *_ in dropin.c.list_all():
        try:
            dropin.c.destroy(cid)
        except dropin.c.ChannelNotFoundError:
            pass


@pytest.fixture
def interpreter():
    """The id of an interpreter that lives as long as the test, unless the test ends it earlier."""
    made = support.create_interpreter()
    yield made
    if made in support.list_interpreters():
        support.destroy_interpreter(made)
