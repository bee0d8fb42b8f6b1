"""Decoding in threads: Pillow releases the interpreter lock while it decodes."""

from __future__ import annotations

from itertools import takewhile
from types import TracebackType

from mifid.images.chunks import Outcome, decode_chunk
from mifid.images.source import Source

__all__ = ["ThreadDecoder"]


class ThreadDecoder:
    """Decodes chunks in the threads that call it. Its counterpart is ProcessDecoder.

    Attributes:
        calls: from how many threads at a time it should be called.
    """

    def __init__(self, source: Source, workers: int) -> None:
        self.calls = workers
        self._source = source
        self._stopped = False

    def __enter__(self) -> ThreadDecoder:
        return self

    def __call__(self, indices: range, room: int) -> list[Outcome]:
        """Decode a chunk, or as much of it as there is room for, and time until ``stop``."""
        running = takewhile(lambda _: not self._stopped, decode_chunk(self._source, indices, room))
        return list(running)

    def stop(self) -> None:
        """Make calls that are under way end after the picture they are at."""
        self._stopped = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass
