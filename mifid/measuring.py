"""From the sides' features or statistics to the numbers that were asked for."""

from __future__ import annotations

import time
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mifid.errors import InputError
from mifid.featureset import Features
from mifid.metrics import METRICS
from mifid.metrics.frechet import Moments, frechet_distance
from mifid.metrics.memorization import memorization_distance
from mifid.metrics.mifid import penalized
from mifid.registry import suggest
from mifid.statistics import Statistics

__all__ = ["Computed", "Numbers", "check_metrics", "measure"]

Computed = Features | Statistics


@dataclass(frozen=True)
class Numbers:
    """The numbers; None for what was not asked for or cannot be had, and why there is no MiFID."""

    fid: float | None
    memorization_distance: float | None
    mifid: float | None
    mifid_reason: str | None


def check_metrics(metrics: Iterable[str], epsilon: float) -> frozenset[str]:
    """Return the metrics asked for.

    Raises:
        InputError: an unknown name, with the nearest known one; none; epsilon outside 0..1.
    """
    wanted = frozenset([metrics] if isinstance(metrics, str) else metrics)
    for name in sorted(wanted):
        if name not in METRICS:
            raise InputError(f"unknown metric '{name}'", hint=suggest(name, METRICS))
    if not wanted:
        raise InputError("no metric was asked for", hint=f"There are: {', '.join(METRICS)}.")
    if not 0 <= epsilon <= 1:
        raise InputError(f"epsilon is {epsilon}; expected 0 to 1, as distances are")
    return wanted


def measure(
    *,
    generated: Computed,
    reference: Computed,
    training: Computed,
    wanted: frozenset[str],
    epsilon: float,
    seconds: MutableMapping[str, float],
) -> Numbers:
    """Compute the metrics in ``wanted``; ``training`` is what the memorization distance is to."""
    fid = distance = score = reason = None
    start = time.perf_counter()
    if wanted & {"fid", "mifid"}:
        fid = frechet_distance(generated=_arrays(generated), reference=_arrays(reference))
        seconds["fid"] = time.perf_counter() - start
    start = time.perf_counter()
    if wanted & {"memorization", "mifid"}:
        reason = _no_distance(generated, training)
        if isinstance(generated, Features) and isinstance(training, Features):
            distance = memorization_distance(generated=generated.values, reference=training.values)
            seconds["memorization"] = time.perf_counter() - start
    if "mifid" not in wanted:
        reason = f"only {', '.join(sorted(wanted))} was asked for"
    elif fid is not None and distance is not None:
        score = penalized(fid=fid, memorization_distance=distance, epsilon=epsilon)
    return Numbers(fid, distance, score, reason)


def _no_distance(generated: Computed, training: Computed) -> str | None:
    for what, side in (("generated side", generated), ("reference", training)):
        if isinstance(side, Statistics):
            return (
                f"the {what} is mean and covariance only; the memorization distance needs "
                "pictures or their features"
            )
    return None


def _arrays(side: Computed) -> Moments | npt.NDArray[np.floating[Any]]:
    return side.values if isinstance(side, Features) else Moments(side.mu, side.sigma)
