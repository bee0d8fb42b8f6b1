"""Order and ties of submissions; those of different sizes judged at equal numbers.

FID falls with the number of pictures, without the model getting better. So the best submission and
each other one are compared at as many pictures as the smaller of the two has: n pictures of the
larger one are drawn again and again. Every subset is a sample of n from its model, and the mean
over subsets has the expectation of FID at n. Scores and ranking stay those of all pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mifid.cache import Cache, kept
from mifid.comparison.comparison import TITLES, Standing, percent
from mifid.comparison.differences import Draws, at_fewer, gap, interval
from mifid.comparison.simultaneous import common_tail
from mifid.comparison.submissions import Scored
from mifid.formatting import listed, number
from mifid.images import Stream
from mifid.inputs import GivenSide
from mifid.metrics import frechet_distance, penalized, thresholded
from mifid.progress import Progress
from mifid.statistics import Computed, Features, Statistics
from mifid.uncertainty import LARGEST

__all__ = [
    "SUBSETS",
    "equalize",
    "fid_at",
    "judged",
    "order",
    "place",
    "shared_number",
    "sizes_may_differ",
    "summarize",
]

SUBSETS = 16
"""With 4 of 100 among 700 pictures (width 64) the mean's own noise was a quarter of the standard
deviation of the difference to another submission, and lost in it when added; 16 leave less."""

_SUBSETS_OF_LARGE = 4  # where one FID takes seconds, and sets are too large for it to scatter much


def fid_at(
    n: int,
    *,
    generated: Features,
    reference: Features,
    seed: int,
    cache: Cache | None,
    progress: Progress,
) -> float:
    """Return the mean FID of subsets of ``n`` generated pictures.

    Args:
        n: 2 to N.
        generated, reference: features (N, D) and (M, D).
        seed: of the shuffling.
        cache: None: nothing is kept.
        progress: where it is shown.
    """
    large = min(n, len(reference), generated.values.shape[1]) > LARGEST
    subsets = _SUBSETS_OF_LARGE if large else SUBSETS

    def compute() -> dict[str, float]:
        found = []
        with progress.task("equal numbers", subsets, "subset") as task:
            for rows in _laid_around(len(generated), n, subsets, seed):
                values = generated.values[rows]
                found.append(frechet_distance(generated=values, reference=reference.values))
                task.advance()
        return {"fid": float(np.mean(found))}

    entry = kept(
        cache,
        "fid at fewer 1",
        compute,
        sides={"generated": generated, "reference": reference},
        settings={"n": n, "subsets": subsets, "seed": seed},
    )
    return float(entry["fid"])


def _laid_around(total: int, n: int, subsets: int, seed: int) -> Iterator[np.ndarray]:
    """Yield rows of subsets end to end around one shuffled circle.

    So every picture is used equally often, give or take once, and the choice of pictures cancels
    to first order.
    """
    circle = np.random.RandomState(seed).permutation(total)
    for start in range(0, subsets * n, n):
        yield circle.take(range(start, start + n), mode="wrap")


def sizes_may_differ(sides: Iterable[GivenSide]) -> bool:
    """Return whether numbers of pictures differ, as far as is known before decoding."""
    sizes = {
        None if isinstance(side.input, Stream | Statistics) else len(side.input) for side in sides
    }
    return len(sizes) > 1 or None in sizes


def shared_number(one: Scored, other: Scored) -> int | None:
    """Return how many pictures both are compared at; None if there is no interval to compare by."""
    if one.draws is None or other.draws is None or one.side.n is None or other.side.n is None:
        return None
    return min(one.side.n, other.side.n)


def equalize(
    submissions: Sequence[Scored],
    best: Scored,
    *,
    reference: Computed,
    seed: int,
    cache: Cache | None,
    progress: Progress,
) -> list[Scored]:
    """Add FID at the numbers of pictures at which each and the best one are compared.

    Args:
        submissions: with features, wherever their numbers of pictures differ; these are dropped.
        best: of these, the one with which all others are compared.
        reference: what FID is measured against.
        seed: of the subsets.
        cache: None: nothing is kept.
        progress: where it is shown.
    """
    equalized = []
    for submission in submissions:
        others = submissions if submission is best else [best]
        numbers = {shared_number(submission, other) for other in others}
        fewer = {}
        for n in sorted(n for n in numbers if n is not None and n != submission.side.n):
            assert submission.features is not None
            assert isinstance(reference, Features)
            fewer[n] = fid_at(
                n,
                generated=submission.features,
                reference=reference,
                seed=seed,
                cache=cache,
                progress=progress,
            )
        equalized.append(replace(submission, features=None, fewer=fewer))
    return equalized


def order(submissions: Sequence[Scored]) -> tuple[list[Scored], str]:
    """Return submissions, best first, and what they are ranked by.

    The metric is ``"mifid"``, or ``"fid"`` where fewer than two have a MiFID. Submissions without a
    MiFID come after those with one.
    """
    scored = sum(submission.numbers.mifid is not None for submission in submissions)
    metric = "mifid" if scored >= 2 else "fid"
    return sorted(submissions, key=lambda submission: _key(submission, metric)), metric


def judged(submissions: Sequence[Scored], metric: str) -> list[Scored]:
    """Return those whose differences are judged together: other pictures each, with draws."""
    found: list[Scored] = []
    for submission in submissions:
        if submission.draws is None or metric not in submission.draws.moved:
            continue
        if not any(submission.contents & other.contents for other in found):
            found.append(submission)
    return found


def place(
    submissions: Sequence[Scored], *, level: float | None, epsilon: float
) -> tuple[tuple[Standing, ...], str]:
    """Rank submissions, and compare each with the best.

    Args:
        submissions: at least two.
        level: of the intervals in per cent; None: there are none.
        epsilon: the threshold of the memorization distance.

    Returns:
        The standings, best first, and what they are ranked by, as from :func:`order`.
    """
    ordered, metric = order(submissions)
    best = ordered[0]
    tail = None if level is None else _tail(ordered, metric, level)
    placed: list[Standing] = []
    for submission in ordered:
        bare = _standing(submission, level, epsilon)
        compared = replace(
            bare,
            rank=_rank(submission, ordered, metric),
            same_as=next(
                (o.name for o in _above(submission, ordered) if o.contents & submission.contents),
                None,
            ),
            **_against(submission, best, metric, level, tail, epsilon),
        )
        placed.append(replace(compared, verdict=_verdict(compared, best, metric, epsilon)))
    return tuple(placed), metric


def summarize(standings: Sequence[Standing], metric: str) -> str:
    """Return a sentence or two: which submission leads, and whether that is noise."""
    best, title = standings[0], TITLES[metric]
    score = best.mifid if metric == "mifid" else best.fid
    assert score is not None
    lead = f"{best.name} has the lowest {title}, {number(score)}"
    others = [s for s in standings[1:] if s.rank is not None and s.same_as is None]
    unsure = [s.name for s in others if s.difference_interval and not (s.worse or s.better)]
    blind = [s.name for s in others if s.difference_interval is None]
    if not others:
        return f"{lead}; no other pictures to rank."
    if any(s.compared_at and s.side.n != best.side.n for s in others):
        return _summarize_uneven(best, others, title, number(score))
    found = []
    if unsure:
        found.append(f"{listed(unsure)} cannot be distinguished from it with these pictures")
    unknown = ""
    if blind:
        trail = "trails" if len(blind) == 1 else "trail"
        unknown = f"; without an interval it is unknown whether {listed(blind)} {trail} by noise"
    if found:
        return f"{lead}, but {', and '.join(found)}{unknown}."
    if blind:
        return f"{lead}{unknown}."
    return f"{lead}, and every other submission is worse by more than noise."


def _summarize_uneven(best: Standing, others: Sequence[Standing], title: str, score: str) -> str:
    """Begin with what is compared: scores of all pictures favour submissions that have more."""
    verdicts = {
        "better than": [s.name for s in others if s.better],
        "not distinguishable from": [
            s.name for s in others if s.difference_interval and not (s.worse or s.better)
        ],
        "worse than": [s.name for s in others if s.worse],
        "without an interval beside": [s.name for s in others if s.difference_interval is None],
    }
    parts = [
        f"{listed(names)} {'is' if len(names) == 1 else 'are'} {verdict} {best.name}"
        for verdict, names in verdicts.items()
        if names
    ]
    return (
        f"At equal numbers of pictures {', and '.join(parts)}. The table is in the order of "
        f"scores at all pictures, where {best.name} has the lowest {title}, {score}."
    )


def _tail(submissions: Sequence[Scored], metric: str, level: float) -> float:
    together = [
        submission.draws.moved[metric]
        for submission in judged(submissions, metric)
        if submission.draws
    ]
    return common_tail(together, level=level)


def _key(submission: Scored, metric: str) -> tuple[bool, float, str]:
    value = submission.value(metric)
    fid = submission.numbers.fid
    assert fid is not None
    return (value is None, fid if value is None else value, submission.name)


def _above(submission: Scored, ordered: Sequence[Scored]) -> Sequence[Scored]:
    return ordered[: ordered.index(submission)]


def _rank(submission: Scored, ordered: Sequence[Scored], metric: str) -> int | None:
    value = submission.value(metric)
    if value is None:
        return None
    return 1 + sum(
        other is not None and other < value for other in (o.value(metric) for o in ordered)
    )


def _standing(submission: Scored, level: float | None, epsilon: float) -> Standing:
    numbers, draws = submission.numbers, submission.draws
    assert numbers.fid is not None
    distance = numbers.memorization_distance
    return Standing(
        name=submission.name,
        side=submission.side,
        rank=None,
        fid=numbers.fid,
        memorization_distance=distance,
        memorization_distance_thresholded=(
            None if distance is None else thresholded(distance, epsilon=epsilon)
        ),
        mifid=numbers.mifid,
        mifid_reason=numbers.mifid_reason,
        intervals=(
            {}
            if draws is None or level is None
            else {name: interval(draws, name, level=level) for name in draws.calibrated}
        ),
        interval_reason=submission.reason,
        below_threshold=None if draws is None else draws.below_threshold,
        warnings=submission.warnings,
    )


def _against(
    submission: Scored,
    best: Scored,
    metric: str,
    level: float | None,
    tail: float | None,
    epsilon: float,
) -> dict[str, Any]:
    """Return the fields of a standing that compare a submission with the best one."""
    value, least = submission.value(metric), best.value(metric)
    if submission is best or value is None or least is None:
        return {}
    fields: dict[str, Any] = {"difference": value - least}
    n = shared_number(submission, best)
    if n is None or level is None:
        return fields
    (one, draws), (other, best_draws) = (_at(n, e, metric, epsilon) for e in (submission, best))
    found = gap(draws, best_draws, metric, level=level, tail=tail)
    return fields | {
        "compared_at": n,
        "equal_difference": one - other,
        "difference_interval": found.interval,
        "probability_better": found.probability_below,
        "paired": found.paired,
    }


def _at(n: int, submission: Scored, metric: str, epsilon: float) -> tuple[float, Draws]:
    """A submission's score at ``n`` pictures, and its replicates there."""
    value, fid, draws = submission.value(metric), submission.numbers.fid, submission.draws
    assert value is not None
    assert fid is not None
    assert draws is not None
    if n == submission.side.n:
        return value, draws
    fewer, distance = submission.fewer[n], submission.numbers.memorization_distance
    moved = at_fewer(draws, fid=fid, fid_at_fewer=fewer, epsilon=epsilon)
    if metric == "fid" or distance is None:
        return fewer, moved
    return penalized(fid=fewer, memorization_distance=distance, epsilon=epsilon), moved


def _verdict(standing: Standing, best: Scored, metric: str, epsilon: float) -> str:
    words = []
    if standing.same_as is not None:
        words.append(f"holds the same pictures as {standing.same_as}")
    if standing.same_as != best.name:
        words.append(_place_in_words(standing, best, metric))
    if standing.penalized:
        assert standing.memorization_distance is not None
        words.append(
            f"penalized: its memorization distance {number(standing.memorization_distance)} is "
            f"below the threshold {epsilon:g}, so FID is divided by the distance"
        )
    share = standing.below_threshold
    if share is not None and 0 < share < 1:
        near = "" if standing.penalized else f": its distance is close to the threshold {epsilon:g}"
        words.append(f"{percent(share)} of its resamples are penalized{near}")
    if metric == "fid" and standing.mifid_reason:
        words.append(f"no MiFID: {standing.mifid_reason}")
    return "; ".join(words)


def _place_in_words(standing: Standing, best: Scored, metric: str) -> str:
    if standing.rank is None:
        return f"not ranked: {standing.mifid_reason}"
    if standing.difference is None:
        return f"the lowest {TITLES[metric]}"
    if standing.difference_interval is None:
        behind = f"{number(standing.difference)} behind the best"
        return f"{behind}; no interval: {standing.interval_reason or 'the best one has none'}"
    where = "" if standing.side.n == best.side.n else f" at {standing.compared_at:,} pictures each"
    if standing.worse:
        return f"worse than the best{where}: the interval of the difference is wholly above 0"
    if standing.better:
        return f"better than the best{where}: the interval of the difference is wholly below 0"
    return f"not distinguishable from the best{where}: the interval of the difference holds 0"
