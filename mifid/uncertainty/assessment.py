"""Assessment of a score: its intervals, bias and levels, or why there are none."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, MutableMapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mifid.cache import Cache, kept
from mifid.errors import FeatureError, InputError, UnavailableError, setting, warn
from mifid.progress import Progress, Silent
from mifid.statistics import Features, Statistics
from mifid.uncertainty.bias import Bias, estimate_bias
from mifid.uncertainty.intervals import Uncertainty, uncertainty
from mifid.uncertainty.levels import Levels, find_levels

__all__ = [
    "LEVEL",
    "MOST_PICTURES",
    "REPLICATES",
    "SEED",
    "SWITCHED_OFF",
    "Assessment",
    "Resampling",
    "assess",
    "assess_intervals",
    "check_seed",
]

LEVEL = 95.0
SWITCHED_OFF = "switched off"
REPLICATES = 1000
SEED = 2020
"""torch-fidelity's default, which gives the same KID and Inception Score."""
_NO_LEVEL = (
    "The held-out side is mean and covariance only, so its FID at equal numbers is not known."
)

MOST_PICTURES = 20_000
"""With more pictures on a side, intervals are computed only if a level is given."""


@dataclass(frozen=True)
class Resampling:
    """Settings of the intervals.

    Attributes:
        ci: level in per cent; 0: no intervals; None: 95 for up to 20,000 pictures.
        resample: which of ``"generated"`` and ``"reference"`` count as samples.
        replicates: number of resamples.
        seed: of their draws.
    """

    ci: float | None = None
    resample: Sequence[str] = ("generated", "reference")
    replicates: int = REPLICATES
    seed: int = SEED

    def __post_init__(self) -> None:
        if self.ci is not None and not (self.ci == 0 or 50 <= self.ci <= 99.9):
            raise InputError(
                f"{setting('ci')} is {self.ci:g}; expected 50 to 99.9 per cent, or 0 for none"
            )
        unknown = sorted(set(self.resample) - {"generated", "reference"})
        if unknown or not self.resample:
            raise InputError(
                f"resample is {', '.join(self.resample) or 'empty'}",
                hint="Expected generated, reference, or both.",
            )
        if self.replicates < 100:
            raise InputError(f"{setting('replicates')} is {self.replicates}; expected at least 100")
        check_seed(self.seed)

    def warn_without_effect(self) -> None:
        """Warn of settings of the intervals where none are asked for."""
        changed = {
            "replicates": self.replicates != REPLICATES,
            "resample": len(set(self.resample)) == 1,
        }
        for name in changed if self.ci == 0 else ():
            if changed[name]:
                warn(f"{setting(name)} has no effect: {setting('ci', 0)} asks for no intervals")


def check_seed(seed: int) -> None:
    """Raise InputError for a seed that NumPy's generator does not accept."""
    if not hasattr(seed, "__index__") or not 0 <= seed < 2**32:
        raise InputError(f"{setting('seed')} is {seed!r}; expected 0 to 4294967295")


@dataclass(frozen=True)
class Assessment:
    """Uncertainty, bias and levels; if one is None, its reason says why."""

    uncertainty: Uncertainty | None = None
    uncertainty_reason: str | None = None
    bias: Bias | None = None
    bias_reason: str | None = None
    levels: Levels | None = None
    levels_reason: str | None = None


def assess(
    *,
    generated: Features | Statistics,
    reference: Features | Statistics,
    training: Features | Statistics,
    held_out: Features | Statistics | None,
    photos: Features | Statistics | None,
    values: AbstractSet[str],
    metrics: AbstractSet[str],
    epsilon: float,
    resampling: Resampling,
    cache: Cache | None,
    seconds: MutableMapping[str, float],
    progress: Progress,
) -> Assessment:
    """Compute intervals, bias and levels of a score, or the reasons why there are none.

    Args:
        generated, reference, training, held_out, photos: the sides; ``training`` may be the
            reference.
        values: which of ``"fid"``, ``"memorization_distance"`` and ``"mifid"`` the score has; only
            these get intervals, and without ``"fid"`` there is no bias.
        epsilon: the threshold of the memorization distance.
        resampling: settings of the intervals.
        cache: None: results are not cached.
        seconds: wall times are added as ``"uncertainty"``, ``"bias"`` and ``"levels"``.
        progress: shows it.
    """
    reason = _reason(generated, reference, values, resampling)
    levels, no_levels = None, reason
    if reason is None or held_out is not None or photos is not None:
        start = time.perf_counter()
        levels, no_levels = _levels(
            generated=generated,
            reference=reference,
            training=None if training is reference else training,
            held_out=held_out,
            photos=photos,
            metrics=metrics,
            seed=resampling.seed,
            cache=cache,
        )
        seconds["levels"] = time.perf_counter() - start
    if reason is not None:
        return Assessment(None, reason, None, reason, levels, no_levels)
    sides = {
        "generated": _features(generated),
        "reference": _features(reference),
        "training": _features(training),
        "held_out": _features(held_out),
    }
    start = time.perf_counter()
    found, why = _uncertainty(sides, values, epsilon, resampling, cache, progress)
    seconds["uncertainty"] = time.perf_counter() - start
    start = time.perf_counter()
    drift, why_not = _bias(
        sides, values, resampling.seed, cache, unusable=isinstance(held_out, Statistics)
    )
    seconds["bias"] = time.perf_counter() - start
    return Assessment(found, why, drift, why_not, levels, no_levels)


def _levels(
    *,
    metrics: AbstractSet[str],
    seed: int,
    cache: Cache | None,
    **sides: Features | Statistics | None,
) -> tuple[Levels | None, str | None]:
    for name in ("generated", "reference", "training"):
        side = sides[name]
        if isinstance(side, Statistics):
            return None, f"the {name} side {side.limits}, without pictures to draw"
    usable: dict[str, Any] = {name: _features(side) for name, side in sides.items()}
    try:
        values = _kept(
            cache,
            "levels 1",
            lambda: find_levels(**usable, metrics=sorted(metrics), seed=seed).to_dict(),
            sides=usable,
            settings={"metrics": sorted(metrics), "seed": seed},
        )
    except (UnavailableError, FeatureError) as error:
        return None, error.message
    return Levels.from_dict(values), None


def assess_intervals(
    *,
    generated: Features | Statistics,
    reference: Features | Statistics,
    training: Features | Statistics,
    values: AbstractSet[str],
    epsilon: float,
    resampling: Resampling,
    method: str,
) -> tuple[Uncertainty | None, str | None]:
    """Compute the intervals alone, and keep nothing; or return the reason why there are none.

    Arguments are those of :func:`assess`, and ``method`` one of
    :data:`mifid.uncertainty.intervals.METHODS`.
    """
    reason = _reason(generated, reference, values, resampling)
    if reason is not None:
        return None, reason
    sides = {
        "generated": _features(generated),
        "reference": _features(reference),
        "training": _features(training),
    }
    return _uncertainty(sides, values, epsilon, resampling, None, Silent(), method)


def _features(side: Features | Statistics | None) -> Features | None:
    return side if isinstance(side, Features) else None


def _reason(
    generated: Features | Statistics,
    reference: Features | Statistics,
    values: AbstractSet[str],
    resampling: Resampling,
) -> str | None:
    if not values:
        return "neither FID nor memorization distance was computed"
    if resampling.ci == 0:
        return SWITCHED_OFF
    for name, side in (("generated", generated), ("reference", reference)):
        if isinstance(side, Statistics):
            return f"the {name} side {side.limits}, without pictures to resample"
        if resampling.ci is None and len(side) > MOST_PICTURES:
            return f"more than {MOST_PICTURES:,} pictures: computed only if a level is given"
    return None


def _uncertainty(
    sides: dict[str, Features | None],
    wanted: AbstractSet[str],
    epsilon: float,
    resampling: Resampling,
    cache: Cache | None,
    progress: Progress,
    method: str = "auto",
) -> tuple[Uncertainty | None, str | None]:
    generated, reference, training = sides["generated"], sides["reference"], sides["training"]
    assert generated is not None
    assert reference is not None

    def compute() -> dict[str, object]:
        return uncertainty(
            generated=generated,
            reference=reference,
            training=training,
            epsilon=epsilon,
            level=level,
            resample=tuple(resampling.resample),
            replicates=resampling.replicates,
            seed=resampling.seed,
            method=method,
            progress=progress,
        ).to_dict()

    if "memorization_distance" not in wanted:
        epsilon = 0.0  # this score has no threshold to report on
    level = LEVEL if resampling.ci is None else resampling.ci
    try:
        values = _kept(
            cache,
            "uncertainty 3",
            compute,
            sides={key: sides[key] for key in ("generated", "reference", "training")},
            settings={
                "epsilon": epsilon,
                "level": level,
                "resample": sorted(resampling.resample),
                "replicates": resampling.replicates,
                "seed": resampling.seed,
            },
        )
    except (UnavailableError, FeatureError) as error:  # FeatureError: rows of zeros
        return None, error.message
    found = Uncertainty.from_dict(values)
    intervals = {name: ends for name, ends in found.intervals.items() if name in wanted}
    return replace(found, intervals=intervals), None


def _bias(
    sides: dict[str, Features | None],
    wanted: AbstractSet[str],
    seed: int,
    cache: Cache | None,
    *,
    unusable: bool,
) -> tuple[Bias | None, str | None]:
    if "fid" not in wanted:
        return None, "FID was not asked for"
    generated, reference, held_out = sides["generated"], sides["reference"], sides["held_out"]
    assert generated is not None
    assert reference is not None
    try:
        values = _kept(
            cache,
            "bias 2",
            lambda: estimate_bias(
                generated=generated, reference=reference, held_out=held_out, seed=seed
            ).to_dict(),
            sides={key: sides[key] for key in ("generated", "reference", "held_out")},
            settings={"seed": seed},
        )
    except (UnavailableError, FeatureError) as error:
        return None, error.message
    found = Bias.from_dict(values)
    if unusable:
        found = replace(found, sentence=f"{found.sentence} {_NO_LEVEL}")
    return found, None


def _kept(*arguments: Any, **settings: Any) -> Mapping[str, Any]:
    with np.errstate(over="ignore", invalid="ignore"):
        values = kept(*arguments, **settings)
    try:
        json.dumps(values, allow_nan=False)
    except ValueError as error:
        raise FeatureError("the features are too large for float64") from error
    return values
