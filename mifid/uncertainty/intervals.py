"""Bootstrap and jackknife intervals, and their calibration.

An interval says where the score would be with other pictures, *as many as here*, from the same
model and the same kind of reference. It is meant to contain the expected score at this number of
pictures. The score of infinitely many pictures is another question (bias.py), and so is a
reference of another kind.

FID of a resample is biased upward, since repeated pictures span fewer dimensions. With fewer
pictures than dimensions its deviation is also too large: over new draws of 2,000 and 300 pictures
of width 2048, FID's standard deviation was about 2.1, that of bootstrap replicates 2.4, the
jackknife's 2.0; for two sets of one distribution 0.7, 1.6 and 0.9. The jackknife's variance is not
below the true one in expectation (Efron and Stein 1981, "The Jackknife Estimate of Variance"). So
the shape is the bootstrap's and the width the jackknife's. docs/benchmarks.md has the coverage of
these intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mifid.errors import InputError, UnavailableError
from mifid.metrics import (
    EPSILON,
    SIDES,
    Replicates,
    bootstrap,
    frechet_distance,
    linearized,
    memorization_distance,
    penalized,
    penalized_all,
)
from mifid.progress import Progress, choose
from mifid.statistics import Features

__all__ = [
    "FEW",
    "LARGEST",
    "METHODS",
    "Calibrated",
    "Interval",
    "Uncertainty",
    "calibrated",
    "uncertainty",
]

METHODS = ("auto", "bootstrap", "jackknife")

LARGEST = 500
"""Size of the eigenvalue problem, min(N, M, D), up to which "auto" is the bootstrap. With 300 and
7,000 pictures, 1,000 replicates take 10 s on two cores; with 1,000 and 10,000, minutes."""

_FIRST_ORDER = (
    "By the jackknife: FID of each resample is approximated to first order, from the influence of "
    "single pictures."
)


@dataclass(frozen=True)
class Calibrated:
    """Replicates centred at the value of the score.

    Attributes:
        replicates: for intervals of one score; for differences of two scores use ``raw``.
        raw: before calibration.
        method: "bootstrap" or "jackknife".
        remark: the calibration in words.
    """

    replicates: Replicates
    raw: Replicates
    method: str
    remark: str


def calibrated(
    *,
    generated: Features,
    reference: Features | None,
    training: Features | None = None,
    epsilon: float = EPSILON,
    resample: Sequence[str] = SIDES,
    replicates: int = 1000,
    seed: int = 0,
    method: str = "auto",
    advance: Callable[[int], None] | None = None,
) -> Calibrated:
    """Return replicates of the score, centred at its value.

    Calls with the same seed, reference and number of pictures use the same draws.

    Arguments and errors are those of :func:`~mifid.uncertainty.intervals.uncertainty`, but for its
    ``level`` and ``progress``; ``advance`` is called with the number of replicates done.
    """
    sides: dict[str, Any] = {
        "generated": generated.values,
        "reference": None if reference is None else reference.values,
        "training": None if training is None else training.values,
        "epsilon": epsilon,
        "replicates": replicates,
        "resample": resample,
        "seed": seed,
    }
    if method not in METHODS:
        raise InputError(f"unknown method '{method}'", hint=f"Choose from: {', '.join(METHODS)}.")
    if method == "auto":
        method = "bootstrap" if _size(generated, reference) <= LARGEST else "jackknife"
    if method == "jackknife" or reference is None:
        raw = linearized(**sides, advance=advance)
        return Calibrated(raw, raw, method, _FIRST_ORDER if method == "jackknife" else "")
    narrow = filled(linearized(**sides).fid)
    raw = bootstrap(**sides, advance=advance)
    fid, distance = filled(raw.fid), filled(raw.memorization_distance)
    value = frechet_distance(generated=generated.values, reference=reference.values)
    moved = _moved(fid, value=value, spread=float(narrow.std()))
    scores = penalized_all(moved, distance, epsilon=epsilon)
    remark = (
        f"FID's replicates had a bias of {fid.mean() - value:+.3g} and a standard deviation of "
        f"{fid.std():.3g}; they were centred at the value and scaled to the jackknife's standard "
        f"deviation, {narrow.std():.3g}."
    )
    return Calibrated(Replicates(moved, distance, scores), raw, "bootstrap", remark)


def _moved(
    replicates: npt.NDArray[np.float64], *, value: float, spread: float
) -> npt.NDArray[np.float64]:
    wide = float(replicates.std())
    narrowed = (replicates - replicates.mean()) * (spread / wide if wide > 0.0 else 1.0)
    return np.asarray(np.maximum(0.0, value + narrowed))


def filled(values: npt.NDArray[np.float64] | None) -> npt.NDArray[np.float64]:
    """Return ``values``, which must not be None."""
    assert values is not None
    return values


def _size(generated: Features, reference: Features | None) -> int:
    if reference is None:
        return 0
    return min(len(generated), len(reference), int(generated.values.shape[1]))


FEW = 20
"""Pictures of a side; below, intervals contain the expected score too rarely."""

_MEANING = (
    "The interval shows where the score would be with other pictures, as many as here; not with "
    "infinitely many. The training pictures of the distance stay the same."
)


@dataclass(frozen=True)
class Interval:
    """An interval around a value.

    Attributes:
        low, high: its ends.
        level: in per cent.
        standard_error: standard deviation of the replicates.
        replicates_bias: mean of the replicates, before they were centred, minus the value.
    """

    low: float
    high: float
    level: float
    standard_error: float
    replicates_bias: float


@dataclass(frozen=True)
class Uncertainty:
    """Intervals of the scores.

    Attributes:
        intervals: by "fid", "memorization_distance" and "mifid"; only the second without a
            reference's features.
        level: in per cent.
        replicates: number of resamples.
        seed: of the draws.
        resampled: "generated", "reference" or both.
        method: "bootstrap", or "jackknife": the same draws to first order.
        below_threshold: share of the replicates whose distance is below epsilon, 0..1.
        remark: meaning and approximations of the intervals, in words.
    """

    intervals: Mapping[str, Interval]
    level: float
    replicates: int
    seed: int
    resampled: tuple[str, ...]
    method: str
    below_threshold: float
    remark: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "resampled": list(self.resampled)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Uncertainty:
        """Read what :meth:`to_dict` returned."""
        intervals = {name: Interval(**ends) for name, ends in values["intervals"].items()}
        return cls(**{**values, "intervals": intervals, "resampled": tuple(values["resampled"])})


def uncertainty(
    *,
    generated: Features,
    reference: Features | None,
    training: Features | None = None,
    epsilon: float = EPSILON,
    level: float = 95.0,
    resample: Sequence[str] = SIDES,
    replicates: int = 1000,
    seed: int = 0,
    method: str = "auto",
    progress: Progress | bool | None = None,
) -> Uncertainty:
    """Compute intervals of FID, memorization distance and MiFID.

    Args:
        generated: N features.
        reference: M features that FID compares with; None: distance only.
        training: features that the model was trained on; None: the reference. Never resampled.
        epsilon: MiFID's threshold.
        level: in per cent, 50 to 99.9.
        resample: "generated", "reference" or both: the sides that count as samples.
        replicates: at least 100.
        seed: 0 to 2^32 - 1.
        method: "bootstrap", "jackknife", or "auto": the bootstrap unless min(N, M, D) is above
            500, where 1,000 replicates would take minutes to hours.
        progress: shows it.

    Raises:
        InputError: a level, number of replicates, seed, side or method that is not valid.
        UnavailableError: fewer than three pictures on a side that is resampled.
    """
    for name, side in (("generated", generated), ("reference", reference)):
        if name in resample and side is not None and len(side) < 3:
            raise UnavailableError(
                f"intervals need at least three {name} pictures, got {len(side)}"
            )
    with choose(progress).task("resampling", replicates, "replicate") as task:
        found = calibrated(
            generated=generated,
            reference=reference,
            training=training,
            epsilon=epsilon,
            resample=resample,
            replicates=replicates,
            seed=seed,
            method=method,
            advance=task.advance,
        )
    values = _values(generated, reference, training, epsilon)
    below = float(np.mean(filled(found.replicates.memorization_distance) < epsilon))
    return Uncertainty(
        intervals={
            name: _interval(value, getattr(found.replicates, name), getattr(found.raw, name), level)
            for name, value in values.items()
        },
        level=float(level),
        replicates=replicates,
        seed=seed,
        resampled=tuple(side for side in SIDES if side in resample),
        method=found.method,
        below_threshold=below,
        remark=" ".join(
            filter(
                None,
                [
                    _MEANING,
                    found.remark,
                    _threshold(below, epsilon, values),
                    _few(generated, reference),
                ],
            )
        ),
    )


def _values(
    generated: Features, reference: Features | None, training: Features | None, epsilon: float
) -> dict[str, float]:
    trained = reference if training is None else training
    assert trained is not None  # otherwise the resampling has raised
    distance = memorization_distance(generated=generated.values, reference=trained.values)
    if reference is None:
        return {"memorization_distance": distance}
    fid = frechet_distance(generated=generated.values, reference=reference.values)
    score = penalized(fid=fid, memorization_distance=distance, epsilon=epsilon)
    return {"fid": fid, "memorization_distance": distance, "mifid": score}


def _interval(
    value: float,
    replicates: npt.NDArray[np.float64],
    raw: npt.NDArray[np.float64],
    level: float,
) -> Interval:
    tail = (100.0 - level) / 2.0
    low, high = np.percentile(replicates, [tail, 100.0 - tail])
    return Interval(
        max(0.0, float(low)),
        float(high),
        float(level),
        float(replicates.std(ddof=1)),
        float(raw.mean() - value),
    )


def _threshold(below: float, epsilon: float, values: Mapping[str, float]) -> str:
    if "mifid" not in values or below in (0.0, 1.0):
        return ""
    return (
        f"{below:.1%} of the replicates are below the memorization threshold {epsilon:g} and are "
        "penalized: MiFID jumps there, and its interval covers both sides of the jump."
    )


def _few(generated: Features, reference: Features | None) -> str:
    fewest = min(len(side) for side in (generated, reference) if side is not None)
    if fewest >= FEW:
        return ""
    return (
        f"With {fewest} pictures on a side such intervals are too narrow: with 5, they contain the "
        "expected score in 75 % of cases, not in 95 %."
    )
