"""Leaks on purpose, for test_references.py, which runs this file. `test_leaks_…` has to be found, the rest not."""

import ctypes
import os
import time

import pytest

import interpchannels
import support

_kept: list[object] = []
_interpreters = iter(range(1000))


def test_nothing_stays() -> None:
    recv, send = interpchannels.create()
    send.send({"a": [1, "b", b"c" * 20_000]})
    recv.recv()


def test_a_cache_is_filled() -> None:
    """Four times, and then no more: three runs to warm up, and one that is counted."""
    if len(_kept) < 4:
        _kept.append(object())


def test_leaks_a_reference() -> None:
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(test_nothing_stays))


def test_leaks_a_block() -> None:
    ctypes.pythonapi.PyObject_Malloc.restype = ctypes.c_void_p
    ctypes.pythonapi.PyObject_Malloc(64)


def test_leaks_a_descriptor() -> None:
    os.open(os.devnull, os.O_RDONLY)


def test_leaks_an_object_of_ours() -> None:
    """The error of a closed end has nothing that the process's counters would show."""
    recv, _ = interpchannels.create()
    recv.close()
    try:
        recv.recv()
    except interpchannels.ChannelClosedError as error:
        _kept.append(error.with_traceback(None))


def test_leaks_in_another_interpreter(interpreter: int) -> None:
    """An object with a reference too many outlives its interpreter."""
    support.run_in(
        interpreter,
        "import ctypes, interpchannels\nctypes.pythonapi.Py_IncRef(ctypes.py_object(object()))",
    )


@pytest.fixture
def interpreter():
    made = support.create_interpreter()
    yield made
    support.destroy_interpreter(made)


def test_only_a_process() -> None:
    """It is run once, so what it leaves here is not seen: nothing of ours was used."""
    support.run_script("pass")


def test_leaks_beside_a_process() -> None:
    support.run_script("pass")
    recv, _ = interpchannels.create()
    _kept.append(str(recv))


def test_leaks_by_a_method_beside_a_process(ends) -> None:
    support.run_script("pass")
    ends[1].send("x")
    _kept.append([ends[0].recv()])


@pytest.fixture
def ends():
    recv, send = interpchannels.create()
    yield recv, send
    recv.close()
    send.close()


def test_fails_when_it_is_run_again() -> None:
    """It is not counted, so it fails."""
    assert next(_interpreters) < 2


def test_takes_a_while() -> None:
    time.sleep(0.01)
