"""Fréchet distance between two Gaussians, exact, without a matrix square root.

    FID = |mu_g - mu_r|^2 + tr S_g + tr S_r - 2 tr (S_g S_r)^(1/2)

For any factors F_g^T F_g = S_g and F_r^T F_r = S_r the last trace is the sum of the singular values
of F_g F_r^T, which are the roots of the eigenvalues of S_g S_r. Centred features X are such a
factor, S = X^T X / (n - 1); with more pictures than features, so is the triangular R of X = Q R. A
covariance has Cholesky's factor or, if it is singular, its eigenvectors times the roots of its
eigenvalues. No step squares the numbers, so small singular values keep their digits, and the noise
of a general matrix square root, including imaginary parts, does not arise.

Effect of rounding on FID, with u = 2^-53 and D the width:

- Features: QR and SVD are backward stable, so a factor F changes by at most c D u |F|_F, and the
  sum of the singular values by c D u |F_g|_F |F_r|_F <= c D u (tr S_g + tr S_r) / 2, for any
  condition number: :func:`rounding` with c of about 1.
- Mean and covariance: the entries of S, which are rounded themselves, do not determine eigenvalues
  below D 2u |S|. If S is singular to working precision these count as zero; each such direction
  changes the trace by at most the root of D 2u |S_g| |S_r|. Otherwise Cholesky's factor is used,
  which changes entry i, j of S by at most c D u (S_ii S_jj)^(1/2): columns of any scale keep their
  digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mifid.errors import FeatureError
from mifid.metrics.base import Metric, require_one_width
from mifid.metrics.linalg import (
    centred_blocks,
    cholesky_factor,
    eigenvalues,
    eigenvectors,
    singular_values,
    triangular_factor,
)

__all__ = ["METRIC", "SPATIAL", "Moments", "frechet_distance", "rounding"]

Matrix = npt.NDArray[np.float64]

_LOST = 1e-10  # of the traces: largest error of using a product's eigenvalues, not its factors
_LEAST_ROWS = 1024


class Moments(NamedTuple):
    """Mean ``mu`` (D,) and covariance ``sigma`` (D, D) with ddof 1, instead of features."""

    mu: npt.NDArray[np.float64]
    sigma: npt.NDArray[np.float64]


def frechet_distance(
    *, generated: npt.ArrayLike | Moments, reference: npt.ArrayLike | Moments
) -> float:
    """Return the Fréchet distance between the Gaussians fitted to two sets.

    Args:
        generated: features (N, D), or their :class:`Moments`.
        reference: the same of the other side; the distance is symmetric.

    Returns:
        At least 0, in squared units of the features.

    Raises:
        FeatureError: fewer than two rows, widths that differ, or values that overflow float64.

    Source: Dowson and Landau 1982; Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update
    Rule", equation 6. ddof 1 as in their code and Kaggle's.

    >>> import numpy as np
    >>> square = np.array([[0.0, 0.0], [0.0, 2.0], [2.0, 0.0], [2.0, 2.0]])
    >>> round(frechet_distance(generated=square + [3.0, 4.0], reference=square), 9)
    25.0
    """
    with np.errstate(over="ignore", invalid="ignore"):
        one, other = _pair(generated, reference)
        difference = one.mu - other.mu
        apart = difference @ difference + one.trace + other.trace
        if not np.isfinite(apart):
            raise _overflow()
        distance = apart - 2.0 * _trace_of_root(one, other)
    if not np.isfinite(distance):
        raise _overflow()
    return max(0.0, float(distance))  # identical sets leave rounding of either sign


def rounding(*, generated: npt.ArrayLike | Moments, reference: npt.ArrayLike | Moments) -> float:
    """Return the error of the distance by rounding: a smaller distance may as well be 0.

    ``D u (tr S_g + tr S_r)``, u = 2^-53 and D the width; also for covariances of full rank.

    Raises:
        FeatureError: as :func:`frechet_distance`.
    """
    one, other = _pair(generated, reference)
    return float(len(one.mu) * np.finfo(np.float64).eps / 2 * (one.trace + other.trace))


def _pair(
    generated: npt.ArrayLike | Moments, reference: npt.ArrayLike | Moments
) -> tuple[_Side, _Side]:
    one, other = _side(generated), _side(reference)
    require_one_width(generated=len(one.mu), reference=len(other.mu))
    return one, other


def _overflow() -> FeatureError:
    return FeatureError(
        "FID overflows: the features or their covariance are too large for float64",
        hint="Divide the features of both sides by one number c; FID becomes c^2 times smaller.",
    )


class _Side(NamedTuple):
    """A Gaussian: its mean and trace, and either features or the covariance."""

    mu: npt.NDArray[np.float64]
    trace: float
    features: npt.NDArray[np.generic] | None
    sigma: Matrix | None


def _side(given: npt.ArrayLike | Moments) -> _Side:
    if isinstance(given, Moments):
        mu, sigma = np.asarray(given.mu, np.float64), np.asarray(given.sigma, np.float64)
        if mu.ndim != 1 or sigma.shape != (len(mu), len(mu)):
            raise FeatureError(
                f"mu has shape {mu.shape} and sigma {sigma.shape}; expected (D,) and (D, D)"
            )
        return _Side(mu, float(np.trace(sigma)), None, sigma)
    features = np.asarray(given)
    if features.ndim != 2 or len(features) < 2:
        raise FeatureError(
            f"features have shape {features.shape}; expected (pictures, width) with at least two "
            "pictures",
            hint="FID compares sets; a single picture has no distribution.",
        )
    mu = features.mean(axis=0, dtype=np.float64)
    squares = sum(float(np.vdot(block, block)) for block in centred_blocks(features, mu))
    return _Side(mu, squares / (len(features) - 1), features, None)


def _trace_of_root(one: _Side, other: _Side) -> float:
    """Return tr (S_1 S_2)^(1/2), the sum of the singular values of F_1 F_2^T."""
    small, large = sorted((one, other), key=_rows)
    if small.features is not None and large.features is not None and _rows(small) <= len(one.mu):
        return _from_features(small, large)
    if small.features is not None and large.sigma is not None and _rows(small) <= len(one.mu):
        found = _from_features_and_sigma(small, large)
        if found is not None:
            return found
    return float(singular_values(_factor(small) @ _factor(large).T).sum())


def _rows(side: _Side) -> int:
    """Return the number of rows of a side's factor before it is made triangular."""
    return len(side.mu) if side.features is None else len(side.features)


def _from_features(small: _Side, large: _Side) -> float:
    """Return the sum of the singular values of M = X_1 X_2^T / sqrt((n_1 - 1)(n_2 - 1)).

    Blocks of rows of the larger side are folded into a triangular factor R with R^T R = M^T M, so
    neither a centred copy of that side nor the whole of M is kept in memory.
    """
    x_small = _features(small).astype(np.float64) - small.mu
    products = (block @ x_small.T for block in centred_blocks(_features(large), large.mu))
    scale = np.sqrt((len(x_small) - 1.0) * (len(_features(large)) - 1.0))
    return float(singular_values(_folded(products, len(x_small))).sum() / scale)


def _from_features_and_sigma(few: _Side, other: _Side) -> float | None:
    """Return the sum of the roots of the eigenvalues m of X S X^T / (n - 1); None: too inexact.

    It needs no factor of S (D, D). But rounding changes each m by up to e = 2u tr(X^T X) |S|_F, and
    so its root by e / (2 m^(1/2)). If these add up to more than 1e-10 of the traces, which is rare,
    the caller uses the factors.
    """
    assert other.sigma is not None
    x = _factor(few)
    values = eigenvalues(x @ other.sigma @ x.T)[1:]  # centred rows are dependent: one m is 0
    noise = float(np.finfo(np.float64).eps * few.trace * np.linalg.norm(other.sigma))
    if not values.min() > noise:
        return None
    roots = np.sqrt(values)
    lost = float((noise / (2.0 * roots)).sum())
    return float(roots.sum()) if lost <= _LOST * (few.trace + other.trace) else None


def _factor(side: _Side) -> Matrix:
    """Return F (K, D) with F^T F = S."""
    if side.sigma is not None:
        return _factor_of_sigma(side.sigma)
    features = _features(side)
    scale = np.sqrt(len(features) - 1.0)
    if len(features) <= len(side.mu):
        return np.asarray((features.astype(np.float64) - side.mu) / scale)
    blocks = centred_blocks(features, side.mu, rows=max(_LEAST_ROWS, 2 * len(side.mu)))
    return np.asarray(_folded(blocks, len(side.mu)) / scale)


def _folded(blocks: Iterator[Matrix], width: int) -> Matrix:
    """Return triangular R with R^T R = the sum of B^T B over blocks B (n, width)."""
    factor: Matrix = np.zeros((0, width))
    for block in blocks:
        factor = triangular_factor(np.concatenate([factor, block]))
    return factor


def _factor_of_sigma(sigma: Matrix) -> Matrix:
    varying = np.diagonal(sigma) > 0
    inner = sigma[np.ix_(varying, varying)]
    within = _cholesky(inner) if len(inner) else inner
    factor = np.zeros((len(within), len(sigma)))
    factor[:, varying] = within
    return factor


def _cholesky(sigma: Matrix) -> Matrix:
    """Return Cholesky's factor, or that of the eigenvectors if columns are dependent."""
    noise = len(sigma) * float(np.finfo(np.float64).eps)
    factor = cholesky_factor(sigma)
    if factor is not None and (np.diagonal(factor) ** 2 > noise * np.diagonal(sigma)).all():
        return factor
    values, vectors = eigenvectors(sigma)
    # Zeros become about 1e-16 of the largest; the sum of hundreds of roots of 1e-8 would matter.
    kept = values > values.max(initial=0.0) * noise
    return np.asarray(np.sqrt(values[kept])[:, None] * vectors[:, kept].T)


def _features(side: _Side) -> npt.NDArray[np.generic]:
    assert side.features is not None
    return side.features


def _values(*, generated: npt.ArrayLike, reference: npt.ArrayLike) -> dict[str, float]:
    return {"fid": frechet_distance(generated=generated, reference=reference)}


METRIC = Metric(
    name="fid",
    title="Fréchet Inception Distance",
    better="lower",
    source="Heusel et al. 2017, equation 6",
    function=_values,
    values={"fid": "squared distance of two Gaussians"},
    remark="biased upward; the fewer pictures, the more",
    moments=True,
    blocks=True,
    sees="blur, noise, distortion, repeated pictures, photos among them",
    misses="colour casts and pale colours; copies lower it",
)


def _spatial_values(
    *, generated_spatial: npt.ArrayLike | Moments, reference_spatial: npt.ArrayLike | Moments
) -> dict[str, float]:
    distance = frechet_distance(generated=generated_spatial, reference=reference_spatial)
    return {"sfid": distance}


SPATIAL = Metric(
    name="sfid",
    title="Spatial Fréchet Inception Distance",
    better="lower",
    source="Nash et al. 2021, section 4; features as in OpenAI's evaluator (Dhariwal and Nichol "
    "2021)",
    function=_spatial_values,
    values={"sfid": "squared distance of two Gaussians, of 7 channels in 17 x 17 places"},
    needs=("generated_spatial", "reference_spatial"),
    remark="sees where things are in the picture, which the average behind FID does not",
    moments=True,
)
