"""compare(): ranks submissions against one reference, with intervals of their differences."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mifid.comparison.comparison import Comparison
from mifid.comparison.ranking import equalize, judged, order, place, sizes_may_differ, summarize
from mifid.comparison.submissions import (
    WANTED,
    Scored,
    Scorer,
    name_submissions,
    open_submissions,
    plain_namings,
)
from mifid.errors import recorded_warnings
from mifid.evaluation import check_metrics, check_numbers, check_pictures
from mifid.extractors import threshold
from mifid.images import check_ranges, warn_of_unused_ranges
from mifid.inputs import refuse_useless_network
from mifid.pipeline import (
    Keywords,
    Options,
    choose_network,
    compute_side,
    open_sides,
    pipeline_for,
    with_options,
)
from mifid.uncertainty import LEVEL, REPLICATES, Resampling

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["compare"]


@with_options
def compare(
    submissions: Iterable[Any] | Mapping[str, Any],
    reference: Any,
    *,
    memorization_reference: Any = None,
    epsilon: float | None = None,
    ci: float | None = None,
    resample: Sequence[str] = ("generated", "reference"),
    replicates: int = REPLICATES,
    **keywords: Unpack[Keywords],
) -> Comparison:
    """Rank submissions by MiFID against one reference, and test which differences are noise.

    Every submission is resampled against the same resamples of the reference. Submissions whose
    pictures have the same names (a model's pictures of the same photos) are resampled picture by
    picture together; otherwise their draws are independent. The interval is of the difference,
    which is narrower than two intervals side by side suggest. From three submissions on, these
    intervals hold all at once, so that comparing many makes no difference look real.

    FID falls with the number of pictures. Scores and ranking are at all of them; where two hold
    different numbers, their difference is judged at the smaller one. Features are then held in
    memory (57 MB a submission of 7,000 pictures) until the best one is known.

    Args:
        submissions: at least two, each anything that :func:`mifid.score` takes as images. A mapping
            names them; otherwise they are called by their file names, or by their paths where two
            file names are the same.
        reference: the real pictures.
        memorization_reference: the pictures that were trained on, if they are not the reference.
        epsilon: memorization distances below it are penalized; None: the extractor's own threshold
            (:data:`mifid.extractors.THRESHOLDS`), Kaggle's 0.1 for Inception.
        ci: level of the intervals in per cent; 0: none; None: 95 for up to 20,000 pictures.
        resample: which sides could have been other pictures, for the intervals.
        replicates: of the bootstrap that makes them.
        keywords: as of :class:`mifid.pipeline.Options`.

    In ``value_range``, ``"generated"`` is the range of all submissions.

    Returns:
        Comparison: ``.standings``, best first, ``.summary``, ``.text()``, ``.to_json()``, ...

    Raises:
        InputError: fewer than two submissions.
        CompatibilityError: features of several extractors.
        MifidError: an input that cannot be used; the message says which, and what to do.

    >>> import numpy as np
    >>> random = np.random.RandomState(0)
    >>> real = random.randint(0, 256, (30, 8, 8, 3), dtype=np.uint8)
    >>> near = random.randint(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    >>> def colours(batch):  # any function from pictures to features
    ...     return batch.float().mean(dim=(2, 3))
    >>> found = compare({"near": near, "dark": near // 2}, real, epsilon=0, extractor=colours)
    >>> [standing.name for standing in found.standings]
    ['near', 'dark']
    >>> found["dark"].verdict
    'worse than the best: the interval of the difference is wholly above 0'
    """
    start = time.perf_counter()
    options = Options.of(compare, keywords)
    check_metrics(WANTED, epsilon)
    resampling = Resampling(ci, resample, replicates, options.seed)
    given = name_submissions(submissions)
    references = {"reference": reference}
    if memorization_reference is not None:
        references["memorization_reference"] = memorization_reference
    check_ranges(options.value_range, ["generated", *references])
    with (
        recorded_warnings() as warned,
        # All are opened before any is computed, so that unreadable ones are reported at once.
        open_sides(references, options) as opened,
        open_submissions(given, options) as sides,
    ):
        seconds = {"open": time.perf_counter() - start}
        resampling.warn_without_effect()
        ranged = {side.label: side.ranged for side in opened}
        ranged["generated"] = any(side.ranged for side in sides.values())
        warn_of_unused_ranges(options.value_range, ranged)
        references = {side.label: side.given for side in opened}  # paths in place of names
        options = choose_network(options, [*opened, *sides.values()])
        pipeline = pipeline_for([*opened, *sides.values()], options)
        refuse_useless_network([*opened, *sides.values()], keywords.get("extractor"))
        computed = {side.label: compute_side(side, pipeline) for side in opened}
        scorer = Scorer(
            computed,
            pipeline,
            threshold(computed["reference"].computed.provenance.extractor, epsilon),
            resampling,
            plain_namings(sides.values()),
            options,
            seconds,
        )
        for side in scorer.references.values():
            check_pictures(side)
        scored = scorer.score(sides, keep=options.skip_bad or sizes_may_differ(sides.values()))
        check_numbers(
            scorer.known,
            competition=False,
            wanted=WANTED,
            smallest=min((each.side.n for each in scored if each.side.n), default=None),
        )
        comparison = _conclude(scorer, scored)
    seconds |= pipeline.seconds if pipeline else {}
    return replace(
        comparison,
        seconds={**seconds, "total": time.perf_counter() - start},
        warnings=tuple(warned),
        given=given,
        asked={
            **references,
            "ci": ci,
            "resample": tuple(resample),
            "replicates": replicates,
            **options.repeatable,
        },
    )


def _conclude(scorer: Scorer, scored: list[Scored]) -> Comparison:
    """Rank the submissions, and judge which of their differences are noise."""
    asked, options = scorer.resampling, scorer.options
    ordered, metric = order(scored)
    start = time.perf_counter()
    scored = equalize(
        ordered,
        ordered[0],
        reference=scorer.known["reference"],
        seed=asked.seed,
        cache=options.store,
        progress=options.reporter,
    )
    scorer.seconds["equal numbers"] = time.perf_counter() - start
    level = LEVEL if asked.ci is None else asked.ci or None
    standings, ranked_by = place(scored, level=level, epsilon=scorer.limit)
    drawn = [each.draws for each in scored if each.draws is not None]
    return Comparison(
        standings=standings,
        ranked_by=ranked_by,
        references={label: side.description for label, side in scorer.references.items()},
        epsilon=scorer.epsilon,
        level=level if drawn else None,
        methods=tuple(sorted({draws.method for draws in drawn})),
        replicates=asked.replicates,
        resampled=tuple(asked.resample),
        seed=asked.seed,
        simultaneous=len(judged(scored, metric)),
        summary=summarize(standings, ranked_by),
        protocol=scorer.protocol,
        not_comparable=scorer.not_comparable,
        seconds=scorer.seconds,
        limit=options.limit,
    )
