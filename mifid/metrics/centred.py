"""A set of features about its mean, in float64, handed out in blocks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mifid.errors import FeatureError

__all__ = ["Centred", "centred_pair", "inner_products"]

Matrix = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float64]

_BLOCK_BYTES = 32 << 20


class Centred:
    """Features (N, D) minus their mean. Only one block of rows is held in float64 at a time.

    Attributes:
        mu: (D,) the mean that is subtracted.
        squares: (N,) squared length of every centred row.
    """

    def __init__(self, features: npt.ArrayLike) -> None:
        self._features = np.asarray(features)
        if self._features.ndim != 2 or len(self._features) < 2:
            raise FeatureError(
                f"features have shape {self._features.shape}; "
                "expected (pictures, width) with at least two",
                hint="FID compares sets; a single picture has no distribution.",
            )
        self.mu: Vector = self._features.mean(axis=0, dtype=np.float64)
        self.squares: Vector = np.concatenate(
            [np.einsum("ij,ij->i", block, block) for _, block in self.blocks()]
        )

    def __len__(self) -> int:
        return len(self._features)

    @property
    def width(self) -> int:
        """D."""
        return len(self.mu)

    def blocks(self) -> Iterator[tuple[slice, Matrix]]:
        """Yield (rows, centred features of these rows)."""
        step = max(1, _BLOCK_BYTES // (8 * max(1, self.width)))
        for start in range(0, len(self), step):
            rows = slice(start, start + step)
            yield rows, self._features[rows].astype(np.float64) - self.mu

    def whole(self) -> Matrix:
        """Return all centred rows, (N, D): for the smaller side only."""
        return np.asarray(self._features.astype(np.float64) - self.mu)

    def sums(self, weights: Matrix) -> Matrix:
        """Return ``weights @ rows``: (B, N) -> (B, D)."""
        total: Matrix = np.zeros((len(weights), self.width))
        for rows, block in self.blocks():
            total += weights[:, rows] @ block
        return total

    def scatter(self, weights: Vector | None = None) -> Matrix:
        """Return the sum of ``weight * row^T row``, (D, D)."""
        total: Matrix = np.zeros((self.width, self.width))
        for rows, block in self.blocks():
            scaled = block if weights is None else np.sqrt(weights[rows])[:, None] * block
            total += scaled.T @ scaled
        return total


def centred_pair(*, generated: npt.ArrayLike, reference: npt.ArrayLike) -> tuple[Centred, Centred]:
    """Centre both sides, each about its own mean.

    Raises:
        FeatureError: fewer than two rows, or widths that differ.
    """
    one, other = Centred(generated), Centred(reference)
    if one.width != other.width:
        raise FeatureError(
            f"generated features have width {one.width}, reference features {other.width}",
            hint="They come from different extractors; make both with the same one.",
        )
    return one, other


def inner_products(large: Centred, small: Centred) -> Matrix:
    """Return ``x_i . y_j`` of all pairs of centred rows: (len(large), len(small))."""
    y = small.whole()
    products: Matrix = np.empty((len(large), len(small)))
    for rows, block in large.blocks():
        np.matmul(block, y.T, out=products[rows])
    return products
