"""What two scores record, and what differs between them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mifid.metrics import METRICS
from mifid.statistics import UNKNOWN

__all__ = [
    "EFFECTS",
    "Change",
    "InputPair",
    "NumberPair",
    "Score",
    "changes",
    "inputs",
    "known",
    "limit_of",
    "number",
    "numbers",
    "section",
    "settings_untold",
    "untold",
]

Score = Mapping[str, Any]


def section(of: Any, name: str) -> Mapping[str, Any]:
    """Return an object inside a JSON object, empty if it is missing or something else."""
    found = of.get(name) if isinstance(of, Mapping) else None
    return {str(key): value for key, value in found.items()} if isinstance(found, Mapping) else {}


def number(of: Mapping[str, Any], name: str) -> float | None:
    """Return a finite number inside a JSON object; None if it is missing or something else."""
    found = of.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    try:
        return float(found) if math.isfinite(found) else None
    except OverflowError:  # an integer of hundreds of digits
        return None


def known(value: Any) -> bool:
    """Return whether a field has a value: two files of features may both have "unknown"."""
    return value is not None and value != UNKNOWN


ABSENT = "not recorded"

_CORE = {
    "mifid": ("mifid", "MiFID"),
    "fid": ("fid", "FID"),
    "memorization_distance": ("memorization", "memorization distance"),
}
"""Key of a score -> the measure, and its title."""


@dataclass(frozen=True)
class NumberPair:
    """One number of both scores; None where one does not have it.

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
        same: whether the contents are the same; None if that is unknown.
        a, b: descriptions of what was given.
        why: the reason for ``same``.
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
    """Pair the numbers that at least one score has, the headline first."""
    for name, (measure, title) in _CORE.items():
        yield from _pair(name, measure, title, (a, b), name)
    measures = [section(score, "metrics") for score in (a, b)]
    for measure in dict.fromkeys(str(name) for found in measures for name in found):
        values = [section(found, measure) for found in measures]
        for value in dict.fromkeys(str(name) for found in values for name in found):
            title = value.replace("_", " ")
            yield from _pair(f"{measure}.{value}", measure, title, values, value)


def inputs(a: Score, b: Score) -> Iterator[InputPair]:
    """Pair what was scored, by the hashes of the contents."""
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
        return None, ABSENT if a or b else "neither JSON records it"
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
    """Return what a hash is of, from the description that :mod:`mifid.inputs` gives a side."""
    return next(
        (kind for kind in ("features", "mean and covariance") if source.startswith(kind)),
        "pictures",
    )


MUCH, MIFID_ALONE, MEASURE = "much", "mifid", "measure"
ROUNDING, NONE, UNKNOWN_EFFECT = "rounding", "none", "unknown"

EFFECTS = {
    MUCH: "can move the numbers much",
    MIFID_ALONE: "moves MiFID alone",
    MEASURE: "moves that measure alone",
    ROUNDING: "moves them by rounding only",
    NONE: "does not move them",
    UNKNOWN_EFFECT: "not known to this version of mifid",
}
"""effect -> in words."""

NETWORK = ("extractor", "weights_sha256", "resize")

_BUILT_IN = ("inception", "inception-clean-fid", "inception-pytorch-fid", "inception-random")
"""Extractors that weights and resize identify; others are identified only by a fingerprint."""

_NETWORK = "the numbers of another network are another measure"
_SPEED = "where and how it is computed, in the same arithmetic"
_LIBRARY = "another version sums in another order"

_PROTOCOL = {
    "extractor": (MUCH, _NETWORK),
    "weights_sha256": (MUCH, _NETWORK),
    "resize": (MUCH, "`mifid diagnose` measures how far"),
    "fingerprint": (MUCH, "stands for network, weights and resize"),
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
_ELSEWHERE = {"mifid", "pillow"}  # recorded as version and as decoder


@dataclass(frozen=True)
class Change:
    """A field that differs.

    Attributes:
        field: its name.
        a, b: the values.
        effect: a key of :data:`EFFECTS`.
        why: why that one.
        measure: the measure whose setting it is, else empty.
        side: the side whose number of pictures it is, else empty.
    """

    field: str
    a: Any
    b: Any
    effect: str
    why: str
    measure: str = ""
    side: str = ""

    @property
    def told(self) -> bool:
        """Whether both scores record the field: if not, it may be the same."""
        return known(self.a) and known(self.b)


def changes(a: Score, b: Score) -> Iterator[Change]:
    """Yield what differs, except numbers, inputs and times."""
    yield from _compare(section(a, "protocol"), section(b, "protocol"), "", _PROTOCOL)
    versions = [section(section(score, "protocol"), "versions") for score in (a, b)]
    yield from _compare(versions[0], versions[1], "version of ", _VERSIONS)
    values = [limit_of(score) for score in (a, b)]
    yield from _differing("epsilon", values, MIFID_ALONE, "the threshold of the penalty")
    for label in ("generated", "reference"):
        values = [score.get(f"n_{label}") for score in (a, b)]
        why = "fewer pictures give a higher FID"
        yield from _differing(f"number of {label} pictures", values, MUCH, why, side=label)
    for label in sorted({*section(a, "skipped"), *section(b, "skipped")}):
        values = [_left_out(score, label) for score in (a, b)]
        why = "pictures that could not be decoded are not in the number"
        field = f"{label.replace('_', ' ')} pictures left out"
        side = "training" if label == "memorization_reference" else label
        yield from _differing(field, values, MUCH, why, side=side)
    for measure, one, other in _measures(a, b):
        for name in dict.fromkeys([*one, *other]):
            why = (
                "another seed draws other pictures" if name == "seed" else "part of its definition"
            )
            values = [one.get(name), other.get(name)]
            yield from _differing(f"{name} of {measure}", values, MEASURE, why, measure=measure)
    intervals = [section(score, "uncertainty") for score in (a, b)]
    if all(intervals):
        for name in ("method", "level", "replicates", "seed", "resampled"):
            values = [found.get(name) for found in intervals]
            yield from _differing(f"intervals' {name}", values, NONE, "of intervals alone")


def untold(a: Score, b: Score, inputs: Sequence[InputPair]) -> tuple[str, ...]:
    """Return the protocol's fields that can move all numbers and that not both scores record."""
    protocols = [section(score, "protocol") for score in (a, b)]
    return tuple(
        name
        for name in _needed(protocols, inputs)
        if not all(known(protocol.get(name)) for protocol in protocols)
    )


def settings_untold(a: Score, b: Score) -> frozenset[str]:
    """Return the measures that both scores contain, but without all of their settings."""
    return frozenset(
        measure
        for measure, one, other in _measures(a, b)
        for name in _settings(a, b, measure)
        if name not in one or name not in other
    )


def _needed(protocols: Sequence[Mapping[str, Any]], inputs: Sequence[InputPair]) -> Iterator[str]:
    yield "ddof"
    if all(side.computed and (side.same or side.label == "held_out") for side in inputs):
        return  # the same features: how they were made no longer matters
    if not all(known(protocol.get("fingerprint")) for protocol in protocols):
        yield from NETWORK
        if not all(protocol.get("extractor") in _BUILT_IN for protocol in protocols):
            yield "fingerprint"
    yield from ("decoder", "dtype")


def _measures(a: Score, b: Score) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Yield measures that both scores have values of, with their settings."""
    found = [section(score, "metrics") for score in (a, b)]
    for measure in found[0]:
        sections = [section(measures, measure) for measures in found]
        if all({*values} - {"settings", "omitted"} for values in sections):
            one, other = (section(values, "settings") for values in sections)
            yield str(measure), one, other


def _settings(a: Score, b: Score, measure: str) -> list[str]:
    """Return a measure's settings; one that is unknown here must record that it has none."""
    if measure in METRICS:
        return list(METRICS[measure].settings)
    found = [section(section(score, "metrics"), measure) for score in (a, b)]
    return [] if all("settings" in values for values in found) else ["settings"]


def _compare(
    a: Mapping[str, Any], b: Mapping[str, Any], prefix: str, fields: Mapping[str, tuple[str, str]]
) -> Iterator[Change]:
    order = [*fields, *sorted({*a, *b} - {*fields})]
    for name in order:
        if name in _ELSEWHERE or name == "versions":
            continue
        effect, why = fields.get(name, (UNKNOWN_EFFECT, "written by another version of mifid"))
        yield from _differing(prefix + name, [a.get(name), b.get(name)], effect, why)


def _differing(
    field: str, values: Sequence[Any], effect: str, why: str, *, measure: str = "", side: str = ""
) -> Iterator[Change]:
    a, b = values
    if a != b and (known(a) or known(b)):
        yield Change(field, a, b, effect, why, measure, side)


def limit_of(score: Score) -> Any:
    """Return the threshold; null says that there is none."""
    limit = score.get("epsilon", UNKNOWN)
    return "none" if limit is None else limit


def _left_out(score: Score, label: str) -> int:
    bad = section(section(score, "skipped"), label).get("bad")
    return len(bad) if isinstance(bad, list) else 0
