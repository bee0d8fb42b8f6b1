"""The result of a diagnosis, and its advice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from mifid.formatting import aligned, json_text, terminal_safe

__all__ = [
    "HEADINGS",
    "MATTERS",
    "NOTHING",
    "DiagnosedSide",
    "Diagnosis",
    "Variant",
    "advised",
    "notes_on",
]

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
        title: as tables show it.
        fid: at least 0; None where ``omitted`` gives the reason.
        difference: from the FID of the pictures as given.
        percent: the difference in per cent of that FID; None if that FID is rounding.
        levels: for encodings, the mean change of the pixels, 0..255.
        omitted: why there is no FID; None if there is one.
        advice: what to do.
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
        source: a description of what was given.
        n: pictures used; None if a statistics file does not record it.
        available: number of pictures before ``limit``, damaged ones included.
        encodings: encoding -> how many of the examined pictures have it.
    """

    source: str
    n: int | None
    available: int | None
    encodings: Mapping[str, int] = field(default_factory=dict)

    @property
    def encoding(self) -> str | None:
        """The encoding of all examined pictures; None if they differ or it is unknown."""
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
        notes: remarks on the table, a paragraph each, the most useful first.
        not_comparable: why FID as given cannot be compared with Kaggle's; None if it can.
        seconds: wall time of it all.
        warnings: the texts of all MifidWarnings of the call.
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
        """Return one line for each side."""
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
        lines = [*self.sides(), "", *aligned(table, "<>>>>")]
        advice = [f"{row[0]}: {row[-1]}" for row in self.rows() if row[-1]]
        return "\n".join([*lines, "", *advice, "", *self.lines()])

    def lines(self) -> list[str]:
        """Return the lines below the table: notes and warnings."""
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


MATTERS = 1.0
"""The least difference that is reported as one, in per cent of FID."""

NOTHING = 1e-6
"""An FID below it is rounding; per cent of it are meaningless."""

_MONET_JPG, _MONET_TFREC = "JPEG quality 75, 4:2:0", "JPEG quality 95, 4:4:4"


def advised(variant: Variant) -> Variant:
    """Return the variant with its advice."""
    change = _moved(variant)
    if variant.kind == "resize":
        advice = f"{change}; do not compare it with Kaggle's."
    elif variant.levels == 0 and variant.difference == 0:
        advice = "keeps all pixels and FID; but Kaggle takes only JPEG."
    elif abs(variant.percent or 0.0) < MATTERS and variant.percent is not None:
        advice = f"{change}: safe to submit."
    elif (variant.difference or 0.0) > 0:
        advice = f"{change}: do not save this way."
    else:
        advice = f"{change}: its artifacts are closer to the reference's."
    return replace(variant, advice=advice)


def notes_on(
    variants: Sequence[Variant],
    *,
    generated: DiagnosedSide,
    reference: DiagnosedSide,
    not_comparable: str | None,
) -> Iterator[str]:
    """Yield remarks on the table, a paragraph each, the most useful first."""
    already = any(what.startswith("JPEG") for what in generated.encodings)
    measured = [v for v in variants if v.kind == "encoding" and v.levels and v.percent is not None]
    if measured:
        yield _what_to_do(min(measured, key=lambda v: v.percent or 0.0), already=already)
    if not_comparable:
        yield f"Not comparable with Kaggle: {not_comparable}."
    yield from _encodings(generated, reference, already=already)
    yield from _limited(generated)
    yield (
        "All rows use the same pictures and can be compared with each other. How much they would "
        "change with other pictures is not measured."
    )


def _moved(variant: Variant) -> str:
    """Return by how much FID is lower or higher, in per cent where that is meaningful."""
    difference, percent = variant.difference or 0.0, variant.percent
    if abs(difference) < NOTHING or (percent is not None and abs(percent) < MATTERS):
        return "hardly changes FID"
    by = f"{abs(difference):.4f}" if percent is None else f"{abs(percent):.1f} %"
    return f"{'lowers' if difference < 0 else 'raises'} FID by {by}"


def _what_to_do(best: Variant, *, already: bool) -> str:
    percent = best.percent or 0.0
    if percent <= -MATTERS:
        return (
            f"Saving the pictures as {best.title} lowers FID by {-percent:.1f} % against this "
            "reference. The pictures do not get better: on Kaggle this helps only if the "
            "unpublished reference has the same encoding."
        )
    if already:
        return (
            "Submit the pictures as they are: no encoding measured here lowers FID by "
            f"{MATTERS:g} % or more."
        )
    return (
        f"Kaggle takes JPEG. Of the measured qualities, {best.title} gives the lowest FID: "
        f"{percent:+.2f} % compared with the pictures as given. Save them once with it, directly "
        "from the model."
    )


def _encodings(
    generated: DiagnosedSide, reference: DiagnosedSide, *, already: bool
) -> Iterator[str]:
    mine, theirs = generated.encoding, reference.encoding
    if mine and theirs and mine != theirs:
        yield (
            f"The generated pictures are {mine}, the reference {theirs}: a part of FID may "
            "come from the encoding."
        )
    if already:
        yield (
            "The generated pictures are JPEG already, and each encoding loses more. To choose an "
            "encoding, give the pictures as PNG or as arrays."
        )
    if theirs in (_MONET_JPG, _MONET_TFREC):
        yield (
            f"The competition has its Monets in two encodings: monet_jpg is {_MONET_JPG}, the "
            f"TFRecords are {_MONET_TFREC}; their pixels differ by 4.1 levels on average. This "
            f"reference is {theirs}: use the same one for every score."
        )


def _limited(generated: DiagnosedSide) -> Iterator[str]:
    n, available = generated.n, generated.available
    if n is not None and available is not None and n < available:
        yield (
            f"Measured on {n:,} of {available:,} generated pictures. Fewer pictures give a higher "
            "FID: use only the differences, not the FIDs."
        )
