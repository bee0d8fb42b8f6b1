"""Nearest neighbours of features by Euclidean distance, and how many pictures they need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mifid.errors import FeatureError, UnavailableError
from mifid.metrics.distances import DistanceBlock, distance_blocks

__all__ = ["Neighbour", "kth_distance", "nearest", "nearest_other", "require_pictures"]


class Neighbour(NamedTuple):
    """The nearest neighbour of each row.

    Attributes:
        distance: (N,) float64, Euclidean; exactly 0 for a bitwise copy.
        row: (N,) int64, the neighbour's row: the first of several bitwise copies; of other rows
            whose squared distances agree to about D eps of the squared norms, any.
    """

    distance: npt.NDArray[np.float64]
    row: npt.NDArray[np.int64]


def nearest(x: npt.ArrayLike, y: npt.ArrayLike) -> Neighbour:
    """Find for each row of ``x`` (N, D) the nearest row of ``y`` (M, D).

    Raises:
        FeatureError: the widths differ, or ``y`` is empty.

    >>> nearest([[0.0, 0.0], [3.0, 4.0]], [[3.0, 4.0], [3.0, 5.0]])
    Neighbour(distance=array([5., 0.]), row=array([0, 0]))
    """
    return _nearest(distance_blocks(x, y), len(np.asarray(x)))


def nearest_other(x: npt.ArrayLike) -> Neighbour:
    """Find for each row of ``x`` (N, D) the nearest *other* row: a second copy is at distance 0.

    Raises:
        FeatureError: ``x`` is not (N, D).
        UnavailableError: fewer than two rows.
    """
    rows = require_pictures(x, 2, purpose="a nearest other picture")
    return _nearest(distance_blocks(rows), len(rows))


def kth_distance(x: npt.ArrayLike, *, k: int) -> npt.NDArray[np.float64]:
    """Return (N,) float64: each row's Euclidean distance to its k-th nearest other row.

    Raises:
        FeatureError: ``x`` is not (N, D), or ``k`` is below 1.
        UnavailableError: fewer than ``k + 1`` rows.
    """
    if k < 1:
        raise FeatureError(f"k is {k}; expected at least 1", hint="k counts neighbours.")
    rows = require_pictures(x, k + 1, purpose=f"{k} nearest other pictures")
    distance = np.empty(len(rows))
    for block in distance_blocks(rows):
        chosen = np.argpartition(block.squared, k - 1, axis=1)[:, k - 1]
        distance[block.rows] = block.exact(np.arange(len(chosen)), chosen)
    return distance


def require_pictures(
    features: npt.ArrayLike, least: int, *, purpose: str, side: str = ""
) -> npt.NDArray[Any]:
    """Return ``features`` as an array, if it is (N, D) with at least ``least`` rows.

    Args:
        features: of one side.
        least: rows needed.
        purpose: what needs them, such as ``"precision and recall with k 3"``, for the message.
        side: ``"generated"``, ``"reference"``..., for the message.

    Raises:
        FeatureError: not two-dimensional.
        UnavailableError: fewer rows.
    """
    rows = np.asarray(features)
    named = f"{side} " if side else ""
    if rows.ndim != 2:
        raise FeatureError(f"{named}features have shape {rows.shape}; expected (pictures, width)")
    if len(rows) < least:
        raise UnavailableError(
            f"{purpose}: at least {least} {named}pictures are needed, got {len(rows)}",
            hint="Give more pictures, or leave this measure out.",
        )
    return rows


def _nearest(blocks: Iterator[DistanceBlock], count: int) -> Neighbour:
    distance, row = np.empty(count), np.empty(count, np.int64)
    for block in blocks:
        chosen = block.squared.argmin(axis=1)
        distance[block.rows] = block.exact(np.arange(len(chosen)), chosen)
        row[block.rows] = chosen
    return Neighbour(distance, row)
