"""Paired differences and their intervals.

Replicate b of every submission has the same resample of the reference, and submissions whose
pictures have the same names the same resample of those, so what both have in common (a reference
that is by chance easy, photos that are by chance hard) cancels in their difference.

FID of a resample is biased upward: repeated pictures span fewer dimensions. Each submission's
replicates are therefore moved onto its value. Where pictures are fewer than dimensions they scatter
too widely as well, which :mod:`~mifid.uncertainty.intervals` mends for the interval of a single
score. A difference needs no mending, since most of the excess is common to both and cancels;
narrowing each first would leave it too narrow. Standard deviation of the difference of two models'
FID by these replicates, over that of fresh draws, with pictures paired and not: 0.98 and 1.02 (300
against 200, width 6), 1.06 and 1.18 (400 against 60, width 300), 1.31 and 1.50 (80 against 30,
width 60): honest, or too careful where pictures are few. After narrowing each side it was
0.5 to 1.1 at width 300, mostly below 1.

FID falls with the number of pictures. Where these differ, the larger submission's replicates are
moved onto its value at as many pictures as the smaller one has (:func:`at_fewer`). Their spread
stays that of all its pictures, since that value, a mean over subsets, makes use of them all:
1.07 (100 beside 700, width 64), 1.16 (400 beside 500) and 1.39 (100 beside 700, width 300) times
the standard deviation over fresh draws.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mifid.cache import Cache, kept
from mifid.metrics import penalized_all
from mifid.progress import Progress
from mifid.statistics import Features
from mifid.uncertainty import Interval, Resampling, calibrated

__all__ = [
    "Draws",
    "Gap",
    "at_fewer",
    "draw",
    "features_naming",
    "gap",
    "interval",
    "naming",
    "rows_hash",
    "shuffled_rows",
]


def naming(names: Sequence[str]) -> str:
    """Return a hash of pictures' names, without folders and endings, in the order of rows."""
    stems = [PurePosixPath(name).stem for name in names]
    chosen = stems if len(set(stems)) == len(stems) else names
    return hashlib.sha256("\0".join(chosen).encode()).hexdigest()


def features_naming(features: Features) -> str:
    """Return the naming of features; without names it is their own, shared with no others."""
    return rows_hash(features) if features.names is None else naming(features.names)


def rows_hash(features: Features) -> str:
    """Hash features whatever the order of their rows."""
    rows = sorted(hashlib.sha256(row.tobytes()).digest() for row in features.values)
    return hashlib.sha256(b"".join(rows)).hexdigest()


def shuffled_rows(values: npt.NDArray[Any], naming: str) -> npt.NDArray[Any]:
    """Return rows in an order that depends on the naming alone."""
    order = np.random.RandomState(int(naming[:8], 16)).permutation(len(values))
    return np.asarray(values[order])


Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Draws:
    """One submission under B resamples: a (B,) float64 array for every number.

    The numbers are ``"fid"`` and, if there are training pictures, ``"memorization_distance"`` and
    ``"mifid"``.

    Attributes:
        moved: replicates without their bias, for differences.
        bias: what was removed, on average.
        calibrated: their spread mended too, for intervals of single scores; always over the draws
            that :func:`mifid.score` makes.
        calibrated_bias: the bias of these draws.
        below_threshold: share of the latter that are penalized; None without training pictures.
        method: ``"bootstrap"``, or ``"jackknife"``: FID to first order only.
        naming: whose draws these share; those of one naming are paired, picture by picture.
    """

    moved: Mapping[str, Vector]
    bias: Mapping[str, float]
    calibrated: Mapping[str, Vector]
    calibrated_bias: Mapping[str, float]
    below_threshold: float | None
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
            all pictures.
        epsilon: the threshold.
        resampling: how; its level is not used here.
        naming: of its pictures, see :func:`naming`.
        shuffled: the draws depend on the number of pictures alone, so a submission that has as many
            as another by chance would be paired with it row by row. Shuffled by ``naming``, its
            draws for differences fall on unrelated pictures. It is then resampled twice.
        cache: None: nothing is kept.
        progress: where it is shown.

    Raises:
        UnavailableError: fewer than three pictures, or almost all features are zeros.
    """

    def resampled(shuffled: bool) -> _Raw:
        rows = Features(shuffled_rows(generated.values, naming)) if shuffled else generated
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
        fid, narrowed, distance = (np.array(raw[key]) for key in ("raw", "narrowed", "distance"))
        # Without training pictures distances are to the reference, which nobody trained on.
        return _Raw(raw["method"], fid, narrowed, None if training is None else distance)

    alone = resampled(False)
    shared = resampled(True) if shuffled else alone
    moved = np.maximum(0.0, shared.fid - (shared.fid.mean() - headline["fid"]))
    distance = alone.distance
    return Draws(
        moved=_scores(moved, shared.distance, epsilon),
        bias=_bias(shared, headline, epsilon),
        calibrated=_scores(alone.narrowed, alone.distance, epsilon),
        calibrated_bias=_bias(alone, headline, epsilon),
        below_threshold=None if distance is None else float(np.mean(distance < epsilon)),
        method=alone.method,
        naming=naming,
    )


class _Raw(NamedTuple):
    """What the cache holds: (B,) arrays; the distance only if there are training pictures."""

    method: str
    fid: Vector
    narrowed: Vector
    distance: Vector | None


def _scores(fid: Vector, distance: Vector | None, epsilon: float) -> dict[str, Vector]:
    if distance is None:
        return {"fid": fid}
    score = penalized_all(fid, distance, epsilon=epsilon)
    return {"fid": fid, "memorization_distance": distance, "mifid": score}


def _bias(raw: _Raw, headline: Mapping[str, float], epsilon: float) -> dict[str, float]:
    scores = _scores(raw.fid, raw.distance, epsilon)
    return {name: float(values.mean()) - headline[name] for name, values in scores.items()}


def at_fewer(draws: Draws, *, fid: float, fid_at_fewer: float, epsilon: float) -> Draws:
    """Return the replicates moved onto FID at fewer pictures, for differences there.

    The memorization distance is a mean over pictures and stays.
    """
    moved = np.maximum(0.0, draws.moved["fid"] + (fid_at_fewer - fid))
    return replace(draws, moved=_scores(moved, draws.moved.get("memorization_distance"), epsilon))


def interval(draws: Draws, name: str, *, level: float) -> Interval:
    """Return a single score's interval, as :func:`~mifid.uncertainty.intervals.uncertainty`."""
    return _interval(
        draws.calibrated[name],
        draws.calibrated_bias[name],
        level=level,
        tail=_tail(level),
        least=0.0,
    )


def gap(one: Draws, other: Draws, name: str, *, level: float, tail: float | None = None) -> Gap:
    """Return how far ``one`` is above ``other`` in ``name``, replicate by replicate.

    Args:
        one, other: over the same resamples of the reference.
        name: of the score.
        level: of the interval, in per cent.
        tail: share that each end of it leaves out, where it is to hold together with others
            (:func:`~mifid.comparison.simultaneous.common_tail`); None: it stands alone.
    """
    apart = one.moved[name] - other.moved[name]
    below = float(np.mean(apart < 0) + np.mean(apart == 0) / 2)
    bias = one.bias[name] - other.bias[name]
    found = _interval(apart, bias, level=level, tail=_tail(level) if tail is None else tail)
    return Gap(found, below, one.naming == other.naming)


def _tail(level: float) -> float:
    return (100.0 - level) / 200.0


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


def _interval(
    values: Vector, bias: float, *, level: float, tail: float, least: float = -np.inf
) -> Interval:
    low, high = np.maximum(least, np.percentile(values, [100.0 * tail, 100.0 * (1.0 - tail)]))
    return Interval(
        low=float(low),
        high=float(high),
        level=level,
        standard_error=float(values.std(ddof=1)),
        replicates_bias=bias,
    )
