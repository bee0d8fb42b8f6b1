"""The Keras tutorial of the competition, which reports B and C start from; report C's row.

What the tutorial gives counts as given by a report that names it.
"""

from __future__ import annotations

from mifid.baseline.presets.preset import Preset

__all__ = ["LOCKEE", "SILENT", "TUTORIAL"]

# A depth of 0 goes down to 1 x 1: 8 halvings at 256.
TUTORIAL = """
    generator.network=unet generator.norm=instance generator.activation=relu generator.width=64
    generator.depth=0 generator.kernel=4 generator.upsample=transposed generator.dropout=0.5
    discriminator.network=patchgan discriminator.norm=instance discriminator.activation=leaky_relu
    discriminator.width=64 discriminator.layers=3 discriminator.kernel=4
    discriminator.sigmoid=false loss.adversarial=bce loss.discriminator_scale=0.5
    training.method=cyclegan
"""
"""Networks and losses of the tutorial."""

SILENT = "augment.sides=none schedule.name=constant training.pool=0 training.ema=0"
"""Our choice where a report is silent: as in the tutorial, which has none of these."""

LOCKEE = (
    Preset(
        "lockee-base",
        "U-Net of the Keras tutorial, BCE, generator rate 1e-3, 12 epochs",
        source="C. Lockee",
        reported=58.9,
        given=f"""
            {TUTORIAL} loss.cycle=10 loss.identity=5
            optimiser.name=adam optimiser.rate=1e-3 optimiser.discriminator_rate=2e-4
            optimiser.beta1=0.5 training.batch=1 training.epochs=12
        """,
        added=SILENT,
    ),
)
"""Report C: Lockee, Keras; the tutorial that the enhanced networks are compared with."""
