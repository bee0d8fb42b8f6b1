"""K-means: Lloyd's iterations from seeded k-means++ starts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["assign", "kmeans"]

Matrix = npt.NDArray[np.float64]

_ITERATIONS = 300
_BLOCK_BYTES = 64 << 20


def kmeans(points: Matrix, *, clusters: int, starts: int, random: np.random.Generator) -> Matrix:
    """Return the centres (at most ``clusters``, d) of least squared distances over some starts.

    Fewer centres come back where there are fewer different points (N, d) than clusters, or where
    a centre loses all its points.

    Source: Lloyd 1982; Arthur and Vassilvitskii 2007, "k-means++".
    """
    best, least = points[:0], np.inf
    for _ in range(starts):
        centres, inertia = _descend(points, _spread(points, clusters, random))
        if inertia < least:
            best, least = centres, inertia
    return best


def assign(points: Matrix, centres: Matrix) -> npt.NDArray[np.int64]:
    """Return (N,), each point's nearest centre; of equally near ones the first."""
    return _nearest(points, centres)[0]


def _descend(points: Matrix, centres: Matrix) -> tuple[Matrix, float]:
    labels, squared = _nearest(points, centres)
    for _ in range(_ITERATIONS):
        means = np.stack([points[labels == index].mean(axis=0) for index in np.unique(labels)])
        centres, before = means, labels
        labels, squared = _nearest(points, centres)
        if np.array_equal(labels, before):
            break
    return centres, float(squared.sum())


def _spread(points: Matrix, clusters: int, random: np.random.Generator) -> Matrix:
    """Pick points as centres, each with a chance in proportion to its squared distance so far."""
    chosen = [int(random.integers(len(points)))]
    squared = ((points - points[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < clusters and squared.sum() > 0.0:
        chosen.append(int(random.choice(len(points), p=squared / squared.sum())))
        squared = np.minimum(squared, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
    return points[chosen]


def _nearest(
    points: Matrix, centres: Matrix
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    labels, squared = np.empty(len(points), np.int64), np.empty(len(points))
    step = max(1, _BLOCK_BYTES // (8 * max(1, centres.size)))
    for start in range(0, len(points), step):
        # Differences, not products: with few centres they cost little and are exact for copies.
        difference = points[start : start + step, None, :] - centres
        distances = np.einsum("ikd,ikd->ik", difference, difference)
        labels[start : start + step] = distances.argmin(axis=1)
        squared[start : start + step] = distances.min(axis=1)
    return labels, squared
