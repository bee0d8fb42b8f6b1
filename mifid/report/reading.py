"""Reading of a score: whether it is good, what limits it, and what to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mifid.errors import setting
from mifid.formatting import listed, number
from mifid.images import QUALITIES
from mifid.metrics import METRICS, NOT_ASKED, Metric
from mifid.uncertainty import SWITCHED_OFF, Level

if TYPE_CHECKING:
    from mifid.report.report import Report

__all__ = ["Aspect", "Reading", "read"]

_LESS = 0.8
"""Share of real pictures' Vendi score below which variety limits a score, and of their memorization
distance below which pictures are too near to the training pictures."""

_TINTED = 0.5
"""Deviations of the reference's pictures from which on a shift of the colours limits a score.

Real pictures of the same kind differ by less than both: docs/meaning.md has the measurements.
"""

_NEAR = 0.9
"""Share of the way from which on the pictures score nearly as real ones do."""


@dataclass(frozen=True)
class Aspect:
    """One thing that may limit a score.

    Attributes:
        name: ``"copies"``, ``"colours"`` or ``"little diversity"``.
        limits: whether it does; None: not known.
        sentence: why, with the numbers.
    """

    name: str
    limits: bool | None
    sentence: str


@dataclass(frozen=True)
class Reading:
    """What a score's numbers mean, in words.

    Attributes:
        scale: the score beside those of untouched photos and of real pictures.
        share: how much of the way from the photos to the real pictures is done, 1: all of it;
            None: not known.
        enough: whether there are enough pictures: FID would change by less than its interval with
            infinitely many; None: not known.
        number: the same in words.
        aspects: what may limit the score.
        advice: what to do first.
    """

    scale: str
    share: float | None
    enough: bool | None
    number: str
    aspects: tuple[Aspect, ...]
    advice: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "aspects": [asdict(aspect) for aspect in self.aspects]}

    def rows(self) -> list[tuple[str, str]]:
        """Return (question, answer) for text and page."""
        return [
            ("How good is it?", self.scale),
            ("Enough pictures?", self.number),
            *((f"Limited by {one.name}?", one.sentence) for one in self.aspects),
            ("What to do", self.advice),
        ]


def read(report: Report) -> Reading | None:
    """Return what the numbers of a score mean; None if it has none to read, or is a quick one."""
    name = _headline(report)
    if name is None or (report.levels is None and report.levels_reason == SWITCHED_OFF):
        return None
    level = report.levels.values.get(name) if report.levels else None
    share = level.share if level and _is_way(name, level) else None
    enough, pictures = _number(report)
    aspects = (_copies(report), _colours(report), _diversity(report))
    return Reading(
        scale=_scale(report, name, level),
        share=share,
        enough=enough,
        number=pictures,
        aspects=aspects,
        advice=_advice(aspects, share, enough),
    )


def _headline(report: Report) -> str | None:
    """Return the value that is read: FID, or the first one that was asked for."""
    if report.fid is not None:
        return "fid"
    asked = [value for found in report.metrics.values() for value in found.values]
    known = report.levels.values if report.levels else {}
    return next((value for value in asked if value in known), None)


def _direction(value: str) -> str:
    """Return which way a metric's value is better."""
    return _metric(value).direction(value)


def _metric(value: str) -> Metric:
    found: Metric = next(each for each in METRICS.values() if value in each.values)
    return found


def _is_way(name: str, level: Level) -> bool:
    """Return whether the photos are worse than the real pictures."""
    if level.photos is None:
        return False
    worse = level.photos - level.real
    return {"lower": worse > 0, "higher": worse < 0}.get(_direction(name), False)


def _scale(report: Report, name: str, level: Level | None) -> str:
    """Return the levels in a sentence or two, and what is missing."""
    levels = report.levels
    if level is None or levels is None:
        return f"Not known: {report.levels_reason or 'there is no value to compare'}."
    ours = f"These pictures score {_short(level.generated)}"
    if level.photos is not None:
        ours = f"Your photos score {_short(level.photos)}, these pictures {_short(level.generated)}"
    real = "held-out real pictures" if levels.held_out else "the other half of the reference"
    against = "" if levels.held_out else f" against half of the reference, {levels.n_reference:,}"
    if name == "fid" and (not levels.held_out or levels.n != report.n_generated):
        against += "; fewer pictures score higher"
    title = "FID" if name == "fid" else _metric(name).title
    return (
        f"{ours}, {real} {_short(level.real)} ({title} of {levels.n:,} pictures each{against}): "
        f"{_way(report, name, level)}."
    )


def _short(value: float | None) -> str:
    if value is not None and 0 < abs(value) < 10:
        return f"{value:.3g}"
    return number(value, 1 if value else None, flags=",")


def _way(report: Report, name: str, level: Level) -> str:
    """Return how far the pictures have come, or why that is not known."""
    if level.photos is None:
        if "photos" in report.inputs:
            return "the photos are mean and covariance only, which have no value at equal numbers"
        return f"with your photos ({setting('photos')}) the report says how far you have come"
    if not _is_way(name, level):
        return "the photos score as well as real pictures, so this value cannot tell them apart"
    share = level.share or 0.0
    if share < 0:
        return "the pictures score worse than the untouched photos"
    if share > 1:
        return "the pictures score better than real ones, as copies of real ones also do"
    return f"{share:.0%} of the way from the photos to real pictures"


def _number(report: Report) -> tuple[bool | None, str]:
    """Return whether there are enough pictures, and why."""
    bias, interval = report.bias, report.interval("fid")
    if bias is None:
        return None, f"Not known: {report.bias_reason or 'there is no FID'}."
    if interval is None:
        return None, f"Not known: {report.uncertainty_reason or 'there is no interval'}."
    drift, half = bias.fid - bias.fid_infinity, (interval.high - interval.low) / 2.0
    known = (
        f"With infinitely many pictures FID would be about {_short(drift)} lower; its "
        f"{interval.level:g}% interval reaches {_short(half)} to each side."
    )
    if drift <= half:
        return True, f"Yes. {known}"
    return False, f"No. {known} Compare it only with scores of about {bias.n_generated:,} pictures."


def _copies(report: Report) -> Aspect:
    name, distance = "copies", report.memorization_distance
    level = report.levels.values.get("memorization_distance") if report.levels else None
    if report.penalized:
        return Aspect(
            name,
            True,
            f"Yes: the memorization distance {distance:.4f} is below the threshold "
            f"{report.epsilon:g}, so FID is divided by it.",
        )
    if level is not None and level.generated < _LESS * level.real:
        return Aspect(
            name,
            True,
            f"Yes: the mean distance to the nearest training picture is {level.generated:.3f}, "
            f"that of real pictures {level.real:.3f}. Copies lower FID, so the pictures are worse "
            "than it says.",
        )
    if level is not None:
        return Aspect(
            name,
            False,
            f"No: the mean distance to the nearest training picture is {level.generated:.3f}, that "
            f"of real pictures {level.real:.3f}.",
        )
    if distance is not None and report.epsilon is not None:
        return Aspect(name, False, f"No: the distance {distance:.4f} is not below the threshold.")
    reason = report.mifid_reason if distance is None else "the distance has no threshold"
    return Aspect(name, None, f"Not known: {reason or report.levels_reason or NOT_ASKED}.")


def _colours(report: Report) -> Aspect:
    name, sides = "colours", (report.inputs["generated"], report.inputs["reference"])
    ours, theirs = (side.colours for side in sides)
    if ours is None or theirs is None:
        side = "generated" if ours is None else "reference"
        return Aspect(
            name,
            None,
            f"Not known: the {side} side is features, or an earlier version cached its features "
            f"({setting('cache', False)} computes them again). {_BLIND}",
        )
    counts = [side.n or 1 for side in sides]
    chance = 3.0 * sum(1.0 / n for n in counts) ** 0.5  # of equal sets: three standard errors
    shifts = ours.shifts(theirs)
    found = [each for each, shift in shifts.items() if abs(shift) >= max(_TINTED, chance)]
    if not found:
        most = max(shifts.values(), key=abs)
        return Aspect(
            name,
            False,
            "No: brightness, contrast, saturation and tints are as in the reference, to "
            f"{abs(most):.1f} of its pictures' standard deviations.",
        )
    found.sort(key=lambda each: -abs(shifts[each]))
    told = [_shift(each, shifts[each], ours.mean[each] - theirs.mean[each]) for each in found]
    return Aspect(name, True, f"Yes: the pictures are {listed(told)} than the reference. {_BLIND}")


_BLIND = "FID hardly sees colours."


def _shift(quality: str, shift: float, levels: float) -> str:
    less, more = QUALITIES[quality]
    return f"{more if shift > 0 else less} ({quality} {levels:+.0f} levels)"


def _diversity(report: Report) -> Aspect:
    name = "little diversity"
    level = report.levels.values.get("vendi") if report.levels else None
    if level is None:
        return Aspect(name, None, f"Not known: {report.levels_reason or NOT_ASKED}.")
    limits = level.generated < _LESS * level.real
    return Aspect(
        name,
        limits,
        f"{'Yes' if limits else 'No'}: the Vendi score, an effective number of different pictures, "
        f"is {_short(level.generated)}; that of as many real pictures is {_short(level.real)}.",
    )


_ADVICE = {
    "copies": "Copy less: train on more pictures or with augmentation, or stop earlier. The page "
    "(--report) shows the nearest pairs.",
    "colours": "First correct the colours: that is quick, and the other numbers hardly show them.",
    "little diversity": "Make the pictures more various: train longer or with augmentation, and "
    "look for pictures that are alike.",
}


def _advice(aspects: tuple[Aspect, ...], share: float | None, enough: bool | None) -> str:
    """Return what to do first."""
    for aspect in aspects:
        if aspect.limits:
            return _ADVICE[aspect.name]
    if share is not None and share >= _NEAR:
        return "Little is left to gain: compare with other submissions (mifid compare)."
    if enough is False:
        return "Score more pictures before you trust small differences, and train longer."
    if all(aspect.limits is None for aspect in aspects):
        return (
            "What limits the score is not known from this: score pictures instead of features, and "
            "keep FID and the memorization distance among the metrics."
        )
    return (
        "Nothing that is known here limits the score: what is left is what the pictures show. "
        "Train longer."
    )
