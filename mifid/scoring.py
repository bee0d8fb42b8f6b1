"""score(): the whole path from pictures to the report, top to bottom; fid() and mifid()."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mifid.errors import UnavailableError, recorded_warnings
from mifid.evaluation import (
    By,
    Grouping,
    Protocol,
    check_copies,
    check_held_out,
    check_metrics,
    check_numbers,
    check_photos,
    check_pictures,
    check_submission,
    check_threshold,
    check_widths,
    choose_protocol,
    measure,
    measure_more,
    not_comparable,
    score_classes,
)
from mifid.evidence import Evidence
from mifid.extractors import threshold
from mifid.images import Stream, check_ranges, warn_of_unused_ranges
from mifid.inputs import refuse_useless_network
from mifid.metrics import METRICS, thresholded
from mifid.pipeline import (
    BESIDE,
    ComputedSide,
    Keywords,
    Options,
    choose_network,
    compute_side,
    logits_of,
    open_beside,
    open_sides,
    pipeline_for,
    with_options,
)
from mifid.report import ClassScores, Report
from mifid.statistics import Computed, Features, Statistics
from mifid.statistics import protocol as protocol_of
from mifid.uncertainty import REPLICATES, Resampling, assess

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["fid", "mifid", "score"]


@with_options
def score(
    images: Any,
    reference: Any,
    *,
    memorization_reference: Any = None,
    held_out: Any = None,
    photos: Any = None,
    metrics: Iterable[str] | None = None,
    protocol: str | None = None,
    by: By | None = None,
    epsilon: float | None = None,
    ci: float | None = None,
    resample: Sequence[str] = ("generated", "reference"),
    replicates: int = REPLICATES,
    **keywords: Unpack[Keywords],
) -> Report:
    """Score generated pictures against real ones, as Kaggle does.

    Args:
        images: the generated pictures: a folder, zip, tar, .npy, .npz, glob pattern, array
            (N, H, W, 3) uint8, tensor (N, 3, H, W), a list or iterable of pictures, paths or rows
            (see :func:`mifid.images.open_images`), or features or statistics: a file of them, or
            floats (N, D).
        reference: the real pictures, in any of the same forms; a list of folders is one set.
        memorization_reference: the pictures that were trained on, if they are not the reference.
        held_out: real pictures that nobody trained on: for the floor of FID, FLD and C_T.
        photos: untouched photos that the pictures were made from, as the other end of the scale:
            they enter no number of the score.
        metrics: names of :data:`mifid.metrics.METRICS`, ``"prdc"`` or ``"all"``; ``"mifid"``, the
            default, gives FID, memorization distance and MiFID. With ``("fid",)`` features of more
            than 10,000 pictures (with ``ci=0`` of more than 4,096) are not held in memory.
        protocol: a name of :data:`mifid.evaluation.PROTOCOLS`: a set of metrics with the settings
            of a published evaluation, to which ``metrics`` are added. ``"adm"`` is OpenAI's
            evaluator for guided diffusion, with its reference batches.
        by: also score each class of the pictures: ``"folder"`` (the class is the name of the
            folder that a picture lies in, on both sides), or a .csv file of file names and labels
            of the generated pictures; ``{"generated": ..., "reference": ...}`` for one a side. A
            reference without classes is compared as a whole.
        epsilon: memorization distances below it are penalized; None: the extractor's own threshold
            (:data:`mifid.extractors.THRESHOLDS`), Kaggle's 0.1 for Inception.
        ci: level of the intervals in per cent; 0: none; None: 95 for up to 20,000 pictures.
        resample: which sides could have been other pictures, for the intervals.
        replicates: of the bootstrap that makes them.
        keywords: as of :class:`mifid.pipeline.Options`.

    Returns:
        Report: ``.mifid``, ``.fid``, ``.memorization_distance``, ``.uncertainty``, ``.plot()``,
        ``.to_json()``, ...

    Raises:
        MifidError: an input that cannot be used; the message says which, and what to do.

    >>> import numpy as np
    >>> random = np.random.RandomState(0)
    >>> real, painted = random.randint(0, 256, (2, 8, 16, 16, 3), dtype=np.uint8)
    >>> def colours(batch):  # any function from pictures to features
    ...     return batch.float().mean(dim=(2, 3))
    >>> report = score(painted, real, extractor=colours)
    >>> round(report.fid, 1), report.penalized
    (19.0, True)
    """
    start = time.perf_counter()
    options = Options.of(score, keywords)
    names = None if metrics is None else (metrics,) if isinstance(metrics, str) else tuple(metrics)
    chosen = choose_protocol(protocol, names)
    wanted = check_metrics(chosen.metrics, epsilon)
    resampling = Resampling(ci, resample, replicates, options.seed)
    grouping = None if by is None else Grouping(by)
    optional = {
        "memorization_reference": memorization_reference,
        "held_out": held_out,
        "photos": photos,
    }
    given = {
        "reference": reference,  # first: it is small, so if it fails, it fails soon
        **{label: raw for label, raw in optional.items() if raw is not None},
        "generated": images,
    }
    check_ranges(options.value_range, given)
    with (
        recorded_warnings() as warned,
        open_sides(given, options) as opened,
        open_beside(opened if chosen.beside else (), options) as beside,
    ):
        seconds = {"open": time.perf_counter() - start}
        resampling.warn_without_effect()
        warn_of_unused_ranges(options.value_range, {side.label: side.ranged for side in opened})
        given = {side.label: side.given for side in opened}  # paths in place of names
        options = choose_network(options, opened)
        if grouping is not None:
            named = {side.label: side for side in opened}
            drawn = options.limit is not None
            grouping.check(named["generated"], named["reference"], drawn=drawn)
        needed = {need for name in wanted for need in METRICS[name].needs}
        pipeline = pipeline_for([*opened, *beside], options, logits="logits" in needed)
        refuse_useless_network(opened, keywords.get("extractor"))
        only_fid = wanted == {"fid"} and grouping is None
        # Intervals and classes need single rows; so do metrics that compare generated pictures.
        by_parts = grouping is None and not ci and all(METRICS[name].blocks for name in wanted)
        sides = {
            side.label: compute_side(
                side,
                pipeline,
                only_fid=only_fid,
                intervals=ci != 0,
                spatial=f"{side.label}_spatial" in needed,
                by_parts=by_parts and side.label == "generated",
            )
            for side in [*opened, *beside]
        }
        _join_beside(sides)
        seconds |= pipeline.seconds if pipeline else {}
        _check_sides(sides, wanted=wanted)
        chosen.check(sides["generated"].computed.provenance.extractor)
        report = _evaluate(
            sides,
            wanted=wanted,
            chosen=chosen,
            grouping=grouping,
            epsilon=threshold(sides["generated"].computed.provenance.extractor, epsilon),
            resampling=resampling,
            options=options,
            seconds=seconds,
        )
        _check_report(report, sides, wanted=wanted)
    # Nothing is kept of streams: a training loop makes hundreds.
    passed = any(isinstance(side.input, Stream) for side in opened)
    asked = {
        "metrics": (names or ()) if protocol else chosen.metrics,
        "protocol": protocol,
        "by": by,
        "ci": ci,
        "resample": tuple(resample),
        "replicates": replicates,
        **options.repeatable,
    }
    computed = {label: side.computed for label, side in sides.items()}
    return replace(
        report,
        warnings=tuple(warned),
        seconds={**seconds, "total": time.perf_counter() - start},
        evidence=None
        if passed
        else Evidence(computed, given, report.epsilon, options.value_range, asked=asked),
    )


@with_options
def fid(images: Any, reference: Any, **keywords: Unpack[Keywords]) -> float:
    """Return the Fréchet Inception Distance of two sets of pictures, and nothing else.

    Args:
        images: the generated pictures, in any form that :func:`score` takes.
        reference: the real pictures, in the same forms.
        keywords: as of :class:`mifid.pipeline.Options`.

    Returns:
        At least 0; it is symmetric.

    Raises:
        MifidError: an input that cannot be used; the message says which, and what to do.

    >>> import numpy as np
    >>> real, painted = np.random.RandomState(0).randint(0, 256, (2, 8, 16, 16, 3), dtype=np.uint8)
    >>> round(fid(painted, real, extractor=lambda batch: batch.float().mean(dim=(2, 3))), 1)
    19.0
    """
    Options.of(fid, keywords)  # a typo is one of this function
    found = score(images, reference, metrics=("fid",), ci=0, **keywords).fid
    assert found is not None
    return found


@with_options
def mifid(
    images: Any,
    reference: Any,
    *,
    memorization_reference: Any = None,
    epsilon: float | None = None,
    **keywords: Unpack[Keywords],
) -> float:
    """Return MiFID as Kaggle computes it, and nothing else.

    Args:
        images: the generated pictures, in any form that :func:`score` takes.
        reference: the real pictures, in the same forms.
        memorization_reference: the pictures that were trained on, if they are not the reference.
        epsilon: as in :func:`score`.
        keywords: as of :class:`mifid.pipeline.Options`.

    Returns:
        At least 0, lower is better.

    Raises:
        UnavailableError: a side is mean and covariance only.
        MifidError: an input that cannot be used; the message says which, and what to do.
    """
    Options.of(mifid, keywords)
    report = score(
        images,
        reference,
        memorization_reference=memorization_reference,
        epsilon=epsilon,
        ci=0,
        **keywords,
    )
    if report.mifid is None:
        raise UnavailableError(f"there is no MiFID: {report.mifid_reason}")
    return report.mifid


def _join_beside(sides: Mapping[str, ComputedSide]) -> None:
    """Give statistics the features of the pictures in their file."""
    for label, side in sides.items():
        statistics = sides[label.removesuffix(BESIDE)].computed
        if label.endswith(BESIDE) and isinstance(statistics, Statistics):
            assert isinstance(side.computed, Features)
            statistics.pictures = side.computed


def _check_sides(sides: Mapping[str, ComputedSide], *, wanted: frozenset[str]) -> None:
    """Refuse sides that do not fit together, and warn of doubtful pictures."""
    computed = {label: side.computed for label, side in sides.items()}
    check_widths(computed)
    check_held_out(computed)
    check_photos(sides)
    check_copies(sides, wanted=wanted)
    for side in sides.values():
        check_pictures(side)


def _evaluate(
    sides: Mapping[str, ComputedSide],
    *,
    wanted: frozenset[str],
    chosen: Protocol,
    grouping: Grouping | None,
    epsilon: float | None,
    resampling: Resampling,
    options: Options,
    seconds: dict[str, float],
) -> Report:
    """Compute all wanted metrics, their intervals and bias; of single classes, too."""
    limit = epsilon or 0.0  # no distance is below 0
    computed = {label: side.computed for label, side in sides.items()}
    # These enter no number that Kaggle computes.
    held_out, photos = (computed.pop(label, None) for label in ("held_out", "photos"))
    compared = {
        "generated": computed["generated"],
        "reference": computed["reference"],
        "training": computed.get("memorization_reference", computed["reference"]),
    }
    # The root of a matrix is one step, which may take long.
    with options.reporter.task("scores", None, ""):
        numbers = measure(**compared, wanted=wanted, epsilon=limit, seconds=seconds)
    more = measure_more(
        wanted,
        sides={**compared, "held_out": held_out},
        logits=lambda: logits_of(computed["generated"], options),
        seed=options.seed,
        seconds=seconds,
        progress=options.reporter,
        instead=chosen.settings,
    )
    assessment = assess(
        **compared,
        held_out=held_out,
        photos=photos,
        values=numbers.found,
        metrics=frozenset() if chosen.settings else wanted - {"mifid"},  # their own settings
        epsilon=limit,
        resampling=resampling,
        cache=options.store,
        seconds=seconds,
        progress=options.reporter,
    )
    classes = None
    if grouping is not None:
        classes = _classes(
            grouping, compared, wanted, chosen, limit, resampling, seconds=seconds, options=options
        )
    distance = numbers.memorization_distance
    return Report(
        **vars(numbers),
        memorization_distance_thresholded=(
            None if distance is None else thresholded(distance, epsilon=limit)
        ),
        epsilon=epsilon,
        inputs={label: sides[label].description for label in sorted(sides)},
        protocol=protocol_of(computed["generated"].provenance) | chosen.described,
        not_comparable=not_comparable(computed, epsilon) or _drawn(sides),
        seconds=seconds,
        **vars(assessment),
        metrics=more,
        classes=classes,
        limit=options.limit,
        seed=options.seed,
    )


def _classes(
    grouping: Grouping,
    sides: Mapping[str, Computed],
    wanted: frozenset[str],
    chosen: Protocol,
    epsilon: float,
    resampling: Resampling,
    *,
    seconds: dict[str, float],
    options: Options,
) -> ClassScores:
    """Score single classes, from rows of the features of all pictures."""
    start = time.perf_counter()
    generated, reference = sides["generated"], sides["reference"]
    assert isinstance(generated, Features)  # Grouping.check() refuses statistics
    found = score_classes(
        grouping.sort(generated, reference),
        generated=generated,
        reference=reference,
        training=sides["training"],
        wanted=wanted,
        instead=chosen.settings,
        epsilon=epsilon,
        resampling=resampling,
        progress=options.reporter,
    )
    seconds["classes"] = time.perf_counter() - start
    return found


def _drawn(sides: Mapping[str, ComputedSide]) -> str | None:
    """Return which sides are a part of what was given, as a reason not to compare the score."""
    opened = (side.opened for side in sides.values())
    limited = [side for side in opened if side.available and side.label != "photos"]
    drawn = ", ".join(f"{side.title} drawn from {side.available:,}" for side in limited)
    return f"not all pictures: {drawn}" if drawn else None


def _check_report(
    report: Report, sides: Mapping[str, ComputedSide], *, wanted: frozenset[str]
) -> None:
    """Warn of doubtful numbers, and of pictures that the competition would not take."""
    computed = {label: side.computed for label, side in sides.items() if label != "photos"}
    # But for their number: pictures that the competition takes.
    competition = not_comparable(computed, report.epsilon, numbers=False) is None
    check_numbers(computed, competition=competition, wanted=wanted)
    if report.mifid is not None:
        extractor = computed["generated"].provenance.extractor
        check_threshold(extractor, report.memorization_distance, report.epsilon)
    if competition:
        check_submission(sides["generated"])
