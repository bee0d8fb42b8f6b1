"""Kernel Inception Distance: an unbiased squared maximum mean discrepancy, cubic kernel.

    MMD^2_u = 1/(m(m-1)) sum_{i!=j} [k(x_i, x_j) + k(y_i, y_j)] - 2/m^2 sum_{ij} k(x_i, y_j)
    k(x, y) = (x.y / D + 1)^3

It is the mean over random subsets of m pictures a side. A sum over a subset is w^T K w, with w = 1
for the subset's rows and 0 elsewhere. So all subsets can share one pass over the kernel matrix of
all pictures, some rows at a time. For few or small subsets, a matrix for each is cheaper; both
give the same sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mifid.errors import FeatureError
from mifid.metrics.base import Blocks, Metric, require_one_width, rows_of
from mifid.metrics.neighbours import arrays_or_blocks, require_pictures

__all__ = ["METRIC", "SEED", "kernel_distance", "standard_error"]

Matrix = npt.NDArray[np.float64]
Picks = npt.NDArray[np.int64]  # (subsets, m) rows

SEED = 2020
"""torch-fidelity's default: with it the defaults give the same subsets."""

_BLOCK_BYTES = 64 << 20
_OWN_MATRICES = 1.0  # part of the whole matrix's size up to which each subset gets its own


def kernel_distance(
    *,
    generated: npt.ArrayLike | Blocks,
    reference: npt.ArrayLike,
    subsets: int | None = 100,
    subset_size: int = 1000,
    seed: int = SEED,
) -> dict[str, float]:
    """Return the Kernel Inception Distance.

    Args:
        generated: features (N, D), or :class:`mifid.metrics.base.Blocks` of them, of which only
            those in subsets are held.
        reference: features (M, D).
        subsets: number of random subsets that are averaged; None: one estimate from all pictures
            of both sides (the U-statistic of unequal sizes), which needs no seed.
        subset_size: pictures of each side in a subset, drawn without replacement; at most the
            size of the smaller side.
        seed: of the draws; with equal settings they are torch-fidelity's.

    Returns:
        ``kid``, about 0 or slightly below for sets from one distribution; and, with ``subsets``,
        ``kid_std``, the standard deviation over the subsets, and ``kid_subset_size``, the size
        that was used. Subsets overlap, so ``kid_std`` is no standard error of ``kid``, and a side
        that is completely in every subset adds nothing to it. If both sides are, all subsets are
        the same, and there is no ``kid_std``.

    Raises:
        FeatureError: widths differ, or a setting is too small.
        UnavailableError: a side has fewer than two pictures.

    Source: Bińkowski et al. 2018, "Demystifying MMD GANs", section 4; subsets as torch-fidelity
    draws them.

    >>> near, far = [[0.0], [1.0], [2.0]], [[10.0], [11.0], [12.0]]
    >>> round(kernel_distance(generated=far, reference=near, subsets=None)["kid"], 3)
    1821216.667
    """
    x = arrays_or_blocks(generated, 2, purpose="KID", side="generated")
    y = require_pictures(reference, 2, purpose="KID", side="reference")
    if subsets is None:
        whole = _mmd(x, y, np.arange(len(x))[None], np.arange(len(y))[None])
        return {"kid": float(whole[0])}
    if subsets < 1 or subset_size < 2:
        raise FeatureError(
            f"KID with {subsets} subsets of {subset_size} pictures; expected at least 1 subset of "
            "at least 2 pictures"
        )
    size = min(subset_size, len(x), len(y))
    random = np.random.RandomState(seed)
    picks_x, picks_y = np.empty((subsets, size), np.int64), np.empty((subsets, size), np.int64)
    for subset in range(subsets):
        picks_x[subset] = random.choice(len(x), size, replace=False)
        picks_y[subset] = random.choice(len(y), size, replace=False)
    found = _mmd(x, y, picks_x, picks_y)
    values = {"kid": float(found.mean())}
    if size < max(len(x), len(y)):
        values["kid_std"] = float(found.std())
    return values | {"kid_subset_size": float(size)}


def standard_error(
    *,
    generated: npt.ArrayLike,
    reference: npt.ArrayLike,
    resample: Sequence[str] = ("generated", "reference"),
) -> float:
    """Return the jackknife's standard error of the estimate from all pictures.

    Each picture of the sides in ``resample`` is left out once, in closed form: without x_i,

        (S_xx - 2 r_i) / ((m-1)(m-2)) + S_yy / (n(n-1)) - 2 (S_xy - c_i) / ((m-1)n)

    with S the sums of the kernel over pairs, r_i that of x_i with the other x, c_i with all y.

    Args:
        generated: features (m, D).
        reference: features (n, D).
        resample: sides that are a sample.

    Raises:
        FeatureError: widths differ.
        UnavailableError: a side has fewer than three pictures.

    Source: Efron and Stein 1981, "The Jackknife Estimate of Variance": in expectation not below
    the true variance.
    """
    sides = {
        side: require_pictures(rows, 3, purpose="the standard error of KID", side=side)
        for side, rows in (("generated", generated), ("reference", reference))
    }
    x, y = sides.values()
    require_one_width(generated=x.shape[1], reference=y.shape[1])
    between_x, between_y = _row_sums(x, y)
    between = {"generated": between_x, "reference": between_y}
    variance = 0.0
    for side in resample:
        n, of_rows = len(sides[side]), _row_sums(sides[side], sides[side])[0]
        of_rows -= _with_itself(sides[side])
        change = -2.0 * of_rows / ((n - 1) * (n - 2))
        other = len(y if side == "generated" else x)
        change += 2.0 * between[side] / ((n - 1) * other)
        variance += float((n - 1) / n * np.square(change - change.mean()).sum())
    return float(np.sqrt(variance))


def _row_sums(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> tuple[Matrix, Matrix]:
    """Return sum_j k(x_i, y_j) (m,) and sum_i k(x_i, y_j) (n,)."""
    y = y.astype(np.float64)
    rows_x, rows_y = np.empty(len(x)), np.zeros(len(y))
    for rows in _blocks(len(x), len(y)):
        kernel = _kernel(x[rows].astype(np.float64), y)
        rows_x[rows] = kernel.sum(axis=1)
        rows_y += kernel.sum(axis=0)
    return rows_x, rows_y


def _with_itself(x: npt.NDArray[Any]) -> Matrix:
    """Return k(x_i, x_i), (m,)."""
    squares = np.einsum("ij,ij->i", x, x, dtype=np.float64)
    return np.asarray((squares / x.shape[1] + 1.0) ** 3)


def _mmd(
    x: npt.NDArray[Any] | Blocks, y: npt.NDArray[Any], picks_x: Picks, picks_y: Picks
) -> Matrix:
    """Return the estimate of each subset (S,)."""
    if isinstance(x, Blocks):
        held, place = np.unique(picks_x, return_inverse=True)
        x, picks_x = rows_of(x, held), place.reshape(picks_x.shape)
    require_one_width(generated=x.shape[1], reference=y.shape[1])
    m, n = picks_x.shape[1], picks_y.shape[1]
    within_x = _sums_within(x, picks_x) / (m * (m - 1))
    within_y = _sums_within(y, picks_y) / (n * (n - 1))
    between = _sums_between(x, y, picks_x, picks_y) / (m * n)
    mmd: Matrix = within_x + within_y - 2.0 * between
    return mmd


def _sums_within(x: npt.NDArray[Any], picks: Picks) -> Matrix:
    """Sum k(x_i, x_j) over the pairs i != j of each subset (S,)."""
    if picks.size * picks.shape[1] < _OWN_MATRICES * len(x) ** 2:
        return np.array([_own_sum_within(x[rows].astype(np.float64)) for rows in picks])
    x = x.astype(np.float64)
    weights = _weights(picks, len(x))
    sums = np.zeros(len(picks))
    for rows in _blocks(len(x), len(x)):
        # The kernel is symmetric: only the upper triangle, and what is right of it counts twice.
        kernel = _kernel(x[rows], x[rows.start :])
        count = len(kernel)
        np.fill_diagonal(kernel[:, :count], 0.0)
        kernel[:, count:] *= 2.0
        sums += np.einsum("is,is->s", weights[rows], kernel @ weights[rows.start :])
    return sums


def _own_sum_within(x: Matrix) -> float:
    kernel = _kernel(x, x)
    return float(kernel.sum() - np.trace(kernel))


def _sums_between(
    x: npt.NDArray[Any], y: npt.NDArray[Any], picks_x: Picks, picks_y: Picks
) -> Matrix:
    """Sum k(x_i, y_j) over all pairs of each subset (S,)."""
    if picks_x.size * picks_y.shape[1] < _OWN_MATRICES * len(x) * len(y):
        pairs = zip(picks_x, picks_y, strict=True)
        own = (_kernel(x[i].astype(np.float64), y[j].astype(np.float64)).sum() for i, j in pairs)
        return np.array([float(value) for value in own])
    y = y.astype(np.float64)
    weights_x, weights_y = _weights(picks_x, len(x)), _weights(picks_y, len(y))
    sums = np.zeros(len(picks_x))
    for rows in _blocks(len(x), len(y)):
        kernel = _kernel(x[rows].astype(np.float64), y)
        sums += np.einsum("is,is->s", weights_x[rows], kernel @ weights_y)
    return sums


def _kernel(x: Matrix, y: Matrix) -> Matrix:
    kernel: Matrix = x @ y.T
    kernel /= x.shape[1]
    kernel += 1.0
    squared = np.square(kernel)
    kernel *= squared  # much faster than a general power
    return kernel


def _weights(picks: Picks, count: int) -> Matrix:
    """Return (count, S): 1 where a row is in the subset, else 0."""
    weights = np.zeros((count, len(picks)))
    weights[picks, np.arange(len(picks))[:, None]] = 1.0
    return weights


def _blocks(rows: int, columns: int) -> list[slice]:
    step = max(1, _BLOCK_BYTES // (16 * columns))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


METRIC = Metric(
    name="kid",
    title="Kernel Inception Distance",
    better="lower",
    source="Bińkowski et al. 2018, section 4; subsets as torch-fidelity draws them",
    function=kernel_distance,
    values={
        "kid": "unbiased squared maximum mean discrepancy, mean over the subsets",
        "kid_std": "standard deviation over the subsets, which is no standard error",
        "kid_subset_size": "pictures of each side in a subset",
    },
    absent={"kid_std": "every subset holds all pictures of both sides"},
    settings={"subsets": 100, "subset_size": 1000, "seed": SEED},
    blocks=True,
    remark="unbiased, so it may be negative near 0; if a side has fewer than 1,000 pictures, "
    "subsets are as large as the smaller side",
    sees="blur, noise, distortion, repeated pictures",
    misses="colour casts and pale colours, a few photos among the pictures; copies lower it",
)
