"""augmented.png: what augmentation makes of pictures, seen before it costs hours."""

from __future__ import annotations

from pathlib import Path

from mifid.baseline.data.batches import Feed
from mifid.baseline.data.pictures import to_pixels
from mifid.baseline.figures.sheets import augmented_sheet, save_picture

__all__ = ["write_augmented"]

_PICTURES, _VARIANTS = 2, 8  # a side


def write_augmented(folder: Path, feed: Feed) -> None:
    """Write augmented.png into a run's folder.

    Raises:
        OutputError: it cannot be written.
    """
    rows = [
        row
        for side in ("photos", "paintings")
        for row in feed.sheet(side, pictures=_PICTURES, variants=_VARIANTS)
    ]
    originals = [original.cpu().numpy() for original, _ in rows]
    made = [to_pixels(variants) for _, variants in rows]
    save_picture(folder / "augmented.png", augmented_sheet(originals, made))
