"""Lists, tuples and dicts of plain values: runs of numbers, dicts of one shape, and what interrupts either."""

import math
import struct

import crossing_functions
import pytest
from instance_samples import Plain
from value_graph import assert_same

import support
from interpchannels import NotShareableError, create, spawn

LENGTHS = [1, 3, 4, 5, 255, 256, 511, 512, 513, 1023, 1025, 5000]


def bits(numbers):
    return [struct.pack("d", number) for number in numbers]


@pytest.fixture
def echo(echo_here, echo_there):
    """By way of both; that nothing goes through pickle is the channel's to say."""
    recv, send = create(pickle=False)

    def echo(value):
        send.send(value)
        assert_same(value, recv.recv())
        assert_same(value, echo_here(value))
        got = echo_there(value)
        assert_same(value, got)
        return got

    with recv, send:
        yield echo


# Runs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("kind", [list, tuple])
def test_numbers_side_by_side(echo, kind, length):
    echo(kind(number / 7 for number in range(length)))
    echo(kind(range(length)))
    echo(kind(range(2**40, 2**40 + length)))
    echo(kind(-number * 2**61 for number in range(length)))


@pytest.mark.parametrize("at", [0, 1, 3, 4, 5, 100, 511, 512, 513, 699])
@pytest.mark.parametrize(
    "stranger",
    [None, True, 7, 2.5, 2**31, -(2**63), 2**64, "x", "a text", b"", (), [1], {"k": 1}, {1}, 1j],
    ids=repr,
)
def test_a_run_that_something_else_interrupts(echo_here, at, stranger):
    for numbers in ([number / 3 for number in range(700)], list(range(700))):
        numbers[at] = stranger
        assert_same(numbers, echo_here(numbers))
        assert_same(tuple(numbers), echo_here(tuple(numbers)))


def test_the_ends_of_what_ints_go_as(echo):
    ends = [2**k + d for k in (7, 8, 15, 30, 31, 32, 60, 62, 63, 64) for d in (-2, -1, 0, 1)]
    for value in ends:
        echo([value] * 5)
        echo([-value] * 5)
        echo([1, 2, 3, value, 4, 5, -value, 6])
    echo(ends)


def test_floats_keep_their_bits(echo):
    odd = [0.0, -0.0, math.inf, -math.inf, 5e-324, struct.unpack("d", b"\1\2\3\4\5\6\xf8\x7f")[0]]
    assert bits(echo(odd)) == bits(odd)


def test_bools_and_subclasses_are_no_numbers_of_a_run(echo_here):
    class Count(int):
        pass

    class Length(float):
        pass

    assert_same([True, False] * 4, echo_here([True, False] * 4))
    assert_same([1, 2, 3, True, 4, 5, 6, 7], echo_here([1, 2, 3, True, 4, 5, 6, 7]))
    for numbers in ([1, 2, 3, 4, Count(5), 6], [1.0, 2.0, 3.0, 4.0, Length(5), 6.0]):
        recv, send = create(pickle=False)
        with recv, send, pytest.raises(NotShareableError, match=r"item\[4\]"):
            send.send(numbers)


# Dicts of one shape ---------------------------------------------------------------------------------------


def rows(count, width=8):
    return [{f"field {i}": n * i for i in range(width)} for n in range(count)]


def alike(count, width):
    """The same with the same key objects, as rows that a program makes have."""
    keys = [f"field {i}" for i in range(width)]
    return [{key: [n, key] for key in keys} for n in range(count)]


@pytest.mark.parametrize("width", [1, 2, 5, 6, 15, 16, 17, 40])
def test_dicts_with_the_same_keys(echo, width):
    echo(alike(5, width))
    echo(tuple(alike(5, width)))
    echo(rows(3, width))


@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize(
    "key", ["other", "é", "x", "", 1, 2.5, None, b"bytes", (1, "t"), frozenset({1})], ids=repr
)
def test_a_key_that_is_another(echo, at, key):
    table = alike(4, 6)
    changed = list(table[2].items())
    changed[at] = (key, changed[at][1])
    table[2] = dict(changed)
    echo(table)
    echo(tuple(table))


def test_keys_in_another_order_and_number(echo):
    table = alike(6, 6)
    table[1] = dict(reversed(table[1].items()))
    table[3].popitem()
    table[4]["more"] = 1
    echo(table)
    echo([{}, *table, {}, *table, {"field 0": 1}, {}])


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("field", range(4))
@pytest.mark.parametrize(
    "stranger",
    [Plain(1, [2]), {1, 2}, slice(1, 2), [[[[[[[[[[[1]]]]]]]]]]], [{"k": {1}}], 2**200, "é" * 300],
    ids=lambda value: repr(value)[:20],
)
def test_a_part_that_needs_frames(echo_here, at, field, stranger):
    table = alike(4, 4)
    table[at][f"field {field}"] = stranger
    assert_same(table, echo_here(table))
    table = alike(4, 4)
    for row in table:
        row[next(iter(row))] = stranger
        row[next(reversed(row))] = (stranger, table[0])
    assert_same(table, echo_here(table))


def test_rows_in_rows(echo):
    inner = alike(3, 3)
    outer = alike(4, 2)
    for row in outer:
        row["field 0"] = [dict(part) for part in inner]
    echo(outer)
    echo([outer, [outer, dict(outer[0])], dict(outer[1])])


def test_rows_that_are_shared_or_lead_to_themselves(echo):
    table = alike(5, 3)
    table[1] = table[0]
    table[3]["field 1"] = table[0]
    table[4]["field 2"] = table
    table.append(table[4])
    table.append(dict(table[4]))
    echo(table)
    key = "some key"
    echo([{key: key}, {key: [key]}, {key: {key: key}}, key])


def test_something_between_the_rows(echo):
    first, second, third = alike(3, 3)
    for between in (None, 1, "text", [1], (), [1, 2, 3, 4, 5], {1}, 2**90):
        echo([first, between, second, third])
        echo((first, second, between, between, third))


# Keys -----------------------------------------------------------------------------------------------------


def test_keys_are_found_in_another_interpreter():
    there_recv, there_send = create()
    back_recv, back_send = create()
    worker = spawn(crossing_functions.look_up, there_recv, back_send)
    there_recv.close()
    back_send.close()
    for count in (1, 5, 6, 17, 300):
        table = {f"key {n}": n for n in range(count)}
        there_send.send((count, table))
        assert back_recv.recv(timeout=support.HANG) == list(range(count))
        there_send.send((count, [table, table][0] | {"more": table}))
        assert back_recv.recv(timeout=support.HANG) == list(range(count))
    there_send.close()
    worker.join()
    back_recv.close()


@pytest.mark.parametrize("count", [1, 5, 6, 16, 17, 1000])
def test_keys_are_found_where_they_arrive(echo, count):
    """They come with the hash that the sender's interpreter has given them."""
    got = echo({f"key {n}": n for n in range(count)})
    for n in range(count):
        assert got["key " + str(n)] == n
        assert f"key {n}" in set(got)
        assert hash(list(got)[n]) == hash(f"key {n}")


@pytest.mark.parametrize("depth", range(1, 30))
def test_deeper_than_the_functions_call_each_other(echo_here, depth):
    value = leaf = {"k": 1}
    for n in range(depth):
        value = [value, {"way": value, "n": n}, (value, leaf)]
    assert_same(value, echo_here(value))
    tower = leaf
    for n in range(depth):
        tower = ({"next": tower, "last": Plain(n, leaf)}, [tower]) if n % 2 else [tower, n]
    assert_same(tower, echo_here(tower))


def test_the_way_to_what_cannot_cross(echo_here):
    recv, send = create(pickle=False)
    table = alike(3, 3)
    table[2]["field 1"] = [1, {"deep": (1, 2, lambda: None)}]
    with recv, send:
        with pytest.raises(NotShareableError, match=r"item\[2\]\['field 1'\]\[1\]\['deep'\]\[2\]"):
            send.send(table)
        assert len(recv) == 0
