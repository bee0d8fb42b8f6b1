"""One submission's place in a comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from mifid.side import Side
from mifid.uncertainty.intervals import Interval

__all__ = ["TITLES", "Standing", "number", "percent"]

TITLES = {"mifid": "MiFID", "fid": "FID"}

_NUMBERS = ("mifid", "fid", "memorization_distance")


@dataclass(frozen=True)
class Standing:
    """One submission's place.

    Attributes:
        name: what tells it from the others: its file name, or its path where two share a name.
        side: what was given.
        rank: 1 is the best; equal scores share a rank. None: not ranked (no MiFID, others have).
        fid: Fréchet Inception Distance, at least 0.
        memorization_distance: 0..1, or None where ``mifid_reason`` says why.
        memorization_distance_thresholded: the same below epsilon, else 1: what FID is divided by.
        mifid: the score; None where ``mifid_reason`` says why.
        mifid_reason: None if there is a MiFID.
        intervals: of ``"fid"``, ``"memorization_distance"``, ``"mifid"``; empty where
            ``interval_reason`` says why.
        interval_reason: None if there are intervals.
        below_threshold: share of its resamples that are penalized; None without intervals.
        difference: its score minus the best one's, at least 0; None for the best and the unranked.
        compared_at: the smaller of its and the best one's numbers of pictures, at which all below
            holds; None where it cannot be had.
        equal_difference: its score minus the best one's at that number: ``difference`` where they
            hold equally many, else the larger one's is a mean over its subsets.
        difference_interval: of that, over shared draws; from three submissions on simultaneous.
        probability_better: share of the corrected replicates in which it beats the best, for this
            pair alone; equal ones count half.
        paired: whether its pictures were drawn together with the best one's, name by name.
        same_as: the submission above it that holds the same pictures.
        verdict: in words.
    """

    name: str
    side: Side
    rank: int | None
    fid: float
    memorization_distance: float | None
    memorization_distance_thresholded: float | None
    mifid: float | None
    mifid_reason: str | None
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    interval_reason: str | None = None
    below_threshold: float | None = None
    difference: float | None = None
    compared_at: int | None = None
    equal_difference: float | None = None
    difference_interval: Interval | None = None
    probability_better: float | None = None
    paired: bool | None = None
    same_as: str | None = None
    verdict: str = ""

    @property
    def penalized(self) -> bool:
        """Whether the memorization distance is below the threshold."""
        return self.memorization_distance_thresholded not in (None, 1.0)

    @property
    def worse(self) -> bool:
        """Whether it is worse than the best by more than noise, at equal numbers of pictures."""
        return self.difference_interval is not None and self.difference_interval.low > 0

    @property
    def better(self) -> bool:
        """Whether it is better than the best at equal numbers of pictures: it has fewer."""
        return self.difference_interval is not None and self.difference_interval.high < 0

    @property
    def ties(self) -> bool:
        """Whether it holds the best one's pictures."""
        return self.same_as is not None and self.difference == 0

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        nested = ("side", "intervals", "difference_interval")
        told = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in nested}
        intervals = {f"{name}_interval": self.intervals.get(name) for name in _NUMBERS}
        intervals["difference_interval"] = self.difference_interval
        told |= {name: asdict(found) if found else None for name, found in intervals.items()}
        told["penalized"] = self.penalized
        return told | self.side.to_dict() | {"skipped": self.side.skipped_dict()}

    def cells(self) -> tuple[str, ...]:
        """Return what a line of the table holds, as text."""
        headline = "fid" if self.mifid is None else "mifid"
        numbers = (
            _with_interval(value, self.intervals.get(name) if name == headline else None)
            for name in _NUMBERS
            for value in [getattr(self, name)]
        )
        rank = "" if self.rank is None else str(self.rank)
        chance = self.probability_better
        beats = "" if chance is None or self.ties else percent(chance)
        return (rank, self.name, self.side.count, *numbers, self._behind(), beats)

    def _behind(self) -> str:
        if self.difference is None:
            return ""
        if self.ties:
            return "same pictures"
        if self.difference_interval is None or self.equal_difference == self.difference:
            return "+" + _with_interval(self.difference, self.difference_interval)
        assert self.equal_difference is not None
        sign = "" if self.equal_difference < 0 else "+"
        equal = _with_interval(self.equal_difference, self.difference_interval)
        return f"at {self.compared_at:,} each: {sign}{equal}"

    def flat(self) -> dict[str, Any]:
        """Return what a line of a CSV file holds."""
        told = self.to_dict()
        line: dict[str, Any] = {"rank": self.rank, "submission": self.name}
        for name in (*_NUMBERS, "difference"):
            interval = told[f"{name}_interval"] or {}
            line[name] = told[name]
            line |= {f"{name}_{end}": interval.get(end) for end in ("low", "high")}
        rest = (
            "compared_at",
            "equal_difference",
            "probability_better",
            "paired",
            "same_as",
            "below_threshold",
            "verdict",
            "n",
            "source",
            "sha256",
        )
        return line | {name: told[name] for name in rest}


def number(value: float) -> str:
    """Return about five digits, with an exponent where copies make a score astronomical."""
    size = abs(value)
    if size >= 1e6:
        return f"{value:.3e}"
    if size < 1:
        return f"{value:#.4g}"
    return f"{value:.{max(0, 4 - int(math.log10(size)))}f}"


def _with_interval(value: float | None, interval: Interval | None) -> str:
    if value is None:
        return "none"
    if interval is None:
        return number(value)
    return f"{number(value)} ({number(interval.low)} to {number(interval.high)})"


def percent(share: float) -> str:
    """Return whole per cents; nearly none and nearly all are no certainty, and not said to be."""
    if share < 0.01:
        return "< 1%"
    return "> 99%" if share > 0.99 else f"{100 * share:.0f}%"
