"""What `import interpchannels` brings: little at once, and the rest when it is asked for."""

import os
import sys
import sysconfig

import pytest

import interpchannels
from support import run_quietly, run_script

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
FAILING_ALLOCATIONS = os.environ.get("INTERPCHANNELS_FAILING_ALLOCATIONS")


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


# The GIL ------------------------------------------------------------------------------------------------------

# As a user has it: PYTHON_GIL not set, which it is for this suite (to CPython, empty is not set).
GIL_IS_OFF = """
    import sys
    assert not sys._is_gil_enabled()
    import {name}
    assert not sys._is_gil_enabled()
    {then}
"""


def without_gil(name: str, then: str = "", options: tuple[str, ...] = ("-W", "error")) -> str:
    script = GIL_IS_OFF.format(name=name, then=then)
    return run_quietly(script, options=options, env={"PYTHON_GIL": ""})


@pytest.mark.skipif(
    not FREE_THREADED or sys.version_info < (3, 14),
    reason="for a free-threaded CPython from 3.14 on",
)
class TestWithoutAGil:
    """An extension that does not say that it needs no GIL turns it on, with a RuntimeWarning."""

    @pytest.mark.parametrize("name", ["interpchannels", "interpchannels._interpchannels"])
    def test_the_import_leaves_it_off(self, name):
        without_gil(name)

    def test_it_is_off_in_workers(self):
        without_gil(
            "interpchannels", "assert interpchannels.spawn(sys._is_gil_enabled).result() is False"
        )

    @pytest.mark.skipif(not FAILING_ALLOCATIONS, reason="failing_allocations is not built")
    def test_control_a_module_that_turns_it_on(self):
        path = f"sys.path.insert(0, {FAILING_ALLOCATIONS!r})"
        without_gil("interpchannels", path)
        with pytest.raises(AssertionError, match="has been enabled to load module"):
            without_gil("interpchannels", f"{path}; import failing_allocations")
        with pytest.raises(AssertionError, match="status 1"):
            without_gil(
                "interpchannels",
                f"{path}; import failing_allocations; assert not sys._is_gil_enabled()",
                ("-W", "ignore"),
            )
