"""Density and coverage: precision and recall that outliers of either side cannot inflate.

Both count in balls around the reference pictures alone, each reaching to that picture's k-th
nearest neighbour in the reference.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mifid.metrics.base import Metric
from mifid.metrics.neighbours import distance_blocks, kth_distance, require_pictures

__all__ = ["METRIC", "density_coverage"]


def density_coverage(
    *, generated: npt.ArrayLike, reference: npt.ArrayLike, k: int = 5
) -> dict[str, float]:
    """Return density and coverage.

    Args:
        generated: features (N, D), N at least 1.
        reference: features (M, D), M above ``k``.
        k: to which neighbour the balls reach.

    Returns:
        ``density``: how many balls a generated picture lies in, on average, over ``k``; at least
        0, about 1 for pictures drawn from the reference's distribution, above it where they crowd
        in dense places. ``coverage``: the share of balls with a generated picture inside, 0..1.

    Raises:
        FeatureError: widths differ, or ``k`` is below 1.
        UnavailableError: fewer than ``k + 1`` reference pictures, or no generated one.

    Source: Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics for Generative Models",
    equations 3 and 4; a ball excludes its border, as in the authors' code (package ``prdc``).

    >>> line = [[0.0], [1.0], [2.0], [3.0]]
    >>> density_coverage(generated=[[0.5], [50.0]], reference=line, k=1)
    {'density': 1.0, 'coverage': 0.5}
    """
    purpose = f"density and coverage with k {k}"
    require_pictures(reference, k + 1, purpose=purpose, side="reference")
    count = len(require_pictures(generated, 1, purpose=purpose, side="generated"))
    radius = kth_distance(reference, k=k)
    hits = 0
    covered = np.zeros(len(radius), bool)
    for block in distance_blocks(generated, reference):
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
        "density": "reference balls around a generated picture, over k; about 1 at best",
        "coverage": "share of reference pictures with a generated one in their ball, 0..1",
    },
    settings={"k": 5},
    remark="coverage grows with the number of generated pictures: compare only at equal ones",
)
