"""Measures of single pictures: light, detail, copies of each other, and how typical they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from mifid.evidence import Column
from mifid.extractors import Extractor, Identity
from mifid.images import Pixels, measure_colours
from mifid.metrics.neighbours import kth_distance, nearest_other
from mifid.statistics import FeatureMatrix, Features

__all__ = ["Measures", "PixelMeasures", "cosine_distance", "directions", "measure"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Bits = npt.NDArray[np.bool_]

NEIGHBOURS = 5
"""Of a picture's neighbours, this one's distance says how typical the picture is."""

_SIDE = 256  # pixels a side at which detail is measured: the size that pictures are trained at
_SMALL, _KEPT = 32, 8  # pixels a side and frequencies a side of the perceptual hash
_COSINES = 2.0 * np.cos(
    np.pi / _SMALL * np.outer(np.arange(_KEPT), np.arange(_SMALL) + 0.5)
)  # of the DCT-II, as scipy.fft.dct's without norm


class PixelMeasures(Extractor):
    """Brightness, sharpness and hash as an extractor: they are cached by content as features are.

    Rows are brightness, sharpness and the 64 bits of the hash; see :class:`Measures`.
    """

    @property
    def identity(self) -> Identity:
        """Identify them by this file's version: change it whenever the values would."""
        return Identity("pixel measures", "pixel measures 1", not_comparable="no network")

    def load(self, device: str = "auto") -> str:
        """Return the only device: there is no network."""
        del device
        return "cpu"

    def __call__(self, pixels: Pixels) -> FeatureMatrix:
        """uint8 (N, H, W, 3) -> float32 (N, 66)."""
        grey = [Image.fromarray(picture).convert("L") for picture in pixels]
        rows = [[_sharpness(picture), *_hash(picture)] for picture in grey]
        return np.hstack([measure_colours(pixels)[:, :1], rows]).astype(np.float32)


def _sharpness(grey: Image.Image) -> float:
    x = np.asarray(grey.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR), np.float64)
    edges = x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:] - 4.0 * x[1:-1, 1:-1]
    return float(edges.var())


def _hash(grey: Image.Image) -> Bits:
    x = np.asarray(grey.resize((_SMALL, _SMALL), Image.Resampling.LANCZOS), np.float64)
    # Rounded, since frequencies that a picture does not have are noise of either sign.
    found = np.round(_COSINES @ x @ _COSINES.T, 3).ravel()
    return np.asarray(found > np.median(found))


@dataclass(frozen=True, eq=False, repr=False)  # arrays have no single truth value
class Measures:
    """Measures of N pictures, in the order of their names.

    Attributes:
        names: N names.
        brightness: (N,) mean luma (ITU-R BT.601), 0 to 255.
        sharpness: (N,) variance of the 4-neighbour Laplacian of the luma at 256 x 256 pixels
            (Pech-Pacheco et al. 2000). It is low for blurred pictures, and for fog and empty skies.
        hashes: (N, 64) the perceptual hash: which of the 8 x 8 lowest frequencies of the luma at 32
            x 32 (DCT-II) are above their median (Zauner 2010; as ``phash`` of imagehash).
        copy_distance: (N,) bits of the hash that differ from the most similar other picture's.
        copy_row: (N,) row of that picture.
        directions: (N, D) features, divided by their norms.
        neighbour_distance: (N,) cosine distance (0 to 2) of the features to the fifth nearest other
            picture; bitwise equal features count once.
        outlier_score: (N,) that distance minus its median, divided by 1.4826 times its median
            absolute deviation (Leys et al. 2013); 0 if that deviation is 0.
    """

    names: tuple[str, ...]
    brightness: Floats
    sharpness: Floats
    hashes: Bits
    copy_distance: Rows
    copy_row: Rows
    directions: Floats
    neighbour_distance: Floats
    outlier_score: Floats

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"Measures({len(self):,} pictures; columns: {', '.join(self.columns())})"

    def columns(self) -> Mapping[str, Column]:
        """Return the columns of a table, by name."""
        return {
            "name": self.names,
            "brightness": self.brightness,
            "sharpness": self.sharpness,
            "copy_distance": self.copy_distance,
            "most_similar": tuple(self.names[row] for row in self.copy_row),
            "neighbour_distance": self.neighbour_distance,
            "outlier_score": self.outlier_score,
        }


def measure(features: Features, pixel_measures: Features) -> Measures:
    """Measure pictures by their features, and by those of :class:`PixelMeasures`.

    Raises:
        UnavailableError: there are fewer than two pictures.
    """
    assert features.names is not None
    bits = pixel_measures.values[:, 2:]
    copy = nearest_other(bits)  # the squared distance of bits is the number that differ
    unit = directions(features.values)
    distance, score = _neighbours(unit)
    return Measures(
        names=features.names,
        brightness=pixel_measures.values[:, 0].astype(np.float64),
        sharpness=pixel_measures.values[:, 1].astype(np.float64),
        hashes=bits.astype(bool),
        copy_distance=np.rint(copy.distance**2).astype(np.int64),
        copy_row=copy.row,
        directions=unit,
        neighbour_distance=distance,
        outlier_score=score,
    )


def directions(features: npt.ArrayLike) -> Floats:
    """Return features (N, D) divided by their norms; rows of zeros stay zeros."""
    rows = np.asarray(features, np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(norms > 0, norms, 1.0))


def cosine_distance(euclidean: Floats) -> Floats:
    """Return 1 - cos of directions from their Euclidean distance."""
    return np.square(euclidean) / 2.0


def _neighbours(unit: Floats) -> tuple[Floats, Floats]:
    """Return neighbour_distance and outlier_score."""
    # Copies would be each other's nearest, and everything else an outlier.
    distinct, back = np.unique(unit, axis=0, return_inverse=True)
    if len(distinct) < 2:
        return np.zeros(len(unit)), np.zeros(len(unit))
    distance = cosine_distance(kth_distance(distinct, k=min(NEIGHBOURS, len(distinct) - 1)))
    apart = distance - np.median(distance)
    spread = 1.4826 * float(np.median(np.abs(apart)))
    score = apart / spread if spread > 0 else np.zeros(len(distance))
    back = back.reshape(-1)  # NumPy 2.0 returns (N, 1)
    return distance[back], score[back]
