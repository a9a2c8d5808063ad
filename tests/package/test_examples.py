"""Every `>>>` example works: those of README.md and docs/*.md, and those of all public docstrings.

Each page, and each docstring, is one run, with `interpchannels` imported. `...` in what is expected stands for
anything (ELLIPSIS). A page's fences of ``` are taken out first.
"""

import doctest
import inspect
from pathlib import Path

import pytest

import interpchannels

ROOT = Path(__file__).resolve().parents[2]


def run(name, text):
    """Run the examples of a text; return how many there were, and what doctest says of those that failed."""
    lines = ["" if line.lstrip().startswith("```") else line for line in text.splitlines()]
    # As in a script: spawn() takes functions of __main__ by their code.
    names = {"__name__": "__main__", "interpchannels": interpchannels}
    test = doctest.DocTestParser().get_doctest("\n".join(lines) + "\n", names, name, name, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
    said = []
    runner.run(test, out=said.append)
    return len(test.examples), "".join(said)


def public_docstrings():
    """(name, docstring) of the package and of all that it offers, the members of its classes included."""
    yield "interpchannels", interpchannels.__doc__
    for name in interpchannels.__all__:
        found = getattr(interpchannels, name)
        if not (inspect.isclass(found) or inspect.isroutine(found)):
            continue
        yield f"interpchannels.{name}", found.__doc__
        for member, value in vars(found).items() if inspect.isclass(found) else ():
            if not member.startswith("_"):
                yield f"interpchannels.{name}.{member}", value.__doc__


PAGES = sorted(
    page
    for page in [ROOT / "README.md", *ROOT.glob("docs/*.md")]
    if ">>> " in page.read_text("utf-8")
)
DOCSTRINGS = {
    name: inspect.cleandoc(text)
    for name, text in public_docstrings()
    if isinstance(text, str) and ">>> " in text
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page(page):
    count, said = run(page.name, page.read_text("utf-8"))
    assert count and not said, said


@pytest.mark.parametrize("name", DOCSTRINGS)
def test_docstring(name):
    count, said = run(name, DOCSTRINGS[name])
    assert count and not said, said


def test_some_were_found():
    assert {"channels.md", "queues.md"} <= {page.name for page in PAGES}
    assert {
        "interpchannels.Queue",
        "interpchannels.Queue.put",
        "interpchannels.select",
    } <= DOCSTRINGS.keys()


def test_every_member_of_queue_has_one():
    for name, value in vars(interpchannels.Queue).items():
        if not name.startswith("_"):
            assert f"interpchannels.Queue.{name}" in DOCSTRINGS, value


@pytest.mark.parametrize(
    "text", [">>> 1 + 1\n3\n", ">>> 1 / 0\n1\n", "```python\n>>> print('a')\nb\n```\n", ">>> 1 +\n"]
)
def test_a_wrong_example_is_seen(text):
    try:
        _count, said = run("wrong", text)
    except ValueError:  # doctest's own: it is no example at all
        return
    assert "wrong" in said


def test_every_public_name_has_an_example():
    without = [name for name, text in public_docstrings() if not text or ">>> " not in text]
    # Attributes say what they are in a line; what a tuple or an exception inherits is CPython's.
    assert [name for name in without if not is_plain(name)] == []


def is_plain(name):
    found = interpchannels
    for part in name.split(".")[1:]:
        found = inspect.getattr_static(found, part)
    return name == "interpchannels" or not (inspect.isroutine(found) or inspect.isclass(found))
