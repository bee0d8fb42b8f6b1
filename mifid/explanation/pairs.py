"""The numbers and the inputs of two scores' JSONs, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mifid.explanation.scorejson import Score, number, section

__all__ = ["InputPair", "NumberPair", "inputs", "numbers"]

ABSENT = "not told"

_CORE = {
    "mifid": ("mifid", "MiFID"),
    "fid": ("fid", "FID"),
    "memorization_distance": ("memorization", "memorization distance"),
}
"""Key of a score -> the measure, and its title."""


@dataclass(frozen=True)
class NumberPair:
    """One number of both scores; None where one does not hold it.

    Attributes:
        name: ``"mifid"``, ``"fid"``, ``"memorization_distance"``, or ``"ct.ct_global"`` of a
            measure.
        measure: which one it is of, as in :data:`mifid.metrics.METRICS`.
        title: as the score's own table names it.
        a, b: the values.
        difference: ``b - a``.
        percent: of ``a``; None where that is 0.
    """

    name: str
    measure: str
    title: str
    a: float | None
    b: float | None
    difference: float | None
    percent: float | None


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

    @property
    def computed(self) -> bool:
        """Whether it was given as features or statistics, so that no pictures were read."""
        return all(_kind(given) != "pictures" for given in (self.a, self.b) if given != ABSENT)


def numbers(a: Score, b: Score) -> Iterator[NumberPair]:
    """Pair the numbers that at least one score holds, the headline first."""
    for name, (measure, title) in _CORE.items():
        yield from _pair(name, measure, title, (a, b), name)
    measures = [section(score, "metrics") for score in (a, b)]
    for measure in dict.fromkeys(str(name) for found in measures for name in found):
        values = [section(found, measure) for found in measures]
        for value in dict.fromkeys(str(name) for found in values for name in found):
            title = value.replace("_", " ")
            yield from _pair(f"{measure}.{value}", measure, title, values, value)


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
        held_out = _input("held_out", *(section(sides, "held_out") for sides in given))
        if held_out.same is None and all(given) and ABSENT in (held_out.a, held_out.b):
            why = "given on one side only"
            held_out = InputPair("held_out", False, held_out.a, held_out.b, why)
        yield held_out


def _pair(name: str, measure: str, title: str, of: Any, key: str) -> Iterator[NumberPair]:
    a, b = (number(found, key) for found in of)
    if a is None and b is None:
        return
    difference = None if a is None or b is None else b - a
    percent = None if difference is None or not a else 100 * difference / abs(a)
    yield NumberPair(name, measure, title, a, b, difference, percent)


def _input(label: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> InputPair:
    sources = [str(side.get("source", ABSENT)) for side in (a, b)]
    same, why = _same(a, b, *(_kind(source) for source in sources))
    return InputPair(label, same, sources[0], sources[1], why)


def _same(
    a: Mapping[str, Any], b: Mapping[str, Any], kind_a: str, kind_b: str
) -> tuple[bool | None, str]:
    hashes = [side.get("sha256") for side in (a, b)]
    if not (a and b):
        return None, ABSENT if a or b else "neither JSON tells it"
    if not all(hashes):
        return None, "a stream, or another version: there is no hash of its contents"
    if hashes[0] == hashes[1]:
        return True, "equal hashes of contents"
    if kind_a != kind_b:
        return None, f"{kind_a} and {kind_b}: their hashes are of different things"
    if kind_a == "features":  # of pictures the hash does not depend on the order
        return False, "other contents: other pictures, or the same ones encoded again or reordered"
    return False, "other contents: other pictures, or the same ones encoded again"


def _kind(source: str) -> str:
    """What a hash is of, told by how :mod:`mifid.inputs` describes a side."""
    return next(
        (kind for kind in ("features", "mean and covariance") if source.startswith(kind)),
        "pictures",
    )
