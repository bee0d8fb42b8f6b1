"""Feature Likelihood Divergence (FLD): likelihood of unseen pictures under generated ones.

The density is a mixture of equally weighted isotropic Gaussians, one centred at each generated
picture, whose variances are fitted to the training pictures. Held-out pictures then have a high
likelihood if the generated ones are good (near real pictures), various (near all of them) and new:
the Gaussian at a copy of a training picture shrinks to a point and explains no other picture.

The fit takes the same steps as the authors' code (github.com/marcojira/fld, fld/MoG.py), with
gradients in closed form: the step at which it stops is part of the metric.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mifid.errors import UnavailableError
from mifid.metrics.base import Metric, require_one_width
from mifid.metrics.neighbours import require_pictures

__all__ = ["METRIC", "feature_likelihood_divergence"]

Array = npt.NDArray[np.float64]

_LARGEST = 10_000  # pictures of a side, as in the paper's protocol
_COPY = 1e-12  # relative squared distance that is only rounding
_STORED: type[np.floating] = np.float32  # of distances: halves the memory
_BLOCK_BYTES = 16 << 20


def feature_likelihood_divergence(
    *, generated: npt.ArrayLike, training: npt.ArrayLike, held_out: npt.ArrayLike, seed: int = 0
) -> dict[str, float]:
    """Return ``{"fld": ..., "fld_gap": ...}``.

    ``fld`` is 100 (nll - nll_0): nll is the mean negative log-likelihood of the held-out pictures
    in nats per dimension, nll_0 the same for Gaussians at half of the training pictures, fitted to
    the other half. ``fld_gap`` is 100 times nll of the training pictures minus nll of the
    held-out ones.

    It follows the authors' code: features are standardized by the held-out pictures' mean and
    standard deviation (ddof 1); 50 steps of Adam with learning rate 0.5 over all training pictures,
    starting from each centre's nearest one; the broad component takes part only in the fit.
    Different here: float64, and at most 10,000 training pictures (the authors' code uses batches of
    more). Features that are constant over the held-out pictures have no scale and are left out.

    The squared distances of training to generated pictures take 4 T N bytes as float32, so at most
    400 MB, in addition to float64 copies of two sides. On Inception features of flowers, this
    rounding changed ``fld`` by 1e-4; float32 throughout, as in the authors' code, changed it by
    0.1, and the seed by 1.

    Args:
        generated: features (N, D); above 10,000, a sample is used.
        training: features (T, D) that the model was trained on, at least four.
        held_out: features (H, D) of real pictures that were not trained on, at least two.
        seed: of the halves and samples.

    Returns:
        ``fld``: about 0 for a model as good as the training pictures, larger is worse; unbounded,
        and above 1,000 if a model makes only copies. It is often negative if there are more
        generated pictures than half of the training pictures, since more Gaussians explain more:
        compare models at equal numbers of pictures. ``fld_gap``: about 0, negative with copies.

    Raises:
        FeatureError: shapes that do not fit.
        UnavailableError: too few pictures, or held-out pictures that are all equal.

    Source: Jiralerspong et al. 2023, "Feature Likelihood Divergence: Evaluating the
    Generalization of Generative Models Using Samples"; github.com/marcojira/fld, fld/MoG.py and
    fld/metrics/FLD.py.
    """
    sides = _checked(generated, training, held_out)
    random = np.random.default_rng(seed)
    centres, fitted = (_sample(side, random) for side in sides[:2])
    scale = _Scale.of(sides[2])
    likelihood = _Mixture.fit(fitted, centres=centres, scale=scale)
    halves = random.permutation(len(fitted))
    size = min(len(centres), len(fitted) // 2)
    baseline = _Mixture.fit(fitted[halves[size:]], centres=fitted[halves[:size]], scale=scale)
    unseen = likelihood.negative_log(sides[2])
    return {
        "fld": 100.0 * (unseen - baseline.negative_log(sides[2])),
        "fld_gap": 100.0 * (likelihood.negative_log(fitted) - unseen),
    }


def _checked(*given: npt.ArrayLike) -> list[npt.NDArray[np.generic]]:
    least = {"generated": 1, "training": 4, "held-out": 2}
    sides: dict[str, npt.NDArray[np.generic]] = {
        name: require_pictures(side, few, purpose="FLD", side=name)
        for side, (name, few) in zip(given, least.items(), strict=True)
    }
    require_one_width(**{name: side.shape[1] for name, side in sides.items()})
    return list(sides.values())


def _sample(side: npt.NDArray[np.generic], random: np.random.Generator) -> npt.NDArray[np.generic]:
    if len(side) <= _LARGEST:
        return side
    return side[np.sort(random.choice(len(side), _LARGEST, replace=False))]


class _Scale(NamedTuple):
    """Standardization of features: mean and deviation (d,) of the columns that vary."""

    columns: npt.NDArray[np.int64]
    mean: Array
    deviation: Array

    @classmethod
    def of(cls, side: npt.NDArray[np.generic]) -> _Scale:
        mean = side.mean(axis=0, dtype=np.float64)
        squares = sum(
            ((block.astype(np.float64) - mean) ** 2).sum(axis=0) for block in _blocks(side)
        )
        # Not by the deviation: the mean of equal numbers may differ from them by rounding.
        columns = np.flatnonzero((side != side[0]).any(axis=0))
        if len(columns) == 0:
            raise UnavailableError(
                "FLD needs held-out pictures that differ, but their features are all equal",
                hint="Give other held-out pictures.",
            )
        deviation = np.sqrt(np.asarray(squares) / (len(side) - 1))
        return cls(columns, mean[columns], deviation[columns])

    def apply(self, rows: npt.NDArray[np.generic]) -> Array:
        scaled = rows[:, self.columns].astype(np.float64)
        scaled -= self.mean
        scaled /= self.deviation
        return scaled


class _Mixture(NamedTuple):
    """Gaussians on standardized centres (N, d), with the logarithms of their variances (N,)."""

    centres: Array
    log_variances: Array
    scale: _Scale

    @classmethod
    def fit(
        cls,
        rows: npt.NDArray[np.generic],
        *,
        centres: npt.NDArray[np.generic],
        scale: _Scale,
    ) -> _Mixture:
        places = scale.apply(centres)
        squared = np.empty((len(rows), len(places)), dtype=_STORED)
        for start, block in _distances(rows, places, scale):
            squared[start : start + len(block)] = block
        mean = scale.apply(rows.mean(axis=0, dtype=np.float64)[None])
        to_mean = np.concatenate([block[:, 0] for _, block in _distances(rows, mean, scale)])
        fitted = fit_log_variances(squared, squared_to_mean=to_mean, width=places.shape[1])
        return cls(places, fitted, scale)

    def negative_log(self, rows: npt.NDArray[np.generic]) -> float:
        """Return the mean negative log-likelihood in nats per dimension."""
        width = self.centres.shape[1]
        total = 0.0
        for _, squared in _distances(rows, self.centres, self.scale):
            block = log_likelihoods(squared, log_variances=self.log_variances, width=width)
            total += float(block.sum())
        return float(-total / (len(rows) * width))


def _distances(
    rows: npt.NDArray[np.generic], centres: Array, scale: _Scale
) -> Iterator[tuple[int, Array]]:
    """Yield (first row, squared distances (b, N) of standardized rows to centres)."""
    squares = np.einsum("ij,ij->i", centres, centres)
    step = max(1, _BLOCK_BYTES // (8 * (len(centres) + 2 * centres.shape[1])))
    for start in range(0, len(rows), step):
        block = scale.apply(rows[start : start + step])
        sizes = np.einsum("ij,ij->i", block, block)[:, None] + squares
        distances = sizes - 2.0 * (block @ centres.T)
        # A copy's distance must be 0: its variance shrinks so far that rounding would matter.
        distances[distances < _COPY * sizes] = 0.0
        yield start, distances


def _blocks(side: npt.NDArray[np.generic]) -> Iterator[npt.NDArray[np.generic]]:
    step = max(1, _BLOCK_BYTES // (8 * side.shape[1]))
    for start in range(0, len(side), step):
        yield side[start : start + step]


_STEPS = 50

_RATE = 0.5
_MOMENTUM, _SQUARES, _TINY = 0.9, 0.999, 1e-8  # Adam's defaults
_CLOSEST = 1e-3  # added to the squared distances that variances start from: a copy's is 0
_RANGE = (-40.0, 20.0)  # of the logarithm of a variance
_TOWARDS_MEAN = 0.9**2  # factor of the squared distances to the broad component
_NEGLIGIBLE = 60.0  # a term e^-60 times the largest does not change a float64 sum
_MIXTURE_BLOCK_BYTES = 8 << 20


def fit_log_variances(
    squared: npt.NDArray[np.floating], *, squared_to_mean: Array, width: int
) -> Array:
    """Fit the logarithms of N variances to T rows, in 50 steps of Adam.

    Each variance starts at the value that fits the centre's nearest row alone. A broad component
    at the rows' mean, whose variance is also fitted, keeps rows that are far from every centre from
    dominating the fit; it is dropped afterwards.

    Args:
        squared: (T, N), float32 to save memory, squared distances of rows to centres.
        squared_to_mean: (T,) of rows to their mean.
        width: number of dimensions D of the distances.
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
    """Return the gradient (N + 1,) of the mean negative log-likelihood per dimension.

    A component's part is the sum over rows of r (1 - d / (D s)) / 2, with its responsibility r.
    """
    slope = np.zeros_like(at)
    log_variances, variances = at[:-1], np.exp(at)
    step = max(1, _MIXTURE_BLOCK_BYTES // (4 * len(log_variances)))
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
    """Log-likelihoods of rows (b,); pairs (row, column) that contribute, and their shares."""

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

    In thousands of dimensions one or two Gaussians make up nearly all of a sum. All are estimated
    in the distances' precision; those that matter are computed in float64.
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


METRIC = Metric(
    name="fld",
    title="Feature Likelihood Divergence",
    better="lower",
    source="Jiralerspong et al. 2023, as in github.com/marcojira/fld",
    function=feature_likelihood_divergence,
    values={
        "fld": "divergence; 0 is as good as the training pictures",
        "fld_gap": "likelihood gap between training and held-out pictures; negative with copies",
    },
    needs=("generated", "training", "held_out"),
    settings={"seed": 0},
    remark="compare at equal numbers of pictures; more generated ones lower it",
    directions={"fld_gap": "near 0"},
    sees="strong blur and distortion, repeated pictures; fld_gap: copies",
    misses="colour casts; fld: copies below three quarters of the pictures",
)
