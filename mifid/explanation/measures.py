"""Why measures beside FID, memorization distance and MiFID differ between two scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mifid.explanation.causes import Grounds, listed, within
from mifid.explanation.pairs import NumberPair
from mifid.explanation.scorejson import Score, number, section
from mifid.metrics import METRICS

__all__ = ["about_floor", "about_measures"]

_EQUAL, _ROUNDING = 1e-9, 1e-4

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
