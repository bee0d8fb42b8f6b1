"""Scores of single classes, from rows of the features of all pictures.

The network runs once over all pictures; a class is a selection of rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from mifid.errors import FeatureError, InputError, setting
from mifid.evaluation.evaluation import measure, measure_more
from mifid.evaluation.labels import Sorted
from mifid.metrics import METRICS, Measured, standard_error
from mifid.progress import Progress
from mifid.report import ClassScore, ClassScores
from mifid.statistics import Computed, Features, Statistics
from mifid.uncertainty import FEW, LEVEL, Interval, Resampling, assess_intervals

__all__ = ["score_classes"]

_ALWAYS = "kid"
"""Computed for every class: with as few pictures as a class has, FID is far too high."""
_OWN_FEATURES = frozenset(
    {"generated", "reference", "training", "generated_spatial", "reference_spatial"}
)
_HEADLINES = ("mifid", "fid", _ALWAYS)
_UNLIKE = 1.5  # times as many pictures: FID of such classes is not comparable
_ALONE = (
    "Each interval is for its class alone; of many classes, some are the worst by chance. "
    "Intervals of FID, MiFID and KID are the jackknife's: from the influence of single pictures."
)


def score_classes(
    found: Sorted,
    *,
    generated: Features,
    reference: Computed,
    training: Computed,
    wanted: Collection[str],
    instead: Mapping[str, Mapping[str, Any]],
    epsilon: float,
    resampling: Resampling,
    progress: Progress,
) -> ClassScores:
    """Score each class as if its pictures were all.

    Args:
        found: the rows of each class.
        generated: features of all classes.
        reference: features of all classes, or statistics, which are not split.
        training: what the memorization distance is to: ``reference`` itself is split like it,
            anything else is not.
        wanted: names of metrics; KID is computed in any case. Metrics that need more than the
            features of the sides are named in the remarks.
        instead: metric -> settings in place of the table's.
        epsilon: the threshold of the memorization distance.
        resampling: settings of the intervals, which are the jackknife's.
        progress: where it is shown.

    Raises:
        InputError: no class has as many pictures as a score needs.
    """
    names = {*wanted, _ALWAYS}
    computed = {name for name in names if _OWN_FEATURES.issuperset(METRICS[name].needs)}
    job = _Job(generated, reference, training, frozenset(computed), instead, epsilon, resampling)
    labels = sorted({*found.generated, *(found.reference or ())})
    scores = []
    with progress.task("classes", len(labels), "class") as task:
        for label in labels:
            task.status(label)
            scores.append(job.score(label, found))
            task.advance()
    if all(score.omitted for score in scores):
        raise InputError(
            f"{setting('by')}: no class can be scored; '{scores[0].label}': {scores[0].omitted}"
        )
    headline = next(name for name in _HEADLINES if any(name in one.values for one in scores))
    remarks = (*_remarks(scores, names - computed, training is not reference),)
    ordered = sorted(scores, key=lambda one: -one.values.get(headline, -float("inf")))
    return ClassScores(tuple(ordered), found.by, headline, found.why_whole, remarks)


@dataclass(frozen=True)
class _Job:
    """All sides, and what is computed of each class."""

    generated: Features
    reference: Computed
    training: Computed
    wanted: frozenset[str]
    instead: Mapping[str, Mapping[str, Any]]
    epsilon: float
    resampling: Resampling

    def score(self, label: str, found: Sorted) -> ClassScore:
        rows = found.generated.get(label, ())
        reference, n = self.reference, _number(self.reference)
        if found.reference is not None and isinstance(reference, Features):
            own = found.reference.get(label, ())
            n = len(own)
            reference = reference.take(own) if n else reference
        if why := _too_few(len(rows), n):
            return ClassScore(label, len(rows), n, omitted=why)
        training = reference if self.training is self.reference else self.training
        try:
            return self._computed(label, self.generated.take(rows), reference, training)
        except FeatureError as error:  # values that overflow
            return ClassScore(label, len(rows), n, omitted=error.message)

    def _computed(
        self, label: str, generated: Features, reference: Computed, training: Computed
    ) -> ClassScore:
        sides = {"generated": generated, "reference": reference, "training": training}
        numbers = measure(**sides, wanted=self.wanted, epsilon=self.epsilon, seconds={})
        metrics = measure_more(
            self.wanted,
            sides=sides,
            logits=lambda: None,
            seed=self.resampling.seed,
            seconds={},
            instead=self.instead,
        )
        found, why = assess_intervals(
            **sides,
            values=numbers.found,
            epsilon=self.epsilon,
            resampling=self.resampling,
            method="jackknife",
        )
        return ClassScore(
            label,
            len(generated),
            _number(reference),
            numbers.fid,
            numbers.memorization_distance,
            numbers.mifid,
            metrics,
            {**(found.intervals if found else {}), **self._of_kid(metrics, generated, reference)},
            why,
        )

    def _of_kid(
        self, metrics: Mapping[str, Measured], generated: Features, reference: Computed
    ) -> dict[str, Interval]:
        """Return the interval of KID: the jackknife's standard error, and a normal distribution."""
        value, level = metrics[_ALWAYS].values.get(_ALWAYS), self.resampling.ci
        if value is None or level == 0 or not isinstance(reference, Features):
            return {}
        if min(len(generated), len(reference)) < 3:
            return {}
        error = standard_error(
            generated=generated.values,
            reference=reference.values,
            resample=self.resampling.resample,
        )
        level = LEVEL if level is None else level
        reach = NormalDist().inv_cdf(0.5 + level / 200.0) * error
        return {_ALWAYS: Interval(value - reach, value + reach, level, error, 0.0)}


def _too_few(generated: int, reference: int | None) -> str | None:
    """Return why a class has no number; None if it has."""
    for title, n in (("generated", generated), ("reference", reference)):
        if n is not None and n < 2:
            found = "one" if n else "no"
            return f"{found} {title} picture{'s' * (n != 1)}; a covariance needs two"
    return None


def _remarks(
    scores: Collection[ClassScore], left_out: Collection[str], other_training: bool
) -> Iterator[str]:
    scored = [score for score in scores if not score.omitted]
    if any(score.intervals for score in scored):
        yield _ALONE
    sizes = [n for one in scored for n in (one.n_generated, one.n_reference) if n is not None]
    if any(one.intervals for one in scored) and min(sizes) < FEW:
        yield f"Intervals of classes with fewer than {FEW} pictures on a side are too narrow."
    fewest, most = min(n := [score.n_generated for score in scored]), max(n)
    if most > _UNLIKE * fewest and {"fid", "mifid"} & scored[0].values.keys():
        yield (
            f"Classes have {fewest:,} to {most:,} generated pictures. FID and MiFID grow as "
            "pictures get fewer: compare such classes by KID, which does not."
        )
    if other_training:
        yield "Memorization distances of all classes are to all training pictures."
    if left_out:
        in_order = [name for name in METRICS if name in left_out]
        yield (
            f"Not by class: {', '.join(in_order)}, which need more than the features of both sides."
        )


def _number(side: Computed) -> int | None:
    return side.n if isinstance(side, Statistics) else len(side)
