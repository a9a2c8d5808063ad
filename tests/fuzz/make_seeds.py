"""Writes the decoder's corpus anew: a parcel of each kind, and each that once was a finding.

    python tests/fuzz/make_seeds.py     # after a change of the tags in src/crossing/format.hpp

The first byte of an input says how many attachments there are, then one for each says which (decode.cpp); the rest is
the parcel.
"""

from __future__ import annotations

import pathlib
import re
import struct

HERE = pathlib.Path(__file__).resolve().parent
FORMAT = HERE.parents[1] / "src" / "crossing" / "format.hpp"
CORPUS = HERE / "corpus" / "decode"

REMEMBER = 0x80
CLASSES = 14  # that fuzz_samples.VALUES number; which is which does not matter


def tags() -> dict[str, int]:
    text = FORMAT.read_text()
    body = text[text.index("enum Tag") : text.index("};", text.index("enum Tag"))]
    names = re.findall(r"^\s+k(\w+)\b.*$", body, re.MULTILINE)
    return {name: number for number, name in enumerate(names, 1)}


def parcel(*parts: int | bytes) -> bytes:
    return b"".join(part if isinstance(part, bytes) else bytes([part]) for part in parts)


def varint(number: int) -> bytes:
    made = b""
    while number > 0x7F:
        made += bytes([number & 0x7F | 0x80])
        number >>= 7
    return made + bytes([number])


def seeds() -> dict[str, bytes]:
    tag = tags()
    one, two = (parcel(tag["Int8"], n) for n in (1, 2))
    text = parcel(tag["StrAscii"], 3, b"abc")
    key = parcel(tag["Key"] | REMEMBER, 4, struct.pack("<q", 7), b"name")
    plain, block, loan = b"\0", b"\1\6", b"\1\1"  # a Block of 6 bytes, a Loan of 64
    claims = [max(128, 2940 - 3 * i) for i in range(900)]

    def nested(kind: str) -> bytes:
        return parcel(*(parcel(tag[kind], varint(n)) for n in claims), b"\1" * 250)

    def memory(size: int, itemsize: int, form: bytes, shape: int) -> bytes:
        layout = struct.pack("<qq", size, itemsize) + b"\0\1" + form + b"\1"
        return parcel(tag["Memory"], layout + struct.pack("<qq", shape, itemsize))

    def shaped(*keys: bytes, marks: int = 0, count: int | None = None) -> bytes:
        """Up to the values."""
        block = b"".join(
            bytes([len(key) | (REMEMBER if marks >> i & 1 else 0)]) + key
            for i, key in enumerate(keys)
        )
        size = len(keys) if count is None else count
        return bytes([size]) + struct.pack("<H", len(block)) + block

    pair = shaped(b"ab", b"c")
    dict_ = tag["Shaped"]
    made = {
        "constants": plain + parcel(tag["Tuple"], 5, 1, 2, 3, 4, 5),
        "ints": plain
        + parcel(tag["List"], 4, one, tag["Int32"], struct.pack("<i", 70_000))
        + parcel(tag["Int64"], struct.pack("<q", 1 << 40), tag["IntBig"], 12, b"\1" * 12),
        "floats": plain
        + parcel(tag["Tuple"], 2, tag["Float"], struct.pack("<d", 1.5))
        + parcel(tag["Complex"], struct.pack("<dd", 1, 2)),
        "texts": plain
        + parcel(tag["List"], 4, text, tag["StrLatin1"], 2, b"\xe9a")
        + parcel(tag["StrUcs2"], 2, b"\1\x20a\0", tag["StrUcs4"], 1, b"\0\xf6\1\0"),
        "bytes": plain
        + parcel(tag["Tuple"], 2, tag["Bytes"], 3, b"abc", tag["ByteArray"], 2, b"xy"),
        "dict": plain + parcel(tag["Dict"], 2, text, one, two, tag["List"], 1, two),
        "runs": plain
        + parcel(tag["List"], 13, one, tag["Floats"], struct.pack("<H4d", 4, 1, 2, 3, 4))
        + parcel(tag["Ints32"], struct.pack("<H4i", 4, 1, 2, 3, 1 << 30), tag["Ints64"])
        + struct.pack("<H4q", 4, 1, 2, 3, 1 << 62),
        "dict-alone": plain + parcel(tag["DictAlone"], 2, key, one, text, two),
        "dicts-alike": plain
        + parcel(tag["List"], 4, tag["Dict"], 2, key, one, text, two, tag["DictLike"], 2, one, two)
        + parcel(tag["DictLike"], 2, one, tag["OtherKeys"], one, two)
        + parcel(tag["DictLike"] | REMEMBER, 2, tag["Ref"], 0, tag["Set"], 1, one),
        "dicts-alike-among-frames": plain
        + parcel(tag["Tuple"], 4, tag["Set"], 0, tag["Dict"], 2, key, one, text, tag["Set"], 1, one)
        + parcel(tag["DictLike"], 2, tag["Set"], 1, one, two, tag["DictLike"], 2, one)
        + parcel(tag["List"], 1, tag["Slice"], one, two, one),
        "sets": plain + parcel(tag["List"], 2, tag["Set"], 2, one, two, tag["FrozenSet"], 1, text),
        "slice-and-range": plain
        + parcel(tag["Tuple"], 2, tag["Slice"], one, two, 1, tag["Range"], one, two, one),
        "sharing": plain
        + parcel(tag["List"] | REMEMBER, 3, tag["List"] | REMEMBER, 1, one)
        + parcel(tag["Ref"], 1, tag["Ref"], 0),
        "tuple-in-itself": plain
        + parcel(tag["Tuple"] | REMEMBER, 1, tag["List"] | REMEMBER, 1, tag["Ref"], 0),
        "list-seen": plain
        + parcel(tag["List"] | REMEMBER, 3, tag["Tuple"], 1, *([tag["Ref"], 0] * 3)),
        "pickle": b"\1\2" + parcel(tag["Pickle"], 1, 1, 4, b"\x80\x05N.", 1),
        "pickle-with-buffers": b"\2\2\6" + parcel(tag["Pickle"], 0, 2, 1, 0, 4, b"\x80\x05N."),
        "memory": block + memory(6, 2, b"H", 3),
        "loan-of-bytes": loan + parcel(tag["LoanBytes"]),
        "loan-of-text": loan + parcel(tag["LoanStr"], tag["StrAscii"], 64),
        "buffer": b"\1\4" + parcel(tag["Buffer"]),
        "run-longer-than-its-list": plain
        + parcel(tag["List"], 3, tag["Ints32"], struct.pack("<H4i", 4, 1, 2, 3, 4)),
        "run-longer-than-the-parcel": plain
        + parcel(tag["List"], 9, tag["Floats"], b"\11\0", one * 8),
        "dict-like-none": plain + parcel(tag["List"], 2, one, tag["DictLike"], 1, one),
        # Three times: met, kept, and made as a copy.
        "shaped": plain + parcel(tag["Tuple"], 3, *(dict_, pair, one, text) * 3),
        "shaped-numbered": plain
        + parcel(tag["Tuple"], 4, *(dict_, shaped(b"ab", b"c", marks=1), one, two) * 3)
        + parcel(tag["Ref"], 2),
        "shaped-to-itself": plain + parcel(dict_ | REMEMBER, pair, one, tag["Ref"], 0),
        "shaped-alone": plain + parcel(tag["ShapedAlone"], pair, one, text),
        "shaped-other-keys": plain
        + parcel(tag["Tuple"], 3, *(dict_, pair, one, tag["OtherKeys"], text, two) * 3),
        "shaped-with-frames": plain
        + parcel(tag["Tuple"], 3, *(dict_, pair, tag["Set"], 1, one, dict_, pair, one, two) * 3),
        "shaped-then-like": plain
        + parcel(tag["List"], 3, dict_, pair, one, text, *(tag["DictLike"], 2, one, two) * 2),
        "shaped-same-key-twice": plain
        + parcel(tag["Tuple"], 3, *(dict_, shaped(b"ab", b"ab"), one, two) * 3),
        "shaped-of-another-size": plain
        + parcel(tag["Tuple"], 4, *(dict_, pair, one, two) * 3)
        + parcel(dict_, shaped(b"ab", b"c", count=1), one),
        "shaped-key-longer-than-its-block": plain + parcel(dict_, 1, b"\2\0\5a", one),
        "shaped-more-block-than-keys": plain + parcel(dict_, shaped(b"a", b"b", count=1), one),
        # Findings.
        "shaped-without-block": plain + parcel(dict_, 1, b"\0\0", one),
        "tuple-in-itself-in-a-set": plain
        + parcel(tag["Set"], 1, tag["Tuple"] | REMEMBER, 1, tag["Ref"], 0),
        "slice-in-itself-in-a-set": plain
        + parcel(tag["Set"], 1, tag["Slice"] | REMEMBER, tag["Ref"], 0, one, two),
        "tuple-hashed-while-open": plain
        + parcel(tag["Tuple"] | REMEMBER, 2, one, tag["Set"], 1, tag["Ref"], 0),
        "nested-claims": plain + nested("List"),
        "nested-tuple-claims": plain + nested("Tuple"),
        "memory-larger-than-its-block": block + memory(60_000, 1, b"B", 60_000),
        "memory-format-wider-than-its-items": block + memory(6, 1, b"d", 6),
        "text-of-no-characters": plain + parcel(tag["StrUcs4"], 3, b"\xff" * 12),
        "attachment-of-another-type": block + parcel(tag["Buffer"]),
        "loan-of-another-type": block + parcel(tag["LoanBytes"]),
    }
    for number in range(CLASSES):
        for kind, rest in {
            "Instance": parcel(1, 1, one, text, two, one, two),
            "NamedTuple": parcel(2, one, two),
            "Enum": one,
            "Reduced": parcel(1, tag["Bytes"], 10, b"\x07\xe8\x01\x02\0\0\0\0\0\0"),
        }.items():
            made[f"{kind.lower()}-{number}"] = plain + parcel(tag[kind], number, rest)
    return made


def main() -> None:
    CORPUS.mkdir(parents=True, exist_ok=True)
    for old in CORPUS.iterdir():
        old.unlink()
    for name, content in seeds().items():
        (CORPUS / name).write_bytes(content)


if __name__ == "__main__":
    main()
