"""Density and coverage: precision and recall that outliers of either side cannot inflate.

Both count generated pictures in balls around the reference pictures. A ball's radius is the
distance to the k-th nearest neighbour in the reference.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mifid.metrics.base import Blocks, Metric, blocks_of
from mifid.metrics.neighbours import distance_blocks, kth_distance, require_pictures

__all__ = ["METRIC", "density_coverage"]


def density_coverage(
    *, generated: npt.ArrayLike | Blocks, reference: npt.ArrayLike, k: int = 5
) -> dict[str, float]:
    """Return density and coverage.

    Args:
        generated: features (N, D), N at least 1, or :class:`mifid.metrics.base.Blocks` of them.
        reference: features (M, D), M above ``k``.
        k: the neighbour whose distance is a ball's radius.

    Returns:
        ``density``: mean number of balls that a generated picture lies in, divided by ``k``; at
        least 0, about 1 for pictures from the reference's distribution, above 1 if they cluster in
        dense regions. ``coverage``: share of balls that hold a generated picture, 0..1.

    Raises:
        FeatureError: widths differ, or ``k`` is below 1.
        UnavailableError: fewer than ``k + 1`` reference pictures, or no generated picture.

    Source: Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics for Generative Models",
    equations 3 and 4; a ball excludes its border, as in the authors' code (package ``prdc``).

    >>> line = [[0.0], [1.0], [2.0], [3.0]]
    >>> density_coverage(generated=[[0.5], [50.0]], reference=line, k=1)
    {'density': 1.0, 'coverage': 0.5}
    """
    purpose = f"density and coverage with k {k}"
    require_pictures(reference, k + 1, purpose=purpose, side="reference")
    radius = kth_distance(reference, k=k)
    count = hits = 0
    covered = np.zeros(len(radius), bool)
    for rows in blocks_of(generated):
        count += len(require_pictures(rows, 1, purpose=purpose, side="generated"))
        for block in distance_blocks(rows, reference):
            inside = block.within(radius, closed=False)
            hits += int(np.count_nonzero(inside))
            covered |= inside.any(axis=0)
    return {"density": hits / (k * count), "coverage": float(covered.mean())}


METRIC = Metric(
    name="dc",
    title="Density and coverage",
    better="higher",
    source="Naeem et al. 2020, equations 3 and 4, and the authors' code",
    function=density_coverage,
    values={
        "density": "reference balls around a generated picture, divided by k; about 1 is ideal",
        "coverage": "share of reference pictures with a generated picture in their ball, 0..1",
    },
    settings={"k": 5},
    blocks=True,
    remark="coverage grows with the number of generated pictures: compare only at equal numbers",
    sees="strong blur and distortion, photos; coverage: repeated pictures",
    misses="colour casts, weak faults; copies raise both",
)
