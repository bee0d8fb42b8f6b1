"""How near generated pictures come to the training pictures, as Kaggle measures it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mifid.errors import FeatureError

__all__ = ["Nearest", "memorization_distance", "nearest_reference"]

_BLOCK_BYTES = 64 << 20


class Nearest(NamedTuple):
    """For each generated picture, its nearest reference picture.

    Attributes:
        distance: (N,) float64 in 0..1; NaN for rows of zeros, which Kaggle leaves out.
        row: (N,) int64 row of the reference; -1 for rows of zeros.
    """

    distance: npt.NDArray[np.float64]
    row: npt.NDArray[np.int64]


def memorization_distance(*, generated: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """Return ``mean_i min_j (1 - |cos(g_i, r_j)|)``: over generated i, nearest reference j.

    Args:
        generated: features (N, D).
        reference: features (M, D) of the pictures that were trained on.

    Returns:
        0 (every picture is a copy) to 1.

    Raises:
        FeatureError: widths differ, or a side has no row that is not all zeros.

    Source: Bai et al., "On Training Sample Memorization", KDD 2021, equation 3, and Kaggle's code.
    Not symmetric: torchmetrics 1.8 takes the mean over the reference and the minimum over the
    generated pictures, which is another number.

    >>> import numpy as np
    >>> training = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> memorization_distance(generated=training[:1].repeat(5, axis=0), reference=training)
    0.0
    """
    distance = nearest_reference(generated=generated, reference=reference).distance
    kept = distance[~np.isnan(distance)]
    if len(kept) == 0:
        raise FeatureError("all generated features are zero: no memorization distance")
    return float(np.mean(kept))


def nearest_reference(*, generated: npt.ArrayLike, reference: npt.ArrayLike) -> Nearest:
    """Find each generated picture's nearest reference picture by cosine, in blocks.

    Needs about 64 MiB above one float64 copy of the reference.

    Raises:
        FeatureError: widths differ, or the reference has no row that is not all zeros.
    """
    rows, columns = np.asarray(generated), np.asarray(reference)
    if rows.ndim != 2 or columns.ndim != 2 or rows.shape[1] != columns.shape[1]:
        raise FeatureError(
            f"generated features have shape {rows.shape}, reference features {columns.shape}; "
            "expected (N, D) and (M, D)"
        )
    kept = np.flatnonzero(_not_zero(columns))
    if len(kept) == 0:
        raise FeatureError("all reference features are zero: no memorization distance")
    targets = _unit_rows(columns if len(kept) == len(columns) else columns[kept])
    distance = np.full(len(rows), np.nan)
    row = np.full(len(rows), -1, dtype=np.int64)
    step = max(1, _BLOCK_BYTES // (8 * (len(targets) + 2 * rows.shape[1])))
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        live = np.flatnonzero(_not_zero(block))
        if len(live):
            cosine = np.abs(_unit_rows(block[live]) @ targets.T)
            nearest = cosine.argmax(axis=1)
            # A copy's cosine is 1 up to rounding; the distance is never below 0.
            distance[start + live] = np.maximum(0.0, 1.0 - cosine[np.arange(len(live)), nearest])
            row[start + live] = kept[nearest]
    return Nearest(distance, row)


def _not_zero(rows: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    # Kaggle drops rows whose *sum* is 0 and feeds non-negative features, where it is the same;
    # the sum decides here too, so that any features give what its code gives.
    return np.asarray(rows.sum(axis=1, dtype=np.float64) != 0)


def _unit_rows(rows: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    unit = rows.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    return unit
