"""NumPy's factorizations, kept from waiting for threads that have nothing to do.

A small factorization makes thousands of tiny BLAS calls. With several threads each call waits for
all of them, so that beside anything else that runs (a training loop, data loaders) a QR of
4,396 x 300 was seen to take 4 s instead of 0.04 s. One thread is as fast or faster up to about a
thousand columns; larger ones keep the threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import cast

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from mifid.errors import FeatureError

__all__ = [
    "cholesky_factor",
    "eigenvalues",
    "eigenvectors",
    "singular_values",
    "triangular_factor",
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
        FeatureError: they cannot be found, as its entries overflow.
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
            f"a factorization fails ({error}): the features are too large for float64",
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
    return ThreadpoolController()  # looks through all loaded libraries: once
