"""What every test of the package gets: the helpers on sys.path."""

import sys
from pathlib import Path

import pytest

_here = Path(__file__).resolve().parent
for _folder in (str(_here), str(_here.parent)):
    if _folder not in sys.path:
        sys.path.append(_folder)

import support  # noqa: E402


@pytest.fixture
def interpreter():
    """The id of an interpreter that lives as long as the test, ready to import from our sys.path."""
    made = support.create_interpreter()
    support.run_in(made, "pass")  # this puts our sys.path there
    yield made
    if made in support.list_interpreters():
        support.destroy_interpreter(made)
