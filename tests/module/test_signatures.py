"""The functions of the drop-in: which there are, what they take, and what they return, by version."""

import re

import pytest
from dropin import (
    HAS_FALLBACK,
    INFO_FIELDS,
    REMOVE,
    REPLACE,
    UNBOUND_OPS,
    c,
    create,
    get,
    info,
    put,
)

from support import IS_OURS

FUNCTIONS = (
    "_channel_id",
    "_register_end_types",
    "close",
    "create",
    "destroy",
    "get_channel_defaults",
    "get_count",
    "get_info",
    "list_all",
    "list_interpreters",
    "recv",
    "release",
    "send",
    "send_buffer",
)
ERRORS = (
    "ChannelClosedError",
    "ChannelEmptyError",
    "ChannelNotEmptyError",
    "ChannelNotFoundError",
)
MISSING = 987_654_321

until_313 = pytest.mark.skipif(HAS_FALLBACK, reason="the interface until 3.13")
since_314 = pytest.mark.skipif(not HAS_FALLBACK, reason="the interface since 3.14")


class Index:
    def __init__(self, value):
        self.value = value

    def __index__(self):
        return self.value


# Names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name):
    assert callable(getattr(c, name))


@pytest.mark.skipif(not IS_OURS, reason="ours alone has these names")
@pytest.mark.parametrize("name", ["create", "destroy", "send", "recv", "close"])
def test_longer_names(name):
    cid = create()
    put(cid, 5)
    assert getattr(c, f"channel_{name}").__name__ in (name, f"channel_{name}")
    assert c.channel_recv(cid) == (5, None)
    c.channel_send(cid, 6, REPLACE, blocking=False)
    assert get(cid) == 6
    c.channel_close(cid)
    c.channel_destroy(cid)
    made = c.channel_create(REPLACE)
    assert type(made) is c.ChannelID


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_siblings(name):
    """Ours may be another module's errors as well: queue.Empty, say."""
    error = getattr(c, name)
    assert error.__bases__[0] is c.ChannelError
    assert IS_OURS or len(error.__bases__) == 1
    assert error.__name__ == name
    assert not any(issubclass(error, getattr(c, other)) for other in ERRORS if other != name)


def test_channel_error():
    assert c.ChannelError.__bases__ == (RuntimeError,)


def test_types():
    assert type(create()) is c.ChannelID
    assert type(c.get_info(create())) is c.ChannelInfo
    assert c.ChannelID.__name__ == "ChannelID"
    assert c.ChannelInfo.__name__ == "ChannelInfo"


# create ---------------------------------------------------------------------------------------


@until_313
def test_create_needs_unboundop():
    with pytest.raises(TypeError):
        c.create()
    with pytest.raises(TypeError):
        c.create(REPLACE, 0)
    assert c.get_channel_defaults(c.create(unboundop=REMOVE)) == REMOVE


@since_314
def test_create_has_defaults():
    assert c.get_channel_defaults(c.create()) == (REPLACE, 1)
    assert c.get_channel_defaults(c.create(-1, -1)) == (REPLACE, 1)
    assert c.get_channel_defaults(c.create(-2, -5)) == (REPLACE, 1)
    assert c.get_channel_defaults(c.create(REMOVE)) == (REMOVE, 1)
    assert c.get_channel_defaults(c.create(fallback=0)) == (REPLACE, 0)
    assert c.get_channel_defaults(c.create(unboundop=REMOVE, fallback=0)) == (REMOVE, 0)
    with pytest.raises(TypeError):
        c.create(REPLACE, 0, 0)


@pytest.mark.parametrize("op", UNBOUND_OPS)
def test_create_unboundop(op):
    defaults = c.get_channel_defaults(c.create(op))
    assert defaults == ((op, 1) if HAS_FALLBACK else op)


@pytest.mark.parametrize("op", [0, 4, 99, *([] if HAS_FALLBACK else [-1, -2])])
def test_create_unsupported_unboundop(op):
    with pytest.raises(ValueError, match=rf"^unsupported unboundop {op}$"):
        c.create(op)


@since_314
@pytest.mark.parametrize("fallback", [2, 3, 99])
def test_create_unsupported_fallback(fallback):
    with pytest.raises(ValueError, match=rf"^unsupported fallback {fallback}$"):
        c.create(REPLACE, fallback)
    # The unboundop is looked at first.
    with pytest.raises(ValueError, match=r"^unsupported unboundop 9$"):
        c.create(9, fallback)


@pytest.mark.parametrize(
    ("op", "error"), [("a", TypeError), (None, TypeError), (2.0, TypeError), (2**40, OverflowError)]
)
def test_create_unboundop_of_a_wrong_type(op, error):
    with pytest.raises(error):
        c.create(op)


def test_create_makes_nothing_when_it_fails():
    before = len(c.list_all())
    with pytest.raises(ValueError):
        c.create(0)
    assert len(c.list_all()) == before


def test_ids_are_not_used_twice():
    first = create()
    number = int(first)
    del first
    assert int(create()) > number


# list_all and the defaults --------------------------------------------------------------------


def test_list_all():
    one, two = c.create(REPLACE), c.create(REMOVE)
    tail = (1,) if HAS_FALLBACK else ()
    assert type(c.list_all()) is list
    entries = {int(entry[0]): entry for entry in c.list_all()}
    assert entries[int(one)] == (one, REPLACE, *tail)
    assert entries[int(two)] == (two, REMOVE, *tail)
    assert all(type(entry) is tuple for entry in entries.values())
    assert all(type(entry[0]) is c.ChannelID for entry in entries.values())
    assert all(entry[0].end == "both" for entry in entries.values())


@since_314
def test_list_all_shows_the_fallback():
    made = c.create(REMOVE, 0)
    assert (made, REMOVE, 0) in c.list_all()


# The id of a channel as an argument -----------------------------------------------------------

BY_ID = {
    "close": c.close,
    "destroy": c.destroy,
    "get_channel_defaults": c.get_channel_defaults,
    "get_count": c.get_count,
    "get_info": c.get_info,
    "list_interpreters": lambda cid: c.list_interpreters(cid, send=True),
    "recv": c.recv,
    "release": c.release,
    "send": lambda cid: c.send(cid, 1, REPLACE, blocking=False),
    "send_buffer": lambda cid: c.send_buffer(cid, b"spam", REPLACE, blocking=False),
    "_channel_id": c._channel_id,
}

by_id = pytest.mark.parametrize("function", BY_ID.values(), ids=BY_ID)


@by_id
def test_takes_an_id_an_end_an_int_and_an_index(function):
    for convert in (lambda cid: cid, lambda cid: cid.send, int, lambda cid: Index(int(cid))):
        cid = create()
        if function is c.recv:
            put(cid)
        function(convert(cid))


@by_id
def test_missing_channel(function):
    with pytest.raises(c.ChannelNotFoundError, match=rf"^channel {MISSING} not found$"):
        function(MISSING)


@by_id
@pytest.mark.parametrize("value", [-1, -(2**63), Index(-1)])
def test_negative_id(function, value):
    expected = re.escape(f"channel ID must be a non-negative int, got {value!r}")
    with pytest.raises(ValueError, match=rf"^{expected}$"):
        function(value)


@by_id
@pytest.mark.parametrize("value", [2**63, 2**64, -(2**70), Index(2**63)])
def test_huge_id(function, value):
    with pytest.raises(OverflowError):
        function(value)


@by_id
@pytest.mark.parametrize("value", ["1", b"1", 1.0, None, [], object()])
def test_id_of_a_wrong_type(function, value):
    name = type(value).__name__
    with pytest.raises(TypeError, match=rf"^channel ID must be an int, got {name}$"):
        function(value)


@by_id
def test_index_that_raises(function):
    class Raises:
        def __index__(self):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        function(Raises())


@by_id
def test_index_that_is_no_int(function):
    with pytest.raises(TypeError):
        function(Index("1"))


def test_a_subclass_of_str_with_an_index():
    class Text(str):
        def __index__(self):
            return MISSING

    with pytest.raises(c.ChannelNotFoundError):
        c.get_count(Text())


def test_true_is_channel_one():
    with pytest.raises((c.ChannelNotFoundError, c.ChannelClosedError)) as caught:
        c.destroy(1)
        c.get_count(True)
    assert "channel 1 " in str(caught.value)


# Names of arguments, and which may be given by position ---------------------------------------


def test_keywords():
    cid = create()
    c.send(cid=cid, obj=1, unboundop=REMOVE, blocking=False, timeout=None)
    c.send_buffer(cid=cid, obj=b"spam", unboundop=REMOVE, blocking=False, timeout=None)
    assert c.recv(cid=cid, default=None) == (1, None)
    assert c.get_count(cid=cid) == 1
    assert c.get_info(cid=cid).count == 1
    assert c.get_channel_defaults(cid=cid)
    assert c.list_interpreters(cid=cid, send=True)
    c.release(cid=cid, send=False, recv=True, force=True)
    c.close(cid=cid, send=False, recv=False, force=True)
    c.destroy(cid=cid)


def test_send_by_position():
    cid = create()
    c.send(cid, 1, REPLACE, blocking=False)
    if HAS_FALLBACK:
        c.send(cid, 2, REPLACE, 0, blocking=False)
        c.send(cid, 3, unboundop=REPLACE, fallback=0, blocking=False)
    extra = (0, True) if HAS_FALLBACK else (True,)
    with pytest.raises(TypeError):
        c.send(cid, 1, REPLACE, *extra)
    with pytest.raises(TypeError):
        c.send_buffer(cid, b"", REPLACE, *extra)


@until_313
def test_no_fallback_yet():
    with pytest.raises(TypeError):
        c.send(create(), 1, REPLACE, fallback=0, blocking=False)


@pytest.mark.parametrize("function", [c.close, c.release])
def test_flags_by_keyword_alone(function):
    with pytest.raises(TypeError):
        function(create(), True)


def test_list_interpreters_needs_send():
    cid = create()
    with pytest.raises(TypeError):
        c.list_interpreters(cid)
    with pytest.raises(TypeError):
        c.list_interpreters(cid, True)


@pytest.mark.parametrize(
    "call",
    [
        lambda: c.send(create()),
        lambda: c.send(),
        lambda: c.recv(),
        lambda: c.recv(create(), 1, 2),
        lambda: c.close(),
        lambda: c.destroy(),
        lambda: c.get_count(create(), 1),
        lambda: c.get_count(x=1),
        lambda: c.list_all(1),
        lambda: c.send(create(), 1, REPLACE, blocking=False, nonsense=1),
        lambda: c.close(create(), nonsense=1),
        lambda: c._channel_id(),
        lambda: c._channel_id(create(), True),
    ],
)
def test_wrong_calls(call):
    with pytest.raises(TypeError):
        call()


def test_blocking_is_a_truth_value():
    cid = create()
    c.send(cid, 1, REPLACE, blocking=[])
    assert get(cid) == 1


# ChannelInfo ----------------------------------------------------------------------------------


def test_info_is_a_tuple_of_eight_with_sixteen_fields():
    found = c.get_info(create())
    assert isinstance(found, tuple)
    assert len(found) == 8
    assert (found.n_sequence_fields, found.n_fields, found.n_unnamed_fields) == (8, 16, 0)
    assert tuple(found) == tuple(getattr(found, name) for name in INFO_FIELDS[:8])
    for name in INFO_FIELDS:
        expected = bool if name in ("open", "closing", "closed") or "_a" in name else int
        if name in ("send_released", "recv_released"):
            expected = bool
        assert type(getattr(found, name)) is expected, name


def test_info_of_a_new_channel():
    assert info(create()) == {"open": True}
    assert tuple(c.get_info(create())) == (True, False, False, 0, 0, 0, 0, 0)


def test_info_repr():
    text = repr(c.get_info(create()))
    assert "ChannelInfo(open=True, closing=False, closed=False, count=0," in text


# unboundop and fallback of a send -------------------------------------------------------------

SENDS = {
    "send": lambda cid, *args, **kw: c.send(cid, b"spam", *args, **kw),
    "send_buffer": lambda cid, *args, **kw: c.send_buffer(cid, b"spam", *args, **kw),
}
sends = pytest.mark.parametrize("send", SENDS.values(), ids=SENDS)


@sends
@pytest.mark.parametrize("op", UNBOUND_OPS)
def test_send_unboundop(send, op):
    cid = create()
    send(cid, op, blocking=False)
    assert bytes(get(cid)) == b"spam"


@sends
def test_send_default_unboundop(send):
    cid = create()
    send(cid, blocking=False)
    if HAS_FALLBACK:
        send(cid, -1, blocking=False)
        send(cid, -2, -2, blocking=False)
    assert bytes(get(cid)) == b"spam"


@sends
@pytest.mark.parametrize("op", [0, 4, 99, *([] if HAS_FALLBACK else [-1, -2])])
def test_send_unsupported_unboundop(send, op):
    cid = create()
    with pytest.raises(ValueError, match=rf"^unsupported unboundop {op}$"):
        send(cid, op, blocking=False)
    assert c.get_count(cid) == 0


@sends
@pytest.mark.parametrize(
    ("op", "error"), [("a", TypeError), (None, TypeError), (2.0, TypeError), (2**40, OverflowError)]
)
def test_send_unboundop_of_a_wrong_type(send, op, error):
    with pytest.raises(error):
        send(create(), op, blocking=False)


@since_314
@sends
@pytest.mark.parametrize("fallback", [2, 3, 99])
def test_send_unsupported_fallback(send, fallback):
    with pytest.raises(ValueError, match=rf"^unsupported fallback {fallback}$"):
        send(create(), REPLACE, fallback, blocking=False)
    with pytest.raises(ValueError, match=r"^unsupported unboundop 9$"):
        send(create(), 9, fallback, blocking=False)


# Which of two mistakes is told ----------------------------------------------------------------


@sends
def test_a_wrong_timeout_is_told_before_a_missing_channel(send):
    with pytest.raises(ValueError, match="timeout"):
        send(MISSING, REPLACE, timeout=-1)


@until_313
@sends
def test_a_wrong_unboundop_is_told_before_all_but_the_id(send):
    with pytest.raises(ValueError, match=r"^unsupported unboundop 9$"):
        send(MISSING, 9, timeout=-1)


@since_314
@sends
def test_a_missing_channel_is_told_before_a_wrong_unboundop(send):
    """The channel is needed for the default of the other one."""
    with pytest.raises(ValueError, match="timeout"):
        send(MISSING, 9, timeout=-1)
    with pytest.raises(c.ChannelNotFoundError):
        send(MISSING, 9, blocking=False)
    cid = create()
    c.close(cid)
    with pytest.raises(c.ChannelClosedError):
        send(cid, 9, blocking=False)


def test_a_missing_channel_is_told_before_an_object_that_cannot_be_sent():
    with pytest.raises(c.ChannelNotFoundError):
        c.send(MISSING, (i for i in ()), REPLACE, blocking=False)
    cid = create()
    c.close(cid)
    with pytest.raises(c.ChannelClosedError):
        c.send(cid, (i for i in ()), REPLACE, blocking=False)
