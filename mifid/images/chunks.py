"""A few pictures of a source decoded at a time, as every thread and process that decodes does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from mifid.errors import PictureError
from mifid.images.decode import decode
from mifid.images.source import Decoded, Source

__all__ = ["Outcome", "chunks", "decode_chunk", "load"]

Outcome: TypeAlias = Decoded | BaseException
"""What became of one picture."""


def chunks(n: int, size: int) -> Iterator[range]:
    """Yield ``range(n)`` in parts of ``size``; the last may be shorter."""
    for start in range(0, n, size):
        yield range(start, min(start + size, n))


def load(source: Source, index: int, *, room: int | None = None) -> Decoded:
    """Return the pixels of a source's picture.

    Raises:
        PictureError: it cannot be read or decoded.
        NoRoomError: it is a file whose pixels need more than ``room`` bytes.
    """
    content = source.read(index)
    if isinstance(content, bytes):
        return decode(content, source.names[index], room=room)
    return content


def decode_chunk(source: Source, indices: range, room: int) -> Iterator[Outcome]:
    """Yield what becomes of each picture, in order, as far as there is room.

    It ends early once ``room`` bytes of pixels are used up; with a NoRoomError, if that is known
    before the next picture is decoded. An error that is not one picture's (a bug, Ctrl-C) is the
    last, too: it is handed on, not raised, so that the pictures before it are not lost.
    """
    for index in indices:
        outcome = _outcome(source, index, room)
        size = outcome.pixels.nbytes if isinstance(outcome, Decoded) else 0
        room -= size
        ends = isinstance(outcome, BaseException) and not isinstance(outcome, PictureError)
        yield outcome
        if ends or (size and room <= 0):
            return
        del outcome  # else its pixels are held while the next ones are decoded


def _outcome(source: Source, index: int, room: int) -> Outcome:
    try:
        return load(source, index, room=room)
    except BaseException as error:
        return error
