"""The little of protobuf's wire format that a ``tf.train.Example`` of pictures is written in.

Format: https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["MalformedError", "only_value", "values"]

_FIXED_BYTES = {0: 0, 1: 8, 2: 0, 5: 4}
"""Wire type -> bytes of a value, 0 where they vary. Groups (3, 4) occur in no Example."""

_VARINT, _BYTES = 0, 2


class MalformedError(ValueError):
    """Bytes that are no tf.train.Example, or not one of a picture."""


def values(example: bytes) -> dict[str, list[bytes]]:
    """Return name -> values of every feature; none for features of numbers.

    ``Example {1: Features {1: map entry {1: name, 2: Feature {1: BytesList {1: value, ...}}}}}``

    Raises:
        MalformedError: the bytes are something else.
    """
    found: dict[str, list[bytes]] = {}
    # An embedded message that comes in parts is their concatenation, says the wire format.
    for entry in _fields(b"".join(_fields(example, 1)), 1):
        name = b"".join(list(_fields(entry, 1))[-1:])
        feature = b"".join(_fields(entry, 2))
        texts = _fields(b"".join(_fields(feature, 1)), 1)
        found[name.decode(errors="backslashreplace")] = list(texts)
    return found


def only_value(features: dict[str, list[bytes]], name: str) -> bytes:
    """Return the one value of a feature of bytes.

    Raises:
        MalformedError: there is no such feature, or it has another number of values.
    """
    if name not in features:
        there = ", ".join(sorted(features)) or "none"
        raise MalformedError(f"it has no feature '{name}'; there are: {there}")
    if len(features[name]) != 1:
        found = len(features[name])
        raise MalformedError(f"feature '{name}' holds {found} values of bytes; expected 1")
    return features[name][0]


def _fields(message: bytes, wanted: int) -> Iterator[bytes]:
    """Yield the length-delimited fields of one number; the whole message is checked."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if number == 0 or kind not in _FIXED_BYTES:
            raise MalformedError(f"not a tf.train.Example (field {number} of wire type {kind})")
        length = _FIXED_BYTES[kind]
        if kind in {_VARINT, _BYTES}:
            value, at = _varint(message, at)
            length = value if kind == _BYTES else 0
        start, at = at, at + length
        if at > len(message):
            raise MalformedError("not a tf.train.Example (a field ends beyond the record)")
        if number == wanted and kind == _BYTES:
            yield message[start:at]


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Return the base-128 number at a position, and the position behind it."""
    value = 0
    for shift in range(0, 70, 7):  # 64 bits fill ten bytes
        if at >= len(message):
            break
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
    raise MalformedError("not a tf.train.Example (a number has no end)")
