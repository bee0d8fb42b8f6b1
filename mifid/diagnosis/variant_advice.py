"""What to make of FID under other resizes and encodings, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mifid.diagnosis.diagnosis import DiagnosedSide, Variant

__all__ = ["MATTERS", "NOTHING", "advised", "notes_on"]

MATTERS = 1.0
"""Per cent of FID from which a difference is called one."""

NOTHING = 1e-6
"""FID below it is rounding: per cent of it would mean nothing."""

_MONET_JPG, _MONET_TFREC = "JPEG quality 75, 4:2:0", "JPEG quality 95, 4:4:4"


def advised(variant: Variant) -> Variant:
    """Return the variant with what to make of it."""
    change = _moved(variant)
    if variant.kind == "resize":
        advice = f"{change}; not to be set beside Kaggle's."
    elif variant.levels == 0 and variant.difference == 0:
        advice = "keeps every pixel, so FID too; not JPEG, which Kaggle takes."
    elif abs(variant.percent or 0.0) < MATTERS and variant.percent is not None:
        advice = f"{change}: safe to hand in so."
    elif (variant.difference or 0.0) > 0:
        advice = f"{change}: don't save so."
    else:
        advice = f"{change}: its traces are nearer to the reference's."
    return replace(variant, advice=advice)


def notes_on(
    variants: Sequence[Variant],
    *,
    generated: DiagnosedSide,
    reference: DiagnosedSide,
    not_comparable: str | None,
) -> Iterator[str]:
    """Yield what the table cannot say, a paragraph each, the most useful first."""
    already = any(what.startswith("JPEG") for what in generated.encodings)
    measured = [v for v in variants if v.kind == "encoding" and v.levels and v.percent is not None]
    if measured:
        yield _what_to_do(min(measured, key=lambda v: v.percent or 0.0), already=already)
    if not_comparable:
        yield f"Not comparable with Kaggle: {not_comparable}."
    yield from _encodings(generated, reference, already=already)
    yield from _limited(generated)
    yield (
        "All rows are of the same pictures, so they compare well with each other; how far they "
        "would move on other pictures is not measured."
    )


def _moved(variant: Variant) -> str:
    """Return by how much FID is lower or higher, in per cent where that means something."""
    difference, percent = variant.difference or 0.0, variant.percent
    if abs(difference) < NOTHING or (percent is not None and abs(percent) < MATTERS):
        return "hardly moves FID"
    by = f"{abs(difference):.4f}" if percent is None else f"{abs(percent):.1f} %"
    return f"{'lowers' if difference < 0 else 'raises'} FID by {by}"


def _what_to_do(best: Variant, *, already: bool) -> str:
    percent = best.percent or 0.0
    if percent <= -MATTERS:
        return (
            f"Saving the pictures as {best.title} lowers FID by {-percent:.1f} % against this "
            "reference. It is the reference that rewards it, not better pictures: on Kaggle it "
            "pays only if the unpublished reference there is alike."
        )
    if already:
        return (
            "Hand the pictures in as they are: no encoding measured here lowers FID by "
            f"{MATTERS:g} % or more."
        )
    return (
        f"Kaggle takes JPEG, and of the qualities measured {best.title} gives the lowest FID: "
        f"{percent:+.2f} % of what the pictures have as given. Save them so, once, straight from "
        "the model."
    )


def _encodings(
    generated: DiagnosedSide, reference: DiagnosedSide, *, already: bool
) -> Iterator[str]:
    mine, theirs = generated.encoding, reference.encoding
    if mine and theirs and mine != theirs:
        yield (
            f"The generated pictures are {mine}, the reference {theirs}: a part of FID may be the "
            "encoding's, not the pictures'."
        )
    if already:
        yield (
            "Generated pictures are JPEG already: encoding them again adds to what they lost then, "
            "and brings nothing back. To choose an encoding, give the pictures as PNG or as arrays."
        )
    if theirs in (_MONET_JPG, _MONET_TFREC):
        yield (
            f"The competition hands out its Monets twice: monet_jpg is {_MONET_JPG}, the TFRecords "
            f"are {_MONET_TFREC}, and the pixels of the two are 4.1 levels apart on average. This "
            f"reference is {theirs}: score against the same ones every time."
        )


def _limited(generated: DiagnosedSide) -> Iterator[str]:
    n, available = generated.n, generated.available
    if n is not None and available is not None and n < available:
        yield (
            f"Measured on {n:,} of {available:,} generated pictures: FID itself is higher on fewer "
            "pictures, and no score; the differences are what counts."
        )
