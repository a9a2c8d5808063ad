"""CPython's own tests of `queue`, on interpchannels.Queue.

The test classes are the running Python's, imported from its `test` package; only the `queue` module that they look
at is another: one whose Queue (and SimpleQueue) is ours. What is about the insides of queue.Queue is left out, by
name and with the reason; a left-out test that CPython no longer has is an error, and so are too few that ran.
"""

import queue
import sys
import types
import unittest

import pytest

import interpchannels

try:
    from test import support, test_queue
except ImportError as error:
    pytest.skip(
        f"this Python does not bring CPython's tests: {error}. Debian has them in libpythonX.Y-testsuite",
        allow_module_level=True,
    )

# Since 3.14 CPython runs the tests with a hundred threads only where it is told that there is room for their stacks;
# it reckons with 5 GB, and a hundredth of that is used.
if support.real_max_memuse == 0:
    support.set_memlimit("6G")

ours = types.SimpleNamespace(
    Queue=interpchannels.Queue,
    SimpleQueue=interpchannels.Queue,
    Empty=queue.Empty,
    Full=queue.Full,
    ShutDown=getattr(queue, "ShutDown", None),  # since 3.13, and so are its tests
)

LEFT_OUT = {
    "BaseQueueTestMixin.test_shrinking_queue": "sets maxsize of a queue in use; a channel's capacity is fixed",
    "BaseSimpleQueueTest.test_references": "puts objects of a local class and asks when they die; items are copies",
    "CSimpleQueueTest.test_is_default": "compares two classes of the module queue",
    "CSimpleQueueTest.test_simplequeue_sizeof": "the size of a struct of the C module",
    "FailingQueueTest.test_failing_queue": "overrides _put() and _get(), the insides of queue.Queue",
    "LifoQueueTest": "QueueTest on last in, first out; a channel is first in, first out",
    "PriorityQueueTest": "QueueTest on an order by priority, likewise",
}

# How many CPython has for us; a version that has more is welcome.
MINIMUM = 12 if sys.version_info < (3, 13) else 30

ran = set()


def is_left_out(cls, name):
    return any(
        base.__name__ in LEFT_OUT or (f"{base.__name__}.{name}" in LEFT_OUT and name in vars(base))
        for base in cls.__mro__
    )


def without_left_out(cls):
    for name in dir(cls):
        if is_left_out(cls, name):
            setattr(cls, name, None)
    return cls


class Recorded(unittest.TestCase):
    def tearDown(self):
        super().tearDown()
        self.q = None  # some keep their queue there, and pytest keeps them
        ran.add(self.id())


@without_left_out
class OurQueueTest(test_queue.QueueTest, Recorded):
    queue = ours


@without_left_out
class OurSimpleQueueTest(test_queue.BaseSimpleQueueTest, Recorded):
    queue = ours

    def setUp(self):
        self.type2test = self.queue.SimpleQueue
        super().setUp()

    # The one test of CSimpleQueueTest that is about behaviour.
    test_reentrancy = test_queue.CSimpleQueueTest.test_reentrancy


def test_what_is_left_out_exists():
    later = {"CSimpleQueueTest.test_simplequeue_sizeof"} if sys.version_info < (3, 15) else set()
    for name in LEFT_OUT.keys() - later:
        found = test_queue
        for part in name.split("."):
            found = getattr(found, part)


def test_each_test_is_run_or_left_out():
    run = {
        getattr(cls, name)
        for cls in (OurQueueTest, OurSimpleQueueTest)
        for name in unittest.defaultTestLoader.getTestCaseNames(cls)
    }
    for cls in vars(test_queue).values():
        if isinstance(cls, type) and issubclass(cls, unittest.TestCase):
            for name in unittest.defaultTestLoader.getTestCaseNames(cls):
                assert getattr(cls, name) in run or is_left_out(cls, name), f"{cls.__name__}.{name}"


def test_enough_of_them_ran(request):
    here = [item for item in request.session.items if item.path == request.path]
    if len(here) <= MINIMUM:
        pytest.skip("only some were selected")
    print(
        f"{len(ran)} of CPython's tests of queue ran, {len(LEFT_OUT)} tests and classes are left out"
    )
    assert len(ran) >= MINIMUM, sorted(ran)
