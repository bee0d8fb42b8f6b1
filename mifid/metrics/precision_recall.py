"""Improved precision and recall: shares of pictures that lie in the other side's manifold.

A side's manifold is the union of balls around its pictures. A ball's radius is the distance to the
k-th nearest neighbour on the same side.

OpenAI's evaluator computes squared distances in half precision, where steps are 0.25 to 0.5 at the
distances of Inception's features. Ties are then frequent, and count as within: its values are a
little higher. ``half`` repeats that: values and squares are rounded to float16, sums are float32,
and each of |u|^2, u.v, |u|^2 - 2 u.v and |u|^2 - 2 u.v + |v|^2 is rounded to float16. How the
original sums depends on its device.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mifid.metrics.base import Metric, require_one_width
from mifid.metrics.neighbours import distance_blocks, kth_distance, require_pictures

__all__ = ["METRIC", "precision_recall"]

Single = npt.NDArray[np.float32]

_BLOCK_BYTES = 64 << 20


def precision_recall(
    *, generated: npt.ArrayLike, reference: npt.ArrayLike, k: int = 3, half: bool = False
) -> dict[str, float]:
    """Return precision and recall.

    Args:
        generated: features (N, D), N above ``k``.
        reference: features (M, D), M above ``k``.
        k: the neighbour whose distance is a ball's radius. A larger k makes both values larger.
        half: distances in half precision, as OpenAI's evaluator computes them; if one overflows,
            all are float32.

    Returns:
        ``precision``, the share of generated pictures in the reference's manifold, and ``recall``,
        the share of reference pictures in the generated pictures' manifold; 0..1 each.

    Raises:
        FeatureError: widths differ, or ``k`` is below 1.
        UnavailableError: a side has fewer than ``k + 1`` pictures.

    Source: Kynkäänniemi et al. 2019, "Improved Precision and Recall Metric for Assessing
    Generative Models", equations 1 and 2; a ball includes its border.

    >>> line = [[0.0], [1.0], [2.0], [3.0]]
    >>> precision_recall(generated=[[0.5], [1.5], [2.5], [50.0]], reference=line, k=1)
    {'precision': 0.75, 'recall': 1.0}
    """
    for side, features in (("generated", generated), ("reference", reference)):
        require_pictures(features, k + 1, purpose=f"precision and recall with k {k}", side=side)
    if half:
        return _rounded(np.asarray(generated), np.asarray(reference), k)
    radius_generated = kth_distance(generated, k=k)
    radius_reference = kth_distance(reference, k=k)
    precise = np.zeros(len(radius_generated), bool)
    recalled = np.zeros(len(radius_reference), bool)
    for block in distance_blocks(generated, reference):
        precise[block.rows] = block.within(radius_reference, closed=True).any(axis=1)
        of_rows = radius_generated[block.rows, None]
        recalled |= block.within(of_rows, closed=True).any(axis=0)
    return {"precision": float(precise.mean()), "recall": float(recalled.mean())}


def _rounded(
    generated: npt.NDArray[np.generic], reference: npt.NDArray[np.generic], k: int
) -> dict[str, float]:
    require_one_width(generated=generated.shape[1], reference=reference.shape[1])
    try:
        return _within_rounded(generated, reference, k, np.dtype(np.float16))
    except OverflowError:
        return _within_rounded(generated, reference, k, np.dtype(np.float32))


def _within_rounded(
    generated: npt.NDArray[np.generic],
    reference: npt.NDArray[np.generic],
    k: int,
    kind: np.dtype[np.floating],
) -> dict[str, float]:
    """Return both shares from squared distances of type ``kind``.

    Raises:
        OverflowError: a distance is too large for the type.
    """
    radius_generated, radius_reference = (
        # A picture itself is in its row, at a distance of about 0: the k-th other is number k.
        np.concatenate([np.partition(d, k, axis=1)[:, k] for _, d in _squared(side, side, kind)])
        for side in (generated, reference)
    )
    precise = np.zeros(len(generated), bool)
    recalled = np.zeros(len(reference), bool)
    for rows, squared in _squared(reference, generated, kind):
        recalled[rows] = (squared <= radius_generated).any(axis=1)
        precise |= (squared <= radius_reference[rows, None]).any(axis=0)
    return {"precision": float(precise.mean()), "recall": float(recalled.mean())}


def _squared(
    x: npt.NDArray[np.generic], y: npt.NDArray[np.generic], kind: np.dtype[np.floating]
) -> Iterator[tuple[slice, Single]]:
    """Yield squared distances of some rows of x to all of y, rounded to ``kind`` at each step."""

    def rounded(values: Single) -> Single:
        with np.errstate(over="ignore"):
            return values.astype(kind).astype(np.float32)

    u, v = (rounded(side.astype(np.float32)) for side in (x, y))
    norm_u, norm_v = (rounded(rounded(side * side).sum(axis=1)) for side in (u, v))
    step = max(1, _BLOCK_BYTES // (16 * len(v)))
    for start in range(0, len(u), step):
        rows = slice(start, min(start + step, len(u)))
        products = rounded(u[rows] @ v.T)
        with np.errstate(invalid="ignore"):  # infinity minus infinity
            squared = rounded(rounded(norm_u[rows, None] - 2.0 * products) + norm_v)
        if kind != np.float32 and not np.isfinite(squared).all():
            raise OverflowError
        yield rows, np.maximum(squared, np.float32(0.0))


METRIC = Metric(
    name="pr",
    title="Improved precision and recall",
    better="higher",
    source="Kynkäänniemi et al. 2019, equations 1 and 2",
    function=precision_recall,
    values={
        "precision": "share of generated pictures in the reference's manifold, 0..1",
        "recall": "share of reference pictures in the generated pictures' manifold, 0..1",
    },
    settings={"k": 3},
    remark="both depend on the numbers of pictures: compare only at equal numbers",
    sees="precision: blur, distortion, photos; recall: blur, repeated pictures",
    misses="colour casts; recall: photos, mirrored halves; copies raise precision",
)
