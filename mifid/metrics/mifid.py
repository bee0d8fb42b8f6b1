"""MiFID: FID divided by the thresholded memorization distance."""

from __future__ import annotations

import numpy.typing as npt

from mifid.metrics.base import Metric
from mifid.metrics.frechet import frechet_distance
from mifid.metrics.memorization import memorization_distance

__all__ = ["EPSILON", "METRIC", "mifid", "penalized", "thresholded"]

EPSILON = 0.1
"""Kaggle's threshold for Inception features (its dog competition's public board)."""

_TINY = 1e-15  # as in Kaggle's scorer; notebook copies write 10e-15, which misses its last digits


def thresholded(memorization_distance: float, *, epsilon: float = EPSILON) -> float:
    """Return the distance if it is below ``epsilon`` (strictly), else 1, which is no penalty."""
    return memorization_distance if memorization_distance < epsilon else 1.0


def penalized(*, fid: float, memorization_distance: float, epsilon: float = EPSILON) -> float:
    """Return MiFID from its two parts: ``fid / (d_thr + 1e-15)``.

    Args:
        fid: Fréchet Inception Distance, at least 0.
        memorization_distance: mean over the generated pictures of the cosine distance to the
            nearest training picture, 0..1.
        epsilon: distances below it are penalized.

    Source: Bai et al., "On Training Sample Memorization", KDD 2021, equations 3 to 5; the constant
    reproduces Kaggle's published scores to 5e-16.

    >>> penalized(fid=9.760399508819491, memorization_distance=0.09570749817614364)
    101.981555205382
    >>> penalized(fid=9.760399508819491, memorization_distance=0.25)
    9.76039950881948
    """
    return fid / (thresholded(memorization_distance, epsilon=epsilon) + _TINY)


def mifid(*, generated: npt.ArrayLike, reference: npt.ArrayLike, epsilon: float = EPSILON) -> float:
    """Return MiFID of features (N, D) against features (M, D), one reference for both parts."""
    return penalized(
        fid=frechet_distance(generated=generated, reference=reference),
        memorization_distance=memorization_distance(generated=generated, reference=reference),
        epsilon=epsilon,
    )


def _values(
    *,
    generated: npt.ArrayLike,
    reference: npt.ArrayLike,
    training: npt.ArrayLike,
    epsilon: float = EPSILON,
) -> dict[str, float]:
    fid = frechet_distance(generated=generated, reference=reference)
    distance = memorization_distance(generated=generated, reference=training)
    return {"mifid": penalized(fid=fid, memorization_distance=distance, epsilon=epsilon)}


METRIC = Metric(
    name="mifid",
    title="Memorization-informed Fréchet Inception Distance",
    better="lower",
    source="Bai et al. 2021, equations 3 to 5, and Kaggle's code",
    function=_values,
    values={"mifid": "FID, divided by the memorization distance if that is below the threshold"},
    needs=("generated", "reference", "training"),
    settings={"epsilon": EPSILON},
    blocks=True,
    sees="what FID sees, and copies below the threshold",
    misses="colour casts and pale colours; copies above the threshold lower it",
)
