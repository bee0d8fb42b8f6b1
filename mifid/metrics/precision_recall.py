"""Improved precision and recall: shares of pictures that lie in the other side's manifold.

A side's manifold is the union of balls around its pictures. A ball's radius is the distance to the
k-th nearest neighbour on the same side.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mifid.metrics.base import Metric
from mifid.metrics.neighbours import distance_blocks, kth_distance, require_pictures

__all__ = ["METRIC", "precision_recall"]


def precision_recall(
    *, generated: npt.ArrayLike, reference: npt.ArrayLike, k: int = 3
) -> dict[str, float]:
    """Return precision and recall.

    Args:
        generated: features (N, D), N above ``k``.
        reference: features (M, D), M above ``k``.
        k: the neighbour whose distance is a ball's radius. A larger k makes both values larger.

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
    radius_generated = kth_distance(generated, k=k)
    radius_reference = kth_distance(reference, k=k)
    precise = np.zeros(len(radius_generated), bool)
    recalled = np.zeros(len(radius_reference), bool)
    for block in distance_blocks(generated, reference):
        precise[block.rows] = block.within(radius_reference, closed=True).any(axis=1)
        of_rows = radius_generated[block.rows, None]
        recalled |= block.within(of_rows, closed=True).any(axis=0)
    return {"precision": float(precise.mean()), "recall": float(recalled.mean())}


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
)
