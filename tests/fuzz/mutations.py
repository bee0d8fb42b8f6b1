"""Damage that any file may meet: flipped bits, extreme numbers, parts cut, doubled or moved."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from random import Random

__all__ = ["ODD_NAMES", "ODD_NUMBERS", "damaged", "spliced"]

ODD_NUMBERS = (
    0,
    1,
    2,
    3,
    7,
    8,
    9,
    127,
    128,
    255,
    256,
    299,
    512,
    65535,
    65536,
    2**24,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**32,
    2**53,
    2**63 - 1,
    2**63,
    2**64 - 1,
    -1,
    -2,
    -512,
    -(2**31),
    -(2**63),
)

ODD_NAMES = (
    "a.jpg",
    "b.JPG",
    "c.png",
    "folder/d.jpg",
    "../out.jpg",
    "/abs.jpg",
    "C:\\x.jpg",
    "..\\x.jpg",
    "",
    " ",
    ".",
    "..",
    "a\0b.jpg",
    "a\nb.jpg",
    "\x1b]0;title\x07.jpg",
    "\u202egpj.exe",
    "é.jpg",
    "=1+1.jpg",
    "<b>.jpg",
    "%s.jpg",
    "{0}.jpg",
    "$(touch x).jpg",
    "x" * 300 + ".jpg",
    "folder/",
    "__MACOSX/._a.jpg",
    ".hidden.jpg",
    "Thumbs.db",
    "con.jpg",
    "images.zip",
    "a.txt",
    "none",
)


def damaged(data: bytes, random: Random, *, most: int = 4) -> bytes:
    """Apply one to ``most`` mutations."""
    for _ in range(random.randint(1, most)):
        if not data:
            return random.randbytes(random.randint(0, 64))
        data = random.choice(_MUTATIONS)(data, random)
    return data


def spliced(one: bytes, other: bytes, random: Random) -> bytes:
    """Join the beginning of one file to the end of another."""
    return one[: random.randint(0, len(one))] + other[random.randint(0, len(other)) :]


def _flip(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def _number(data: bytes, random: Random) -> bytes:
    kind = random.choice("bBhHiIqQ")
    size = struct.calcsize(kind)
    value = random.choice(ODD_NUMBERS) % 2 ** (8 * size)
    packed = value.to_bytes(size, random.choice(["little", "big"]))
    at = random.randrange(len(data))
    return data[:at] + packed + data[at + size :]


def _cut(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data))]


def _removed(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data))
    return data[:at] + data[at + random.randint(1, 32) :]


def _doubled(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data))
    end = at + random.randint(1, 64)
    return data[:end] + data[at:end] * random.choice([1, 1, 1, 50]) + data[end:]


def _inserted(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data))
    return data[:at] + random.randbytes(random.randint(1, 16)) + data[at:]


def _moved(data: bytes, random: Random) -> bytes:
    a, b = sorted(random.randrange(len(data)) for _ in range(2))
    return data[:a] + data[b:] + data[a:b]


def _text(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data))
    word = random.choice(ODD_NAMES).encode() or b"\xed\xa0\x80"  # half a surrogate
    return data[:at] + word + data[at + len(word) :]


_MUTATIONS: Sequence[Callable[[bytes, Random], bytes]] = (
    _flip,
    _flip,
    _flip,
    _number,
    _number,
    _cut,
    _removed,
    _doubled,
    _inserted,
    _moved,
    _text,
)
