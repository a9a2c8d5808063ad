"""Hypothesis strategies: any nested value of the natively crossing types, with sharing and cycles.

A value is made as a graph: a list of nodes, each a leaf or a container whose parts are earlier nodes (so that parts
are shared), and then some edges from a mutable container to any node (so that there are cycles).
"""

import struct

from hypothesis import strategies as st

EDGES = sorted(
    {sign * (2**bits + off) for bits in (0, 7, 8, 15, 16, 29, 30, 31, 32, 53, 59, 60, 61, 62, 63, 64,
                                         90, 127, 128, 1000) for off in (-1, 0, 1) for sign in (1, -1)}
)  # fmt: skip


def _nan(payload: int, negative: bool) -> float:
    bits = 0x7FF8000000000000 | payload | (negative << 63)
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


nans = st.builds(_nan, st.integers(0, 2**51 - 1), st.booleans())
integers = st.integers() | st.sampled_from(EDGES) | st.integers(-(2**4000), 2**4000)
real_floats = st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0, 5e-324, float("inf")])
floats = real_floats | nans
complexes = st.builds(complex, floats, floats)
text = st.text(st.characters(exclude_categories=())) | st.text() | st.text(st.sampled_from("ab"))
binary = st.binary() | st.binary(min_size=240, max_size=300)
ranges = st.builds(range, integers, integers, integers.filter(lambda step: step != 0))

hashable_leaves = (
    st.none() | st.booleans() | integers | real_floats | text | binary | ranges | st.just(...)
)
leaves = (
    hashable_leaves
    | nans
    | complexes
    | st.builds(bytearray, binary)
    | st.builds(slice, integers | st.none(), integers | st.none(), st.none())
)

KINDS = ["leaf", "leaf", "list", "tuple", "dict", "set", "frozenset", "slice", "hashable"]


def _is_hashable(value):
    try:
        hash(value)
    except TypeError:
        return False
    return True


@st.composite
def values(draw, max_nodes=25, extra=None):
    """Any nested value. `extra` is a strategy for more leaves."""
    nodes = []
    hashables = []  # indexes of the nodes that can be keys

    def pick(candidates, most=5):
        if not candidates:
            return []
        return [nodes[i] for i in draw(st.lists(st.sampled_from(candidates), max_size=most))]

    for _ in range(draw(st.integers(1, max_nodes))):
        kind = draw(st.sampled_from(KINDS))
        earlier = range(len(nodes))
        if kind == "leaf":
            node = draw(leaves if extra is None else leaves | extra)
        elif kind == "hashable":
            node = draw(hashable_leaves)
        elif kind == "list":
            node = pick(earlier)
        elif kind == "tuple":
            node = tuple(pick(earlier))
        elif kind == "dict":
            node = dict(zip(pick(hashables), pick(earlier), strict=False))
        elif kind == "set":
            node = set(pick(hashables))
        elif kind == "frozenset":
            node = frozenset(pick(hashables))
        else:
            node = slice(*(pick(earlier, 3) + [None] * 3)[:3])
        if type(node) is not slice and _is_hashable(node) and not _has_nan(node):
            hashables.append(len(nodes))
        nodes.append(node)

    mutable = [i for i, node in enumerate(nodes) if type(node) in (list, dict)]
    for _ in range(draw(st.integers(0, 3)) if mutable else 0):
        container = nodes[draw(st.sampled_from(mutable))]
        target = nodes[draw(st.integers(0, len(nodes) - 1))]
        if type(container) is list:
            container.append(target)
        else:
            container[draw(text)] = target
    return nodes[-1] if draw(st.booleans()) else nodes


def _has_nan(value):
    """NaN in a key equals nothing, so that a set of such keys cannot be laid over another."""
    if type(value) in (tuple, frozenset):
        return any(map(_has_nan, value))
    return type(value) in (float, complex) and value != value
