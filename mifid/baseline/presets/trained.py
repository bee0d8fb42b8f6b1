"""Presets that we trained ourselves, and what they reached: the tournament of docs/training.md."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["TRAINED", "TRAINED_HOW", "UNPAINTED"]

TRAINED_HOW = "64 pixels, 16 channels in the first layers, 8 minutes of one CPU core"
"""Size of the pictures and of the networks, and length; everything else is as in the preset."""

TRAINED: Mapping[str, float] = MappingProxyType(
    {
        "lockee-base": 154.7,
        "kaggle-5h": 177.8,
        "agarwal-static": 192.2,
        "sabathier-cyclegan": 205.2,
        "cyclegan-paper": 249.0,
        "raviv-final": 303.5,
        "derunets-silu": 354.9,
    }
)
"""Preset -> FID of lite0 at the end, of 500 photos against 893 held-out Monets."""

UNPAINTED = 179.3
"""The same FID of the photos unpainted."""
