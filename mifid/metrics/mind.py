"""Monge Inception Distance: squared Wasserstein distances along random directions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mifid.errors import FeatureError
from mifid.metrics.base import Blocks, Metric, blocks_of, require_one_width
from mifid.metrics.neighbours import arrays_or_blocks, require_pictures

__all__ = ["METRIC", "monge_distance"]

Matrix = npt.NDArray[np.float64]

_BLOCK_BYTES = 64 << 20
_PASS_BYTES = 1 << 30
"""Of coordinates along directions that one pass over blocks, which may lie on disk, computes."""


def monge_distance(
    *,
    generated: npt.ArrayLike | Blocks,
    reference: npt.ArrayLike,
    directions: int = 1000,
    seed: int = 0,
) -> dict[str, float]:
    """Return ``{"mind": 3 D mean_t W^2(x.t, y.t)}`` over random unit directions t.

    W^2 is the squared 2-Wasserstein distance in one dimension: the mean squared difference of the
    two quantile functions, exact for sides of any two sizes.

    Args:
        generated: features (N, D), at least two, or :class:`mifid.metrics.base.Blocks` of them,
            which are read once for each GiB of 8 N ``directions`` bytes.
        reference: features (M, D), at least two.
        directions: how many unit directions are drawn, uniformly over the sphere.
        seed: of the directions.

    Returns:
        At least 0. For two distributions that differ by a shift v it is 3 |v|^2 on average over
        the directions. Its noise from few pictures is smaller than that of FID.

    Raises:
        FeatureError: widths differ, or no direction was asked for.
        UnavailableError: a side has fewer than two pictures.

    Source: Berthet et al. 2026, "MIND: Monge Inception Distance for Generative Models
    Evaluation", arXiv 2605.06797.

    >>> near, far = [[0.0], [1.0], [2.0]], [[10.0], [11.0], [12.0]]
    >>> monge_distance(generated=far, reference=near)["mind"]
    300.0
    """
    x = arrays_or_blocks(generated, 2, purpose="MIND", side="generated")
    y = require_pictures(reference, 2, purpose="MIND", side="reference").astype(np.float64)
    if directions < 1:
        raise FeatureError(f"{directions} directions; expected at least 1")
    if not isinstance(x, Blocks):
        x = x.astype(np.float64)  # once, and not for each group of directions
    at_once = _PASS_BYTES if isinstance(x, Blocks) else _BLOCK_BYTES
    random = np.random.RandomState(seed)
    step = max(1, at_once // (8 * (len(x) + len(y))))
    total = 0.0
    for start in range(0, directions, step):
        unit = random.standard_normal((min(step, directions - start), y.shape[1]))
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        total += _total(_along(unit, x), unit @ y.T)
    return {"mind": 3.0 * y.shape[1] * total / directions}


def _along(unit: Matrix, features: npt.NDArray[Any] | Blocks) -> Matrix:
    """Return the coordinates (T, N) of features along unit vectors (T, D)."""
    found = np.empty((len(unit), len(features)))
    start = 0
    for block in blocks_of(features):
        require_one_width(generated=block.shape[1], reference=unit.shape[1])
        stop = start + len(block)
        np.matmul(unit, block.astype(np.float64, copy=False).T, out=found[:, start:stop])
        start = stop
    return found


def _total(x: Matrix, y: Matrix) -> float:
    """Sum the squared distances of the rows of ``x`` (T, N) and ``y`` (T, M)."""
    step = max(1, _BLOCK_BYTES // (8 * (x.shape[1] + y.shape[1])))
    parts = (slice(start, start + step) for start in range(0, len(x), step))
    return sum(float(_wasserstein(x[rows], y[rows]).sum()) for rows in parts)


def _wasserstein(x: Matrix, y: Matrix) -> Matrix:
    """Return the squared distances (T,) of the rows of ``x`` (T, N) and ``y`` (T, M)."""
    x, y = np.sort(x, axis=1), np.sort(y, axis=1)
    n, m = x.shape[1], y.shape[1]
    if n == m:
        equal: Matrix = np.mean((x - y) ** 2, axis=1)
        return equal
    # Both quantile functions are constant between neighbouring multiples of 1/N and 1/M; in units
    # of 1/(N M) these are whole numbers.
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    widths = np.diff(ends, prepend=0) / (n * m)
    last = ends - 1
    found: Matrix = (x[:, last // m] - y[:, last // n]) ** 2 @ widths
    return found


METRIC = Metric(
    name="mind",
    title="Monge Inception Distance",
    better="lower",
    source="Berthet et al. 2026, arXiv 2605.06797",
    function=monge_distance,
    values={"mind": "3 D times the mean squared Wasserstein distance along random directions"},
    settings={"directions": 1000, "seed": 0},
    blocks=True,
    remark="made for few pictures; published values are of Inception features",
    sees="blur, noise, distortion, repeated pictures",
    misses="colour casts and pale colours, a few photos among the pictures; copies lower it",
)
