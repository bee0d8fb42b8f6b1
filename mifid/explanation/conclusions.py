"""What an explanation concludes, in sentences, and how much may be chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mifid.explanation.causes import Grounds, listed, within
from mifid.explanation.changes import NumberPair, Score, number, section
from mifid.metrics import CORE, METRICS

__all__ = [
    "about_chance",
    "about_floor",
    "about_measures",
    "conclude",
]


def about_chance(a: Score, b: Score, grounds: Grounds) -> Iterator[str]:
    """Say whether the intervals overlap, and what that proves; the headline's alone."""
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
            else f"They do not overlap: {_apart(grounds)}"
        )
        return
    yield "Not both hold an interval, so how much of the difference is chance is not known here."


def _apart(grounds: Grounds) -> str:
    """Intervals know of other draws of as many pictures, and of nothing else."""
    if grounds.pictures:
        return (
            f"chance alone does not explain the difference, but the {listed(grounds.pictures)} "
            "differs, and with it FID's bias, which the intervals leave out. Score equal numbers, "
            "or compare the FIDs for infinitely many."
        )
    if grounds.untold or grounds.sizes_untold:
        fields = listed([*grounds.untold, *grounds.sizes_untold])
        return (
            "chance alone does not explain the difference; the pictures do only if what is not "
            f"told is equal ({fields})."
        )
    return "the difference is larger than resampling explains."


def _range(interval: Mapping[str, Any]) -> str:
    return f"{interval['low']:.6g} to {interval['high']:.6g}"


_COUNTING = ("authpct", "ct", "dc", "pr")
"""Measures of neighbours or cells: rounding tips single pictures, and moves them in steps."""

_STEPS = 1e-2


def about_measures(
    pairs: Sequence[NumberPair], grounds: Grounds, *, covered: bool
) -> Iterator[str]:
    """Yield why they differ, those together that differ for the same reason.

    Args:
        pairs: the measures' numbers that both hold.
        grounds: what can be behind it.
        covered: whether it was said already what differs for all numbers.
    """
    by_measure: dict[str, list[NumberPair]] = {}
    for pair in pairs:
        by_measure.setdefault(pair.measure, []).append(pair)
    reasons: dict[str, list[str]] = {}
    for measure, found in by_measure.items():
        if not within(found, _EQUAL) and (why := _reason(measure, found, grounds, covered)):
            reasons.setdefault(why, []).append(measure)
    for why, measures in reasons.items():
        yield f"{listed(measures)}: {why}"


def _reason(
    measure: str, pairs: Sequence[NumberPair], grounds: Grounds, covered: bool
) -> str | None:
    settings = grounds.settings.get(measure, ())
    different = grounds.different([measure])
    own = [f"another {name}" for name in settings]
    own += ["other held-out pictures"] if "held_out" in different else []
    shared = [label for label in different if label != "held_out"]
    common = [*grounds.protocol, *grounds.pictures]
    if own and covered and (shared or common):
        return f"{listed(own)} as well: what that adds cannot be told from the rest."
    if own == ["another seed"]:
        return "another seed, so other draws: that part is chance, not the pictures."
    if own:
        return f"{listed(own)}, so the two cannot be compared."
    if shared or common:
        return None if covered else _behind(shared, common)
    return _without_cause(measure, pairs, grounds)


def _behind(shared: Sequence[str], common: Sequence[str]) -> str:
    """Say it where the numbers beside are equal, though there is something that moves numbers."""
    return (
        f"{listed([*common, *(f'{label} pictures (or their order)' for label in shared)])} differ."
    )


def _without_cause(measure: str, pairs: Sequence[NumberPair], grounds: Grounds) -> str:
    open_ = [*grounds.untold, *grounds.sizes_untold]
    open_ += ["its settings"] if measure in grounds.settings_untold else []
    open_ += [f"{label} pictures" for label in grounds.unsure([measure])]
    if open_:
        return f"why they differ cannot be told, for want of: {listed(open_)}."
    reason = f" ({listed(grounds.rounding)})" if grounds.rounding else ""
    if within(pairs, _ROUNDING):
        return f"the rest is rounding{reason}."
    if not grounds.version:
        return "written by different versions of mifid, which may compute them differently."
    if measure in _COUNTING and grounds.rounding and within(pairs, _STEPS):
        return f"they count pictures, of which rounding{reason} tips single ones."
    order = ""
    if grounds.pictured and measure in METRICS and "seed" in METRICS[measure].settings:
        order = "the same pictures by other names are drawn in another order; else "
    return (
        f"{order}the same inputs, settings and protocol must give equal numbers but for rounding. "
        "Look for what the JSONs do not tell (another code of an own extractor, JSONs edited by "
        "hand), and report it if there is nothing."
    )


def about_floor(a: Score, b: Score, grounds: Grounds) -> Iterator[str]:
    """Say that other held-out pictures give FID another floor."""
    if grounds.sides.get("held_out") is not False:
        return
    one, other = (number(section(score, "bias"), "floor_held_out") for score in (a, b))
    if one is not None and other is not None and one != other:
        yield f"The floor of FID moved from {one:.4g} to {other:.4g}: other held-out pictures."


_EQUAL = 1e-9
_ROUNDING = 1e-4
"""Relative differences: of sums in another order, and of features in other arithmetic order."""


def conclude(
    a: Score, b: Score, *, numbers: Sequence[NumberPair], grounds: Grounds
) -> Iterator[str]:
    """Yield what follows, the most important first."""
    common = [pair for pair in numbers if pair.difference is not None]
    if not common:
        yield "The two hold no number in common, so there is nothing to explain."
        return
    if within(common, _EQUAL):
        yield _equal(common, grounds, every=len(common) == len(numbers))
        yield from about_floor(a, b, grounds)
        return
    core = [pair for pair in common if pair.measure in CORE]
    others = [pair for pair in common if pair.measure not in CORE]
    covered = not within(core or others, _EQUAL)
    if core and not covered:
        yield _equal(core, grounds, every=False)
    elif shared := _shared(common if core else others, grounds, core):
        yield shared
    elif core:
        yield _core(a, b, core, grounds)
    if core and covered:
        yield from _penalty(a, b, grounds)
    yield from about_measures(others, grounds, covered=covered)
    yield from about_floor(a, b, grounds)
    if covered:
        yield from _untold(_measures(common), grounds)
        if _only_generated_differs(core, grounds):
            yield from about_chance(a, b, grounds)


def _equal(pairs: Sequence[NumberPair], grounds: Grounds, *, every: bool) -> str:
    """Say which numbers are equal, and whether they could have been otherwise."""
    measures = _measures(pairs)
    names = list(dict.fromkeys(_name(pair) for pair in pairs))
    many = every or len(names) > 1
    subject = "The numbers are" if every else f"{listed(names)} {'are' if many else 'is'}"
    it = "they" if many else "it"
    causes = [*grounds.protocol, *grounds.pictures]
    causes += ["epsilon"] if grounds.epsilon and "mifid" in measures else []
    causes += [f"{s} of {m}" for m in measures for s in grounds.settings.get(m, ())]
    causes += [f"{label} pictures" for label in grounds.different(measures)]
    if causes:
        return f"{subject} equal, although there differ: {listed(causes)}."
    open_ = [*grounds.untold, *grounds.sizes_untold]
    open_ += ["epsilon"] if grounds.epsilon is None and "mifid" in measures else []
    open_ += [f"settings of {m}" for m in measures if m in grounds.settings_untold]
    open_ += [f"{label} pictures" for label in grounds.unsure(measures)]
    if open_:
        return (
            f"{subject} equal; whether {it} must be cannot be told, for want of: {listed(open_)}."
        )
    return f"{subject} equal, as {it} must be."


def _shared(
    pairs: Sequence[NumberPair], grounds: Grounds, core: Sequence[NumberPair]
) -> str | None:
    """Say what the difference is made of, as far as causes reach all numbers; else None."""
    measures = _measures(pairs)
    different = [label for label in grounds.different(measures) if label != "held_out"]
    unsure = [label for label in grounds.unsure(measures) if label != "held_out"]
    if grounds.protocol:
        return _other_protocol(different, grounds, unsure=unsure)
    if different == ["training"] and within([p for p in core if p.name == "fid"], _ROUNDING):
        return (
            "Other training pictures: the memorization distance, and MiFID where it is penalized, "
            "are to different things; FID does not depend on them."
        )
    if different and different != ["training"]:
        return _other_pictures(different, grounds, unsure=unsure)
    if grounds.pictures and unsure:
        return f"Not all pictures are the same: the {listed(grounds.pictures)} differs."
    if grounds.pictures:
        return (
            "The inputs are the same, but not all of their pictures were used: "
            f"{listed(grounds.pictures)}."
        )
    return None


def _other_protocol(different: list[str], grounds: Grounds, *, unsure: Sequence[str]) -> str:
    if different:
        return (
            f"Several things changed at once: {listed(grounds.protocol)}, and the "
            f"{listed(different)} pictures. How much each contributes cannot be told from the "
            "numbers: score both with the same settings first."
        )
    which = "perhaps the same pictures" if unsure else "the same pictures"
    return (
        f"Another protocol ({listed(grounds.protocol)}), {which}: the difference says nothing "
        "about the pictures. Score both with the same settings to compare them."
    )


def _other_pictures(different: list[str], grounds: Grounds, *, unsure: Sequence[str]) -> str:
    sizes = _sizes(grounds)
    if different != ["generated"]:
        return (
            f"Other {listed(different)} pictures: the two are measured against different things "
            f"and cannot be ranked.{sizes} Score both against the same: `mifid compare` does."
        )
    if grounds.untold:
        reference = "" if unsure else ", the same reference"
        return (
            f"Other generated pictures{reference}; whether the protocol is the same cannot be "
            f"told.{sizes}"
        )
    if unsure:
        return f"Same protocol, other generated pictures; the rest cannot be told.{sizes}"
    return (
        "Same protocol, same reference, other generated pictures: a real difference between these "
        f"two sets.{sizes} Whether other samples of the two models would differ as well, intervals "
        "and `mifid compare` tell."
    )


def _core(a: Score, b: Score, core: Sequence[NumberPair], grounds: Grounds) -> str:
    """Say what FID, distance and MiFID differ by, where no field and no pictures explain it."""
    by = "by " + ", ".join(f"{p.difference:.3g} in {p.title}" for p in core) + "."
    # Copies make MiFID divide by next to nothing: what it is made of tells more.
    parts = [p for p in core if p.name != "mifid"]
    sound = within(parts, _ROUNDING) if parts else within(core, _ROUNDING)
    if grounds.epsilon and sound:
        if "fid" in {pair.name for pair in parts}:
            which = " and the distance are" if len(parts) > 1 else " is"
            return f"Only epsilon changed: FID{which} equal, the penalty is not."
        return f"Epsilon changed, which moves MiFID alone; the two differ {by}"
    unsure, different = (f(_measures(core)) for f in (grounds.unsure, grounds.different))
    if unsure or grounds.untold:
        protocol = "N" if grounds.untold else "Same protocol, but n"
        return (
            f"{protocol}ot everything is told that can move the numbers, so no cause can be "
            f"singled out; the two differ {by}"
        )
    # Other training pictures were told of before, but for a FID that moved without a cause.
    same = "Same generated and reference pictures" if different else "Same inputs"
    if sound and _as_defined(a, b):
        reason = f" ({listed(grounds.rounding)})" if grounds.rounding else ""
        return f"{same}, same protocol: the rest is rounding{reason}. The two differ {by}"
    return (
        f"{same}, same protocol: the numbers must be equal but for rounding. They differ {by} "
        "That is more than rounding does; look for what the JSONs do not tell (another code of "
        "an own extractor, JSONs edited by hand), and report it if there is nothing."
    )


def _as_defined(a: Score, b: Score) -> bool:
    """Say whether MiFID follows from FID and distance, in so far as both JSONs tell them."""
    for score in (a, b):
        mifid, fid = number(score, "mifid"), number(score, "fid")
        divisor = number(score, "memorization_distance_thresholded")
        if mifid is None or fid is None or not divisor or divisor < 1e-6:
            continue
        if abs(mifid - fid / divisor) > 1e-6 * max(abs(mifid), abs(fid / divisor)):
            return False
    return True


def _penalty(a: Score, b: Score, grounds: Grounds) -> Iterator[str]:
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
    yield (
        f"Only {name} is penalized: its FID {fid:.6g} is divided by its memorization distance "
        f"{threshold:.6g}{', as the thresholds differ' if grounds.epsilon else ''}. Compare FIDs "
        "to see the rest."
    )


def _untold(measures: Sequence[str], grounds: Grounds) -> Iterator[str]:
    fields = [*grounds.untold, *grounds.sizes_untold]
    if fields:
        yield f"At least one does not tell what can move the numbers: {listed(fields)}."
    labels = grounds.unsure(measures)
    if labels:
        yield (
            f"Whether the {listed(labels)} pictures are the same cannot be told; give both as "
            "pictures in files, and it can."
        )


def _only_generated_differs(core: Sequence[NumberPair], grounds: Grounds) -> bool:
    measures = _measures(core)
    return (
        grounds.different(measures) == ["generated"]
        and not grounds.unsure(measures)
        and not grounds.protocol
    )


def _sizes(grounds: Grounds) -> str:
    sizes = [field for field in grounds.pictures if field.startswith("number of")]
    if not sizes:
        return ""
    return f" A part of it is bias: the {listed(sizes)} differs, and fewer give a higher FID."


def _measures(pairs: Sequence[NumberPair]) -> list[str]:
    return list(dict.fromkeys(pair.measure for pair in pairs))


def _name(pair: NumberPair) -> str:
    return pair.title if pair.measure in CORE else pair.measure
