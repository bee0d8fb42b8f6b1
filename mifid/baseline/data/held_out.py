"""Held-out paintings that are trained on hold nothing out."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from mifid.errors import InputError, setting
from mifid.images import Source
from mifid.images.loader import BatchReader, digests
from mifid.images.source import Decoded, digest
from mifid.images.subset import Subset

__all__ = ["overlap", "sha256_of"]

_BATCH = 64


def overlap(
    held_out: Source, paintings: Source, *, trained_on: Collection[str], workers: int | None
) -> str:
    """Return what is to be warned of: that some held-out pictures are trained on; empty: none are.

    Pixels are compared, so that a copy is found in whatever file, archive or lossless format it
    lies. What cannot be decoded is passed over: whoever scores with it tells.

    Args:
        held_out: what is scored against.
        paintings: all that was given to train on.
        trained_on: names of those that are trained on.
        workers: decoding threads; None: one a core, at least two.

    Raises:
        InputError: all held-out pictures are trained on.
    """
    chosen = set(trained_on)
    indices = [index for index, name in enumerate(paintings.names) if name in chosen]
    unseen = _contents(held_out, workers)
    seen = unseen & _contents(Subset(paintings, indices), workers)
    if not seen:
        return ""
    if seen == unseen:
        raise InputError(
            f"all held-out pictures ({held_out.description}) are trained on",
            hint=f"Give paintings with {setting('held_out')} that are not trained on, or leave it "
            "out.",
        )
    return (
        f"{len(seen):,} of {len(unseen):,} held-out pictures are trained on: the scores reward "
        "copying these"
    )


def sha256_of(source: Source) -> str:
    """Return a hash of the pictures as they are encoded, whatever their names, order and place."""
    known = sorted(content for content in digests(source) if content is not None)
    return hashlib.sha256(b"".join(known)).hexdigest()


def _contents(source: Source, workers: int | None) -> set[bytes]:
    reader = BatchReader(source, batch_size=_BATCH, workers=workers, skip_bad=True)
    return {digest(Decoded(pixels)) for batch in reader for pixels in batch.pixels}
