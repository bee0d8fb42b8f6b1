"""Whether submissions differ by more than noise: replicates of each over shared draws.

Replicate b of every submission has the same resample of the reference, and submissions whose
pictures have the same names the same resample of those, so what both have in common (a reference
that is by chance easy, photos that are by chance hard) cancels in their difference.

FID of a resample is biased upward: repeated pictures span fewer dimensions. Each submission's
replicates are therefore moved onto its value. Where pictures are fewer than dimensions they scatter
too widely as well, which :mod:`~mifid.evidence.calibration` mends for the interval of a single
score. A difference needs no mending, since most of the excess is common to both and cancels;
narrowing each first would leave it too narrow. Standard deviation of the difference of two models'
FID by these replicates, over that of fresh draws, with pictures paired and not: 0.98 and 1.02 (300
against 200, width 6), 1.06 and 1.18 (400 against 60, width 300), 1.31 and 1.50 (80 against 30,
width 60): honest, or too careful where pictures are few. After narrowing each side it was
0.5 to 1.1 at width 300, mostly below 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mifid.cache import Cache
from mifid.evidence.assessing import Resampling
from mifid.evidence.calibration import calibrated
from mifid.evidence.kept import kept
from mifid.evidence.uncertainty import Interval
from mifid.featureset import Features
from mifid.metrics.resampling import penalized_all
from mifid.progress import Progress

__all__ = ["Draws", "Gap", "draw", "gap", "interval", "naming"]

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Draws:
    """One submission under B resamples: a (B,) float64 array for every number.

    The numbers are ``"fid"`` and, if there are training pictures, ``"memorization_distance"`` and
    ``"mifid"``.

    Attributes:
        moved: replicates without their bias, for differences.
        calibrated: their spread mended too, for intervals of single scores.
        bias: what was removed, on average.
        method: ``"bootstrap"``, or ``"jackknife"``: FID to first order only.
        naming: whose draws these share; those of one naming are paired, picture by picture.
    """

    moved: Mapping[str, Vector]
    calibrated: Mapping[str, Vector]
    bias: Mapping[str, float]
    method: str
    naming: str


class Gap(NamedTuple):
    """A submission's score minus another's.

    Attributes:
        interval: of the difference.
        probability_below: share of replicates in which it is below 0; ties count half.
        paired: whether the generated pictures were drawn together, name by name.
    """

    interval: Interval
    probability_below: float
    paired: bool


def draw(
    *,
    generated: Features,
    reference: Features,
    training: Features | None,
    headline: Mapping[str, float],
    epsilon: float,
    resampling: Resampling,
    naming: str,
    shuffled: bool,
    cache: Cache | None,
    progress: Progress,
) -> Draws:
    """Resample one submission.

    Args:
        generated, reference: features (N, D) and (M, D).
        training: features (T, D) that distances are measured to; None: FID alone.
        headline: ``"fid"`` and, with ``training``, ``"memorization_distance"`` and ``"mifid"`` of
            the pictures at hand.
        epsilon: the threshold.
        resampling: how; its level is not used here.
        naming: :func:`naming` of its pictures, or a hash of its own where they have no names.
        shuffled: the draws depend on the number of pictures alone, so a submission that has as many
            as another by chance would be paired with it row by row. Shuffled by ``naming``, its
            draws fall on unrelated pictures.
        cache: None: nothing is kept.
        progress: where it is shown.

    Raises:
        UnavailableError: fewer than three pictures, or almost all features are zeros.
    """
    rows = Features(_shuffled(generated.values, naming)) if shuffled else generated
    raw = kept(
        cache,
        "replicates 1",
        lambda: _resampled(rows, reference, training, resampling, progress),
        sides={"generated": generated, "reference": reference, "training": training},
        settings={
            "resample": sorted(resampling.resample),
            "replicates": resampling.replicates,
            "seed": resampling.seed,
            "shuffled": naming if shuffled else None,
        },
    )
    arrays = {name: np.array(raw[name]) for name in ("raw", "narrowed", "distance")}
    fid = arrays["raw"]
    bias = {"fid": float(fid.mean()) - headline["fid"]}
    moved = {"fid": np.maximum(0.0, fid - bias["fid"])}
    narrowed = {"fid": arrays["narrowed"]}
    if training is not None:  # else distances are to the reference, which nobody trained on
        distance = arrays["distance"]
        scores = penalized_all(fid, distance, epsilon=epsilon)
        for found in (moved, narrowed):
            found["memorization_distance"] = distance
            found["mifid"] = penalized_all(found["fid"], distance, epsilon=epsilon)
        bias["memorization_distance"] = float(distance.mean()) - headline["memorization_distance"]
        bias["mifid"] = float(scores.mean()) - headline["mifid"]
    return Draws(moved, narrowed, bias, raw["method"], naming)


def interval(draws: Draws, name: str, *, level: float) -> Interval:
    """Return the interval of a single score, as :func:`~mifid.evidence.uncertainty.uncertainty`."""
    return _interval(draws.calibrated[name], draws.bias[name], level=level, least=0.0)


def gap(one: Draws, other: Draws, name: str, *, level: float) -> Gap:
    """Return how far ``one`` is above ``other`` in ``name``, replicate by replicate."""
    apart = one.moved[name] - other.moved[name]
    below = float(np.mean(apart < 0) + np.mean(apart == 0) / 2)
    bias = one.bias[name] - other.bias[name]
    return Gap(_interval(apart, bias, level=level), below, one.naming == other.naming)


def naming(names: Sequence[str]) -> str:
    """Return a hash of pictures' names, without folders and endings, in the order of rows."""
    stems = [PurePosixPath(name).stem for name in names]
    told = stems if len(set(stems)) == len(stems) else names
    return hashlib.sha256("\0".join(told).encode()).hexdigest()


def _shuffled(values: Any, naming: str) -> Any:
    order = np.random.RandomState(int(naming[:8], 16)).permutation(len(values))
    return values[order]


def _resampled(
    generated: Features,
    reference: Features,
    training: Features | None,
    resampling: Resampling,
    progress: Progress,
) -> dict[str, Any]:
    """Plain values, which the cache can hold. They do not depend on the threshold."""
    with progress.task("resampling", resampling.replicates, "replicate") as task:
        found = calibrated(
            generated=generated,
            reference=reference,
            training=training,
            resample=tuple(resampling.resample),
            replicates=resampling.replicates,
            seed=resampling.seed,
            advance=task.advance,
        )
    assert found.raw.fid is not None
    assert found.replicates.fid is not None
    assert found.raw.memorization_distance is not None
    return {
        "method": found.method,
        "raw": found.raw.fid.tolist(),
        "narrowed": found.replicates.fid.tolist(),
        "distance": found.raw.memorization_distance.tolist(),
    }


def _interval(values: Vector, bias: float, *, level: float, least: float = -np.inf) -> Interval:
    tail = (100.0 - level) / 2
    low, high = np.maximum(least, np.percentile(values, [tail, 100.0 - tail]))
    return Interval(
        low=float(low),
        high=float(high),
        level=level,
        standard_error=float(values.std(ddof=1)),
        bias=bias,
    )
