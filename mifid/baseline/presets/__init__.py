"""Recipes by name: every row of the reports that mifid can repeat, and our own.

To add a source: one new file that has ``PRESETS``, and one line in the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mifid.baseline.presets import (
    agarwal,
    bayes,
    derunets,
    keras_tutorial,
    kim,
    notebooks,
    own,
    park,
    raviv,
    sabathier,
    torbunov,
    zhu,
)
from mifid.baseline.presets.preset import Preset
from mifid.baseline.presets.trained import TRAINED, TRAINED_HOW, UNPAINTED
from mifid.errors import InputError
from mifid.registry import suggest

__all__ = ["DEFAULT", "PRESETS", "TRAINED", "TRAINED_HOW", "UNPAINTED", "Preset", "preset"]

_SOURCES = (
    own.PRESETS,
    zhu.PRESETS,
    park.PRESETS,
    bayes.PRESETS,
    derunets.PRESETS,
    agarwal.PRESETS,
    keras_tutorial.LOCKEE,
    sabathier.PRESETS,
    kim.PRESETS,
    raviv.PRESETS,
    torbunov.PRESETS,
    notebooks.PRESETS,
)

DEFAULT = "kaggle-5h"
"""The preset that is used if none is given."""

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {preset.name: preset for source in _SOURCES for preset in source}
)
"""All presets by name, source after source."""


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
