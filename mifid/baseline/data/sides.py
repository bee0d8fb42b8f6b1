"""The two sides of a run's pictures: opened, and decoded once for all processes."""

from __future__ import annotations

import os
from collections import defaultdict

import numpy as np

from mifid.baseline.config.schema import Data
from mifid.baseline.data.store import PixelStore, store_pixels
from mifid.baseline.distributed import Processes
from mifid.errors import InputError, setting, warn
from mifid.images import Source, Stream, open_images
from mifid.progress import Progress
from mifid.statistics.formats import holds_statistics

__all__ = ["open_side", "refuse_shared", "store_sides"]

_GIVEN_AS = {"photos": "photos", "paintings": "monets", "held-out paintings": "held_out"}


def open_side(given: str, label: str, *, noted_in: str = "") -> Source:
    """Open pictures that can be read again and again.

    Args:
        given: their path.
        label: what they are, for messages.
        noted_in: the file that names the path, if the user may not have; it may have changed.

    Raises:
        InputError: they cannot be opened, or pass by only once.
    """
    try:
        opened = open_images(given)
    except InputError as error:
        if os.path.isfile(given) and holds_statistics(given):
            raise InputError(
                f"{label}: {given} holds features or statistics, which no pictures can be made of",
                hint="Give the pictures that they were computed from.",
            ) from error
        if not noted_in:
            raise
        raise InputError(
            f"{label}: {error.message}",
            hint=f"{noted_in} names them so. If they have moved, say where they are now with "
            f"{setting(_GIVEN_AS[label])}: the run goes on if they are the same pictures.",
        ) from error
    if isinstance(opened, Stream):
        raise InputError(
            f"{label}: a stream cannot be trained on", hint="Write its pictures to a folder."
        )
    return opened


def refuse_shared(photos: PixelStore, paintings: PixelStore) -> None:
    """See that the two sides are two: who learns to paint paintings over learns nothing.

    Raises:
        InputError: all paintings, or all photos, are also on the other side.
    """
    # Some rows of each picture tell most apart; what they do not is compared whole.
    rows = slice(None, None, max(1, photos.pixels.shape[1] // 8))
    places: dict[bytes, list[int]] = defaultdict(list)
    for index, picture in enumerate(paintings.pixels):
        places[picture[rows].tobytes()].append(index)
    both: set[int] = set()
    on_both = 0
    for picture in photos.pixels:
        near = places.get(picture[rows].tobytes(), ())
        same = [index for index in near if np.array_equal(picture, paintings.pixels[index])]
        on_both += bool(same)
        both.update(same)
    if not both:
        return
    if len(both) == len(paintings.names) or on_both == len(photos.names):
        raise InputError(
            f"{on_both:,} of {photos.description} and {len(both):,} of {paintings.description} "
            "are the same pictures",
            hint=f"{setting('photos')} and {setting('monets')} must be different pictures: a "
            "painter learns to turn the one into the other.",
        )
    warn(
        f"{len(both):,} of {len(paintings.names):,} paintings are also among the photos: is one "
        "folder within the other?"
    )


def store_sides(
    photos: Source,
    paintings: Source,
    *,
    data: Data,
    processes: Processes,
    workers: int | None,
    skip_bad: bool,
    progress: Progress,
) -> tuple[PixelStore, PixelStore]:
    """Return both sides' pixels. The first process decodes; the others map what it left.

    Raises:
        MifidError: as :func:`mifid.baseline.data.store.store_pixels`.
    """

    def store(source: Source, label: str, limit: int, select: str) -> PixelStore:
        return store_pixels(
            source,
            label=label,
            data=data,
            limit=limit,
            select=select,
            progress=progress,
            workers=workers,
            skip_bad=skip_bad,
        )

    for first in (True, False):
        with processes.together():
            if first is processes.is_first:
                stores = (
                    store(photos, "photos", data.limit_photos, data.select_photos),
                    store(paintings, "paintings", data.limit_paintings, data.select_paintings),
                )
    return stores
