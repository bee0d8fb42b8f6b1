"""From what differs between two scores to what follows from it, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mifid.evidence.changes import (
    MIFID_ALONE,
    MUCH,
    ROUNDING,
    UNKNOWN,
    Change,
    InputPair,
    NumberPair,
    number,
    section,
)

__all__ = ["conclude"]

Score = Mapping[str, Any]

_EQUAL = 1e-9
_ROUNDING = 1e-4
"""Relative differences: of sums in another order, and of features in other arithmetic order."""


def conclude(
    a: Score,
    b: Score,
    *,
    numbers: Sequence[NumberPair],
    inputs: Sequence[InputPair],
    changes: Sequence[Change],
) -> Iterator[str]:
    """Yield what follows, the most important first."""
    headline = [pair for pair in numbers if pair.difference is not None]
    if not headline:
        yield "The two hold no number in common, so there is nothing to explain."
        return
    sides = [pair for pair in inputs if pair.label != "held_out"]
    moving = [change for change in changes if change.effect in (MUCH, UNKNOWN)]
    if _within(headline, _EQUAL):
        yield _equal(changes, sides)
        return
    yield _cause(headline, [c.field for c in moving if c.told], sides, changes)
    yield from _penalty(a, b, changes)
    yield from _untold([c.field for c in moving if not c.told], sides)
    if _only_generated_differs(sides) and not _protocol([c.field for c in moving]):
        yield from _intervals(a, b)


def _equal(changes: Sequence[Change], sides: list[InputPair]) -> str:
    fields = [c.field for c in changes if c.told and c.effect in (MUCH, UNKNOWN, MIFID_ALONE)]
    different = [f"{pair.label} pictures" for pair in sides if pair.same is False]
    if fields or different:
        return f"The numbers are equal, although there differ: {_listed([*fields, *different])}."
    return "The numbers are equal, as they must be."


def _cause(
    headline: Sequence[NumberPair],
    causes: list[str],
    sides: list[InputPair],
    changes: Sequence[Change],
) -> str:
    """Say what the difference is made of, as far as one cause can be singled out."""
    different = [pair.label for pair in sides if pair.same is False]
    unknown = any(pair.same is None for pair in sides)
    protocol = _protocol(causes)
    if protocol and different:
        return (
            f"Several things changed at once: {_listed(protocol)}, and the {_listed(different)} "
            "pictures. How much each contributes cannot be told from the numbers: score both with "
            "the same settings first."
        )
    if protocol:
        which = "perhaps the same pictures" if unknown else "the same pictures"
        return (
            f"Another protocol ({_listed(protocol)}), {which}: the difference says nothing about "
            "the pictures. Score both with the same settings to compare them."
        )
    if different:
        return _other_pictures(different, _sizes(causes), unknown=unknown)
    if causes:
        return (
            f"The inputs are the same, but not all of their pictures were used: {_listed(causes)}."
        )
    if any(change.effect == MIFID_ALONE for change in changes) and _same_but_mifid(headline):
        return "Only epsilon changed: FID and the distance are equal, the penalty is not."
    return _unexplained(headline, changes, unknown=unknown)


def _other_pictures(different: list[str], sizes: str, *, unknown: bool) -> str:
    if different != ["generated"]:
        return (
            f"Other {_listed(different)} pictures: the two are measured against different things "
            f"and cannot be ranked.{sizes} Score both against the same: `mifid compare` does."
        )
    if unknown:
        return f"Same protocol, other generated pictures; the rest cannot be told.{sizes}"
    return (
        "Same protocol, same reference, other generated pictures: a real difference between these "
        f"two sets.{sizes} Whether other samples of the two models would differ as well, intervals "
        "and `mifid compare` tell."
    )


def _unexplained(
    headline: Sequence[NumberPair], changes: Sequence[Change], *, unknown: bool
) -> str:
    by = _apart(headline)
    if unknown:
        return f"Same protocol, but not all inputs can be told apart by hashes; the two differ {by}"
    rounding = [change.field for change in changes if change.effect == ROUNDING]
    if _within_rounding(headline):
        reason = f" ({_listed(rounding)})" if rounding else ""
        return f"Same inputs, same protocol: the rest is rounding{reason}. The two differ {by}"
    return (
        f"Same inputs, same protocol: the numbers must be equal but for rounding. They differ {by} "
        "That is more than rounding does; look for what the JSONs do not tell (another code of "
        "an own extractor, JSONs edited by hand), and report it if there is nothing."
    )


def _penalty(a: Score, b: Score, changes: Sequence[Change]) -> Iterator[str]:
    """Say how much of MiFID is the penalty, where just one side has it."""
    penalized = {}
    for name, score in (("a", a), ("b", b)):
        threshold, fid = number(score, "memorization_distance_thresholded"), number(score, "fid")
        if threshold is None or fid is None:
            return
        if threshold < 1.0:
            penalized[name] = (threshold, fid)
    if len(penalized) != 1:
        return
    ((name, (threshold, fid)),) = penalized.items()
    moved = any(change.effect == MIFID_ALONE for change in changes)
    yield (
        f"Only {name} is penalized: its FID {fid:.6g} is divided by its memorization distance "
        f"{threshold:.6g}{', as the thresholds differ' if moved else ''}. Compare FIDs to see the "
        "rest."
    )


def _untold(fields: list[str], sides: list[InputPair]) -> Iterator[str]:
    if fields:
        yield f"Told by one of the two only, and able to move the numbers: {_listed(fields)}."
    labels = [pair.label for pair in sides if pair.same is None]
    if labels:
        yield (
            f"Whether the {_listed(labels)} pictures are the same cannot be told; give both as "
            "pictures in files, and it can."
        )


def _intervals(a: Score, b: Score) -> Iterator[str]:
    for name, title in (("mifid", "MiFID"), ("fid", "FID")):
        pair = [section(section(section(s, "uncertainty"), "intervals"), name) for s in (a, b)]
        low = [number(found, "low") for found in pair]
        high = [number(found, "high") for found in pair]
        if None in low or None in high:
            continue
        levels = {number(found, "level") for found in pair}
        level = f"{next(iter(levels)):g} % " if len(levels) == 1 and None not in levels else ""
        told = f"The {level}intervals of {title} are {_range(pair[0])} and {_range(pair[1])}. "
        overlap = max(low[0] or 0.0, low[1] or 0.0) <= min(high[0] or 0.0, high[1] or 0.0)
        yield told + (
            "They overlap, which alone proves neither a difference nor its absence: both share the "
            "reference's chance. `mifid compare` resamples the two together, and is sharper."
            if overlap
            else "They do not overlap: the difference is larger than resampling explains."
        )
        return
    yield "Not both hold an interval, so how much of the difference is chance is not known here."


def _protocol(causes: list[str]) -> list[str]:
    """Leave out what follows from which pictures were given."""
    return [cause for cause in causes if "pictures" not in cause]


def _only_generated_differs(sides: list[InputPair]) -> bool:
    return [pair.label for pair in sides if pair.same is not True] == ["generated"]


def _sizes(causes: list[str]) -> str:
    sizes = [cause for cause in causes if cause.startswith("number of")]
    if not sizes:
        return ""
    return f" A part of it is bias: the {_listed(sizes)} differs, and fewer give a higher FID."


def _same_but_mifid(headline: Sequence[NumberPair]) -> bool:
    return _within([pair for pair in headline if pair.name != "mifid"], _EQUAL)


def _within_rounding(headline: Sequence[NumberPair]) -> bool:
    # MiFID of copies divides by next to nothing: what it is made of tells more.
    parts = [pair for pair in headline if pair.name in ("fid", "memorization_distance")]
    return _within(parts or headline, _ROUNDING)


def _within(pairs: Sequence[NumberPair], relative: float) -> bool:
    return all(abs(pair.difference or 0.0) <= relative * _size(pair) for pair in pairs)


def _size(pair: NumberPair) -> float:
    # Distances are of the order of 1, however small this one is: rounding is against that.
    least = 0.1 if pair.name == "memorization_distance" else 0.0
    return max(abs(pair.a or 0.0), abs(pair.b or 0.0), least)


def _apart(headline: Sequence[NumberPair]) -> str:
    return "by " + ", ".join(f"{p.difference:.3g} in {p.title}" for p in headline[:3]) + "."


def _range(interval: Mapping[str, Any]) -> str:
    return f"{interval['low']:.6g} to {interval['high']:.6g}"


def _listed(names: Sequence[str]) -> str:
    words = [name.replace("_", " ") for name in names]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
