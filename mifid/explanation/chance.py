"""How much of a difference between two scores may be chance, by their intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mifid.explanation.causes import Grounds, listed
from mifid.explanation.scorejson import Score, number, section

__all__ = ["about_chance"]


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
