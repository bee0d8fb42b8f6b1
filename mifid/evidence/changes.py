"""What differs between two scores' JSONs, and how far each difference can move the number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["EFFECTS", "Change", "InputPair", "NumberPair", "changes", "inputs", "numbers"]

Score = Mapping[str, Any]

MUCH, MIFID_ALONE, ROUNDING, NONE, UNKNOWN = "much", "mifid", "rounding", "none", "unknown"

EFFECTS = {
    MUCH: "can move the numbers much",
    MIFID_ALONE: "moves MiFID alone",
    ROUNDING: "moves them by rounding only",
    NONE: "does not move them",
    UNKNOWN: "not known to this version of mifid",
}
"""effect -> in words."""

ABSENT = "not told"

_NETWORK = "another network: its numbers are another measure"
_SPEED = "where and how it is computed, in the same arithmetic"
_LIBRARY = "another version sums in another order"

_PROTOCOL = {
    "extractor": (MUCH, _NETWORK),
    "weights_sha256": (MUCH, _NETWORK),
    "resize": (MUCH, "`mifid diagnose` measures how far"),
    "decoder": (MUCH, "decoders differ by a grey level or so; mostly little"),
    "ddof": (MUCH, "covariances are divided by n or n - 1"),
    "dtype": (MUCH, "coarser arithmetic"),
    "device": (ROUNDING, _SPEED),
    "backend": (ROUNDING, _SPEED),
    "batch_size": (ROUNDING, _SPEED),
    "version": (ROUNDING, "FID, distance and MiFID are defined apart from mifid's version"),
}
_VERSIONS = {
    "numpy": (ROUNDING, _LIBRARY),
    "openvino": (ROUNDING, _LIBRARY),
    "torch": (ROUNDING, _LIBRARY),
    "torch-fidelity": (ROUNDING, _LIBRARY),
}
_TOLD_ELSEWHERE = {"mifid", "pillow"}  # by version and by decoder

_TITLES = {"mifid": "MiFID", "fid": "FID", "memorization_distance": "memorization distance"}


@dataclass(frozen=True)
class NumberPair:
    """One number of both scores; None where one does not hold it.

    Attributes:
        name: ``"mifid"``, ``"fid"``, ``"memorization_distance"`` or ``"kid kid"`` of a measure.
        title: in tables.
        a, b: the values.
        difference: ``b - a``.
        percent: of ``a``; None where that is 0.
    """

    name: str
    title: str
    a: float | None
    b: float | None
    difference: float | None
    percent: float | None


@dataclass(frozen=True)
class Change:
    """A field that differs. ``effect`` is a key of :data:`EFFECTS`; ``why`` says why that one."""

    field: str
    a: Any
    b: Any
    effect: str
    why: str

    @property
    def told(self) -> bool:
        """Whether both scores tell the field: if not, it may be the same after all."""
        return self.a is not None and self.b is not None


@dataclass(frozen=True)
class InputPair:
    """One side of both scores.

    Attributes:
        label: ``"generated"``, ``"reference"``, ``"training"`` or ``"held_out"``.
        same: whether the contents are; None if that cannot be told.
        a, b: what was given, in words.
        why: what ``same`` rests on.
    """

    label: str
    same: bool | None
    a: str
    b: str
    why: str


def numbers(a: Score, b: Score) -> Iterator[NumberPair]:
    """Pair the numbers that at least one score holds, the headline first."""
    for name, title in _TITLES.items():
        pair = _pair(name, title, number(a, name), number(b, name))
        if pair.a is not None or pair.b is not None:
            yield pair
    measures = [section(score, "metrics") for score in (a, b)]
    for measure in sorted({*measures[0], *measures[1]}):
        values = [section(found, measure) for found in measures]
        for value in sorted({*values[0], *values[1]}):
            one, other = (number(found, value) for found in values)
            if one is not None or other is not None:
                title = value if value == measure else f"{measure} {value}"
                yield _pair(f"{measure} {value}", title, one, other)


def changes(a: Score, b: Score) -> Iterator[Change]:
    """Yield what differs beside numbers, inputs and times."""
    yield from _compare(section(a, "protocol"), section(b, "protocol"), "", _PROTOCOL)
    versions = [section(section(score, "protocol"), "versions") for score in (a, b)]
    yield from _compare(versions[0], versions[1], "version of ", _VERSIONS)
    yield from _differing("epsilon", a.get("epsilon"), b.get("epsilon"), MIFID_ALONE, "the limit")
    for label in ("generated", "reference"):
        sizes = [score.get(f"n_{label}") for score in (a, b)]
        why = "fewer pictures give a higher FID"
        yield from _differing(f"number of {label} pictures", sizes[0], sizes[1], MUCH, why)
    for label in sorted({*section(a, "skipped"), *section(b, "skipped")}):
        bad = [_left_out(score, label) for score in (a, b)]
        why = "pictures that could not be decoded are not in the number"
        yield from _differing(f"{_words(label)} pictures left out", bad[0], bad[1], MUCH, why)
    drawn = [section(score, "uncertainty") for score in (a, b)]
    if all(drawn):
        for name in ("method", "level", "replicates", "seed", "resampled"):
            one, other = (found.get(name) for found in drawn)
            yield from _differing(f"intervals' {name}", one, other, NONE, "of intervals alone")


def inputs(a: Score, b: Score) -> Iterator[InputPair]:
    """Pair what was scored, by hashes of contents."""
    given = [section(score, "inputs") for score in (a, b)]
    # What was trained on is the reference unless it is given apart.
    training = [
        section(sides, "memorization_reference") or section(sides, "reference") for sides in given
    ]
    apart = any("memorization_reference" in sides for sides in given)
    for label in ("generated", "reference"):
        yield _input(label, *(section(sides, label) for sides in given))
    if apart:
        yield _input("training", *training)
    if any("held_out" in sides for sides in given):
        yield _input("held_out", *(section(sides, "held_out") for sides in given))


def section(of: Any, name: str) -> Mapping[str, Any]:
    """Return an object inside a JSON object, empty if it is missing or something else."""
    found = of.get(name) if isinstance(of, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def number(of: Mapping[str, Any], name: str) -> float | None:
    """Return a finite number inside a JSON object; None if it is missing or something else."""
    found = of.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    try:
        return float(found) if math.isfinite(found) else None
    except OverflowError:  # an integer of hundreds of digits
        return None


def _pair(name: str, title: str, a: float | None, b: float | None) -> NumberPair:
    difference = None if a is None or b is None else b - a
    percent = None if difference is None or not a else 100 * difference / abs(a)
    return NumberPair(name, title, a, b, difference, percent)


def _compare(
    a: Mapping[str, Any], b: Mapping[str, Any], prefix: str, known: Mapping[str, tuple[str, str]]
) -> Iterator[Change]:
    order = [*known, *sorted({*a, *b} - {*known})]
    for name in order:
        if name in _TOLD_ELSEWHERE or name == "versions":
            continue
        effect, why = known.get(name, (UNKNOWN, "written by another version of mifid"))
        yield from _differing(prefix + name, a.get(name), b.get(name), effect, why)


def _differing(field: str, a: Any, b: Any, effect: str, why: str) -> Iterator[Change]:
    if a == b:
        return
    if a is None or b is None:
        why = f"{why}; one of the two does not tell it"
    yield Change(field, a, b, effect, why)


def _input(label: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> InputPair:
    sources = [str(side.get("source", ABSENT)) for side in (a, b)]
    hashes = [side.get("sha256") for side in (a, b)]
    kinds = [_kind(source) for source in sources]
    same: bool | None
    if not a and not b:
        same, why = None, "neither JSON tells it"
    elif not a or not b:
        same, why = (False, "given on one side only") if label == "held_out" else (None, ABSENT)
    elif not all(hashes):
        same, why = None, "a stream, or another version: there is no hash of its contents"
    elif hashes[0] == hashes[1]:
        same, why = True, "equal hashes of contents"
    elif kinds[0] != kinds[1]:
        same, why = None, f"{kinds[0]} and {kinds[1]}: their hashes are of different things"
    else:
        same, why = False, "other contents: other pictures, or the same ones encoded anew"
    return InputPair(label, same, sources[0], sources[1], why)


def _kind(source: str) -> str:
    """What a hash is of, told by how :mod:`mifid.inputs` describes a side."""
    return next(
        (kind for kind in ("features", "mean and covariance") if source.startswith(kind)),
        "pictures",
    )


def _left_out(score: Score, label: str) -> int:
    bad = section(section(score, "skipped"), label).get("bad")
    return len(bad) if isinstance(bad, list) else 0


def _words(label: str) -> str:
    return label.replace("_", " ")
