"""Metrics of the sides, computed from their features or statistics."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from mifid.errors import FeatureError, InputError, UnavailableError, setting, warn
from mifid.metrics import (
    CORE,
    GROUPS,
    METRICS,
    NOT_ASKED,
    Blocks,
    Measured,
    Metric,
    Moments,
    frechet_distance,
    memorization_distance,
    penalized,
    require_one_width,
    rounding,
)
from mifid.progress import Progress, Silent
from mifid.registry import suggest
from mifid.statistics import Computed, Features, Statistics

__all__ = ["Numbers", "check_metrics", "check_widths", "measure", "measure_more"]


@dataclass(frozen=True)
class Numbers:
    """FID, distance and MiFID; None where one is not wanted or cannot be computed."""

    fid: float | None
    memorization_distance: float | None
    mifid: float | None
    mifid_reason: str | None

    @property
    def found(self) -> frozenset[str]:
        """Names of the numbers that there are."""
        names = ("fid", "memorization_distance", "mifid")
        return frozenset(name for name in names if getattr(self, name) is not None)


def check_metrics(metrics: Iterable[str], epsilon: float | None) -> frozenset[str]:
    """Return the names of the wanted metrics, those of a group one by one.

    Raises:
        InputError: an unknown name, with the nearest known one; no name; epsilon outside 0..1.
    """
    given = [metrics] if isinstance(metrics, str) else list(metrics)
    wanted: set[str] = set()
    for name in given:
        if name not in METRICS and name not in GROUPS:
            raise InputError(
                f"{setting('metrics')}: unknown metric '{name}'",
                hint=suggest(name, [*METRICS, *GROUPS], aliases=METRICS.aliases),
            )
        wanted.update(GROUPS.get(name, (name,)))
    if not wanted:
        raise InputError("no metric was asked for", hint=f"There are: {', '.join(METRICS)}.")
    if epsilon is not None and not 0 <= epsilon <= 1:
        raise InputError(f"{setting('epsilon')} is {epsilon}; expected 0 to 1, as distances are")
    return frozenset(wanted)


def check_widths(sides: Mapping[str, Computed]) -> None:
    """Refuse sides whose features have another width than the reference's.

    Raises:
        FeatureError: naming the side and both widths.
    """
    widths = {label: _width(side) for label, side in sides.items()}
    expected = widths.pop("reference")
    require_one_width(**widths, reference=expected)


def measure(
    *,
    generated: Computed,
    reference: Computed,
    training: Computed,
    wanted: frozenset[str],
    epsilon: float,
    seconds: MutableMapping[str, float],
) -> Numbers:
    """Compute those of FID, memorization distance and MiFID that are in ``wanted``.

    ``training`` is what the memorization distance is to.
    """
    fid = distance = score = reason = None
    start = time.perf_counter()
    if wanted & {"fid", "mifid"}:
        fid = frechet_distance(generated=_arrays(generated), reference=_arrays(reference))
        seconds["fid"] = time.perf_counter() - start
        _check_rounding(fid, generated, reference)
    start = time.perf_counter()
    if wanted & {"memorization", "mifid"}:
        name = "reference" if training is reference else "memorization reference"
        reason = _no_distance(generated, training, name)
        if reason is None:
            assert isinstance(training, Features)
            distance = memorization_distance(generated=_rows(generated), reference=training.values)
            seconds["memorization"] = time.perf_counter() - start
    if "mifid" not in wanted:
        reason = reason or NOT_ASKED
    elif fid is not None and distance is not None:
        score = penalized(fid=fid, memorization_distance=distance, epsilon=epsilon)
    return Numbers(fid, distance, score, reason)


def measure_more(
    wanted: frozenset[str],
    *,
    sides: Mapping[str, Computed | None],
    logits: Callable[[], npt.NDArray[np.floating[Any]] | None],
    seed: int,
    seconds: MutableMapping[str, float],
    progress: Progress | None = None,
    instead: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> dict[str, Measured]:
    """Compute all other metrics in ``wanted``, in the order of the table.

    Args:
        wanted: names of the table.
        sides: ``"generated"``, ``"reference"``, ``"training"``, ``"held_out"``, as far as given;
            their spatial features may be sides of their own, such as ``"generated_spatial"``.
        logits: computes the logits (N, classes) of the generated pictures; returns None if the
            network has no classifier.
        seed: for those that draw at random.
        seconds: each one's wall time is added.
        progress: where it is shown.
        instead: metric -> settings in place of the table's.

    Returns:
        name -> values, or the reason if a metric cannot be computed; the others are computed all
        the same.
    """
    names = [name for name in METRICS if name in wanted and name not in CORE]
    found = {}
    with (progress or Silent()).task("metrics", len(names), "metric") as task:
        for name in names:
            start = time.perf_counter()
            metric: Metric = METRICS[name]
            task.status(metric.title)
            settings = dict(instead.get(name, metric.settings))
            if "seed" in settings:
                settings["seed"] = seed
            try:
                arrays = {need: _array(need, metric, sides, logits) for need in metric.needs}
                with np.errstate(over="ignore", invalid="ignore"):
                    values = dict(metric.function(**arrays, **settings))
                if not all(map(math.isfinite, values.values())):
                    raise FeatureError("overflows: the features are too large for float64")
                found[name] = Measured(name, values, settings)
            except (UnavailableError, FeatureError) as error:  # FeatureError: rows of zeros
                found[name] = Measured(name, omitted=error.message)
            seconds[name] = time.perf_counter() - start
            task.advance()
    return found


def _check_rounding(fid: float, generated: Computed, reference: Computed) -> None:
    """Warn of an FID that is 0 but for rounding; of equal sides :func:`check_copies` warns."""
    if fid > rounding(generated=_arrays(generated), reference=_arrays(reference)):
        return
    if isinstance(generated, Features) and isinstance(reference, Features):
        equal = generated.same_set(reference)
    else:
        one, other = _arrays(generated), _arrays(reference)
        both = isinstance(one, Moments) and isinstance(other, Moments)
        equal = both and all(map(np.array_equal, one, other))
    if not equal:
        warn(
            f"FID is {fid:.2g}, which is no more than rounding: the sides have the same mean and "
            "covariance as far as float64 can say, and MiFID means nothing",
            stacklevel=3,
        )


def _array(
    need: str,
    metric: Metric,
    sides: Mapping[str, Computed | None],
    logits: Callable[[], npt.NDArray[np.floating[Any]] | None],
) -> npt.NDArray[np.floating[Any]] | Moments | Blocks:
    if need == "logits":
        found = logits()
        if found is None:
            raise UnavailableError(
                "needs the network's classifier, which these features come without"
            )
        return found
    label = need.removesuffix(_SPATIAL)
    side = sides.get(label)
    if side is None:
        assert need == "held_out"
        raise UnavailableError(
            f"needs pictures that nobody trained on: give them with {setting('held_out')}"
        )
    if label != need:
        apart = sides.get(need)  # a metric object holds them by themselves
        return _spatial(side, label) if apart is None else _arrays(apart)
    if isinstance(side, Statistics) and side.pictures is not None and not metric.moments:
        return side.pictures.values
    if isinstance(side, Statistics) and side.shards is not None and metric.blocks:
        return side.shards
    if isinstance(side, Statistics) and not metric.moments:
        raise UnavailableError(
            f"the {need.replace('_', ' ')} side {side.limits}; it needs features"
        )
    return _arrays(side)


_SPATIAL = "_spatial"


def _spatial(side: Computed, label: str) -> npt.NDArray[np.floating[Any]] | Moments:
    if isinstance(side, Statistics) and side.spatial is not None:
        return Moments(side.spatial.mu, side.spatial.sigma)
    if isinstance(side, Statistics) or side.spatial is None:
        raise UnavailableError(
            f"the {label} side has no spatial features: only pictures that Inception looks at "
            "have, files with mu_s and sigma_s, and files of mifid reference build with "
            f"{setting('spatial', True)}"
        )
    return side.spatial


def _no_distance(generated: Computed, training: Computed, name: str) -> str | None:
    for what, side in (("generated side", generated), (name, training)):
        if isinstance(side, Statistics) and (side.shards is None or side is training):
            return (
                f"the {what} {side.limits}; the memorization distance needs pictures or their "
                "features"
            )
    return None


def _rows(generated: Computed) -> npt.NDArray[np.floating[Any]] | Blocks:
    """Return features, or those of a store part by part."""
    if isinstance(generated, Features):
        return generated.values
    assert generated.shards is not None
    return generated.shards


def _width(side: Computed) -> int:
    return side.values.shape[1] if isinstance(side, Features) else len(side.mu)


def _arrays(side: Computed) -> Moments | npt.NDArray[np.floating[Any]]:
    return side.values if isinstance(side, Features) else Moments(side.mu, side.sigma)
