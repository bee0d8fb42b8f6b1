"""Presets that we trained ourselves, and what they reached: the tournament of docs/training.md."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["TRAINED", "TRAINED_HOW", "UNPAINTED"]

TRAINED_HOW = "64 pixels, 16 channels in the first layers, 5 minutes of one CPU core"
"""Size of the pictures and of the networks, and length; everything else is as in the preset."""

TRAINED: Mapping[str, float] = MappingProxyType(
    {
        "lockee-base": 152.5,
        "kaggle-5h": 170.0,
        "agarwal-unet-120": 186.2,
        "agarwal-static": 195.3,
        "cut": 196.0,
        "sabathier-cyclegan": 214.3,
        "cyclegan-paper": 243.6,
        "ugatit": 266.7,
        "bayes-z": 283.4,
        "raviv-final": 284.2,
        "uvcgan2": 314.0,
        "derunets-silu": 349.4,
    }
)
"""Preset -> FID of lite0 at the end, of 500 photos against 893 held-out Monets: the mean of three
runs of the first four, one run of each of the others."""

UNPAINTED = 179.3
"""The same FID of the photos unpainted."""
