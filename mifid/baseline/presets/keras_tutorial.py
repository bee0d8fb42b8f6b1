"""The Keras tutorial of the competition, which reports B and C start from.

What the tutorial gives counts as stated by a report that names it.
"""

from __future__ import annotations

__all__ = ["SILENT", "TUTORIAL"]

TUTORIAL: dict[str, object] = {
    "generator.network": "unet",
    "generator.norm": "instance",
    "generator.activation": "relu",
    "generator.width": 64,
    "generator.depth": 0,  # down to 1 x 1: 8 halvings at 256
    "generator.kernel": 4,
    "generator.upsample": "transposed",
    "generator.dropout": 0.5,
    "discriminator.network": "patchgan",
    "discriminator.norm": "instance",
    "discriminator.activation": "leaky_relu",
    "discriminator.width": 64,
    "discriminator.layers": 3,
    "discriminator.kernel": 4,
    "discriminator.sigmoid": False,
    "loss.adversarial": "bce",
    "loss.discriminator_scale": 0.5,
    "training.method": "cyclegan",
}
"""Networks and losses of the tutorial."""

SILENT: dict[str, object] = {
    "augment.sides": "none",
    "schedule.name": "constant",
    "training.pool": 0,
    "training.ema": 0.0,
}
"""Our choice where a report is silent: as in the tutorial, which has none of these."""
