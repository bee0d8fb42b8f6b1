"""From each submission's numbers and draws to places, differences and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mifid.comparison.differences import Draws, at_fewer, gap, interval
from mifid.comparison.equalizing import shared_number
from mifid.comparison.simultaneous import common_tail
from mifid.comparison.standing import TITLES, Standing, number, percent
from mifid.comparison.submissions import Entry
from mifid.metrics.mifid import penalized, thresholded

__all__ = ["judged", "order", "place", "summarize"]


def order(entries: Sequence[Entry]) -> tuple[list[Entry], str]:
    """Return submissions, best first, and what they are ranked by.

    That is ``"mifid"``, or ``"fid"`` where fewer than two have a MiFID. Those without one among
    others that have come last.
    """
    scored = sum(entry.numbers.mifid is not None for entry in entries)
    measure = "mifid" if scored >= 2 else "fid"
    return sorted(entries, key=lambda entry: _key(entry, measure)), measure


def judged(entries: Sequence[Entry], measure: str) -> list[Entry]:
    """Return those whose differences are judged together: other pictures each, with draws."""
    found: list[Entry] = []
    for entry in entries:
        if entry.draws is None or measure not in entry.draws.moved:
            continue
        if not any(entry.contents & other.contents for other in found):
            found.append(entry)
    return found


def place(
    entries: Sequence[Entry], *, level: float | None, epsilon: float
) -> tuple[tuple[Standing, ...], str]:
    """Rank submissions, and compare each with the best.

    Args:
        entries: at least two.
        level: of the intervals in per cent; None: there are none.
        epsilon: the threshold of the memorization distance.

    Returns:
        The standings, best first, and what they are ranked by, as from :func:`order`.
    """
    ordered, measure = order(entries)
    best = ordered[0]
    tail = None if level is None else _tail(ordered, measure, level)
    placed: list[Standing] = []
    for entry in ordered:
        bare = _standing(entry, level, epsilon)
        compared = replace(
            bare,
            rank=_rank(entry, ordered, measure),
            same_as=next(
                (o.name for o in _above(entry, ordered) if o.contents & entry.contents), None
            ),
            **_against(entry, best, measure, level, tail, epsilon),
        )
        placed.append(replace(compared, verdict=_verdict(compared, best, measure, epsilon)))
    return tuple(placed), measure


def summarize(standings: Sequence[Standing], measure: str) -> str:
    """Say in a sentence or two who leads and whether that is noise."""
    best, title = standings[0], TITLES[measure]
    score = best.mifid if measure == "mifid" else best.fid
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
        found.append(f"{_listed(unsure)} cannot be told from it with these pictures")
    unknown = ""
    if blind:
        trail = "trails" if len(blind) == 1 else "trail"
        unknown = f"; without an interval nobody can say whether {_listed(blind)} {trail} by noise"
    if found:
        return f"{lead}, but {', and '.join(found)}{unknown}."
    if blind:
        return f"{lead}{unknown}."
    return f"{lead}, and every other submission is worse by more than noise."


def _summarize_uneven(best: Standing, others: Sequence[Standing], title: str, score: str) -> str:
    """Say first what is judged: scores of all pictures favour those who have more."""
    verdicts = {
        "better than": [s.name for s in others if s.better],
        "not distinguishable from": [
            s.name for s in others if s.difference_interval and not (s.worse or s.better)
        ],
        "worse than": [s.name for s in others if s.worse],
        "without an interval beside": [s.name for s in others if s.difference_interval is None],
    }
    told = [
        f"{_listed(names)} {'is' if len(names) == 1 else 'are'} {verdict} {best.name}"
        for verdict, names in verdicts.items()
        if names
    ]
    return (
        f"At equal numbers of pictures {', and '.join(told)}. The table is in the order of "
        f"scores at all pictures, where {best.name} has the lowest {title}, {score}."
    )


def _tail(entries: Sequence[Entry], measure: str, level: float) -> float:
    together = [entry.draws.moved[measure] for entry in judged(entries, measure) if entry.draws]
    return common_tail(together, level=level)


def _key(entry: Entry, measure: str) -> tuple[bool, float, str]:
    value = entry.value(measure)
    fid = entry.numbers.fid
    assert fid is not None
    return (value is None, fid if value is None else value, entry.name)


def _above(entry: Entry, ordered: Sequence[Entry]) -> Sequence[Entry]:
    return ordered[: ordered.index(entry)]


def _rank(entry: Entry, ordered: Sequence[Entry], measure: str) -> int | None:
    value = entry.value(measure)
    if value is None:
        return None
    return 1 + sum(
        other is not None and other < value for other in (o.value(measure) for o in ordered)
    )


def _standing(entry: Entry, level: float | None, epsilon: float) -> Standing:
    numbers, draws = entry.numbers, entry.draws
    assert numbers.fid is not None
    distance = numbers.memorization_distance
    return Standing(
        name=entry.name,
        side=entry.side,
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
        interval_reason=entry.reason,
        below_threshold=None if draws is None else draws.below_threshold,
    )


def _against(
    entry: Entry,
    best: Entry,
    measure: str,
    level: float | None,
    tail: float | None,
    epsilon: float,
) -> dict[str, Any]:
    """What is said about a submission beside the best one."""
    value, least = entry.value(measure), best.value(measure)
    if entry is best or value is None or least is None:
        return {}
    told: dict[str, Any] = {"difference": value - least}
    n = shared_number(entry, best)
    if n is None or level is None:
        return told
    (one, draws), (other, best_draws) = (_at(n, e, measure, epsilon) for e in (entry, best))
    found = gap(draws, best_draws, measure, level=level, tail=tail)
    return told | {
        "compared_at": n,
        "equal_difference": one - other,
        "difference_interval": found.interval,
        "probability_better": found.probability_below,
        "paired": found.paired,
    }


def _at(n: int, entry: Entry, measure: str, epsilon: float) -> tuple[float, Draws]:
    """A submission's score at ``n`` pictures, and its replicates there."""
    value, fid, draws = entry.value(measure), entry.numbers.fid, entry.draws
    assert value is not None
    assert fid is not None
    assert draws is not None
    if n == entry.side.n:
        return value, draws
    fewer, distance = entry.fewer[n], entry.numbers.memorization_distance
    moved = at_fewer(draws, fid=fid, fid_at_fewer=fewer, epsilon=epsilon)
    if measure == "fid" or distance is None:
        return fewer, moved
    return penalized(fid=fewer, memorization_distance=distance, epsilon=epsilon), moved


def _verdict(standing: Standing, best: Entry, measure: str, epsilon: float) -> str:
    words = []
    if standing.same_as is not None:
        words.append(f"holds the same pictures as {standing.same_as}")
    if standing.same_as != best.name:
        words.append(_place_in_words(standing, best, measure))
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
    if measure == "fid" and standing.mifid_reason:
        words.append(f"no MiFID: {standing.mifid_reason}")
    return "; ".join(words)


def _place_in_words(standing: Standing, best: Entry, measure: str) -> str:
    if standing.rank is None:
        return f"not ranked: {standing.mifid_reason}"
    if standing.difference is None:
        return f"the lowest {TITLES[measure]}"
    if standing.difference_interval is None:
        behind = f"{number(standing.difference)} behind the best"
        return f"{behind}; no interval: {standing.interval_reason or 'the best one has none'}"
    where = "" if standing.side.n == best.side.n else f" at {standing.compared_at:,} pictures each"
    if standing.worse:
        return f"worse than the best{where}: the interval of the difference is wholly above 0"
    if standing.better:
        return f"better than the best{where}: the interval of the difference is wholly below 0"
    return f"not distinguishable from the best{where}: the interval of the difference holds 0"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
