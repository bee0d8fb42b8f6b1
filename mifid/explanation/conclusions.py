"""Causes of the differences between two scores, and a verdict on each number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mifid.explanation.changes import (
    MEASURE,
    MUCH,
    NETWORK,
    ROUNDING,
    UNKNOWN_EFFECT,
    Change,
    InputPair,
    NumberPair,
    Score,
    known,
    limit_of,
    number,
    section,
    settings_untold,
    untold,
)
from mifid.formatting import listed
from mifid.metrics import CORE, METRICS

__all__ = ["Cause", "causes", "conclude"]

PROTOCOL, PICTURES, COUNT, SETTING, EPSILON = "protocol", "pictures", "count", "setting", "epsilon"

_ALL_SIDES = ("generated", "reference", "training", "held_out")


@dataclass(frozen=True)
class Cause:
    """Something that moves numbers, if it differs.

    Attributes:
        name: such as ``"resize"``, ``"generated pictures"`` or ``"seed"``.
        kind: ``PROTOCOL``, ``PICTURES``, ``COUNT`` (of pictures), ``SETTING`` or ``EPSILON``.
        differs: False: it is not known to be the same in both scores.
        side: moves only measures of this side's pictures.
        measure: moves only this measure.
    """

    name: str
    kind: str
    differs: bool
    side: str = ""
    measure: str = ""

    def reaches(self, measure: str, labels: Iterable[str]) -> bool:
        """Return whether it can move a measure; ``labels`` are of the sides of the scores."""
        if self.measure:
            return self.measure == measure
        return not self.side or self.side in _sides(measure, labels)


def _sides(measure: str, labels: Iterable[str]) -> set[str]:
    """Return the sides whose pictures a measure is computed from."""
    sides = set(METRICS[measure].sides if measure in METRICS else _ALL_SIDES)
    if "training" in sides and "training" not in labels:
        sides.add("reference")  # the model was trained on it
    return sides


def causes(
    a: Score, b: Score, *, changes: Sequence[Change], inputs: Sequence[InputPair]
) -> Iterator[Cause]:
    """Yield what differs, or may differ, and moves numbers by more than rounding."""
    for name in untold(a, b, inputs):
        yield Cause(name, PROTOCOL, differs=False)
    network = any(change.told and change.field in NETWORK for change in changes)
    same = {pair.label for pair in inputs if pair.same}
    for change in changes:
        if change.side:
            if change.told or change.side not in same:
                yield Cause(change.field, COUNT, change.told, side=change.side)
        elif change.effect == MEASURE and change.told:
            name = change.field.removesuffix(f" of {change.measure}")
            yield Cause(name, SETTING, True, measure=change.measure)
        elif change.effect == MUCH and change.told:
            if change.field != "fingerprint" or not network:  # it stands for the network
                yield Cause(change.field, PROTOCOL, True)
        # A library that only one version of mifid records is not taken for a cause.
        elif change.effect == UNKNOWN_EFFECT and (
            change.told or not change.field.startswith("version of ")
        ):
            yield Cause(change.field, PROTOCOL, change.told)
    one_sided = {change.measure for change in changes if change.measure and not change.told}
    for measure in sorted(settings_untold(a, b) | one_sided):
        yield Cause("settings", SETTING, False, measure=measure)
    epsilons = limit_of(a), limit_of(b)
    recorded = all(map(known, epsilons))
    if not recorded or epsilons[0] != epsilons[1]:
        yield Cause("epsilon", EPSILON, recorded, measure="mifid")
    for pair in inputs:
        if not pair.same:
            name = f"{pair.label.replace('_', '-')} pictures"
            yield Cause(name, PICTURES, pair.same is False, side=pair.label)


_EQUAL = 1e-9
_ROUNDING = 1e-4
"""Relative differences: of sums in another order, and of features in other arithmetic."""

_COUNTING = ("authpct", "ct", "dc", "pr")
"""Measures that count pictures: rounding moves single ones across a border, and these in steps."""

_STEPS = 1e-2

_SCALE = {"memorization": 0.1, "kid": 0.01, "fld": 1.0, "ct": 1.0}
"""The usual size of measures that may be near 0: rounding is relative to that."""


def conclude(
    a: Score,
    b: Score,
    *,
    numbers: Sequence[NumberPair],
    changes: Sequence[Change],
    inputs: Sequence[InputPair],
    causes: Sequence[Cause],
) -> Iterator[str]:
    """Yield a verdict on each group of numbers, differences first, and what they may mean."""
    common = [pair for pair in numbers if pair.difference is not None]
    if not common:
        yield "The two scores have no number in common, so there is nothing to explain."
        return
    labels = [pair.label for pair in inputs]
    core = [pair for pair in common if pair.measure in CORE]
    moved = not _within(core or common, _EQUAL)
    verdicts: dict[str, list[str]] = {}
    for measure in dict.fromkeys(pair.measure for pair in common):
        pairs = [pair for pair in common if pair.measure == measure]
        reaching = [cause for cause in causes if cause.reaches(measure, labels)]
        if _within(pairs, _EQUAL):
            verdict = _equal(reaching)
        elif reaching:
            verdict = _caused(reaching, moved=moved)
        else:
            verdict = _uncaused(measure, _compared(a, b, pairs, common), changes, inputs)
        name = pairs[0].title if measure in CORE else measure
        verdicts.setdefault(verdict, []).append(name)
    for verdict in sorted(verdicts, key=lambda text: text.startswith("equal")):
        yield f"{listed(verdicts[verdict])}: {verdict}"
    if core and moved:
        yield from _penalty(a, b)
        reaching = [cause for cause in causes if cause.reaches(core[0].measure, labels)]
        if _only_generated(reaching):
            yield _chance(a, b, reaching)
    yield from _floor(a, b, inputs)


def _equal(reaching: Sequence[Cause]) -> str:
    if different := _names(reaching, differs=True):
        return f"equal, although different: {different}."
    return f"equal.{_unknown(reaching)}" if reaching else "equal, as expected."


def _caused(reaching: Sequence[Cause], *, moved: bool) -> str:
    different = _names(reaching, differs=True)
    if not different:
        return f"different, cause unknown.{_unknown(reaching)}"
    meaning = _meaning(reaching, moved=moved)
    return f"different. Cause: {different}.{meaning}{_unknown(reaching)}"


_NOTHING_OF_PICTURES = "This says nothing about the pictures: score both with the same settings."
_NO_COMPARISON = "These numbers cannot be compared: score both with the same settings."
_CHANCE = "This is chance: another seed draws other pictures."
_PENALTY = "Only the penalty changed."
_SEVERAL = "How much each contributes is unknown: score both with the same settings."
_NO_RANK = (
    "These numbers are measured against different pictures and cannot be ranked: score both "
    "against the same ones, as `mifid compare` does."
)
_REAL = "This is a real difference between the two sets of generated pictures."
_FEWER = "Fewer pictures give a higher FID."


def _meaning(reaching: Sequence[Cause], *, moved: bool) -> str:
    """Return what a difference with these causes means, with a space before each sentence."""
    found = [cause for cause in reaching if cause.differs]
    kinds = {cause.kind for cause in found}
    meaning = ""
    if len(kinds - {COUNT}) > 1:
        meaning = _SEVERAL
    elif PROTOCOL in kinds:
        meaning = _NOTHING_OF_PICTURES
    elif SETTING in kinds:
        meaning = _CHANCE if all(cause.name == "seed" for cause in found) else _NO_COMPARISON
    elif EPSILON in kinds:
        meaning = _PENALTY
    elif any(cause.kind == PICTURES and cause.side != "generated" for cause in found):
        meaning = _NO_RANK
    # Features in another order are other contents, but their FID is equal.
    elif PICTURES in kinds and moved and len(found) == len(reaching):
        meaning = _REAL
    return "".join(f" {text}" for text in (meaning, _FEWER * (COUNT in kinds)) if text)


def _unknown(reaching: Sequence[Cause]) -> str:
    names = _names(reaching, differs=False)
    return f" Not known to be the same: {names}." if names else ""


def _names(causes: Sequence[Cause], *, differs: bool) -> str:
    names = [cause.name.replace("_", " ") for cause in causes if cause.differs == differs]
    return listed(names) if names else ""


def _uncaused(
    measure: str,
    pairs: Sequence[NumberPair],
    changes: Sequence[Change],
    inputs: Sequence[InputPair],
) -> str:
    """Return the verdict on numbers that differ although nothing that moves them does."""
    fields = [c.field.replace("_", " ") for c in changes if c.told and c.effect == ROUNDING]
    steps = _STEPS if fields and measure in _COUNTING else _ROUNDING
    if _within(pairs, steps):
        return f"different by rounding only{f' ({listed(fields)})' if fields else ''}."
    if measure not in CORE and any(change.field == "version" for change in changes):
        return "different; the two versions of mifid may compute this measure differently."
    order = ""
    drawn = measure in METRICS and "seed" in METRICS[measure].settings
    if drawn and not all(pair.computed for pair in inputs):
        order = " Pictures with other names are drawn in another order."
    return (
        "different without a known cause: with the same inputs, settings and protocol they should "
        f"be equal except for rounding.{order} Check what the JSON files do not record: other "
        "code of your own extractor, or edits by hand. If it is neither, please report it."
    )


def _compared(
    a: Score, b: Score, pairs: list[NumberPair], common: Sequence[NumberPair]
) -> list[NumberPair]:
    """Return the pairs by which rounding is judged.

    With copies MiFID is divided by a number near 0: FID and memorization distance are judged
    instead, if MiFID follows from them.
    """
    parts = [pair for pair in common if pair.measure in ("fid", "memorization")]
    follows = pairs[0].measure == "mifid" and all(map(_follows, (a, b)))
    return parts if parts and follows else pairs


def _follows(score: Score) -> bool:
    """Return whether MiFID is FID divided by the distance, as far as these are recorded."""
    mifid, fid = number(score, "mifid"), number(score, "fid")
    divisor = number(score, "memorization_distance_thresholded")
    if mifid is None or fid is None or not divisor or divisor < 1e-6:
        return True
    return abs(mifid - fid / divisor) <= 1e-6 * max(abs(mifid), abs(fid / divisor))


def _within(pairs: Iterable[NumberPair], relative: float) -> bool:
    """Return whether all pairs differ by no more than that, relative to their size."""
    return all(
        abs(pair.difference or 0.0)
        <= relative * max(abs(pair.a or 0.0), abs(pair.b or 0.0), _SCALE.get(pair.measure, 0.0))
        for pair in pairs
    )


def _penalty(a: Score, b: Score) -> Iterator[str]:
    """Explain MiFID where only one of the scores is penalized."""
    penalized = {}
    for name, score in (("a", a), ("b", b)):
        divisor, fid = number(score, "memorization_distance_thresholded"), number(score, "fid")
        if divisor is None or fid is None:
            return
        if divisor < 1.0:
            penalized[name] = f"{fid:.6g} is divided by its memorization distance {divisor:.6g}"
    if len(penalized) == 1:
        ((name, how),) = penalized.items()
        yield f"Only {name} is penalized: its FID {how}. Compare the FIDs to see the rest."


def _only_generated(reaching: Sequence[Cause]) -> bool:
    """Return whether other generated pictures, or another number of them, are the only cause."""
    pictures = {(cause.side, cause.differs) for cause in reaching if cause.kind == PICTURES}
    protocol = any(cause.kind == PROTOCOL and cause.differs for cause in reaching)
    return pictures == {("generated", True)} and not protocol


def _chance(a: Score, b: Score, reaching: Sequence[Cause]) -> str:
    """Return what the intervals say: of chance in drawing so many pictures, and of nothing else."""
    for name, title in (("mifid", "MiFID"), ("fid", "FID")):  # noqa: B007 - named below
        pair = [section(section(section(s, "uncertainty"), "intervals"), name) for s in (a, b)]
        if all(number(found, end) is not None for found in pair for end in ("low", "high")):
            break
    else:
        return "Not both scores have an interval: how much of the difference is chance is unknown."
    levels = {number(found, "level") for found in pair}
    level = f"{pair[0]['level']:g} % " if len(levels) == 1 and None not in levels else ""
    ranges = listed([f"{found['low']:.6g} to {found['high']:.6g}" for found in pair])
    text = f"The {level}intervals of {title}, {ranges}, "
    if max(found["low"] for found in pair) <= min(found["high"] for found in pair):
        return (
            f"{text}overlap: this proves neither a difference nor its absence. `mifid compare` "
            "resamples both together, which decides more often."
        )
    text += "do not overlap: chance alone does not explain the difference."
    if any(cause.kind == COUNT for cause in reaching):
        text += " The intervals leave out the bias of other numbers of pictures: use equal numbers."
    return text


def _floor(a: Score, b: Score, inputs: Sequence[InputPair]) -> Iterator[str]:
    """Report that other held-out pictures give FID another floor."""
    one, other = (number(section(score, "bias"), "floor_held_out") for score in (a, b))
    moved = any(pair.label == "held_out" and pair.same is False for pair in inputs)
    if moved and one is not None and other is not None and one != other:
        yield f"Other held-out pictures: the floor of FID moved from {one:.4g} to {other:.4g}."
