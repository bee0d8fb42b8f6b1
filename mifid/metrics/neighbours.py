"""Nearest neighbours and exact distances, in blocks.

Squared distances of whole blocks come from one matrix product, |x|^2 + |y|^2 - 2 x.y, with an error
of about D eps (|x|^2 + |y|^2) by cancellation. It does not matter for different pictures, but it is
wrong for copies, whose distance must be 0, and for ties. Therefore rows with equal bits have
distance 0 by definition, and distances that are returned, or that are too near to a limit to
compare, are computed again from differences.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mifid.errors import FeatureError, UnavailableError
from mifid.metrics.base import Blocks

__all__ = [
    "DistanceBlock",
    "Neighbour",
    "arrays_or_blocks",
    "distance_blocks",
    "kth_distance",
    "nearest",
    "nearest_other",
    "require_pictures",
]

Matrix = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

_BLOCK_BYTES = 64 << 20
_TINY = float(np.finfo(np.float64).tiny)
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class DistanceBlock:
    """Distances of some rows of ``x`` to all rows of ``y``.

    Attributes:
        rows: which rows of ``x``.
        squared: (b, M) float64 squared distances up to cancellation; exactly 0 if and only if the
            two rows are equal; infinite between a row and itself when ``y`` is ``x``.
    """

    rows: slice
    squared: Matrix
    _sides: _Sides

    def exact(self, row: Rows, column: Rows) -> npt.NDArray[np.float64]:
        """Return the distances of pairs (rows of this block, rows of ``y``) from differences."""
        return self._sides.from_differences(row + self.rows.start, column)

    def within(self, radius: npt.NDArray[np.float64], *, closed: bool) -> npt.NDArray[np.bool_]:
        """Return (b, M): whether distance < ``radius``, or <= if ``closed``; ties are exact.

        Args:
            radius: (M,) of the rows of ``y``, or (b, 1) of this block's rows of ``x``; from
                :func:`mifid.metrics.neighbours.kth_distance`, so that ties are equal bit by bit.
            closed: whether the ball includes its border.
        """
        radius = np.broadcast_to(radius, self.squared.shape)
        gap = np.square(radius)
        gap -= self.squared
        inside = gap >= 0 if closed else gap > 0
        np.abs(gap, out=gap)
        undecided = (gap <= self._sides.slack(self.rows)) & (self.squared > 0)
        row, column = np.nonzero(undecided)
        if len(row):
            distance = self._of_unique_pairs(row, column)
            limit = radius[row, column]
            inside[row, column] = distance <= limit if closed else distance < limit
        return inside

    def _of_unique_pairs(self, row: Rows, column: Rows) -> npt.NDArray[np.float64]:
        # A collapsed generator repeats few pictures thousands of times: compute each pair once.
        sides = self._sides
        code = sides.label_x[self.rows][row] * sides.labels + sides.label_y[column]
        _, first, back = np.unique(code, return_index=True, return_inverse=True)
        return self.exact(row[first], column[first])[back]


def distance_blocks(x: npt.ArrayLike, y: npt.ArrayLike | None = None) -> Iterator[DistanceBlock]:
    """Yield the distances of ``x`` (N, D) to ``y`` (M, D), some rows of ``x`` at a time.

    Without ``y``: among the rows of ``x``, without each row's distance to itself. Needs about
    64 MiB in addition to a float64 copy of ``y``.

    Raises:
        FeatureError: the widths differ, or ``y`` is empty.
    """
    rows_of_x = np.asarray(x)
    sides = _Sides(rows_of_x, rows_of_x if y is None else np.asarray(y))
    step = max(1, _BLOCK_BYTES // (8 * (4 * len(sides.y) + 2 * sides.y.shape[1])))
    for start in range(0, len(sides.x), step):
        rows = slice(start, min(start + step, len(sides.x)))
        squared = sides.squared(rows)
        if y is None:
            squared[np.arange(len(squared)), np.arange(rows.start, rows.stop)] = np.inf
        yield DistanceBlock(rows, squared, sides)


class _Sides:
    """Two sets of rows, and values that all their distances use."""

    def __init__(self, x: npt.NDArray[Any], y: npt.NDArray[Any]) -> None:
        if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or len(y) == 0:
            raise FeatureError(
                f"features have shapes {x.shape} and {y.shape}; expected (N, D) and (M, D), "
                "with at least one row"
            )
        self.x, self.y = x, y
        # A shift does not change distances, and smaller norms lose less by cancellation.
        self._centre = y.mean(axis=0, dtype=np.float64)
        self._centred_y = y.astype(np.float64) - self._centre
        self._norm_y = np.einsum("ij,ij->i", self._centred_y, self._centred_y)
        self._norm_x = np.empty(len(x))
        self.label_x, self.label_y, self.labels = _labels(x, y)
        self._any_equal = bool(np.isin(self.label_x, self.label_y).any())

    def squared(self, rows: slice) -> Matrix:
        """Return (b, M) up to cancellation, but 0 if and only if rows are equal."""
        x = self.x[rows].astype(np.float64) - self._centre
        self._norm_x[rows] = np.einsum("ij,ij->i", x, x)
        x *= -2.0
        squared: Matrix = x @ self._centred_y.T
        squared += self._norm_x[rows, None]
        squared += self._norm_y
        np.maximum(squared, _TINY, out=squared)
        if self._any_equal:
            squared[self.label_x[rows, None] == self.label_y] = 0.0
        return squared

    def slack(self, rows: slice) -> Matrix:
        """Return (b, M), the error of :meth:`squared` by the usual bound on dot products."""
        bound: Matrix = np.add.outer(self._norm_x[rows], self._norm_y)
        bound *= 2.0 * _EPS * (self.y.shape[1] + 8)
        return bound

    def from_differences(self, rows_x: Rows, rows_y: Rows) -> npt.NDArray[np.float64]:
        """Return distances of pairs (n,), (n,): bitwise symmetric, and 0 for equal rows."""
        squared = np.empty(len(rows_x))
        step = max(1, _BLOCK_BYTES // (32 * max(1, self.x.shape[1])))
        for start in range(0, len(squared), step):
            part = slice(start, start + step)
            difference = self.x[rows_x[part]].astype(np.float64) - self.y[rows_y[part]]
            np.square(difference, out=difference)
            squared[part] = difference.sum(axis=1)  # the order depends only on the width
        return np.sqrt(squared)


def _labels(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> tuple[Rows, Rows, int]:
    """Number the distinct rows: equal rows, and no others, have the same number."""
    kind = np.result_type(x, y)
    seen: dict[bytes, int] = {}

    def number(rows: npt.NDArray[Any]) -> Rows:
        labels = np.empty(len(rows), np.int64)
        for index, row in enumerate(rows):
            plain = row.astype(kind) + kind.type(0)  # -0.0 becomes 0.0
            digest = hashlib.blake2b(plain.tobytes(), digest_size=16).digest()
            labels[index] = seen.setdefault(digest, len(seen))
        return labels

    label_x = number(x)
    label_y = label_x if x is y else number(y)
    return label_x, label_y, len(seen)


class Neighbour(NamedTuple):
    """The nearest neighbour of each row.

    Attributes:
        distance: (N,) float64, Euclidean; exactly 0 for a bitwise copy.
        row: (N,) int64, the neighbour's row: the first of several bitwise copies; any of other
            rows whose squared distances agree to about D eps of the squared norms.
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
        purpose: their use, such as ``"precision and recall with k 3"``, for the message.
        side: ``"generated"``, ``"reference"``..., for the message.

    Raises:
        FeatureError: not two-dimensional.
        UnavailableError: fewer rows.
    """
    rows = np.asarray(features)
    if rows.ndim != 2:
        named = f"{side} " if side else ""
        raise FeatureError(f"{named}features have shape {rows.shape}; expected (pictures, width)")
    _require_count(len(rows), least, purpose=purpose, side=side)
    return rows


def arrays_or_blocks(
    features: npt.ArrayLike | Blocks, least: int, *, purpose: str, side: str = ""
) -> npt.NDArray[Any] | Blocks:
    """Do as :func:`require_pictures`; blocks are returned as they are."""
    if not isinstance(features, Blocks):
        return require_pictures(features, least, purpose=purpose, side=side)
    _require_count(len(features), least, purpose=purpose, side=side)
    return features


def _require_count(count: int, least: int, *, purpose: str, side: str) -> None:
    if count < least:
        named = f"{side} " if side else ""
        raise UnavailableError(
            f"{purpose}: at least {least} {named}pictures are needed, got {count}",
            hint="Give more pictures, or leave this metric out.",
        )


def _nearest(blocks: Iterator[DistanceBlock], count: int) -> Neighbour:
    distance, row = np.empty(count), np.empty(count, np.int64)
    for block in blocks:
        chosen = block.squared.argmin(axis=1)
        distance[block.rows] = block.exact(np.arange(len(chosen)), chosen)
        row[block.rows] = chosen
    return Neighbour(distance, row)
