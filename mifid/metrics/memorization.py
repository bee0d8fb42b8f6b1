"""Memorization distance: cosine distances to the nearest training pictures, as in Kaggle's code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mifid.errors import FeatureError
from mifid.metrics.base import Blocks, Metric, blocks_of
from mifid.metrics.linalg import unit_rows

__all__ = [
    "METRIC",
    "Approach",
    "Nearest",
    "memorization_distance",
    "nearest_both_ways",
    "nearest_reference",
]

_BLOCK_BYTES = 64 << 20

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


class Nearest(NamedTuple):
    """For each generated picture, its nearest and second nearest reference picture.

    Attributes:
        distance: (N,) float64 in 0..1; NaN for rows of zeros, which Kaggle leaves out.
        row: (N,) int64 row of the reference; -1 for rows of zeros.
        second_distance: (N,) float64, at least ``distance``; also NaN if the reference has only
            one row that is not all zeros.
        second_row: (N,) int64 row of the reference, -1 where ``second_distance`` is NaN.
    """

    distance: Floats
    row: Rows
    second_distance: Floats
    second_row: Rows


class Approach(NamedTuple):
    """For each reference picture, its nearest generated picture.

    Attributes:
        distance: (M,) float64 in 0..1 to its nearest generated picture; NaN for rows of zeros.
        row: (M,) int64 row of that generated picture; -1 for rows of zeros.
        copied: (M,) int64, number of generated pictures whose nearest it is.
    """

    distance: Floats
    row: Rows
    copied: Rows


def memorization_distance(*, generated: npt.ArrayLike | Blocks, reference: npt.ArrayLike) -> float:
    """Return ``mean_i min_j (1 - |cos(g_i, r_j)|)``: over generated i, nearest reference j.

    Args:
        generated: features (N, D), or :class:`mifid.metrics.base.Blocks` of them.
        reference: features (M, D) of the training pictures.

    Returns:
        0 (every picture is a copy) to 1.

    Raises:
        FeatureError: widths differ, or a side has no row that is not all zeros.

    Source: Bai et al., "On Training Sample Memorization", KDD 2021, equation 3, and Kaggle's code.
    It is not symmetric: torchmetrics 1.8 takes the mean over the reference and the minimum over
    the generated pictures, which gives another number.

    >>> import numpy as np
    >>> training = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> memorization_distance(generated=training[:1].repeat(5, axis=0), reference=training)
    0.0
    """
    targets = _targets(reference)
    found = []
    for block in blocks_of(generated):
        for _, cosine in _cosine_blocks(_checked(block, targets), targets):
            found.append(_distances(cosine.max(axis=1)))
    if not found:
        raise FeatureError("there is no memorization distance: all generated features are zero")
    return float(np.mean(np.concatenate(found)))


def nearest_reference(*, generated: npt.ArrayLike, reference: npt.ArrayLike) -> Nearest:
    """Find each generated picture's two nearest reference pictures by cosine, in blocks.

    Of equally near ones, the first is taken. Needs about 64 MiB in addition to a float64 copy of
    the reference.

    Raises:
        FeatureError: widths differ, or the reference has no row that is not all zeros.
    """
    rows, targets = _prepared(generated, reference)
    found = _nothing_near(len(rows))
    for live, cosine in _cosine_blocks(rows, targets):
        _note_nearest(found, live, cosine, targets)
    return found


def nearest_both_ways(
    *, generated: npt.ArrayLike, reference: npt.ArrayLike
) -> tuple[Nearest, Approach]:
    """Find each generated picture's nearest reference pictures, and the reverse, in one pass.

    torchmetrics averages ``Approach.distance``; see :func:`memorization_distance`. Memory as
    :func:`nearest_reference`.

    Raises:
        FeatureError: widths differ, or the reference has no row that is not all zeros.

    >>> import numpy as np
    >>> training = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> copies = training[:1].repeat(5, axis=0)
    >>> there, back = nearest_both_ways(generated=copies, reference=training)
    >>> there.row.tolist(), back.copied.tolist(), back.distance.tolist()
    ([0, 0, 0, 0, 0], [5, 0], [0.0, 1.0])
    """
    rows, targets = _prepared(generated, reference)
    found = _nothing_near(len(rows))
    best = np.full(len(targets.unit), -1.0)  # below any |cos|
    row = np.full(len(targets.unit), -1, dtype=np.int64)
    for live, cosine in _cosine_blocks(rows, targets):
        _note_best(best, row, live, cosine)
        _note_nearest(found, live, cosine, targets)  # last: it overwrites the block
    copied = np.bincount(found.row[found.row >= 0], minlength=targets.total)
    met = row >= 0  # none of them if all generated rows are zeros
    back = Approach(
        distance=np.full(targets.total, np.nan),
        row=np.full(targets.total, -1, dtype=np.int64),
        copied=copied.astype(np.int64),
    )
    back.distance[targets.kept[met]] = _distances(best[met])
    back.row[targets.kept[met]] = row[met]
    return found, back


class _Targets(NamedTuple):
    """The reference's rows that are not all zeros: positions among ``total``, and unit vectors."""

    total: int
    kept: Rows
    unit: Floats


def _prepared(
    generated: npt.ArrayLike, reference: npt.ArrayLike
) -> tuple[npt.NDArray[np.generic], _Targets]:
    targets = _targets(reference)
    return _checked(generated, targets), targets


def _checked(generated: npt.ArrayLike, targets: _Targets) -> npt.NDArray[np.generic]:
    rows, width = np.asarray(generated), targets.unit.shape[1]
    if rows.ndim != 2 or rows.shape[1] != width:
        raise FeatureError(
            f"generated features have shape {rows.shape}, reference features "
            f"{(targets.total, width)}; expected (N, D) and (M, D)"
        )
    return rows


def _targets(reference: npt.ArrayLike) -> _Targets:
    columns = np.asarray(reference)
    if columns.ndim != 2:
        raise FeatureError(f"reference features have shape {columns.shape}; expected (M, D)")
    kept = np.flatnonzero(_not_zero(columns))
    if len(kept) == 0:
        raise FeatureError("there is no memorization distance: all reference features are zero")
    unit = unit_rows(columns if len(kept) == len(columns) else columns[kept])
    return _Targets(len(columns), kept, unit)


def _cosine_blocks(
    rows: npt.NDArray[np.generic], targets: _Targets
) -> Iterator[tuple[Rows, Floats]]:
    """Yield (rows, their |cos| to all targets) without rows of zeros."""
    step = max(1, _BLOCK_BYTES // (8 * (len(targets.unit) + 2 * rows.shape[1])))
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        live = np.flatnonzero(_not_zero(block))
        if len(live):
            cosine = unit_rows(block[live]) @ targets.unit.T
            yield start + live, np.abs(cosine, out=cosine)


def _nothing_near(n: int) -> Nearest:
    return Nearest(
        distance=np.full(n, np.nan),
        row=np.full(n, -1, dtype=np.int64),
        second_distance=np.full(n, np.nan),
        second_row=np.full(n, -1, dtype=np.int64),
    )


def _note_nearest(found: Nearest, live: Rows, cosine: Floats, targets: _Targets) -> None:
    """Write the two nearest of the rows ``live`` into ``found``; overwrites ``cosine``."""
    each = np.arange(len(live))
    nearest = cosine.argmax(axis=1)
    found.distance[live] = _distances(cosine[each, nearest])
    found.row[live] = targets.kept[nearest]
    if len(targets.unit) > 1:
        cosine[each, nearest] = -1.0  # below any |cos|: out of the second search
        second = cosine.argmax(axis=1)
        found.second_distance[live] = _distances(cosine[each, second])
        found.second_row[live] = targets.kept[second]


def _note_best(best: Floats, row: Rows, live: Rows, cosine: Floats) -> None:
    """Keep, for each target, the largest cosine so far and the row that it belongs to."""
    largest = cosine.max(axis=0)
    better = np.flatnonzero(largest > best)
    # Along columns the maximum is fast but argmax is slow: use it only where the best changes.
    row[better] = live[cosine[:, better].argmax(axis=0)]
    best[better] = largest[better]


def _distances(cosine: Floats) -> Floats:
    """Return 1 - |cos|, at least 0: a copy's cosine may exceed 1 by rounding."""
    return np.maximum(0.0, 1.0 - cosine)


def _not_zero(rows: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    # Kaggle's code drops rows whose *sum* is 0, which for its non-negative features is the same as
    # rows of zeros. The sum is used here, too, so that all features give the same as its code.
    return np.asarray(rows.sum(axis=1, dtype=np.float64) != 0)


def _values(*, generated: npt.ArrayLike | Blocks, training: npt.ArrayLike) -> dict[str, float]:
    distance = memorization_distance(generated=generated, reference=training)
    return {"memorization_distance": distance}


METRIC = Metric(
    name="memorization",
    title="Memorization distance",
    better="higher",
    source="Bai et al. 2021, equation 3, and Kaggle's code",
    function=_values,
    values={"memorization_distance": "mean cosine distance to the nearest training picture, 0..1"},
    needs=("generated", "training"),
    blocks=True,
    remark="counts only below the threshold",
    sees="copies of training pictures lower it; blur, noise, distortion and photos raise it",
    misses="colour casts; JPEG like the reference's lowers it, too",
)
