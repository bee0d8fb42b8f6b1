"""What a score says: the numbers, what they were made of, and how to read them."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mifid.csvfile import appended, check_columns
from mifid.errors import OutputError
from mifid.files import atomic_write, check_writable

__all__ = ["FORMATS", "Report", "Side", "check_output"]

FORMATS = (".json", ".csv", ".txt")


@dataclass(frozen=True)
class Side:
    """One side of the comparison, as it was given.

    Attributes:
        source: what was given, in words.
        n: number of pictures, None if a statistics file does not say.
        sha256: of the contents, whatever the names; None for streams.
        cached: whether the features came from the cache.
        skipped: entries passed over, by reason.
        converted: pictures that were not RGB, by mode.
        bad: (name, reason) of pictures left out with skip_bad.
    """

    source: str
    n: int | None
    sha256: str | None = None
    cached: bool = False
    skipped: Mapping[str, int] = field(default_factory=dict)
    converted: Mapping[str, int] = field(default_factory=dict)
    bad: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Report:
    """The result of :func:`mifid.score`.

    Attributes:
        fid: Fréchet Inception Distance, at least 0; None if it was not asked for.
        memorization_distance: mean cosine distance to the nearest training picture, 0..1, or None.
        memorization_distance_thresholded: the same below epsilon, else 1: what FID is divided by.
        epsilon: the threshold.
        mifid: the score; None where ``mifid_reason`` says why.
        inputs: ``"generated"``, ``"reference"`` and, if given, ``"memorization_reference"``.
        protocol: version, extractor, weights_sha256, resize, decoder, ddof, dtype, device, backend,
            batch_size, versions.
        not_comparable: why the score cannot be compared with Kaggle's; None if it can.
        seconds: wall time by stage, and in ``"total"``.
    """

    fid: float | None
    memorization_distance: float | None
    memorization_distance_thresholded: float | None
    epsilon: float
    mifid: float | None
    mifid_reason: str | None
    inputs: Mapping[str, Side]
    protocol: Mapping[str, Any]
    not_comparable: str | None
    seconds: Mapping[str, float]

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

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values. Keys are stable; later versions may add some."""
        return {
            "fid": self.fid,
            "memorization_distance": self.memorization_distance,
            "memorization_distance_thresholded": self.memorization_distance_thresholded,
            "epsilon": self.epsilon,
            "mifid": self.mifid,
            "mifid_reason": self.mifid_reason,
            "n_generated": self.n_generated,
            "n_reference": self.n_reference,
            "comparable_with_kaggle": self.not_comparable is None,
            "not_comparable_reason": self.not_comparable,
            "protocol": dict(self.protocol),
            "inputs": {name: _side_dict(side) for name, side in self.inputs.items()},
            "skipped": {name: _skipped(side) for name, side in self.inputs.items()},
            "seconds": {stage: round(value, 4) for stage, value in self.seconds.items()},
        }

    def to_json(self) -> str:
        """Return :meth:`to_dict` as indented JSON."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def rows(self) -> list[tuple[str, str, str]]:
        """Return (name, value, remark) for tables: what a person wants first."""
        rows = [
            (name.replace("_", " "), _count(side.n), _remark(side))
            for name, side in self.inputs.items()
        ]
        if self.fid is not None:
            rows.append(("FID", _number(self.fid), "lower is better"))
        if self.memorization_distance is not None:
            if self.penalized:
                remark = f"below the threshold {self.epsilon:g}: FID is divided by it"
            else:
                remark = f"not below the threshold {self.epsilon:g}: no penalty"
            rows.append(("memorization distance", f"{self.memorization_distance:.6f}", remark))
        if self.mifid is not None:
            rows.append(("MiFID", _number(self.mifid), "lower is better"))
        elif self.mifid_reason:
            rows.append(("MiFID", "none", self.mifid_reason))
        return rows

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
        rows = self.rows()
        widths = [max(len(row[i]) for row in rows) for i in (0, 1)]
        lines = [
            f"{name:<{widths[0]}}  {value:>{widths[1]}}  {remark}".rstrip()
            for name, value, remark in rows
        ]
        return "\n".join([*lines, "", self.advice])

    __str__ = text

    def _repr_html_(self) -> str:
        cells = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self.rows()
        )
        return f"<table>{cells}</table><p>{html.escape(self.advice)}</p>"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write .json or .txt, or append a line to .csv; whole or not at all.

        Raises:
            OutputError: another ending, a place that cannot be written, or a CSV of other columns.
        """
        file = check_output(path)
        content = {".json": self.to_json, ".txt": self.text}.get(file.suffix.lower())
        text = appended(file, self._csv_row()) if content is None else content() + "\n"
        with atomic_write(file) as out:
            out.write(text.encode())

    def _csv_row(self) -> dict[str, Any]:
        return {
            **self.to_dict(),
            "generated": self.inputs["generated"].source,
            "reference": self.inputs["reference"].source,
            "extractor": self.protocol["extractor"],
        }


def check_output(path: str | os.PathLike[str]) -> Path:
    """Return the path, or raise OutputError now, before the long job, if it cannot be written."""
    file = Path(path)
    if file.suffix.lower() not in FORMATS:
        raise OutputError(
            f"cannot write {file}: its ending is not one of {', '.join(FORMATS)}",
            hint="The ending says which format is written.",
        )
    check_writable(file)
    if file.suffix.lower() == ".csv":
        check_columns(file)
    return file


def _side_dict(side: Side) -> dict[str, Any]:
    return {
        "source": side.source,
        "n": side.n,
        "sha256": side.sha256,
        "cached": side.cached,
        "converted": dict(side.converted),
    }


def _skipped(side: Side) -> dict[str, Any]:
    return {
        "entries": dict(side.skipped),
        "bad": [{"name": name, "reason": reason} for name, reason in side.bad],
    }


def _number(value: float) -> str:
    """Six decimals, or an exponent where copies make the score astronomical."""
    return f"{value:.6f}" if value < 1e9 else f"{value:.6e}"


def _count(n: int | None) -> str:
    return "unknown" if n is None else f"{n:,}"


def _remark(side: Side) -> str:
    parts = [side.source]
    if side.skipped:
        parts.append(f"skipped {_listed(side.skipped)}")
    if side.bad:
        first = side.bad[0][0]
        parts.append(f"left out {len(side.bad)} bad (first: {first})")
    if side.converted:
        parts.append(f"converted to RGB {_listed(side.converted)}")
    return "; ".join(parts)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
