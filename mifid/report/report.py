"""The result of a score: its numbers, as dict, JSON and CSV."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import escape

from mifid import files
from mifid.errors import UnavailableError
from mifid.evidence import Evidence, PictureTable, TrainingTable
from mifid.files import atomic_write
from mifid.formatting import aligned, json_text, terminal_safe
from mifid.inputs import Side
from mifid.metrics import Measured
from mifid.rendering import html_table
from mifid.report.class_scores import ClassScores
from mifid.report.history import append_history, check_history
from mifid.report.reading import Reading, read
from mifid.report.text import score_rows
from mifid.submission import Check
from mifid.uncertainty import SEED, SWITCHED_OFF, Bias, Interval, Levels, Uncertainty

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "FORMATS",
    "Report",
    "check_output",
]

FORMATS = (".json", ".csv", ".txt", ".html")


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


@dataclass(frozen=True, repr=False)
class Report:
    """The result of :func:`mifid.score`.

    Attributes:
        fid: Fréchet Inception Distance, at least 0; None if it was not asked for.
        memorization_distance: mean cosine distance to the nearest training picture, 0..1, or None.
        memorization_distance_thresholded: the same below epsilon, else 1: what FID is divided by.
        epsilon: the threshold; None: there is none.
        mifid: the score; None where ``mifid_reason`` says why.
        inputs: ``"generated"``, ``"reference"`` and, if given, ``"memorization_reference"``,
            ``"held_out"`` and ``"photos"``.
        protocol: version, extractor, weights_sha256, resize, decoder, ddof, dtype, device, backend,
            batch_size, versions; ``"metrics"`` names the protocol that was asked for.
        not_comparable: why the score cannot be compared with Kaggle's; None if it can.
        seconds: wall time by stage, and in ``"total"``.
        uncertainty: intervals of FID, distance and MiFID; None where ``uncertainty_reason`` says
            why.
        bias: what FID would be with infinitely many pictures, and its floor; None where
            ``bias_reason`` says why.
        levels: the score beside that of untouched photos and of real pictures; None where
            ``levels_reason`` says why.
        warnings: what a reader of the numbers should know; each was also a MifidWarning.
        metrics: all other metrics that were asked for, by name.
        classes: the scores of single classes, if they were asked for.
        check: what was found about the submission's form, if it was checked.
        evidence: the features, and access to the pictures; None: the pictures were a stream.
        label: the user's own name for what was scored, such as that of an experiment.
        limit: pictures a side that were taken at most, drawn with the seed; None: all.
        seed: of all random draws.
        date: when it was scored, ISO 8601 with the offset from UTC.
    """

    fid: float | None
    memorization_distance: float | None
    memorization_distance_thresholded: float | None
    epsilon: float | None
    mifid: float | None
    mifid_reason: str | None
    inputs: Mapping[str, Side]
    protocol: Mapping[str, Any]
    not_comparable: str | None
    seconds: Mapping[str, float]
    uncertainty: Uncertainty | None = None
    uncertainty_reason: str | None = None
    bias: Bias | None = None
    bias_reason: str | None = None
    levels: Levels | None = None
    levels_reason: str | None = None
    warnings: tuple[str, ...] = ()
    metrics: Mapping[str, Measured] = field(default_factory=dict)
    classes: ClassScores | None = None
    check: Check | None = None
    evidence: Evidence | None = field(default=None, repr=False, compare=False)
    label: str = ""
    limit: int | None = None
    seed: int = SEED
    date: str = field(default_factory=_now, compare=False)

    @property
    def n_generated(self) -> int | None:
        """Number of generated pictures."""
        return self.inputs["generated"].n

    @property
    def n_reference(self) -> int | None:
        """Number of reference pictures, None if its statistics do not say."""
        return self.inputs["reference"].n

    @property
    def penalized(self) -> bool:
        """Whether the memorization distance is below the threshold."""
        return self.memorization_distance_thresholded not in (None, 1.0)

    def interval(self, name: str) -> Interval | None:
        """Return the interval of ``"fid"``, ``"memorization_distance"`` or ``"mifid"``, if any."""
        return self.uncertainty.intervals.get(name) if self.uncertainty else None

    @property
    def reading(self) -> Reading | None:
        """What the numbers mean in words; None if no metric was computed that has levels."""
        return read(self)

    @property
    def pictures(self) -> PictureTable:
        """Generated pictures one by one: nearest training picture, distance, influence on FID.

        Raises:
            UnavailableError: a side is statistics alone, or a stream that has passed.
        """
        return self._evidence().pictures

    @property
    def training_pictures(self) -> TrainingTable:
        """Training pictures one by one: how often each is the nearest, and to what.

        Raises:
            UnavailableError: a side is statistics alone, or a stream that has passed.
        """
        return self._evidence().training_pictures

    def plot(self, kind: str) -> Figure:
        """Draw ``"distances"``, ``"pairs"``, ``"histograms"``, ``"map"`` or ``"bias"``.

        Returns:
            matplotlib.figure.Figure: notebooks show it; ``.savefig(path)`` writes it.

        Raises:
            UnavailableError: it needs pictures or features that are not available.
            InputError: another kind.
        """
        from mifid.evidence import draw

        return draw(kind, self._evidence(), bias=self.bias, bias_reason=self.bias_reason)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values. Keys are stable; later versions may add some."""
        return {
            "date": self.date,
            "label": self.label,
            "fid": self.fid,
            "memorization_distance": self.memorization_distance,
            "memorization_distance_thresholded": self.memorization_distance_thresholded,
            "epsilon": self.epsilon,
            "mifid": self.mifid,
            "mifid_reason": self.mifid_reason,
            "uncertainty": self.uncertainty.to_dict() if self.uncertainty else None,
            "uncertainty_reason": self.uncertainty_reason,
            "bias": self.bias.to_dict() if self.bias else None,
            "bias_reason": self.bias_reason,
            "levels": self.levels.to_dict() if self.levels else None,
            "levels_reason": self.levels_reason,
            "reading": self.reading.to_dict() if self.reading else None,
            "metrics": {name: found.to_dict() for name, found in self.metrics.items()},
            "classes": self.classes.to_dict() if self.classes else None,
            "warnings": list(self.warnings),
            "n_generated": self.n_generated,
            "n_reference": self.n_reference,
            "limit": self.limit,
            "seed": self.seed,
            "comparable_with_kaggle": self.not_comparable is None,
            "not_comparable_reason": self.not_comparable,
            "protocol": dict(self.protocol),
            "inputs": {name: side.to_dict() for name, side in self.inputs.items()},
            "skipped": {name: side.skipped_dict() for name, side in self.inputs.items()},
            "seconds": {stage: round(value, 4) for stage, value in self.seconds.items()},
        }

    def to_json(self) -> str:
        """Return :meth:`to_dict` as indented JSON."""
        return json_text(self.to_dict())

    def rows(self) -> list[tuple[str, str, str]]:
        """Return (name, value, remark) for tables: what a person wants first."""
        named = [("label", "", terminal_safe(self.label))] if self.label else []
        return [*named, *score_rows(self)]

    @property
    def advice(self) -> str:
        """One line on how to read the numbers."""
        if self.not_comparable:
            return f"Not comparable with Kaggle: {self.not_comparable}."
        return (
            "A local estimate: computed as Kaggle does, but its reference set for this "
            "competition was never published."
        )

    def text(self) -> str:
        """Return a short table and a line on how to read it."""
        lines = aligned(self.rows(), "<><")
        reason = self.uncertainty_reason
        if self.fid is not None and reason not in (None, SWITCHED_OFF):
            lines += ["", f"No interval: {reason}."]
        if self.classes is not None:
            lines += ["", *self.classes.text()]
        if protocol := self.protocol.get("metrics"):
            lines += ["", f"Protocol: {protocol}."]
        if self.reading:
            lines += ["", *aligned(self.reading.rows(), "<<")]
        lines += ["", *(f"Warning: {terminal_safe(warning)}" for warning in self.warnings)]
        return "\n".join([*lines, self.advice])

    __str__ = text

    def __repr__(self) -> str:
        names = ("mifid", "fid", "memorization_distance")
        values = {name: getattr(self, name) for name in names}
        values = {name: value for name, value in values.items() if value is not None}
        for measured in self.metrics.values():
            values |= measured.values
        values |= {"n_generated": self.n_generated, "n_reference": self.n_reference}
        return f"Report({', '.join(f'{name}={value!r}' for name, value in values.items())})"

    def _repr_html_(self) -> str:
        lines = [*(f"Warning: {warning}" for warning in self.warnings), self.advice]
        classes = html_table(self.classes.rows(), self.classes.headings()) if self.classes else ""
        reading = html_table(self.reading.rows()) if self.reading else ""
        paragraphs = "".join(f"<p>{escape(line)}</p>" for line in lines)
        return html_table(self.rows()) + classes + reading + paragraphs

    def save(self, path: str | os.PathLike[str], *, label: str | None = None) -> None:
        """Write .json, .txt or .html, or append a line to .csv; whole or not at all.

        Args:
            path: whose ending says which.
            label: a name for what was scored; None: the report's own.

        Raises:
            OutputError: another ending, a place that cannot be written, or a CSV of other columns.
        """
        if label is not None:
            replace(self, label=label).save(path)
            return
        file = check_output(path)
        if file.suffix.lower() == ".html":
            from mifid.report.page import write_page

            write_page(file, self)
            return
        if file.suffix.lower() == ".csv":
            append_history(file, self._csv_row())
            return
        text = self.to_json() if file.suffix.lower() == ".json" else self.text()
        with atomic_write(file) as out:
            out.write(f"{text}\n".encode())

    def _csv_row(self) -> dict[str, Any]:
        row = {
            **self.to_dict(),
            "generated": self.inputs["generated"].source,
            "generated_sha256": self.inputs["generated"].sha256,
            "generated_available": self.inputs["generated"].available,
            "reference": self.inputs["reference"].source,
            "reference_available": self.inputs["reference"].available,
            "reference_sha256": self.inputs["reference"].sha256,
            "extractor": self.protocol["extractor"],
            "metrics": json.dumps({name: m.to_dict() for name, m in self.metrics.items()}),
            "warnings": json.dumps(self.warnings, ensure_ascii=False) if self.warnings else "",
        }
        for name in ("fid", "mifid"):
            interval = self.interval(name)
            row[f"{name}_low"] = interval.low if interval else None
            row[f"{name}_high"] = interval.high if interval else None
        return row

    def _evidence(self) -> Evidence:
        if self.evidence is None:
            raise UnavailableError(
                "this report keeps no features: its pictures were a stream, which can be read only "
                "once",
                hint="Score a folder, zip, array or features file instead.",
            )
        return self.evidence


def check_output(path: str | os.PathLike[str]) -> Path:
    """Return the path, or raise OutputError now, before the long job, if it cannot be written."""
    file = Path(path)
    if file.suffix.lower() == ".csv" and file.is_file():
        check_history(file)  # appended to, so that its folder need not be writable
        return file
    return files.check_output(file, FORMATS)
