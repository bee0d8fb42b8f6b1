"""Bootstrap of FID, memorization distance and MiFID: metrics of weighted pictures.

As many pictures as there are, are drawn with replacement (Efron 1979): from the generated pictures,
which are a sample of the model's, and from the reference, which is a sample of a distribution. The
training pictures of the memorization distance are not resampled, since they are not a sample: the
question is whether *these* were copied. Leaving out 37 % of them would make copies look original,
and the bootstrap is known to fail for the nearest neighbour (Abadie and Imbens 2008). So, with one
set in both roles, a replicate resamples its pictures for FID, and computes distances to all of
them.

A resample counts a picture 0, 1, 2, … times, a subset 0 or 1 times. Means, traces and the matrix
whose singular values add up to tr (S_g S_r)^(1/2) follow from the inner products x_i . y_j of the
centred features, which are computed once:

    C = W_g^(1/2) P_g (X_g X_r^T) P_r^T W_r^(1/2) / sqrt((n_g - 1)(n_r - 1)),

with W the multiplicities, n their sum and P = 1 - 1 w^T / n, which centres at the weighted mean.
tr (S_g S_r)^(1/2) is the sum of C's singular values. So one FID costs an eigenvalue problem of the
smaller side's size, without the pictures that are counted 0 times.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from mifid.errors import InputError, UnavailableError
from mifid.metrics.frechet import Moments, frechet_distance
from mifid.metrics.leave_one_out import influence
from mifid.metrics.linalg import Centred, Matrix, Vector, centred_pair, eigenvalues, inner_products
from mifid.metrics.memorization import nearest_reference
from mifid.metrics.mifid import EPSILON, penalized

__all__ = [
    "SIDES",
    "Replicates",
    "WeightedFrechet",
    "bootstrap",
    "counts",
    "linearized",
    "penalized_all",
]

_MOST_THREADS = 8  # each holds a copy of the counted rows of the inner products


class WeightedFrechet:
    """Fréchet distances between two sets whose pictures have multiplicities.

    Args:
        generated: features (N, D).
        reference: features (M, D).

    Attributes:
        size: min(N, M, D), the size of the eigenvalue problem that one distance costs.

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
            (B,) float64, at least 0; independent of the number of threads.
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
        """Compute the distances from covariances, which are small if there are few features."""

        def distance(weights: tuple[Vector, Vector]) -> float:
            return frechet_distance(
                generated=_moments(self._generated, weights[0]),
                reference=_moments(self._reference, weights[1]),
            )

        return _in_threads(distance, zip(generated, reference, strict=True))


class _Pictures:
    """tr (S_g S_r)^(1/2) from the inner products of all pairs of pictures."""

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
    """Return the covariance's trace (B,) and the mean's shift (B, D) under multiplicities."""
    n = weights.sum(axis=1)
    means = side.sums(weights) / n[:, None]
    squares = weights @ side.squares - n * np.einsum("ij,ij->i", means, means)
    return squares / (n - 1.0), means


def _moments(side: Centred, weights: Vector) -> Moments:
    n = weights.sum()
    mean = side.sums(weights[None])[0] / n
    return Moments(side.mu + mean, (side.scatter(weights) - n * np.outer(mean, mean)) / (n - 1.0))


def _sum_of_roots(values: Vector) -> float:
    # Centring leaves zeros, which rounding makes positive or negative; see frechet.py.
    least = values.max(initial=0.0) * len(values) * float(np.finfo(np.float64).eps)
    return float(np.sqrt(values[values > least]).sum())


def _in_threads(function: object, items: Iterable[object]) -> Vector:
    """Map in a few threads, in each of which BLAS has one; NumPy releases the interpreter lock."""
    with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool:
        return np.fromiter(pool.map(function, items), dtype=np.float64)  # type: ignore[arg-type]


SIDES = ("generated", "reference")
"""Sides that can be resampled."""

_BLOCK_BYTES = 32 << 20
_MOST_AT_ONCE = 64  # replicates between two reports of progress


class Replicates(NamedTuple):
    """The score of B resamples, not centred at the headline.

    Attributes:
        fid: (B,) float64; None without a reference.
        memorization_distance: (B,) float64.
        mifid: (B,) float64; None without a reference.
    """

    fid: Vector | None
    memorization_distance: Vector | None
    mifid: Vector | None


def bootstrap(
    *,
    generated: npt.ArrayLike,
    reference: npt.ArrayLike | None,
    training: npt.ArrayLike | None = None,
    epsilon: float = EPSILON,
    replicates: int = 1000,
    resample: Sequence[str] = SIDES,
    seed: int = 0,
    advance: Callable[[int], None] | None = None,
) -> Replicates:
    """Return the scores of resamples, each exactly the score of the resampled arrays.

    Every replicate costs an eigenvalue problem of size min(N, M, D).

    Args:
        generated: features (N, D).
        reference: features (M, D) that FID is measured against; None: no FID.
        training: features (T, D) that the model was trained on; None: the reference. They are not
            resampled, see the module's docstring.
        epsilon: MiFID's threshold.
        replicates: B.
        resample: which of ``"generated"`` and ``"reference"`` are resampled.
        seed: 0 to 2^32 - 1. The draws depend only on (seed, side, number of pictures, replicate):
            two submissions of one size with one seed get the same draws, so that differences of
            their replicates are paired.
        advance: called with the number of replicates done since the last call.

    Raises:
        FeatureError: as frechet_distance and memorization_distance.
        UnavailableError: so many rows of zeros that a resample holds nothing else.

    Source: Efron 1979, "Bootstrap Methods: Another Look at the Jackknife". FID of a resample is
    biased upward, since repeated pictures span fewer dimensions: centre the replicates before you
    take an interval from them.
    """
    rows, sides = np.asarray(generated), _checked(resample)
    distance = _Distance(rows, reference if training is None else training)
    frechet = None if reference is None else WeightedFrechet(generated=rows, reference=reference)
    size = 0 if reference is None else len(np.asarray(reference))
    fids: list[Vector] = []
    distances: list[Vector] = []
    for numbers in _blocks(replicates, len(rows) + size):
        w_g = counts(len(rows), "generated", numbers, seed=seed, drawn="generated" in sides)
        distances.append(distance(w_g))
        if frechet is not None:
            w_r = counts(size, "reference", numbers, seed=seed, drawn="reference" in sides)
            fids.append(frechet(generated=w_g, reference=w_r))
        if advance is not None:
            advance(len(numbers))
    return _joined(fids, distances, epsilon)


def linearized(
    *,
    generated: npt.ArrayLike,
    reference: npt.ArrayLike | None,
    training: npt.ArrayLike | None = None,
    epsilon: float = EPSILON,
    replicates: int = 1000,
    resample: Sequence[str] = SIDES,
    seed: int = 0,
    advance: Callable[[int], None] | None = None,
) -> Replicates:
    """Return :func:`bootstrap`'s replicates to first order, from the influence of pictures.

    FID of the same draws is approximated by ``FID - (n - 1) / n * sum_i (w_i - 1) change_i`` over
    both sides, with change_i of :func:`~mifid.metrics.leave_one_out.influence`. Any number of
    replicates costs two eigenvalue problems, so this is for two large sets. It has no upward bias,
    since no dimension is lost. The memorization distance is exact.

    Arguments, results and errors are those of :func:`bootstrap`.

    Source: Jaeckel 1972, "The Infinitesimal Jackknife"; Efron 1982, chapter 6.
    """
    rows, sides = np.asarray(generated), _checked(resample)
    distance = _Distance(rows, reference if training is None else training)
    changes = {} if reference is None else _changes(rows, np.asarray(reference), sides)
    value = 0.0 if reference is None else frechet_distance(generated=rows, reference=reference)
    fids: list[Vector] = []
    distances: list[Vector] = []
    for numbers in _blocks(replicates, len(rows)):
        w_g = counts(len(rows), "generated", numbers, seed=seed, drawn="generated" in sides)
        distances.append(distance(w_g))
        if reference is not None:
            fids.append(value + _first_order(changes, numbers, seed))
        if advance is not None:
            advance(len(numbers))
    return _joined(fids, distances, epsilon)


def counts(n: int, side: str, numbers: range, *, seed: int, drawn: bool = True) -> Matrix:
    """Return how often each of n pictures is drawn in the replicates ``numbers``: (B, n) float64.

    Every row sums to n; if the side is not ``drawn``, each picture counts once.
    """
    if not drawn:
        return np.ones((len(numbers), n))
    weights = np.empty((len(numbers), n))
    random = np.random.RandomState(0)  # seeding it again is ten times faster than a new one
    for row, number in enumerate(numbers):
        random.seed([seed, SIDES.index(side), n, number])
        weights[row] = np.bincount(random.randint(0, n, size=n), minlength=n)
    return weights


class _Distance:
    """Memorization distance under multiplicities of the generated pictures."""

    def __init__(self, generated: npt.ArrayLike, training: npt.ArrayLike | None) -> None:
        if training is None:
            raise UnavailableError(
                "the memorization distance cannot be resampled: there are no training pictures"
            )
        distance = nearest_reference(generated=generated, reference=training).distance
        self._live = (~np.isnan(distance)).astype(np.float64)
        self._distance = np.nan_to_num(distance, nan=0.0)

    def __call__(self, weights: Matrix) -> Vector:
        live = weights @ self._live
        if not live.all():
            raise UnavailableError(
                f"only {int(self._live.sum())} of {len(self._live)} generated pictures have "
                "features that are not all zero: a resample without them has no memorization "
                "distance"
            )
        return np.asarray(weights @ self._distance / live)


def _changes(generated: Matrix, reference: Matrix, sides: Sequence[str]) -> dict[str, Vector]:
    """Return the leave-one-out changes of FID by side, minus their mean."""
    both = {"generated": generated, "reference": reference}
    changes = {}
    for side in sides:
        other = both["reference" if side == "generated" else "generated"]
        change = influence(generated=both[side], reference=other).total
        changes[side] = change - change.mean()
    return changes


def _first_order(changes: dict[str, Vector], numbers: range, seed: int) -> Vector:
    total = np.zeros(len(numbers))
    for side, change in changes.items():
        n = len(change)
        total -= (n - 1) / n * (counts(n, side, numbers, seed=seed) @ change)
    return total


def _joined(fids: list[Vector], distances: list[Vector], epsilon: float) -> Replicates:
    distance = np.concatenate(distances)
    if not fids:
        return Replicates(None, distance, None)
    fid = np.concatenate(fids)
    return Replicates(fid, distance, penalized_all(fid, distance, epsilon=epsilon))


def penalized_all(fid: Vector, distance: Vector, *, epsilon: float) -> Vector:
    """Return MiFID of B pairs of FID and memorization distance, (B,)."""
    return np.array(
        [
            penalized(fid=float(f), memorization_distance=float(d), epsilon=epsilon)
            for f, d in zip(fid, distance, strict=True)
        ]
    )


def _blocks(replicates: int, pictures: int) -> list[range]:
    step = max(1, min(_MOST_AT_ONCE, _BLOCK_BYTES // (8 * max(1, pictures))))
    return [range(i, min(i + step, replicates)) for i in range(0, replicates, step)]


def _checked(resample: Sequence[str]) -> tuple[str, ...]:
    unknown = sorted(set(resample) - set(SIDES))
    if unknown or not resample:
        raise InputError(
            f"resample is {', '.join(unknown) or 'empty'}",
            hint=f"Choose from: {', '.join(SIDES)}.",
        )
    return tuple(side for side in SIDES if side in resample)
