"""Pictures that must still be what they were when they were hashed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mifid.errors import InputError, PictureError
from mifid.images.source import Decoded, Source, digest

__all__ = ["Unchanged"]


class Unchanged(Source):
    """The pictures of ``source``, each checked against its digest as it is read.

    What is computed of them is then of the contents that the digests name, whatever else writes
    to the files or arrays meanwhile. Closing it is the source's owner's business.

    Args:
        source: any.
        digests: SHA-256 of each picture (:func:`mifid.images.source.digest`), None where it could
            not be read.
    """

    def __init__(self, source: Source, digests: Sequence[bytes | None]) -> None:
        self._source, self._digests = source, digests
        self.description, self.skipped = source.description, source.skipped
        self.names, self.travels = source.names, source.travels

    def read(self, index: int) -> bytes | Decoded:
        """Return what the source holds.

        Raises:
            PictureError: it can be read no more than before.
            InputError: it is another picture by now, or cannot be read any more.
        """
        expected = self._digests[index]
        try:
            content = self._source.read(index)
        except PictureError:
            if expected is not None:
                raise self._changed(index) from None
            raise
        if isinstance(content, Decoded):
            # A copy: pixels that are hashed and decoded in place may change in between.
            content = Decoded(np.array(content.pixels), content.mode)
        if digest(content) != expected:
            raise self._changed(index)
        return content

    def name(self, index: int) -> str:
        """Return what the source calls it."""
        return self._source.name(index)

    def container_sha256(self) -> bytes | None:
        """Return the source's."""
        return self._source.container_sha256()

    def _changed(self, index: int) -> InputError:
        return InputError(
            f"{self.description}: '{self.names[index]}' changed while it was read",
            hint="Let what writes there finish first, or score a copy.",
        )
