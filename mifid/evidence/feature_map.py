"""Two-dimensional map of both sides' features: their principal components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mifid.errors import FeatureError, UnavailableError
from mifid.metrics.linalg import centred_blocks, eigenvectors
from mifid.statistics import FeatureMatrix, Features

__all__ = ["FeatureMap", "feature_map"]

Matrix = npt.NDArray[np.float64]

_BLOCK_VECTORS = 16  # more vectors at a time need fewer passes over the features
_TOLERANCE = 1e-8


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class FeatureMap:
    """Coordinates of each picture on the map; rows are in the order of the features.

    Attributes:
        generated: (N, 2) float64 coordinates, in units of the features.
        reference: (M, 2) float64 coordinates.
        explained: the share of the pooled variance along each axis, 0..1; the first is larger.
    """

    generated: Matrix
    reference: Matrix
    explained: tuple[float, float]


def feature_map(*, generated: Features, reference: Features) -> FeatureMap:
    """Project both sides on the two directions of the largest variance of both together.

    Both sides have the same weight, whatever their numbers of pictures: the axes are the first two
    eigenvectors of ``(C_g + C_r) / 2``, where C is a side's mean outer product about the midpoint
    of both means. This point is the origin. The result is not random, and the signs of the axes are
    fixed, so that equal inputs give equal maps.

    The map can show pictures or groups that are far from all others, and a side that lies elsewhere
    or has less variance (a collapsed generator). The axes do not depend on which side a picture is
    from, so a gap between the sides is in the features, not an effect of the map. Distances on the
    map are never larger than the true ones.

    It cannot show the rest of the variance, which is most of it (with Inception features of
    flowers, the two axes have about a sixth). Sides that overlap here may be far apart in other
    directions, points that touch may be different, and near copies cannot be distinguished from
    neighbours: use the table of distances. t-SNE and UMAP show clearer groups, but their gaps,
    sizes and distances mean little and change with the seed, so they are not used.

    Args:
        generated: features of N pictures.
        reference: features of M pictures.

    Raises:
        FeatureError: widths differ, or a side has no pictures.
        UnavailableError: features less than two wide, or all pictures have the same features.

    Source: Pearson 1901; computed by block Lanczos iteration (Golub and Underwood 1977), to a
    residual of 1e-8 of the largest eigenvalue, without a copy of the features or a (D, D) matrix.
    """
    one, other = generated.values, reference.values
    _check(one, other)
    pooled = _Pooled.of(one, other)
    total = pooled.variance()
    if not total > 0:
        raise UnavailableError("there is no map: all pictures have the same features")
    values, axes = _first_two(pooled, width=one.shape[1])
    share = np.clip(values / total, 0.0, 1.0)  # rounding goes past both ends
    return FeatureMap(
        generated=_coordinates(one, pooled.centre, axes),
        reference=_coordinates(other, pooled.centre, axes),
        explained=(float(share[0]), float(share[1])),
    )


def _check(one: FeatureMatrix, other: FeatureMatrix) -> None:
    if one.shape[1] != other.shape[1] or not len(one) or not len(other):
        raise FeatureError(
            f"generated features have shape {one.shape}, reference features {other.shape}; "
            "expected (N, D) and (M, D), with at least one picture each"
        )
    if one.shape[1] < 2:
        raise UnavailableError(
            f"there is no map: features of width {one.shape[1]} have no second axis"
        )


class _Pooled(NamedTuple):
    """The pooled covariance C as a linear operator, which reads the features at each product."""

    sides: tuple[FeatureMatrix, FeatureMatrix]
    centre: npt.NDArray[np.float64]

    @classmethod
    def of(cls, one: FeatureMatrix, other: FeatureMatrix) -> _Pooled:
        means = [side.mean(axis=0, dtype=np.float64) for side in (one, other)]
        return cls((one, other), (means[0] + means[1]) / 2.0)

    def variance(self) -> float:
        """Return tr C."""
        return sum(
            float(np.vdot(block, block)) / (2.0 * len(side))
            for side in self.sides
            for block in centred_blocks(side, self.centre)
        )

    def times(self, vectors: Matrix) -> Matrix:
        """Return C V for V (D, k)."""
        product = np.zeros_like(vectors)
        for side in self.sides:
            for block in centred_blocks(side, self.centre):
                product += block.T @ (block @ vectors) / (2.0 * len(side))
        return product


def _first_two(pooled: _Pooled, *, width: int) -> tuple[Matrix, Matrix]:
    """Return the two largest eigenvalues (2,), largest first, and eigenvectors (width, 2).

    The space of V, C V, C^2 V, ... is enlarged until the residual of its best two vectors is small
    enough, at the latest when its dimension is ``width``.
    """
    start = np.random.RandomState(0).standard_normal((width, min(_BLOCK_VECTORS, width)))
    basis: Matrix = np.zeros((width, 0))
    images: Matrix = np.zeros((width, 0))  # C times the basis
    block = _orthonormal(start, basis)
    while True:
        image = pooled.times(block)
        basis, images = np.hstack([basis, block]), np.hstack([images, image])
        projected = basis.T @ images
        values, vectors = eigenvectors((projected + projected.T) / 2.0)
        values, vectors = values[:-3:-1], vectors[:, :-3:-1]
        residual = np.linalg.norm(images @ vectors - basis @ vectors * values, axis=0).max()
        room = width - basis.shape[1]
        if residual <= _TOLERANCE * values[0] or room == 0:
            return values, _with_fixed_signs(basis @ vectors)
        block = _orthonormal(image, basis)[:, -room:]


def _orthonormal(vectors: Matrix, basis: Matrix) -> Matrix:
    """Make columns orthonormal, and orthogonal to the basis; drop dependent columns.

    Twice, since the first time rounding remains if a column lies almost in the basis. By the small
    Gram matrix, since a QR of such narrow matrices is slow beside other threads.
    """
    for _ in range(2):
        vectors = vectors - basis @ (basis.T @ vectors)
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=0), np.finfo(np.float64).tiny)
        values, turn = eigenvectors(vectors.T @ vectors)
        kept = values > values[-1] * 1e-12
        vectors = vectors @ (turn[:, kept] / np.sqrt(values[kept]))
    return vectors


def _with_fixed_signs(axes: Matrix) -> Matrix:
    """Flip each axis so that its largest component is positive; eigenvectors have no sign."""
    largest = np.abs(axes).argmax(axis=0)
    return axes * np.where(axes[largest, [0, 1]] < 0, -1.0, 1.0)


def _coordinates(side: FeatureMatrix, centre: npt.NDArray[np.float64], axes: Matrix) -> Matrix:
    return np.concatenate([block @ axes for block in centred_blocks(side, centre)])
