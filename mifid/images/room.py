"""How much is decoded ahead of the network: bounded by bytes, however large the pictures are."""

from __future__ import annotations

from queue import SimpleQueue
from threading import Condition
from typing import TypeAlias

from mifid.errors import PictureError
from mifid.images.chunks import Outcome
from mifid.images.decode import NoRoomError
from mifid.images.source import Decoded
from mifid.images.threads import ThreadDecoder
from mifid.images.workers import ProcessDecoder

__all__ = ["MOST_AHEAD", "Chunk", "Room"]

MOST_AHEAD = 256 << 20
"""Bytes of pixels that are decoded, or being decoded, and not taken yet; one may be more."""

_FIRST_GUESS = 2 << 20  # 8 pictures of 256 x 256
_MOST_GUESS = 32 << 20

_Part: TypeAlias = tuple[range, list[Outcome], int]


class Chunk:
    """A few pictures that one thread or process decodes, handed on in parts: usually in one.

    Attributes:
        indices: of the pictures.
        parts: (indices, what became of them, bytes of pixels), in order, and None at the end.
        ready: bytes of pixels in ``parts``.
    """

    def __init__(self, indices: range) -> None:
        self.indices = indices
        self.parts: SimpleQueue[_Part | None] = SimpleQueue()
        self.ready = 0

    def decode(self, decoder: ThreadDecoder | ProcessDecoder, room: Room) -> None:
        """Decode all of it, waiting for room before each part."""
        todo = self.indices
        try:
            needed, total, ended = room.guess, 0, False
            while todo and not ended and room.take(needed, self):
                outcomes, taken, needed = decoder(todo, needed), needed, room.guess
                ended = not outcomes  # nobody wants them any more
                if outcomes and isinstance(outcomes[-1], NoRoomError):
                    needed = outcomes[-1].needed
                    del outcomes[-1]
                size = sum(each.pixels.nbytes for each in outcomes if isinstance(each, Decoded))
                total += size
                room.settle(taken, size, self)
                if outcomes:
                    ended = _is_fatal(outcomes[-1])
                    done, todo = todo[: len(outcomes)], todo[len(outcomes) :]
                    self.parts.put((done, outcomes, size))
            if total:
                room.guess = min(total, _MOST_GUESS)
        except BaseException as error:
            self.parts.put((todo[:1], [error], 0))
        finally:
            self.parts.put(None)


class Room:
    """Bytes that all chunks share.

    Args:
        most: of them.

    Attributes:
        guess: bytes that a chunk is likely to need: what the last one did.
    """

    def __init__(self, most: int = MOST_AHEAD) -> None:
        self.guess = min(_FIRST_GUESS, most)
        self._most = most
        self._used = 0
        self._changed = Condition()
        self._awaited: Chunk | None = None
        self._stopped = False

    def take(self, size: int, chunk: Chunk) -> bool:
        """Wait until there is room for ``size`` bytes; False: nobody wants them any more.

        There always is for one picture of the chunk that the network waits for.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._fits(size, chunk))
            if not self._stopped:
                self._used += size
            return not self._stopped

    def _fits(self, size: int, chunk: Chunk) -> bool:
        return self._used + size <= self._most or (chunk is self._awaited and not chunk.ready)

    def settle(self, taken: int, size: int, chunk: Chunk) -> None:
        """Count the ``size`` bytes that there are in place of those that were taken."""
        with self._changed:
            self._used += size - taken
            chunk.ready += size
            self._changed.notify_all()

    def give_back(self, size: int, chunk: Chunk) -> None:
        """Say that so many bytes of a chunk have gone on to the network."""
        with self._changed:
            self._used -= size
            chunk.ready -= size
            self._changed.notify_all()

    def await_chunk(self, chunk: Chunk) -> None:
        """Say which chunk is needed next."""
        with self._changed:
            self._awaited = chunk
            self._changed.notify_all()

    def stop(self) -> None:
        """Let nobody wait any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()


def _is_fatal(outcome: Outcome) -> bool:
    return isinstance(outcome, BaseException) and not isinstance(outcome, PictureError)
