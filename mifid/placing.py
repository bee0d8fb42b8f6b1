"""From each submission's numbers and draws to places, differences and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mifid.contest import Entry
from mifid.evidence.differences import gap, interval
from mifid.metrics.mifid import thresholded
from mifid.standing import TITLES, Standing, number

__all__ = ["place", "summarize"]


def place(
    entries: Sequence[Entry], *, level: float | None, epsilon: float
) -> tuple[tuple[Standing, ...], str]:
    """Rank submissions, and compare each with the best.

    Args:
        entries: at least two.
        level: of the intervals in per cent; None: there are none.
        epsilon: the threshold of the memorization distance.

    Returns:
        The standings, best first, and what they are ranked by: ``"mifid"``, or ``"fid"`` where
        fewer than two have a MiFID. Those without one among others that have are placed last.
    """
    scored = sum(entry.numbers.mifid is not None for entry in entries)
    measure = "mifid" if scored >= 2 else "fid"
    ordered = sorted(entries, key=lambda entry: _key(entry, measure))
    best = ordered[0]
    placed: list[Standing] = []
    for entry in ordered:
        bare = _standing(entry, level, epsilon)
        compared = replace(
            bare,
            rank=_rank(entry, ordered, measure),
            same_as=next(
                (o.name for o in _above(entry, ordered) if o.contents & entry.contents), None
            ),
            **_against(entry, best, measure, level),
        )
        placed.append(replace(compared, verdict=_verdict(compared, best.name, measure, epsilon)))
    return tuple(placed), measure


def summarize(standings: Sequence[Standing], measure: str) -> str:
    """Say in a sentence or two who leads and whether that is noise."""
    best, title = standings[0], TITLES[measure]
    score = best.mifid if measure == "mifid" else best.fid
    assert score is not None
    lead = f"{best.name} has the lowest {title}, {number(score)}"
    others = [s for s in standings[1:] if s.rank is not None and s.same_as is None]
    unsure = [s.name for s in others if s.difference_interval and not s.worse]
    blind = [s.name for s in others if s.difference_interval is None]
    if not others:
        return f"{lead}; no other pictures to rank."
    if unsure:
        return f"{lead}, but {_listed(unsure)} cannot be told from it with these pictures."
    if blind:
        return (
            f"{lead}; without an interval nobody can say whether {_listed(blind)} trails by noise."
        )
    return f"{lead}, and every other submission is worse by more than noise."


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
    )


def _against(entry: Entry, best: Entry, measure: str, level: float | None) -> dict[str, Any]:
    """What is said about a submission beside the best one."""
    value, least = entry.value(measure), best.value(measure)
    if entry is best or value is None or least is None:
        return {}
    told: dict[str, Any] = {"difference": value - least}
    if entry.draws is None or best.draws is None or level is None:
        return told
    found = gap(entry.draws, best.draws, measure, level=level)
    return told | {
        "difference_interval": found.interval,
        "probability_better": found.probability_below,
        "paired": found.paired,
    }


def _verdict(standing: Standing, best: str, measure: str, epsilon: float) -> str:
    words = []
    if standing.same_as is not None:
        words.append(f"holds the same pictures as {standing.same_as}")
    if standing.same_as != best:
        words.append(_place_in_words(standing, measure))
    if standing.penalized:
        assert standing.memorization_distance is not None
        words.append(
            f"penalized: its memorization distance {number(standing.memorization_distance)} is "
            f"below the threshold {epsilon:g}, so FID is divided by it"
        )
    if measure == "fid" and standing.mifid_reason:
        words.append(f"no MiFID: {standing.mifid_reason}")
    return "; ".join(words)


def _place_in_words(standing: Standing, measure: str) -> str:
    if standing.rank is None:
        return f"not ranked: {standing.mifid_reason}"
    if standing.difference is None:
        return f"the lowest {TITLES[measure]}"
    if standing.difference_interval is None:
        behind = f"{number(standing.difference)} behind the best"
        return f"{behind}; no interval: {standing.interval_reason or 'the best one has none'}"
    if standing.worse:
        return "worse than the best: the interval of the difference is wholly above 0"
    return "not distinguishable from the best: the interval of the difference holds 0"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
