"""What `import interpchannels` brings: little at once, and the rest when it is asked for."""

import os

import pytest

import interpchannels
from support import run_script


def test_little_is_imported_at_once():
    run_script("""
        import sys
        import queue, __future__
        before = set(sys.modules)
        import interpchannels
        dear = {"asyncio", "dis", "enum", "functools", "inspect", "re", "traceback", "typing"}
        assert not dear & (set(sys.modules) - before)
    """)


def test_every_public_name_is_there():
    for name in interpchannels.__all__:
        assert getattr(interpchannels, name) is getattr(interpchannels, name)
    assert set(interpchannels.__all__) <= set(dir(interpchannels))


def test_names_are_listed_before_they_are_asked_for():
    run_script("""
        import interpchannels
        assert "Queue" not in vars(interpchannels)
        assert set(interpchannels.__all__) <= set(dir(interpchannels))
        from interpchannels import *
        assert spawn(pow, 2, 10).result() == 1024
    """)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_in_the_middle_of_such_an_import():
    run_script("""
        import os, signal, sys, threading
        import interpchannels
        begun, goes_on = threading.Event(), threading.Event()

        class Slow:
            def find_spec(self, name, path=None, target=None):
                if name == "interpchannels._listing":
                    begun.set()
                    goes_on.wait(0.2)  # nobody can say when the other thread is about to fork

        sys.meta_path.insert(0, Slow())
        thread = threading.Thread(target=lambda: interpchannels.list_all())
        thread.start()
        begun.wait()
        pid = os.fork()
        if pid == 0:
            signal.alarm(20)
            os._exit(0 if interpchannels.list_all() == [] else 1)
        thread.join()
        assert os.waitpid(pid, 0)[1] == 0
    """)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="module 'interpchannels' has no attribute 'Chanel'"):
        interpchannels.Chanel  # noqa: B018
