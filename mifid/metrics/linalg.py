"""Linear algebra that several metrics share: factorizations, centred rows, principal axes.

A small factorization makes thousands of tiny BLAS calls. With several threads, each call waits for
all of them: beside other work (a training loop, data loaders) a QR of 4,396 x 300 took 4 s instead
of 0.04 s. Up to about a thousand columns one thread is as fast or faster; larger matrices keep the
threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from mifid.errors import FeatureError
from mifid.metrics.base import require_one_width

__all__ = [
    "Axes",
    "Centred",
    "centred_blocks",
    "centred_pair",
    "cholesky_factor",
    "eigenvalues",
    "eigenvectors",
    "inner_products",
    "principal_axes",
    "singular_values",
    "triangular_factor",
    "unit_rows",
]

Matrix = npt.NDArray[np.float64]

_SMALL = 1024


def triangular_factor(matrix: Matrix) -> Matrix:
    """Return R, upper triangular, with R^T R = M^T M, for M (n, k); (min(n, k), k)."""
    with _threads_for(matrix.shape[1]):
        return cast(Matrix, np.linalg.qr(matrix, mode="r"))


def cholesky_factor(symmetric: Matrix) -> Matrix | None:
    """Return R, upper triangular, with R^T R = S; None if S is not positive definite."""
    try:
        with _threads_for(len(symmetric)):
            return cast(Matrix, np.linalg.cholesky(symmetric).T)
    except np.linalg.LinAlgError:
        return None


def singular_values(matrix: Matrix) -> Matrix:
    """Return the singular values, largest first.

    Raises:
        FeatureError: as :func:`eigenvalues`.
    """
    with _converging(), _threads_for(min(matrix.shape)):
        return cast(Matrix, np.linalg.svd(matrix, compute_uv=False))


def eigenvalues(symmetric: Matrix) -> Matrix:
    """Return the eigenvalues of a symmetric matrix, smallest first.

    Raises:
        FeatureError: the computation fails, as entries overflow.
    """
    with _converging(), _threads_for(len(symmetric)):
        return cast(Matrix, np.linalg.eigvalsh(symmetric))


def eigenvectors(symmetric: Matrix) -> tuple[Matrix, Matrix]:
    """Return the eigenvalues of a symmetric matrix, smallest first, and its eigenvectors.

    Raises:
        FeatureError: as :func:`eigenvalues`.
    """
    with _converging(), _threads_for(len(symmetric)):
        values, vectors = np.linalg.eigh(symmetric)
        return values, vectors


@contextmanager
def _converging() -> Iterator[None]:
    try:
        yield
    except np.linalg.LinAlgError as error:
        raise FeatureError(
            f"a matrix factorization failed ({error}): the features are too large for float64",
            hint="Divide the features of all sides by the same number.",
        ) from error


@contextmanager
def _threads_for(size: int) -> Iterator[None]:
    if size > _SMALL:
        yield
    else:
        with _controller().limit(limits=1, user_api="blas"):
            yield


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # cached, since it searches all loaded libraries


Vector = npt.NDArray[np.float64]

_BLOCK_BYTES = 32 << 20


class Centred:
    """Features (N, D) minus their mean; only one block of rows is in float64 at a time.

    Attributes:
        mu: (D,) the mean that is subtracted.
        squares: (N,) squared norm of every centred row.
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
        """Return all centred rows, (N, D); use it for the smaller side only."""
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
    """Centre each side at its own mean.

    Raises:
        FeatureError: fewer than two rows, or widths that differ.
    """
    one, other = Centred(generated), Centred(reference)
    require_one_width(generated=one.width, reference=other.width)
    return one, other


def unit_rows(rows: npt.NDArray[np.generic]) -> Matrix:
    """Return rows (N, D), none of which is zero, divided by their norms."""
    unit = rows.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    return unit


def inner_products(large: Centred, small: Centred) -> Matrix:
    """Return ``x_i . y_j`` of all pairs of centred rows: (len(large), len(small))."""
    y = small.whole()
    products: Matrix = np.empty((len(large), len(small)))
    for rows, block in large.blocks():
        np.matmul(block, y.T, out=products[rows])
    return products


_BLOCK_ROWS = 1024  # 16 MiB of 2048 float64 values: the allocator reuses such memory


def centred_blocks(
    features: npt.NDArray[np.generic], mean: Vector, *, rows: int | None = None
) -> Iterator[Matrix]:
    """Yield features (N, D) minus a mean (D,) in float64, ``rows`` at a time; None: 1,024."""
    rows = rows or _BLOCK_ROWS
    for start in range(0, len(features), rows):
        block = features[start : start + rows].astype(np.float64)
        block -= mean
        yield block


class Axes(NamedTuple):
    """A mean (D,) and K orthonormal directions (D, K), by descending variance."""

    mean: npt.NDArray[np.float64]
    directions: Matrix

    def project(self, features: npt.NDArray[np.generic]) -> Matrix:
        """Return coordinates (N, K) float64 of features (N, D)."""
        return np.concatenate(
            [block @ self.directions for block in centred_blocks(features, self.mean)]
        )


def principal_axes(features: npt.NDArray[np.generic], *, count: int) -> Axes:
    """Return up to ``count`` axes of features (N, D), from the smaller of X X^T and X^T X.

    Fewer, if the features span fewer dimensions: axes with no variance but rounding are left out.
    """
    mean = features.mean(axis=0, dtype=np.float64)
    rows, width = features.shape
    if rows <= width:
        centred = features.astype(np.float64) - mean
        values, vectors = eigenvectors(centred @ centred.T)
        kept = _largest(values, count)
        return Axes(mean, centred.T @ (vectors[:, kept] / np.sqrt(values[kept])))
    scatter = np.zeros((width, width))
    for block in centred_blocks(features, mean):
        scatter += block.T @ block
    values, vectors = eigenvectors(scatter)
    return Axes(mean, vectors[:, _largest(values, count)])


def _largest(values: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.int64]:
    order = np.argsort(values)[::-1][:count]
    noise = values.max() * len(values) * float(np.finfo(np.float64).eps)
    kept: npt.NDArray[np.int64] = order[values[order] > noise]
    return kept
