"""Bootstrap and jackknife intervals, and their calibration.

An interval answers: had other pictures been drawn from the same model and the same kind of
reference, *as many as here*, where would the score have come out? It holds the expected score at
this number of pictures; what infinitely many would give is another question (bias.py), and so is
a reference of another kind.

How the replicates that it is read off are made: calibration.py.

FID of a resample is biased upward, since repeated pictures span fewer dimensions, and where
pictures are fewer than dimensions it scatters too widely as well: over fresh draws of 2,000 and
300 pictures of width 2048, FID's standard deviation was about 2.1, that of bootstrap replicates
2.4, the jackknife's 2.0; for two sets of one distribution 0.7, 1.6 and 0.9. The jackknife's
variance is not below the true one in expectation (Efron and Stein 1981, "The Jackknife Estimate
of Variance"). So the shape is the bootstrap's, the width the jackknife's. How often such
intervals cover is in docs/benchmarks.md.
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
"""Side of the eigenvalue problem, min(N, M, D), up to which "auto" means the bootstrap. At 300 x
7,000 pictures 1,000 replicates take 10 s on two cores; at 1,000 x 10,000 it would be minutes."""

_FIRST_ORDER = (
    "By the jackknife: FID of each resample is taken to first order, from the influence of single "
    "pictures."
)


@dataclass(frozen=True)
class Calibrated:
    """Replicates about the headline value, and what was done to them.

    Attributes:
        replicates: ready for intervals of one score; for differences of two use ``raw``, see
            differences.py.
        raw: as they came.
        method: "bootstrap" or "jackknife".
        remark: what was done, in words.
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
    """Return replicates of the score about its value.

    With one seed, reference and number of pictures, two calls' replicates are of the same draws.

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
        f"FID's replicates came out {fid.mean() - value:+.3g} off, with a standard deviation of "
        f"{fid.std():.3g}; they were moved onto the value and brought to the jackknife's "
        f"{narrow.std():.3g}."
    )
    return Calibrated(Replicates(moved, distance, scores), raw, "bootstrap", remark)


def _moved(
    replicates: npt.NDArray[np.float64], *, value: float, spread: float
) -> npt.NDArray[np.float64]:
    wide = float(replicates.std())
    narrowed = (replicates - replicates.mean()) * (spread / wide if wide > 0.0 else 1.0)
    return np.asarray(np.maximum(0.0, value + narrowed))


def filled(values: npt.NDArray[np.float64] | None) -> npt.NDArray[np.float64]:
    """Return values that are there."""
    assert values is not None
    return values


def _size(generated: Features, reference: Features | None) -> int:
    if reference is None:
        return 0
    return min(len(generated), len(reference), int(generated.values.shape[1]))


_FEW = 20  # pictures of a side; below, intervals were seen to hold the expected score too rarely

_MEANING = (
    "Where the score would lie had other pictures been drawn, as many as here; "
    "not what infinitely many would give. The training pictures of the distance stay the same."
)


@dataclass(frozen=True)
class Interval:
    """An interval about a value.

    Attributes:
        low, high: its ends.
        level: in percent.
        standard_error: standard deviation of what the interval is read off.
        replicates_bias: mean of the replicates, before they were moved, minus the value.
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
        level: in percent.
        replicates: how many resamples.
        seed: of the draws.
        resampled: "generated", "reference" or both.
        method: "bootstrap", or "jackknife": the same draws to first order.
        below_threshold: share of the replicates whose distance is below epsilon, 0..1.
        remark: what the intervals are of, and what is approximate, in words.
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
        """Take back what :meth:`to_dict` gave."""
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
    """Return intervals of FID, memorization distance and MiFID.

    Args:
        generated: N features.
        reference: M features that FID is measured against; None: distance only.
        training: features of what the model was trained on; None: the reference. Never resampled.
        epsilon: MiFID's threshold.
        level: in percent, 50 to 99.9.
        resample: "generated", "reference" or both: whose luck counts.
        replicates: at least 100.
        seed: 0 to 2^32 - 1.
        method: "bootstrap", "jackknife", or "auto": the bootstrap unless min(N, M, D) is above
            500, where 1,000 replicates would take minutes to hours.
        progress: where to announce it.

    Raises:
        InputError: a level, number of replicates, seed, side or method that makes no sense.
        UnavailableError: fewer than three pictures on a side that is resampled.
    """
    _check(level=level, replicates=replicates, seed=seed)
    for name, side in (("generated", generated), ("reference", reference)):
        if name in resample and side is not None and len(side) < 3:
            raise UnavailableError(
                f"intervals need at least three {name} pictures to draw from, got {len(side)}"
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
    assert trained is not None  # the resampling has refused it
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
        f"{below:.1%} of the replicates fall below the memorization threshold {epsilon:g} and are "
        "penalized: MiFID jumps there, and its interval reaches over both branches."
    )


def _few(generated: Features, reference: Features | None) -> str:
    fewest = min(len(side) for side in (generated, reference) if side is not None)
    if fewest >= _FEW:
        return ""
    return (
        f"With {fewest} pictures on a side such intervals are too narrow: at 5, three in four hold "
        "the expected score, not 95 %."
    )


def _check(*, level: float, replicates: int, seed: int) -> None:
    if not 50.0 <= level <= 99.9:
        raise InputError(f"level is {level:g}; expected percent, 50 to 99.9", hint="Usual: 95.")
    if replicates < 100:
        raise InputError(
            f"{replicates} replicates; expected at least 100",
            hint="The ends of an interval are read off its rarest replicates; 1,000 are usual.",
        )
    if not 0 <= seed < 2**32:
        raise InputError(f"seed is {seed}; expected 0 to 4294967295")
