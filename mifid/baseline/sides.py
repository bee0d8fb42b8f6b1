"""The two sides of a run's pictures: opened, and decoded once for all processes."""

from __future__ import annotations

from mifid.baseline.config import Data
from mifid.baseline.pixels import PixelStore, store_pixels
from mifid.baseline.processes import Processes
from mifid.errors import InputError
from mifid.images import Source, Stream, open_images
from mifid.progress import Progress

__all__ = ["open_side", "store_sides"]


def open_side(given: str, label: str) -> Source:
    """Open pictures that can be read again and again; ``label`` is for messages.

    Raises:
        InputError: they cannot be opened, or pass by only once.
    """
    opened = open_images(given)
    if isinstance(opened, Stream):
        raise InputError(
            f"{label}: a stream cannot be trained on", hint="Write its pictures to a folder."
        )
    return opened


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
        MifidError: as :func:`mifid.baseline.pixels.store_pixels`.
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
