"""FID of the same pictures over and over, each time with other multiplicities.

A resample counts a picture 0, 1, 2, … times; a subset counts it 0 or 1 times. Means, traces and
the matrix whose singular values make up tr (S_g S_r)^(1/2) all follow from the inner products
x_i . y_j of the centred features, which are computed once:

    C = W_g^(1/2) P_g (X_g X_r^T) P_r^T W_r^(1/2) / sqrt((n_g - 1)(n_r - 1)),

with W the multiplicities, n their sum and P = 1 - 1 w^T / n, which centres about the weighted
mean. tr (S_g S_r)^(1/2) is the sum of C's singular values, so one FID costs a problem of the size
of the smaller side, and pictures that are not counted leave it smaller still.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from mifid.metrics.centred import Centred, Matrix, Vector, centred_pair, inner_products
from mifid.metrics.frechet import Moments, frechet_distance
from mifid.metrics.linalg import eigenvalues

__all__ = ["WeightedFrechet"]

_MOST_THREADS = 8  # each holds a copy of the counted rows of the inner products


class WeightedFrechet:
    """Fréchet distances between two sets under multiplicities.

    Args:
        generated: features (N, D).
        reference: features (M, D).

    Attributes:
        size: min(N, M, D), the side of the eigenvalue problem that one distance costs.

    Raises:
        FeatureError: fewer than two rows, or widths that differ.
    """

    def __init__(self, *, generated: npt.ArrayLike, reference: npt.ArrayLike) -> None:
        self._generated, self._reference = centred_pair(generated=generated, reference=reference)
        fewest = min(len(self._generated), len(self._reference))
        self.size = min(fewest, self._generated.width)
        self._overlap = _Pictures(self._generated, self._reference) if self.size == fewest else None

    def __call__(self, *, generated: Matrix, reference: Matrix) -> Vector:
        """Return one distance for every row of multiplicities.

        Args:
            generated: (B, N) float64, whole numbers, each row's sum at least 2.
            reference: (B, M), the same.

        Returns:
            (B,) float64, at least 0; the same whatever the number of threads.
        """
        with threadpool_limits(limits=1, user_api="blas"):
            if self._overlap is None:
                return self._from_moments(generated, reference)
            one, means_g = _spread(self._generated, generated)
            other, means_r = _spread(self._reference, reference)
            difference = self._generated.mu - self._reference.mu + means_g - means_r
            apart = np.einsum("ij,ij->i", difference, difference)
            overlap = self._overlap(generated, reference)
        return np.asarray(np.maximum(0.0, apart + one + other - 2.0 * overlap))

    def _from_moments(self, generated: Matrix, reference: Matrix) -> Vector:
        """Few features and many pictures: the covariances themselves are the small problem."""

        def distance(weights: tuple[Vector, Vector]) -> float:
            return frechet_distance(
                generated=_moments(self._generated, weights[0]),
                reference=_moments(self._reference, weights[1]),
            )

        return _in_threads(distance, zip(generated, reference, strict=True))


class _Pictures:
    """tr (S_g S_r)^(1/2) by way of the inner products of all pairs of pictures."""

    def __init__(self, generated: Centred, reference: Centred) -> None:
        self._generated_is_small = len(generated) < len(reference)
        small, large = (
            (generated, reference) if self._generated_is_small else (reference, generated)
        )
        self._products = inner_products(large, small)

    def __call__(self, generated: Matrix, reference: Matrix) -> Vector:
        small, large = (
            (generated, reference) if self._generated_is_small else (reference, generated)
        )
        means = (large @ self._products) / large.sum(axis=1, keepdims=True)
        return _in_threads(self._overlap, zip(small, large, means, strict=True))

    def _overlap(self, replicate: tuple[Vector, Vector, Vector]) -> float:
        small, large, means = replicate
        rows, columns = np.flatnonzero(large), np.flatnonzero(small)
        w_small, n_small, n_large = small[columns], small.sum(), large.sum()
        scaled = self._products.take(rows, axis=0).take(columns, axis=1)
        scaled *= np.sqrt(large[rows])[:, None]
        gram = scaled.T @ scaled
        gram -= n_large * np.outer(means[columns], means[columns])
        along = w_small @ gram / n_small
        gram += w_small @ along / n_small - along - along[:, None]
        roots = np.sqrt(w_small)
        gram *= np.outer(roots, roots)
        return _sum_of_roots(eigenvalues(gram)) / float(np.sqrt((n_small - 1.0) * (n_large - 1.0)))


def _spread(side: Centred, weights: Matrix) -> tuple[Vector, Matrix]:
    """Trace of the covariance (B,) and shift of the mean (B, D) under multiplicities."""
    n = weights.sum(axis=1)
    means = side.sums(weights) / n[:, None]
    squares = weights @ side.squares - n * np.einsum("ij,ij->i", means, means)
    return squares / (n - 1.0), means


def _moments(side: Centred, weights: Vector) -> Moments:
    n = weights.sum()
    mean = side.sums(weights[None])[0] / n
    return Moments(side.mu + mean, (side.scatter(weights) - n * np.outer(mean, mean)) / (n - 1.0))


def _sum_of_roots(values: Vector) -> float:
    # Centring leaves zeros that come out as rounding of either sign; see frechet.py.
    least = values.max(initial=0.0) * len(values) * float(np.finfo(np.float64).eps)
    return float(np.sqrt(values[values > least]).sum())


def _in_threads(function: object, items: Iterable[object]) -> Vector:
    """Map in a few threads: NumPy lets go of the interpreter, and BLAS is held to one each."""
    with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool:
        return np.fromiter(pool.map(function, items), dtype=np.float64)  # type: ignore[arg-type]
