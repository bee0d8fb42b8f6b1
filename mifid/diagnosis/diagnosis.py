"""What other resizes and other encodings of the same pictures do to FID: the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from mifid.errors import terminal_safe
from mifid.files import json_text

__all__ = ["HEADINGS", "DiagnosedSide", "Diagnosis", "Variant"]

HEADINGS = ("variant", "FID", "difference", "%", "levels", "what to do")
"""Of the table. Levels: how far pixels move on average, of 255."""

_SHOWN = 3  # encodings of a mixed set that are named


@dataclass(frozen=True)
class Variant:
    """FID after one change.

    Attributes:
        name: ``"given"``, ``"resize pytorch-bilinear-299"``, ``"jpeg-75"``, ...
        kind: ``"given"`` (nothing changed), ``"resize"`` (of both sides) or ``"encoding"`` (of the
            generated pictures).
        title: in tables.
        fid: at least 0; None where ``omitted`` says why.
        difference: to FID as given.
        percent: the same in per cent of FID as given; None if that is 0 but for rounding.
        levels: for encodings, how far pixels move, 0..255, on average.
        omitted: why there is no FID; None if there is.
        advice: what to make of it.
    """

    name: str
    kind: str
    title: str
    fid: float | None = None
    difference: float | None = None
    percent: float | None = None
    levels: float | None = None
    omitted: str | None = None
    advice: str = ""


@dataclass(frozen=True)
class DiagnosedSide:
    """One side of a diagnosis.

    Attributes:
        source: what was given, in words.
        n: pictures used, None if a statistics file does not say.
        available: pictures there are, before ``limit`` and bad ones.
        encodings: how the pictures looked at are encoded -> how many of them.
    """

    source: str
    n: int | None
    available: int | None
    encodings: Mapping[str, int] = field(default_factory=dict)

    @property
    def encoding(self) -> str | None:
        """The encoding of all that were looked at; None if they differ or none is known."""
        return next(iter(self.encodings)) if len(self.encodings) == 1 else None

    @property
    def text(self) -> str:
        """One line for the terminal."""
        n = "unknown number" if self.n is None else f"{self.n:,}"
        of = f" of {self.available:,}" if self.available not in (None, self.n) else ""
        how = self.encoding or self._mixture()
        return f"{n}{of} from {self.source}" + (f" ({how})" if how else "")

    def _mixture(self) -> str:
        common = sorted(self.encodings.items(), key=lambda item: (-item[1], item[0]))
        named = [f"{count:,} {what}" for what, count in common[:_SHOWN]]
        rest = sum(count for _, count in common[_SHOWN:])
        return "; ".join([*named, *([f"{rest:,} others"] if rest else [])])


@dataclass(frozen=True)
class Diagnosis:
    """The result of :func:`mifid.diagnosis.diagnosing.diagnose`.

    Attributes:
        variants: as given first, then resizes, then encodings.
        generated: the side that is encoded again.
        reference: the other side.
        extractor: its name.
        notes: what the table cannot say, a paragraph each, the most useful first.
        not_comparable: why FID as given cannot be compared with Kaggle's; None if it can.
        seconds: wall time of it all.
        warnings: what was noticed that the numbers hold despite; each was also a MifidWarning.
    """

    variants: tuple[Variant, ...]
    generated: DiagnosedSide
    reference: DiagnosedSide
    extractor: str
    notes: tuple[str, ...]
    not_comparable: str | None
    seconds: float
    warnings: tuple[str, ...] = ()

    @property
    def fid(self) -> float:
        """FID of the pictures as given."""
        assert self.variants[0].fid is not None
        return self.variants[0].fid

    def sides(self) -> list[str]:
        """Return a line a side."""
        return [f"generated: {self.generated.text}", f"reference: {self.reference.text}"]

    def rows(self) -> list[tuple[str, ...]]:
        """Return rows of :data:`HEADINGS` for tables."""
        return [
            (v.title, f"{v.fid:.4f}", *_differences(v), v.advice)
            if v.fid is not None
            else (v.title, "omitted", "", "", "", f"{v.omitted}.")
            for v in self.variants
        ]

    def text(self) -> str:
        """Return both sides, the table and the notes."""
        table = [HEADINGS[:-1], *(row[:-1] for row in self.rows())]
        widths = [max(len(row[i]) for row in table) for i in range(len(HEADINGS) - 1)]
        lines = [*self.sides(), ""]
        for row in table:
            cells = [f"{row[0]:<{widths[0]}}"]
            cells += [f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True)]
            lines.append("  ".join(cells).rstrip())
        told = [f"{row[0]}: {row[-1]}" for row in self.rows() if row[-1]]
        return "\n".join([*lines, "", *told, "", *self.lines()])

    def lines(self) -> list[str]:
        """Return what stands below the table: the notes and the warnings."""
        return [*self.notes, *(f"Warning: {terminal_safe(warning)}" for warning in self.warnings)]

    __str__ = text

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values. Keys are stable; later versions may add some."""
        return {
            "fid": self.fid,
            "variants": [asdict(variant) for variant in self.variants],
            "generated": asdict(self.generated),
            "reference": asdict(self.reference),
            "extractor": self.extractor,
            "comparable_with_kaggle": self.not_comparable is None,
            "not_comparable_reason": self.not_comparable,
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "seconds": round(self.seconds, 4),
        }

    def to_json(self) -> str:
        """Return :meth:`to_dict` as indented JSON."""
        return json_text(self.to_dict())


def _differences(variant: Variant) -> tuple[str, str, str]:
    if variant.kind == "given" or variant.difference is None:
        return "", "", ""
    percent = "" if variant.percent is None else f"{variant.percent:+.2f}"
    levels = "" if variant.levels is None else f"{variant.levels:.2f}"
    return f"{variant.difference:+.4f}", percent, levels
