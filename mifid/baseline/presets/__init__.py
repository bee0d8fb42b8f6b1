"""Recipes by name: every row of the reports that mifid can repeat, and our own.

To add one: one new file that has ``PRESETS``, and one line in the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mifid.baseline.presets import agarwal, derunets, lockee, own, raviv, sabathier, zhu
from mifid.baseline.presets.preset import Preset
from mifid.errors import InputError
from mifid.registry import suggest

__all__ = ["DEFAULT", "PRESETS", "Preset", "preset"]

_REPORTS = (
    own.PRESETS,
    zhu.PRESETS,
    derunets.PRESETS,
    agarwal.PRESETS,
    lockee.PRESETS,
    sabathier.PRESETS,
    raviv.PRESETS,
)

DEFAULT = "kaggle-5h"
"""Name of the preset that is taken when none is."""

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {preset.name: preset for report in _REPORTS for preset in report}
)
"""All presets by name, report after report."""


def preset(name: str) -> Preset:
    """Return the preset of that name.

    >>> preset("agarwal-static").reported
    39.73

    Raises:
        InputError: there is none; the hint names the nearest.
    """
    if name not in PRESETS:
        raise InputError(f"there is no preset '{name}'", hint=suggest(name, PRESETS))
    return PRESETS[name]
