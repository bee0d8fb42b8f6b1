"""Report C: Lockee, Keras; the tutorial that the enhanced networks are compared with."""

from __future__ import annotations

from mifid.baseline.presets.keras_tutorial import SILENT, TUTORIAL
from mifid.baseline.presets.preset import row

__all__ = ["PRESETS"]

PRESETS = (
    row(
        "lockee-base",
        "U-Net of the Keras tutorial, BCE, generator rate 1e-3, 12 epochs",
        source="C. Lockee",
        reported=58.9,
        stated={
            **TUTORIAL,
            "loss.cycle": 10,
            "loss.identity": 5,
            "optimiser.name": "adam",
            "optimiser.rate": 1e-3,
            "optimiser.discriminator_rate": 2e-4,
            "optimiser.beta1": 0.5,
            "training.batch": 1,
            "training.epochs": 12,
        },
        ours=SILENT,
    ),
)
