"""CMMD: the squared maximum mean discrepancy of unit features, with a Gaussian kernel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mifid.errors import FeatureError
from mifid.metrics.base import Metric, require_one_width
from mifid.metrics.neighbours import require_pictures

__all__ = ["METRIC", "clip_discrepancy"]

Matrix = npt.NDArray[np.float64]

SCALE = 1000.0
"""The factor that makes the published values readable."""

_BLOCK_BYTES = 64 << 20


def clip_discrepancy(
    *, generated: npt.ArrayLike, reference: npt.ArrayLike, sigma: float = 10.0
) -> dict[str, float]:
    """Return ``{"cmmd": 1000 (mean k(x, x') + mean k(y, y') - 2 mean k(x, y))}``.

    k(a, b) = exp(-|a - b|^2 / (2 sigma^2)), and the means are over all pairs, a picture with
    itself included (the biased estimate). Features are divided by their length first, as those of
    the paper's CLIP network are; rows of zeros stay zeros.

    Args:
        generated: features (N, D), at least one.
        reference: features (M, D), at least one.
        sigma: the width of the kernel.

    Returns:
        At least 0. It is above 0 also for two halves of one set; compare at equal numbers.

    Raises:
        FeatureError: widths differ, or ``sigma`` is not above 0.
        UnavailableError: a side has no picture.

    Source: Jayasumana et al. 2024, "Rethinking FID", equation 4, and google-research's cmmd.

    >>> round(clip_discrepancy(generated=[[1.0, 0.0]], reference=[[0.0, 1.0]])["cmmd"], 6)
    19.900333
    """
    x = _unit(require_pictures(generated, 1, purpose="CMMD", side="generated"))
    y = _unit(require_pictures(reference, 1, purpose="CMMD", side="reference"))
    require_one_width(generated=x.shape[1], reference=y.shape[1])
    if not sigma > 0:
        raise FeatureError(f"sigma is {sigma}; expected a number above 0")
    gamma = 0.5 / sigma**2
    found = _mean(x, x, gamma) + _mean(y, y, gamma) - 2.0 * _mean(x, y, gamma)
    return {"cmmd": SCALE * max(found, 0.0)}


def _unit(rows: npt.NDArray[np.generic]) -> Matrix:
    unit = rows.astype(np.float64)
    norms = np.linalg.norm(unit, axis=1, keepdims=True)
    unit /= np.where(norms > 0, norms, 1.0)
    return unit


def _mean(x: Matrix, y: Matrix, gamma: float) -> float:
    """Return the mean of k - 1 over all pairs: the ones cancel, and small distances keep digits."""
    squares = (y**2).sum(axis=1)
    step = max(1, _BLOCK_BYTES // (8 * len(y)))
    total = 0.0
    for start in range(0, len(x), step):
        rows = x[start : start + step]
        squared = (rows**2).sum(axis=1)[:, None] + squares - 2.0 * (rows @ y.T)
        total += float(np.expm1(-gamma * np.maximum(squared, 0.0)).sum())
    return total / (len(x) * len(y))


METRIC = Metric(
    name="cmmd",
    title="CLIP maximum mean discrepancy",
    better="lower",
    source="Jayasumana et al. 2024, equation 4",
    function=clip_discrepancy,
    values={"cmmd": "1,000 times the squared discrepancy, Gaussian kernel"},
    settings={"sigma": 10.0},
    remark="published values are of extractor clip-l14-336; biased: above 0 for equal sets",
    sees="blur, noise, distortion, repeated pictures",
    misses="colour casts and pale colours, a few photos among the pictures; copies lower it",
)
