"""Scores of single classes: worst first, as text, table, columns and plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from mifid.evidence import Column, data_frame
from mifid.formatting import aligned, number, terminal_safe
from mifid.metrics import METRICS, Measured
from mifid.uncertainty import Interval

__all__ = ["ClassScore", "ClassScores"]

_SHOWN = 20  # classes in the text; a data set may have a thousand
_CORE = {"mifid": "MiFID", "fid": "FID", "memorization_distance": "distance"}


@dataclass(frozen=True)
class ClassScore:
    """The score of one class.

    Attributes:
        label: the class.
        n_generated, n_reference: pictures; the latter is None if statistics do not say.
        fid, memorization_distance, mifid: as of a whole score.
        metrics: other metrics, by name.
        intervals: value name -> interval; where FID has none, ``intervals_reason`` says why.
        omitted: why the class has no number at all; None if it has.
    """

    label: str
    n_generated: int
    n_reference: int | None
    fid: float | None = None
    memorization_distance: float | None = None
    mifid: float | None = None
    metrics: Mapping[str, Measured] = field(default_factory=dict)
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    intervals_reason: str | None = None
    omitted: str | None = None

    @property
    def values(self) -> dict[str, float]:
        """All values that it has, by name."""
        core = {name: getattr(self, name) for name in _CORE}
        found = {name: value for name, value in core.items() if value is not None}
        for measured in self.metrics.values():
            found |= measured.values
        return found

    @property
    def remark(self) -> str:
        """Why numbers or intervals are missing; empty if none is."""
        missing = [f"{each.name}: {each.omitted}" for each in self.metrics.values() if each.omitted]
        if self.intervals_reason:
            missing.append(f"no interval: {self.intervals_reason}")
        return self.omitted or "; ".join(missing)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "label": self.label,
            "n_generated": self.n_generated,
            "n_reference": self.n_reference,
            **{name: getattr(self, name) for name in _CORE},
            "metrics": {name: found.to_dict() for name, found in self.metrics.items()},
            "intervals": {name: asdict(ends) for name, ends in self.intervals.items()},
            "intervals_reason": self.intervals_reason,
            "omitted": self.omitted,
        }


@dataclass(frozen=True)
class ClassScores:
    """The scores of all classes, worst first; those without numbers come last.

    Attributes:
        scores: of the classes.
        by: what decided the classes: ``"folder"`` or a file of labels.
        headline: name of the value that orders them.
        whole_reference: why each class was compared with the whole reference; None: with the
            reference pictures of its class.
        remarks: how to read the numbers, a sentence each.
    """

    scores: tuple[ClassScore, ...]
    by: str
    headline: str
    whole_reference: str | None
    remarks: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def lead(self) -> str:
        """What the table shows, in a sentence."""
        against = "the reference pictures of its class"
        if self.whole_reference:
            against = f"the whole reference: {self.whole_reference}"
        order = _CORE.get(self.headline, self.headline.upper())
        return f"{len(self):,} classes by {self.by}, worst {order} first, each against {against}."

    def headings(self) -> list[str]:
        """Return the titles of the columns of :meth:`rows`."""
        named = [_CORE.get(name, name.replace("_", " ")) for name in self._shown()]
        return ["class", "generated", "reference", *named, "remark"]

    def rows(self, most: int | None = None) -> list[list[str]]:
        """Return the cells of the classes, at most ``most``: values with their intervals."""
        names = self._shown()
        return [list(self._cells(score, names)) for score in self.scores[:most]]

    def text(self) -> list[str]:
        """Return lines of text: the worst classes, and how to read them."""
        headings = self.headings()
        rows = [headings, *self.rows(_SHOWN)]
        safe = [[terminal_safe(cell) for cell in row] for row in rows]
        lines = [self.lead, *aligned(safe, "<" + ">" * (len(headings) - 2) + "<")]
        if len(self) > _SHOWN:
            lines.append(f"... and {len(self) - _SHOWN:,} more")
        return [*lines, *self.remarks]

    def columns(self) -> Mapping[str, Column]:
        """Return the columns of a table, one row a class: numbers, ends of intervals, remark."""
        columns: dict[str, Column] = {
            "class": tuple(score.label for score in self.scores),
            "n_generated": np.array([score.n_generated for score in self.scores], np.int64),
            "n_reference": _whole([score.n_reference for score in self.scores]),
        }
        for name in self._names():
            columns[name] = _floats([score.values.get(name) for score in self.scores])
            ends = [score.intervals.get(name) for score in self.scores]
            if any(ends):
                columns[f"{name}_low"] = _floats([each.low if each else None for each in ends])
                columns[f"{name}_high"] = _floats([each.high if each else None for each in ends])
        return columns | {"remark": tuple(score.remark for score in self.scores)}

    def to_frame(self) -> Any:
        """Return the columns as a pandas.DataFrame, one row per class.

        Raises:
            UnavailableError: pandas is not installed.
        """
        return data_frame(self.columns())

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "by": self.by,
            "headline": self.headline,
            "whole_reference": self.whole_reference,
            "remarks": list(self.remarks),
            "scores": [score.to_dict() for score in self.scores],
        }

    def _names(self) -> list[str]:
        return list(dict.fromkeys(name for score in self.scores for name in score.values))

    def _shown(self) -> list[str]:
        """Return the values that say which way is better; spreads and sizes do not."""
        plain = {
            name
            for score in self.scores
            for measured in score.metrics.values()
            for name in measured.values
            if not METRICS[measured.name].direction(name)
        }
        return [name for name in self._names() if name not in plain]

    @staticmethod
    def _cells(score: ClassScore, names: Sequence[str]) -> Iterator[str]:
        yield score.label
        yield f"{score.n_generated:,}"
        yield "unknown" if score.n_reference is None else f"{score.n_reference:,}"
        for name in names:
            interval, value = score.intervals.get(name), score.values.get(name)
            cell = number(value)
            if interval and value is not None:
                cell += f" ({number(interval.low)} to {number(interval.high)})"
            yield cell
        yield score.remark


def _floats(values: Sequence[float | None]) -> Column:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _whole(values: Sequence[int | None]) -> Column:
    if any(value is None for value in values):
        return _floats(values)
    return np.array(values, np.int64)
