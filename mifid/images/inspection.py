"""Statistics of a set's pixels, added up batch by batch; much cheaper than any network."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np

from mifid.images.colours import QUALITIES, Colours, measure_colours
from mifid.images.source import Pixels

__all__ = ["Inspection"]

_GRID = 32
"""About the number of rows and columns of a picture from which its levels are counted."""

_NEIGHBOURS = 8
_LEVELS = 256


class Inspection:
    """Sizes, levels and one-coloured pictures of a set.

    Attributes:
        sizes: number of pictures by (width, height).
        one_colour: number of pictures whose pixels are all equal.
        levels: (256,) int64, how often each level occurs in a grid of pixels of every picture.
        sums: (2, 5) float64, sums of each picture's colours and of their squares; None: they were
            not measured, since an earlier version made the entry of the cache.
    """

    def __init__(self) -> None:
        self.sizes: Counter[tuple[int, int]] = Counter()
        self.one_colour = 0
        self.levels = np.zeros(_LEVELS, dtype=np.int64)
        self.sums: np.ndarray | None = np.zeros((2, len(QUALITIES)))

    def add(self, pixels: Pixels) -> None:
        """Add a batch (N, H, W, 3)."""
        n, height, width, _ = pixels.shape
        self.sizes[width, height] += n
        # An odd step, since an even one would often meet JPEG's 8 x 8 blocks at the same corner.
        grid = pixels[:, :: height // _GRID | 1, :: width // _GRID | 1]
        self.levels += np.bincount(grid.ravel(), minlength=_LEVELS)
        if self.sums is not None:
            values = measure_colours(grid)
            self.sums += values.sum(axis=0), (values**2).sum(axis=0)
        even = (grid == grid[:, :1, :1]).all(axis=(1, 2, 3))
        self.one_colour += sum(
            bool((picture == picture[0, 0]).all()) for picture in pixels[even.nonzero()]
        )

    @property
    def count(self) -> int:
        """Number of pictures."""
        return self.sizes.total()

    @property
    def colours(self) -> Colours | None:
        """Colours of the set; None: they were not measured."""
        if self.sums is None or not self.count:
            return None
        return Colours.of(self.sums, self.count)

    def narrow(self) -> str | None:
        """Describe how little of the range 0..255 is used; None if it is enough for pictures.

        Pictures with all but 0.2 % of their values within 32 levels, or 90 % within 8, are dark,
        flat, or were cast to integers before they were scaled to 0..255.
        """
        total = int(self.levels.sum())
        if not total:
            return None
        below = np.cumsum(self.levels)
        low, high = (int(np.searchsorted(below, share * total)) for share in (0.001, 0.999))
        if high - low < _LEVELS // 8:
            return f"use only the levels {low} to {high} of 0 to 255"
        inside = np.convolve(self.levels, np.ones(_NEIGHBOURS, dtype=np.int64), mode="valid")
        first, share = int(inside.argmax()), float(inside.max() / total)
        if share >= 0.9:
            return f"have {share:.0%} of their values in the levels {first} to {first + 7}"
        return None

    def to_json(self) -> str:
        """Return it as JSON, for the cache."""
        sizes = [[width, height, n] for (width, height), n in sorted(self.sizes.items())]
        return json.dumps(
            {
                "sizes": sizes,
                "one_colour": self.one_colour,
                "levels": self.levels.tolist(),
                "colours": None if self.sums is None else self.sums.tolist(),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Inspection:
        """Return what :meth:`to_json` wrote."""
        kept = json.loads(text)
        found = cls()
        found.sizes.update({(width, height): n for width, height, n in kept["sizes"]})
        found.one_colour = kept["one_colour"]
        found.levels = np.array(kept["levels"], dtype=np.int64)
        sums = kept.get("colours")
        found.sums = None if sums is None else np.array(sums, dtype=np.float64)
        return found
