"""A mixture of Gaussians with fixed centres, fitted by its variances, from squared distances.

All Gaussians weigh the same and are as wide in every dimension; each has a variance of its own.
The fit takes the steps of the authors of the Feature Likelihood Divergence (github.com/marcojira/
fld, fld/MoG.py), with gradients in closed form: where it stops is part of that measure.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["fit_log_variances", "log_likelihoods"]

Array = npt.NDArray[np.float64]

_STEPS = 50
_RATE = 0.5
_MOMENTUM, _SQUARES, _TINY = 0.9, 0.999, 1e-8  # Adam's defaults
_CLOSEST = 1e-3  # added to the squared distances that variances start from: a copy has none
_RANGE = (-40.0, 20.0)  # of the logarithm of a variance
_TOWARDS_MEAN = 0.9**2  # shrinks the squared distances to the broad component
_NEGLIGIBLE = 60.0  # a term of e^-60 of the largest does not change a float64 sum
_BLOCK_BYTES = 8 << 20


def fit_log_variances(
    squared: npt.NDArray[np.floating], *, squared_to_mean: Array, width: int
) -> Array:
    """Return the logarithms of N variances that make T rows likely, in 50 steps of Adam.

    Each variance starts where the centre's nearest row alone would put it. A broad component at
    the rows' mean, with a variance that is fitted too, keeps rows that no centre is near from
    ruling the fit; it is dropped afterwards.

    Args:
        squared: (T, N), float32 to save memory, squared distances of rows to centres.
        squared_to_mean: (T,) of rows to their mean.
        width: the dimensions D that the distances are sums over.
    """
    # All N logarithms of variances, then the broad component's.
    at = np.append(np.log((squared.min(axis=0).astype(np.float64) + _CLOSEST) / width), 0.0)
    momentum, squares = np.zeros_like(at), np.zeros_like(at)
    for step in range(1, _STEPS + 1):
        slope = _gradient(squared, _TOWARDS_MEAN * squared_to_mean, at, width)
        momentum = _MOMENTUM * momentum + (1 - _MOMENTUM) * slope
        squares = _SQUARES * squares + (1 - _SQUARES) * slope**2
        root = np.sqrt(squares / (1 - _SQUARES**step)) + _TINY
        at -= _RATE * momentum / (1 - _MOMENTUM**step) / root
        at[:-1] = at[:-1].clip(*_RANGE)
    return at[:-1]


def log_likelihoods(
    squared: npt.NDArray[np.floating], *, log_variances: Array, width: int
) -> Array:
    """Return (b,) log-likelihoods, in nats, of rows with squared distances (b, N) to centres."""
    return _terms(squared, log_variances, width).total


def _gradient(squared: npt.NDArray[np.floating], origin: Array, at: Array, width: int) -> Array:
    """Gradient (N + 1,) of the mean negative log-likelihood a dimension.

    A component's part is the sum over rows of r (1 - d / (D s)) / 2, for its responsibility r.
    """
    slope = np.zeros_like(at)
    log_variances, variances = at[:-1], np.exp(at)
    step = max(1, _BLOCK_BYTES // (4 * len(log_variances)))
    for start in range(0, len(squared), step):
        block, far = squared[start : start + step], origin[start : start + step]
        broad = _log_densities(far, at[-1], width)
        terms = _terms(block, log_variances, width, broad)
        near = block[terms.row, terms.column].astype(np.float64)
        pull = terms.share * (1.0 - near / (width * variances[terms.column]))
        slope[:-1] += np.bincount(terms.column, pull, minlength=len(log_variances))
        slope[-1] += (np.exp(broad - terms.total) * (1.0 - far / (width * variances[-1]))).sum()
    return slope / (2.0 * len(squared))


class _Terms(NamedTuple):
    """Log-likelihoods of rows (b,), and each pair that has a part in one, with its share."""

    total: Array
    row: npt.NDArray[np.int64]
    column: npt.NDArray[np.int64]
    share: Array


def _terms(
    squared: npt.NDArray[np.floating],
    log_variances: Array,
    width: int,
    broad: Array | None = None,
) -> _Terms:
    """Sum the Gaussians' densities for rows of squared distances (b, N).

    In thousands of dimensions one or two Gaussians make up nearly all of a sum. All are weighed
    in the distances' own precision; those that count are computed in float64.
    """
    count = len(log_variances)
    factor = -0.5 * np.exp(-log_variances)
    offset = _log_densities(0.0, log_variances, width) - np.log(count)
    rough = squared * factor.astype(squared.dtype)
    rough += offset.astype(squared.dtype)
    best = rough.max(axis=1).astype(np.float64)
    if broad is not None:
        best = np.maximum(best, broad)
    least = (best - _NEGLIGIBLE).astype(squared.dtype)
    row, column = np.divmod(np.flatnonzero(rough >= least[:, None]), count)
    exact = squared[row, column] * factor[column] + offset[column]
    share = np.exp(exact - best[row])
    total = np.bincount(row, share, minlength=len(squared)).astype(np.float64)  # of none: int
    if broad is not None:
        total += np.exp(broad - best)
    return _Terms(best + np.log(total), row, column, share / total[row])


def _log_densities(squared: npt.ArrayLike, log_variance: npt.ArrayLike, width: int) -> Array:
    log_variance = np.asarray(log_variance)
    exponent = -0.5 * np.asarray(squared) * np.exp(-log_variance)
    return np.asarray(exponent - 0.5 * width * (log_variance + np.log(2.0 * np.pi)))
