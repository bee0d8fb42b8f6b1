"""Principal axes of features, exact."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mifid.metrics.linalg import eigenvectors

__all__ = ["Axes", "principal_axes"]

Matrix = npt.NDArray[np.float64]

_BLOCK_ROWS = 1024


class Axes(NamedTuple):
    """A mean (D,) and K orthonormal directions (D, K), the one of most variance first."""

    mean: npt.NDArray[np.float64]
    directions: Matrix

    def project(self, features: npt.NDArray[np.generic]) -> Matrix:
        """Return coordinates (N, K) float64 of features (N, D)."""
        projected = np.empty((len(features), self.directions.shape[1]))
        for start in range(0, len(features), _BLOCK_ROWS):
            block = features[start : start + _BLOCK_ROWS].astype(np.float64) - self.mean
            projected[start : start + len(block)] = block @ self.directions
        return projected


def principal_axes(features: npt.NDArray[np.generic], *, count: int) -> Axes:
    """Return up to ``count`` axes of features (N, D), from the smaller of X X^T and X^T X.

    Fewer come back where the features have less dimensions: axes without variance beyond rounding
    are left out.
    """
    mean = features.mean(axis=0, dtype=np.float64)
    rows, width = features.shape
    if rows <= width:
        centred = features.astype(np.float64) - mean
        values, vectors = eigenvectors(centred @ centred.T)
        kept = _largest(values, count)
        return Axes(mean, centred.T @ (vectors[:, kept] / np.sqrt(values[kept])))
    scatter = np.zeros((width, width))
    for start in range(0, rows, _BLOCK_ROWS):
        block = features[start : start + _BLOCK_ROWS].astype(np.float64) - mean
        scatter += block.T @ block
    values, vectors = eigenvectors(scatter)
    return Axes(mean, vectors[:, _largest(values, count)])


def _largest(values: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.int64]:
    order = np.argsort(values)[::-1][:count]
    noise = values.max() * len(values) * float(np.finfo(np.float64).eps)
    kept: npt.NDArray[np.int64] = order[values[order] > noise]
    return kept
