"""What is measured of a set: sizes, levels, colours, encodings; much cheaper than a network."""

from __future__ import annotations

import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, JpegImagePlugin

from mifid.errors import PictureError
from mifid.images.decoding import open_header
from mifid.images.source import Decoded, Pixels, Source

__all__ = [
    "QUALITIES",
    "Colours",
    "Inspection",
    "count_encodings",
    "encoding_of",
    "measure_colours",
]

QUALITIES = {
    "brightness": ("darker", "brighter"),
    "contrast": ("flatter", "richer in contrast"),
    "saturation": ("paler", "more colourful"),
    "warmth": ("bluer", "redder"),
    "green": ("more magenta", "greener"),
}
"""Name -> (what pictures with less of it are, what pictures with more of it are)."""

_LUMA = (299, 587, 114)
"""Thousandths of R, G and B in the luma of ITU-R BT.601, which is JPEG's Y."""

_STEP = 64
"""Values are multiples of 1/64 level, so that float64 adds them, and their squares, exactly."""


def measure_colours(pixels: Pixels) -> npt.NDArray[np.float64]:
    """Return the :data:`QUALITIES` of each picture, (N, 5) float64, in levels.

    Brightness and contrast are mean and standard deviation of the luma (BT.601), saturation is the
    mean of max(R, G, B) - min(R, G, B), warmth the mean of R - B, green that of G - (R + B) / 2.

    Args:
        pixels: (N, H, W, 3) uint8.
    """
    n, height, width, _ = pixels.shape
    flat = pixels.reshape(n, height * width, 3)
    red, green, blue = np.moveaxis(flat, 2, 0).astype(np.int32)
    luma = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    r, g, b = (channel.mean(axis=1) for channel in (red, green, blue))
    found = (
        luma.mean(axis=1) / 1000.0,
        luma.std(axis=1) / 1000.0,
        spread.mean(axis=1),
        r - b,
        g - (r + b) / 2.0,
    )
    return np.asarray(np.round(np.stack(found, axis=1) * _STEP) / _STEP)


@dataclass(frozen=True)
class Colours:
    """Colours of a set, in levels of 0 to 255.

    Attributes:
        mean: of each of :data:`QUALITIES`, over the pictures.
        deviation: standard deviation over the pictures.
    """

    mean: Mapping[str, float]
    deviation: Mapping[str, float]

    @classmethod
    def of(cls, sums: npt.NDArray[np.float64], count: int) -> Colours:
        """Return the colours of a set from (2, 5): the sums of values and of their squares."""
        mean = sums[0] / count
        deviation = np.sqrt(np.maximum(0.0, sums[1] / count - mean**2))
        return cls(*(dict(zip(QUALITIES, row.tolist(), strict=True)) for row in (mean, deviation)))

    def shifts(self, reference: Colours) -> dict[str, float]:
        """Return each difference of the means, in deviations of the reference's pictures.

        A deviation counts as one level at least.
        """
        return {
            name: (self.mean[name] - reference.mean[name]) / max(1.0, reference.deviation[name])
            for name in QUALITIES
        }

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Colours:
        """Read what :meth:`to_dict` returned.

        Raises:
            ValueError, KeyError, TypeError: it is something else.
        """
        kinds = (values["mean"], values["deviation"])
        numbers = [{name: float(kind[name]) for name in QUALITIES} for kind in kinds]
        if not all(math.isfinite(number) for kind in numbers for number in kind.values()):
            raise ValueError("colours that are not finite")
        return cls(*numbers)


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

    def merge(self, other: Inspection) -> None:
        """Add what another part of the set looks like."""
        self.sizes.update(other.sizes)
        self.one_colour += other.one_colour
        self.levels += other.levels
        if self.sums is not None:
            self.sums = None if other.sums is None else self.sums + other.sums

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


_SAMPLINGS = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}


def count_encodings(source: Source, indices: Iterable[int]) -> Counter[str]:
    """Count the encodings of a source's pictures ``indices``, without the unreadable ones."""
    found: Counter[str] = Counter()
    for index in indices:
        try:
            found[encoding_of(source.read(index))] += 1
        except PictureError:
            continue  # decoding it raises the error, or skips and counts it
    return found


def encoding_of(content: bytes | Decoded) -> str:
    """Return ``"JPEG quality 75, 4:2:0"``, ``"PNG"``, ..., from the header.

    A JPEG's quality is known only if its tables are the standard's, as libjpeg and Pillow write
    them; else it is ``"JPEG of other tables, 4:2:0"``.
    """
    if isinstance(content, Decoded):
        return "pixels, never encoded"
    try:
        with open_header(content, "") as image:
            if isinstance(image, JpegImagePlugin.JpegImageFile):
                return _jpeg(image)
            return image.format or "unknown"
    except MemoryError:
        raise
    except Exception:  # of any type: a header may name fewer components than it has
        return "unknown"  # decoding it raises the error


def _jpeg(image: JpegImagePlugin.JpegImageFile) -> str:
    quality = _qualities().get(_tables(image))
    what = "of other tables" if quality is None else f"quality {quality}"
    sampling = "grey" if image.mode == "L" else _SAMPLINGS.get(JpegImagePlugin.get_sampling(image))
    return f"JPEG {what}, {sampling or 'other subsampling'}"


def _tables(image: JpegImagePlugin.JpegImageFile) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(table) for _, table in sorted(image.quantization.items()))


@lru_cache(maxsize=1)
def _qualities() -> dict[tuple[tuple[int, ...], ...], int]:
    """Return the quality that writes each set of quantization tables, in colour and in grey."""
    found: dict[tuple[tuple[int, ...], ...], int] = {}
    for quality in range(100, 0, -1):
        for mode in ("RGB", "L"):
            buffer = io.BytesIO()
            Image.new(mode, (8, 8)).save(buffer, "JPEG", quality=quality)
            with Image.open(buffer) as image:
                assert isinstance(image, JpegImagePlugin.JpegImageFile)
                found[_tables(image)] = quality
    return found
