"""Whether a tool found what mifid found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["TOLERANCE", "differences"]

TOLERANCE = 1e-4
"""How far a tool with the same resize may be from mifid, relative."""


def differences(
    tool: str, theirs: Mapping[str, Any], ours: Mapping[str, Any], *, same_resize: bool
) -> list[str]:
    """Say if a tool met other pictures than mifid, or differs though its resize is the same.

    Args:
        tool: its name.
        theirs: ``"pictures"`` (a pair, or None if it did not tell), ``"fid"``, ``"distance"`` and
            ``"reversed"`` (None if it was not computed).
        ours: mifid's.
        same_resize: else its numbers are other numbers, and only pictures are compared.
    """
    said = []
    if theirs["pictures"] is not None and list(theirs["pictures"]) != list(ours["pictures"]):
        said.append(f"{tool} met {theirs['pictures']} pictures, mifid {ours['pictures']}")
    for key in ("fid", "distance", "reversed"):
        if same_resize and None not in (theirs[key], ours[key]):
            difference = theirs[key] / ours[key] - 1
            if not abs(difference) <= TOLERANCE:  # so, NaN is caught
                said.append(f"{tool}: {key} is {difference:+.1e} from mifid's, relative")
    return said
