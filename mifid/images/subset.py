"""Some of a source's pictures."""

from __future__ import annotations

from collections.abc import Sequence

from mifid.images.source import Decoded, Source

__all__ = ["Subset"]


class Subset(Source):
    """The pictures of ``source`` at ``indices``; closing it is the source's owner's business."""

    def __init__(self, source: Source, indices: Sequence[int]) -> None:
        self._source = source
        self.indices = indices
        self.description, self.skipped = source.description, source.skipped
        self.names = [source.names[i] for i in indices]
        self.travels = source.travels

    def read(self, index: int) -> bytes | Decoded:
        """Return what the source holds at ``indices[index]``."""
        return self._source.read(self.indices[index])
