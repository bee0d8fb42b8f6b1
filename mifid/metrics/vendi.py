"""Vendi score: the effective number of different pictures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mifid.errors import FeatureError
from mifid.metrics.base import Metric
from mifid.metrics.linalg import eigenvalues, unit_rows
from mifid.metrics.neighbours import require_pictures

__all__ = ["METRIC", "vendi_score"]

Matrix = npt.NDArray[np.float64]

_BLOCK_BYTES = 64 << 20


def vendi_score(*, generated: npt.ArrayLike) -> dict[str, float]:
    """Return ``{"vendi": exp(-sum p log p)}``, p the eigenvalues of K / N, K_ij = cos(x_i, x_j).

    Rows of zeros have no direction and are left out. With more pictures than features, p is
    computed from X^T X / N (D, D) of unit rows X, whose non-zero eigenvalues are the same.

    Args:
        generated: features (N, D), at least one.

    Returns:
        1 (all rows have the same direction) to the number of pictures, or D if that is less (all
        rows are orthogonal). It grows with the number of pictures: compare at equal numbers.

    Raises:
        FeatureError: not (N, D), or all rows are zero.
        UnavailableError: no picture.

    Source: Friedman and Dieng 2023, "The Vendi Score", definition 3.1, with the cosine kernel, as
    in github.com/vertaix/Vendi-Score (``score_X``, ``score_dual``) and dgm-eval's metrics/vendi.py.

    >>> import numpy as np
    >>> round(vendi_score(generated=np.eye(5))["vendi"], 9)
    5.0
    """
    rows = require_pictures(generated, 1, purpose="Vendi score", side="generated")
    live = np.flatnonzero(rows.any(axis=1))
    if len(live) == 0:
        raise FeatureError("there is no Vendi score: all generated features are zero")
    gram = _kernel(rows[live]) if len(live) <= rows.shape[1] else _dual(rows, live)
    shares = eigenvalues(gram / len(live))
    shares = shares[shares > 0.0]
    return {"vendi": float(np.exp(-(shares @ np.log(shares))))}


def _kernel(rows: npt.NDArray[np.generic]) -> Matrix:
    unit = unit_rows(rows)
    return unit @ unit.T


def _dual(rows: npt.NDArray[np.generic], live: npt.NDArray[np.int64]) -> Matrix:
    total = np.zeros((rows.shape[1], rows.shape[1]))
    for unit in _unit_blocks(rows, live):
        total += unit.T @ unit
    return total


def _unit_blocks(rows: npt.NDArray[np.generic], live: npt.NDArray[np.int64]) -> Iterator[Matrix]:
    step = max(1, _BLOCK_BYTES // (16 * rows.shape[1]))
    for start in range(0, len(live), step):
        yield unit_rows(rows[live[start : start + step]])


METRIC = Metric(
    name="vendi",
    title="Vendi score",
    better="higher",
    source="Friedman and Dieng 2023, cosine kernel",
    function=vendi_score,
    values={"vendi": "effective number of different pictures"},
    needs=("generated",),
    remark="grows with the number of pictures; says nothing about their quality",
    sees="repeated pictures and blur lower it",
    misses="quality: photos and mirrored halves raise it",
)
