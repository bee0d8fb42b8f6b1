"""Colours of a set: light, contrast and tints of its pictures, as plain statistics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mifid.images.source import Pixels

__all__ = ["QUALITIES", "Colours", "measure_colours"]

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
