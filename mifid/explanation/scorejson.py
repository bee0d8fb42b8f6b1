"""Reading a score's JSON that anybody may have written: of any version, with anything in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mifid.statistics.provenance import UNKNOWN

__all__ = ["Score", "known", "number", "section"]

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
    """Say whether a field tells something: two files of features may both say "unknown"."""
    return value is not None and value != UNKNOWN
