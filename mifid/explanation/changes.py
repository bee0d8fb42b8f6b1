"""What differs between two scores' JSONs, and how far each difference can move the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mifid.explanation.pairs import InputPair
from mifid.explanation.scorejson import Score, known, section
from mifid.metrics import METRICS

__all__ = ["EFFECTS", "Change", "changes", "settings_untold", "untold"]

MUCH, MIFID_ALONE, MEASURE = "much", "mifid", "measure"
ROUNDING, NONE, UNKNOWN = "rounding", "none", "unknown"

EFFECTS = {
    MUCH: "can move the numbers much",
    MIFID_ALONE: "moves MiFID alone",
    MEASURE: "moves that measure alone",
    ROUNDING: "moves them by rounding only",
    NONE: "does not move them",
    UNKNOWN: "not known to this version of mifid",
}
"""effect -> in words."""

NETWORK = ("extractor", "weights_sha256", "resize")

_BUILT_IN = ("inception", "inception-random")
"""Extractors that weights and resize tell whole; of others only a fingerprint does."""

_NETWORK = "another network: its numbers are another measure"
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
_TOLD_ELSEWHERE = {"mifid", "pillow"}  # by version and by decoder


@dataclass(frozen=True)
class Change:
    """A field that differs.

    Attributes:
        field: its name.
        a, b: the values.
        effect: a key of :data:`EFFECTS`.
        why: why that one.
        measure: whose setting it is; empty for what concerns all.
    """

    field: str
    a: Any
    b: Any
    effect: str
    why: str
    measure: str = ""

    @property
    def told(self) -> bool:
        """Whether both scores tell the field: if not, it may be the same after all."""
        return known(self.a) and known(self.b)


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
        field = f"{label.replace('_', ' ')} pictures left out"
        yield from _differing(field, bad[0], bad[1], MUCH, why)
    for measure, one, other in _measures(a, b):
        for name in dict.fromkeys([*one, *other]):
            why = "other draws, so chance" if name == "seed" else "it is defined with it"
            field = f"{name} of {measure}"
            yield from _differing(field, one.get(name), other.get(name), MEASURE, why, measure)
    drawn = [section(score, "uncertainty") for score in (a, b)]
    if all(drawn):
        for name in ("method", "level", "replicates", "seed", "resampled"):
            values = [found.get(name) for found in drawn]
            field = f"intervals' {name}"
            yield from _differing(field, values[0], values[1], NONE, "of intervals alone")


def untold(a: Score, b: Score, inputs: Sequence[InputPair]) -> tuple[str, ...]:
    """Name the protocol's fields that can move all numbers and that not both scores tell."""
    protocols = [section(score, "protocol") for score in (a, b)]
    return tuple(
        name
        for name in _needed(protocols, inputs)
        if not all(known(protocol.get(name)) for protocol in protocols)
    )


def settings_untold(a: Score, b: Score) -> frozenset[str]:
    """Name the measures that both scores hold, but not all of their settings."""
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
    """Yield measures that both scores hold values of, with their settings."""
    found = [section(score, "metrics") for score in (a, b)]
    for measure in found[0]:
        sections = [section(measures, measure) for measures in found]
        if all({*values} - {"settings", "omitted"} for values in sections):
            one, other = (section(values, "settings") for values in sections)
            yield str(measure), one, other


def _settings(a: Score, b: Score, measure: str) -> list[str]:
    """Name a measure's settings; one that is unknown here must tell that it has none."""
    if measure in METRICS:
        return list(METRICS[measure].settings)
    found = [section(section(score, "metrics"), measure) for score in (a, b)]
    return [] if all("settings" in values for values in found) else ["settings"]


def _compare(
    a: Mapping[str, Any], b: Mapping[str, Any], prefix: str, fields: Mapping[str, tuple[str, str]]
) -> Iterator[Change]:
    order = [*fields, *sorted({*a, *b} - {*fields})]
    for name in order:
        if name in _TOLD_ELSEWHERE or name == "versions":
            continue
        effect, why = fields.get(name, (UNKNOWN, "written by another version of mifid"))
        yield from _differing(prefix + name, a.get(name), b.get(name), effect, why)


def _differing(
    field: str, a: Any, b: Any, effect: str, why: str, measure: str = ""
) -> Iterator[Change]:
    if a == b or not (known(a) or known(b)):
        return
    yield Change(field, a, b, effect, why, measure)


def _left_out(score: Score, label: str) -> int:
    bad = section(section(score, "skipped"), label).get("bad")
    return len(bad) if isinstance(bad, list) else 0
