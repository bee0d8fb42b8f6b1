"""Fréchet distance between two Gaussians, exact, without a matrix square root.

    FID = |mu_g - mu_r|^2 + tr S_g + tr S_r - 2 tr (S_g S_r)^(1/2)

The last trace is the sum of the square roots of the eigenvalues of S_g S_r, which are real and
not negative, since S_g S_r has the eigenvalues of the symmetric A^T S_g A for any A A^T = S_r.
With features at hand A is known for free: S_r = X_r^T X_r / (n_r - 1) for centred features X_r.
So the problem shrinks to the smaller number of pictures, and the noise of a general square root
of a rank-deficient product, imaginary parts included, never arises.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mifid.errors import FeatureError
from mifid.metrics.base import Metric
from mifid.metrics.factorizations import (
    eigenvalues,
    eigenvectors,
    singular_values,
    triangular_factor,
)

__all__ = ["METRIC", "Moments", "frechet_distance"]

Matrix = npt.NDArray[np.float64]

_BLOCK_ROWS = 1024  # 16 MiB in float64: small enough that the allocator hands out the same again


class Moments(NamedTuple):
    """Mean ``mu`` (D,) and covariance ``sigma`` (D, D) with ddof 1, where features are gone."""

    mu: npt.NDArray[np.float64]
    sigma: npt.NDArray[np.float64]


def frechet_distance(
    *, generated: npt.ArrayLike | Moments, reference: npt.ArrayLike | Moments
) -> float:
    """Return the Fréchet distance between the Gaussians fitted to two sets.

    Args:
        generated: features (N, D), or their :class:`Moments`.
        reference: the same of the other side. The distance is symmetric.

    Returns:
        At least 0, in squared units of the features.

    Raises:
        FeatureError: fewer than two rows, or widths that differ.

    Source: Dowson and Landau 1982; Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update
    Rule", equation 6. ddof 1 as in their code and Kaggle's.

    >>> import numpy as np
    >>> square = np.array([[0.0, 0.0], [0.0, 2.0], [2.0, 0.0], [2.0, 2.0]])
    >>> round(frechet_distance(generated=square + [3.0, 4.0], reference=square), 9)
    25.0
    """
    one, other = _side(generated), _side(reference)
    if one.mu.shape != other.mu.shape:
        raise FeatureError(
            f"generated features have width {len(one.mu)}, reference features {len(other.mu)}",
            hint="They come from different extractors; make both with the same one.",
        )
    difference = one.mu - other.mu
    overlap = _trace_of_root(one, other)
    distance = difference @ difference + one.trace + other.trace - 2.0 * overlap
    return max(0.0, float(distance))  # identical sets leave rounding of either sign


class _Side(NamedTuple):
    """One Gaussian: its mean and trace, and either features or the covariance."""

    mu: npt.NDArray[np.float64]
    trace: float
    features: npt.NDArray[np.generic] | None
    sigma: Matrix | None


def _side(given: npt.ArrayLike | Moments) -> _Side:
    if isinstance(given, Moments):
        mu, sigma = np.asarray(given.mu, np.float64), np.asarray(given.sigma, np.float64)
        if mu.ndim != 1 or sigma.shape != (len(mu), len(mu)):
            raise FeatureError(f"mu has shape {mu.shape} and sigma {sigma.shape}")
        return _Side(mu, float(np.trace(sigma)), None, sigma)
    features = np.asarray(given)
    if features.ndim != 2 or len(features) < 2:
        raise FeatureError(
            f"features have shape {features.shape}; expected (pictures, width) with at least two",
            hint="FID compares sets; a single picture has no distribution.",
        )
    mu = features.mean(axis=0, dtype=np.float64)
    squares = sum(float(np.vdot(block, block)) for block in _centred_blocks(features, mu))
    return _Side(mu, squares / (len(features) - 1), features, None)


def _trace_of_root(one: _Side, other: _Side) -> float:
    """tr (S_1 S_2)^(1/2) by the cheapest exact route."""
    width = len(one.mu)
    few = [s for s in (one, other) if s.features is not None and len(s.features) <= width]
    if one.features is not None and other.features is not None and few:
        return _from_features(one, other)
    if few:
        fewest = min(few, key=lambda side: len(_features(side)))
        return _from_features_and_sigma(fewest, _sigma(other if fewest is one else one))
    return _from_sigmas(_sigma(one), _sigma(other))


def _from_features(one: _Side, other: _Side) -> float:
    """Sum of the singular values of X_1 X_2^T / sqrt((n_1 - 1)(n_2 - 1)).

    Rows of the larger side come in blocks, each folded into a triangular factor R with
    R^T R = M^T M, so that neither a centred copy of them nor the whole product M is ever held.
    """
    small, large = sorted((one, other), key=lambda side: len(_features(side)))
    x_small = _features(small).astype(np.float64) - small.mu
    factor: Matrix = np.zeros((0, len(x_small)))
    for block in _centred_blocks(_features(large), large.mu):
        rows = np.concatenate([factor, block @ x_small.T])
        factor = triangular_factor(rows)
    scale = np.sqrt((len(x_small) - 1.0) * (len(_features(large)) - 1.0))
    return float(singular_values(factor).sum() / scale)


def _from_features_and_sigma(side: _Side, sigma: Matrix) -> float:
    """Sum of the roots of the eigenvalues of X S X^T / (n - 1), an (n, n) matrix."""
    x = _features(side).astype(np.float64) - side.mu
    return _sum_of_roots(eigenvalues(x @ sigma @ x.T / (len(x) - 1)))


def _from_sigmas(one: Matrix, other: Matrix) -> float:
    """Sum of the roots of the eigenvalues of A^T S_1 A, where A A^T = S_2."""
    values, vectors = eigenvectors(other)
    kept = _above_rounding(values)
    a = vectors[:, kept] * np.sqrt(values[kept])
    return _sum_of_roots(eigenvalues(a.T @ one @ a))


def _sum_of_roots(values: npt.NDArray[np.float64]) -> float:
    return float(np.sqrt(values[_above_rounding(values)]).sum())


def _above_rounding(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Select the eigenvalues that are more than rounding.

    A rank-deficient matrix has zeros that come out as about 1e-16 of the largest; the roots of
    hundreds of them, 1e-8 each, would add up to an error in the sixth digit.
    """
    eps = float(np.finfo(np.float64).eps)
    kept = values > values.max(initial=0.0) * len(values) * eps
    return np.asarray(kept)


def _features(side: _Side) -> npt.NDArray[np.generic]:
    assert side.features is not None
    return side.features


def _sigma(side: _Side) -> Matrix:
    if side.sigma is not None:
        return side.sigma
    features = _features(side)
    total = np.zeros((len(side.mu), len(side.mu)))
    for block in _centred_blocks(features, side.mu):
        total += block.T @ block
    return total / (len(features) - 1)


def _centred_blocks(
    features: npt.NDArray[np.generic], mu: npt.NDArray[np.float64]
) -> Iterator[Matrix]:
    for start in range(0, len(features), _BLOCK_ROWS):
        yield features[start : start + _BLOCK_ROWS].astype(np.float64) - mu


def _values(*, generated: npt.ArrayLike, reference: npt.ArrayLike) -> dict[str, float]:
    return {"fid": frechet_distance(generated=generated, reference=reference)}


METRIC = Metric(
    name="fid",
    title="Fréchet Inception Distance",
    better="lower",
    source="Heusel et al. 2017, equation 6",
    function=_values,
    values={"fid": "squared distance of two Gaussians"},
    remark="biased upward, the more the fewer pictures",
)
