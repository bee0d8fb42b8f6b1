"""Public notebooks of the competition that are none of the five reports."""

from __future__ import annotations

from mifid.baseline.presets.keras_tutorial import DIFFERENCES, ENCODER, SILENT, TUTORIAL
from mifid.baseline.presets.preset import Preset

__all__ = ["PRESETS"]

PRESETS = (
    Preset(
        "two-objective",
        "discriminator with a hinge head and a label-inverted head, DiffAugment of paintings",
        source="public notebook of the competition",
        result="not given",
        given=f"""
            {TUTORIAL} {ENCODER} loss.adversarial=hinge_bce discriminator.heads=2
            loss.weight=0.4 loss.discriminator_scale=1 loss.cycle=9 loss.identity=4.5
            diffaugment.color=1 diffaugment.translation=1 diffaugment.cutout=1
            diffaugment.discriminators=paintings
            optimiser.name=adam optimiser.rate=2e-4 optimiser.discriminator_rate=2e-4
            optimiser.beta1=0.5
        """,
        added=f"{SILENT} training.batch=1 training.epochs=25",
        note="In the notebook only paintings have two heads (photos the hinge head alone), the "
        "heads' loss is weighted for the paintings only, and the cycle of paintings is compared "
        f"with the identity picture. {DIFFERENCES}",
    ),
)
