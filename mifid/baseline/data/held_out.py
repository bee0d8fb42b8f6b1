"""Held-out pictures, which must not be among those that are trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from mifid.baseline.data.picture_fingerprints import fingerprint
from mifid.errors import InputError, setting
from mifid.images import BatchReader, Decoded, Source, Subset, digest, digests

__all__ = ["held_out_fingerprints", "overlap", "sha256_of"]

_BATCH = 64


def overlap(
    held_out: Source, paintings: Source, *, trained_on: Collection[str], workers: int | None
) -> str:
    """Return a warning if some held-out pictures are trained on; empty: none are.

    Pixels are compared, so that a copy is found in any file, archive or lossless format. Pictures
    that cannot be decoded are left out here, and reported when they are scored with.

    Args:
        held_out: the reference of the scores.
        paintings: all paintings that were given to train on.
        trained_on: names of those that are trained on.
        workers: decoding threads; None: one for each core, at least two.

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
            hint=f"Give other paintings as {setting('held_out')}, or leave it out.",
        )
    return (
        f"{len(seen):,} of {len(unseen):,} held-out pictures are trained on: copies of them "
        "improve the scores"
    )


def sha256_of(source: Source) -> str:
    """Return a hash of the encoded pictures that does not depend on names, order and place."""
    known = sorted(content for content in digests(source) if content is not None)
    return hashlib.sha256(b"".join(known)).hexdigest()


def held_out_fingerprints(source: Source) -> str:
    """Return the fingerprints of all pictures that can be decoded, sorted."""
    reader = BatchReader(source, batch_size=_BATCH, workers=None, skip_bad=True)
    return " ".join(sorted(fingerprint(pixels) for batch in reader for pixels in batch.pixels))


def _contents(source: Source, workers: int | None) -> set[bytes]:
    reader = BatchReader(source, batch_size=_BATCH, workers=workers, skip_bad=True)
    return {digest(Decoded(pixels)) for batch in reader for pixels in batch.pixels}
