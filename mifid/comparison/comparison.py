"""The result of a comparison, as text, JSON and CSV."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from markupsafe import escape

from mifid import files
from mifid.errors import setting
from mifid.files import atomic_write
from mifid.formatting import aligned, csv_lines, json_text, number, terminal_safe
from mifid.inputs import Side
from mifid.rendering import Command, html_table
from mifid.report import command_line
from mifid.uncertainty import Interval

__all__ = [
    "FORMATS",
    "TITLES",
    "Comparison",
    "Standing",
    "check_output",
    "percent",
]

TITLES = {"mifid": "MiFID", "fid": "FID"}

_NUMBERS = ("mifid", "fid", "memorization_distance")


@dataclass(frozen=True)
class Standing:
    """One submission's place.

    Attributes:
        name: its file name, or its path where two have the same file name.
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
            holds; None where there are no intervals.
        equal_difference: its score minus the best one's at that number: ``difference`` where they
            hold equally many, else the larger one's is a mean over its subsets.
        difference_interval: of that, over shared draws; from three submissions on simultaneous.
        probability_better: share of the corrected replicates in which it beats the best, for this
            pair alone; equal ones count half.
        paired: whether its pictures were drawn together with the best one's, name by name.
        same_as: the submission above it that holds the same pictures.
        verdict: in words.
        warnings: those of the comparison's that are of this submission.
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
    warnings: tuple[str, ...] = ()

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
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in nested}
        values["warnings"] = list(self.warnings)
        intervals = {f"{name}_interval": self.intervals.get(name) for name in _NUMBERS}
        intervals["difference_interval"] = self.difference_interval
        values |= {name: asdict(found) if found else None for name, found in intervals.items()}
        values["penalized"] = self.penalized
        return values | self.side.to_dict() | {"skipped": self.side.skipped_dict()}

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
        return (rank, self.name, self.side.taken, *numbers, self._behind(), beats)

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
        values = self.to_dict()
        line: dict[str, Any] = {"rank": self.rank, "submission": self.name}
        for name in (*_NUMBERS, "difference"):
            interval = values[f"{name}_interval"] or {}
            line[name] = values[name]
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
            "available",
            "source",
            "sha256",
        )
        return line | {name: values[name] for name in rest}


def _with_interval(value: float | None, interval: Interval | None) -> str:
    if value is None or interval is None:
        return number(value)
    return f"{number(value)} ({number(interval.low)} to {number(interval.high)})"


def percent(share: float) -> str:
    """Return whole per cents, but "< 1%" and "> 99%" at the ends, as neither is certain."""
    if share < 0.01:
        return "< 1%"
    return "> 99%" if share > 0.99 else f"{100 * share:.0f}%"


FORMATS = (".json", ".csv", ".txt", ".html")

_BESIDE = ("behind the best", "chance to beat the best")


@dataclass(frozen=True)
class Comparison:
    """The result of :func:`mifid.compare`.

    Attributes:
        standings: the submissions, best first; those that cannot be ranked last.
        ranked_by: ``"mifid"``, or ``"fid"`` where fewer than two have a MiFID.
        references: ``"reference"`` and, if given, ``"memorization_reference"``.
        epsilon: the threshold; None: there is none.
        level: of the intervals, in percent; None without them.
        methods: of ``"bootstrap"`` and ``"jackknife"`` (FID to first order, approximate), those
            that intervals were made by.
        replicates: how many.
        resampled: which sides were resampled.
        seed: of the draws.
        simultaneous: how many submissions' differences are judged together; their intervals hold
            all at once from three on (see ``mifid.comparison.simultaneous``), below each alone.
        summary: the whole in a sentence or two.
        protocol: as in :class:`mifid.Report`.
        not_comparable: why no score can be compared with Kaggle's; None if they can.
        seconds: wall time by stage, and in ``"total"``.
        warnings: what was noticed that the numbers hold despite; each was also a MifidWarning.
        limit: pictures a side that were taken at most, drawn with the seed; None: all.
        given: name -> the submission as it was handed in.
        asked: the arguments of the comparison but for the submissions, by their names.
    """

    standings: tuple[Standing, ...]
    ranked_by: str
    references: Mapping[str, Side]
    epsilon: float | None
    level: float | None
    methods: tuple[str, ...]
    replicates: int
    resampled: tuple[str, ...]
    seed: int
    simultaneous: int
    summary: str
    protocol: Mapping[str, Any]
    not_comparable: str | None
    seconds: Mapping[str, float]
    warnings: tuple[str, ...] = ()
    limit: int | None = None
    given: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    asked: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def best(self) -> Standing:
        """The submission with the lowest score."""
        return self.standings[0]

    def __getitem__(self, name: str) -> Standing:
        """Return a submission by its name."""
        for standing in self.standings:
            if standing.name == name:
                return standing
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values. Keys are stable; later versions may add some."""
        return {
            "best": self.best.name,
            "ranked_by": self.ranked_by,
            "summary": self.summary,
            "submissions": [standing.to_dict() for standing in self.standings],
            "references": {label: side.to_dict() for label, side in self.references.items()},
            "epsilon": self.epsilon,
            "level": self.level,
            "methods": list(self.methods),
            "replicates": self.replicates,
            "resampled": list(self.resampled),
            "limit": self.limit,
            "seed": self.seed,
            "simultaneous": self.simultaneous,
            "remarks": self.remarks(),
            "comparable_with_kaggle": self.not_comparable is None,
            "not_comparable_reason": self.not_comparable,
            "warnings": list(self.warnings),
            "protocol": dict(self.protocol),
            "seconds": {stage: round(value, 4) for stage, value in self.seconds.items()},
        }

    def to_json(self) -> str:
        """Return :meth:`to_dict` as indented JSON."""
        return json_text(self.to_dict())

    def headings(self) -> tuple[str, ...]:
        """Return the headings of :meth:`rows`."""
        level = "" if self.level is None else f" ({self.level:g}% interval)"
        scores = [TITLES[name] + level * (name == self.ranked_by) for name in ("mifid", "fid")]
        return ("", "submission", "pictures", *scores, "memorization distance", *_BESIDE)

    def rows(self) -> list[tuple[str, ...]]:
        """Return a row of text for each submission, for tables."""
        return [standing.cells() for standing in self.standings]

    def lines(self) -> list[str]:
        """Return the lines below the table: verdicts, summary, remarks and warnings."""
        verdicts = [f"{standing.name}: {standing.verdict}" for standing in self.standings]
        warned = [f"Warning: {terminal_safe(warning)}" for warning in self.warnings]
        return [*verdicts, "", self.summary, *self.remarks(), *warned, self.advice]

    def _shared(self) -> str:
        shared = []
        if "reference" in self.resampled:
            shared.append("the reference's are the same for all submissions")
        if any(standing.paired for standing in self.standings):
            shared.append("pictures of the same names are drawn together")
        return "".join(f"; {words}" for words in shared)

    def remarks(self) -> list[str]:
        """Return sentences that explain the ranking and its intervals."""
        said = []
        if self.limit is not None:
            said.append(
                f"At most {self.limit:,} pictures a side were taken "
                f"({setting('limit', self.limit)}), drawn at random with the seed {self.seed}."
            )
        if self.ranked_by == "fid":
            said.append("Ranked by FID: fewer than two submissions have a MiFID.")
        if self.level is not None:
            said.append(
                f"Intervals ({self.level:g}%) and probabilities: {self.replicates:,} resamples of "
                f"the {' and '.join(self.resampled)} pictures{self._shared()}."
            )
        said += self._equal_numbers()
        if self.level is not None and self.simultaneous > 2:
            said.append(
                f"Intervals of the differences hold all at once ({self.level:g}% for all pairs of "
                f"the {self.simultaneous} submissions together), so that no verdict comes from "
                "comparing many; probabilities are each pair's own."
            )
        if "jackknife" in self.methods:
            said.append(
                "With so many pictures on both sides FID is resampled to first order only (the "
                "infinitesimal jackknife): its intervals are approximate."
            )
        return said

    def _equal_numbers(self) -> list[str]:
        ranked = [standing for standing in self.standings if standing.rank is not None]
        if len({standing.side.n for standing in ranked} - {None}) < 2:
            return []
        uneven = (
            "Submissions hold different numbers of pictures, and FID falls with their number: "
            "scores and ranking are at all pictures"
        )
        if not any(standing.compared_at for standing in self.standings):
            return [f"{uneven}, and the larger ones are favoured."]
        return [
            f"{uneven}; differences, their intervals, probabilities and verdicts are at as many as "
            "the smaller of the two has (the larger one's score: a mean over its subsets)."
        ]

    def repeating_commands(self) -> tuple[Command, ...]:
        """Return the command that repeats the comparison, if paths and names are enough for it."""
        given = {label: self.asked[label] for label in self.references if label in self.asked}
        line = command_line(
            "compare",
            self.given.values(),
            given,
            extractor=str(self.protocol["extractor"]),
            epsilon=self.epsilon,
            asked=self.asked,
        )
        purpose = "Repeat this comparison, with the same weights file:"
        return () if line is None else (Command(purpose, line),)

    @property
    def advice(self) -> str:
        """One line on how to read the scores."""
        if self.not_comparable:
            return f"Not comparable with Kaggle: {self.not_comparable}."
        return "Local estimates: Kaggle's reference set for this competition was never published."

    def text(self) -> str:
        """Return a table, a verdict for each submission, and a summary."""
        rows = [self.headings(), *self.rows()]
        return "\n".join([*aligned(rows, "<" * len(rows[0])), "", *self.lines()])

    __str__ = text

    def _repr_html_(self) -> str:
        below = "<br>".join(map(escape, self.lines()))
        return f"{html_table(self.rows(), self.headings())}<p>{below}</p>"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a new .json, .csv (a line a submission), .txt or .html; whole or not at all.

        Raises:
            OutputError: another ending, or a place that cannot be written.
        """
        file = check_output(path)
        if file.suffix.lower() == ".html":
            from mifid.comparison.page import write_page

            write_page(file, self)
            return
        write = {".json": self.to_json, ".csv": self._csv, ".txt": self.text}
        content = write[file.suffix.lower()]()
        with atomic_write(file) as out:
            out.write((content.rstrip("\n") + "\n").encode())

    def _csv(self) -> str:
        drawn = {"limit": self.limit, "seed": self.seed}
        rows = [
            {**standing.flat(), **drawn, "warnings": self._warned(standing)}
            for standing in self.standings
        ]
        return "".join(csv_lines([rows[0], *(row.values() for row in rows)]))

    def _warned(self, standing: Standing) -> str:
        """Return a submission's warnings and those of the whole, as JSON, without the others'."""
        others = {warning for other in self.standings for warning in other.warnings}
        own = [w for w in self.warnings if w in standing.warnings or w not in others]
        return json.dumps(own, ensure_ascii=False) if own else ""


def check_output(path: str | os.PathLike[str]) -> Path:
    """Return the path, or raise OutputError now, before the long job, if it cannot be written.

    The file of an earlier comparison is replaced; a history of scores is not.
    """
    return files.check_output(path, FORMATS)
