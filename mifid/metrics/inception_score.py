"""Inception Score: certainty of a classifier about each picture, and variety of its classes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from mifid.errors import FeatureError, UnavailableError
from mifid.metrics.base import Metric

__all__ = ["METRIC", "SEED", "inception_score"]

SEED = 2020
"""torch-fidelity's default: with it the defaults give the same splits."""


def inception_score(
    *,
    logits: npt.ArrayLike,
    splits: int = 10,
    seed: int = SEED,
    split_size: int | None = None,
) -> dict[str, float]:
    """Return the Inception Score, ``exp(mean_i KL(p(y|x_i) || p(y)))``, over several splits.

    Args:
        logits: (N, C) of the generated pictures, any real dtype.
        splits: number of parts of the shuffled pictures; each part has its own score.
        seed: of the shuffling; with equal settings the order is torch-fidelity's.
        split_size: instead of both, parts of so many pictures in the order given, as in OpenAI's
            code; the last part may be smaller.

    Returns:
        ``is``, the mean over the splits, 1 (all pictures are classified alike) to C; and
        ``is_std``, the standard deviation over them.

    Raises:
        FeatureError: not two-dimensional, or ``splits`` or ``split_size`` below 1.
        UnavailableError: fewer pictures than splits.

    Source: Salimans et al. 2016, "Improved Techniques for Training GANs", section 4; splits and
    deviation as in torch-fidelity; ``split_size`` as in
    https://github.com/openai/guided-diffusion/blob/main/evaluations/evaluator.py

    >>> import numpy as np
    >>> inception_score(logits=500.0 * np.eye(4), splits=1)
    {'is': 4.0, 'is_std': 0.0}
    """
    rows = np.asarray(logits)
    if rows.ndim != 2 or splits < 1 or (split_size is not None and split_size < 1):
        raise FeatureError(
            f"logits have shape {rows.shape}, splits is {splits} and split_size {split_size}; "
            "expected (pictures, classes) and at least 1 split of at least 1 picture"
        )
    if split_size is not None and len(rows):
        parts = [rows[start : start + split_size] for start in range(0, len(rows), split_size)]
        return _over(parts)
    count = len(rows)
    if count < splits:
        raise UnavailableError(
            f"the Inception Score in {splits} splits: at least {splits} generated pictures are "
            f"needed, got {count}",
            hint="Give more pictures, or leave this metric out.",
        )
    order = np.random.RandomState(seed).permutation(count)
    edges = [index * count // splits for index in range(splits + 1)]
    return _over([rows[order[start:stop]] for start, stop in pairwise(edges)])


def _over(parts: Sequence[npt.NDArray[Any]]) -> dict[str, float]:
    scores = [_score(part) for part in parts]
    return {"is": float(np.mean(scores)), "is_std": float(np.std(scores))}


def _score(logits: npt.NDArray[Any]) -> float:
    log_p = logits.astype(np.float64)
    log_p -= log_p.max(axis=1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(axis=1, keepdims=True))
    p = np.exp(log_p)
    q = p.mean(axis=0)
    # p log p tends to 0 with p; a class that no picture has adds nothing, either.
    log_q = np.log(q, out=np.zeros_like(q), where=q > 0)
    divergence = (p * (log_p - log_q)).sum(axis=1)
    return float(np.exp(divergence.mean()))


METRIC = Metric(
    name="is",
    title="Inception Score",
    better="higher",
    source="Salimans et al. 2016, section 4; splits as in torch-fidelity",
    function=inception_score,
    values={
        "is": "exp of the mean divergence of a picture's classes from all pictures'",
        "is_std": "standard deviation over the splits",
    },
    needs=("logits",),
    settings={"splits": 10, "seed": SEED},
    remark="depends on ImageNet's classes and on no reference: says little about paintings",
)
