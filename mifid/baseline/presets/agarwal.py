"""Report B: Agarwal, Nguyen, Aeillo, TensorFlow; the U-Net of the Keras tutorial throughout."""

from __future__ import annotations

from mifid.baseline.presets.keras_tutorial import SILENT, TUTORIAL
from mifid.baseline.presets.preset import Preset

__all__ = ["PRESETS"]

_SOURCE = "B. Agarwal, Nguyen, Aeillo"

# All 7,038 photos and all 300 paintings.
_BASE = f"""
    {TUTORIAL} data.limit_photos=0 data.limit_paintings=0 loss.cycle=10 loss.identity=10
    optimiser.name=adam optimiser.rate=2e-4 optimiser.discriminator_rate=2e-4 optimiser.beta1=0.5
"""
_STATIC = f"""
    {_BASE} augment.vary=true augment.flip=true augment.turns=true
    training.batch=4 training.steps_per_epoch=1834 training.epochs=30
"""
# 1,834 steps of 4 are 24 variants of each of the 300 paintings, about as many as there are photos.
_STATIC_ADDED = f"""
    {SILENT} augment.sides=paintings augment.static=24 loss.generator_label=0.9
"""

PRESETS = (
    *(
        Preset(
            f"agarwal-unet-{epochs}",
            f"U-Net of the Keras tutorial, BCE, identity 10, {epochs} epochs of 300 steps",
            source=_SOURCE,
            reported=reported,
            given=f"""
                {_BASE} training.batch=1 training.steps_per_epoch=300 training.epochs={epochs}
            """,
            added=SILENT,
            note="The tutorial zips paintings with photos, and so sees the first 300 photos only; "
            "here the two are shuffled apart, and all photos are seen.",
        )
        for epochs, reported in ((2, 89.93), (60, 62.70), (100, 51.78), (120, 51.49), (150, 55.56))
    ),
    Preset(
        "agarwal-static",
        "static augmentation, batch 4, smoothed generator label, 30 epochs of 1,834 steps",
        source=_SOURCE,
        reported=39.73,
        result="repeated: 42.2",
        given=_STATIC,
        added=_STATIC_ADDED,
        note="That resize, crop, flips, quarter turns and label smoothing are used is the "
        "report's; how far pictures are enlarged, which side is augmented, the number of variants "
        "and the label of 0.9 are ours.",
    ),
    Preset(
        "agarwal-stepped",
        "as agarwal-static, with a rate of 2e-4 x10, 1.5e-4 x10, 1e-5 x5, 5e-6 x5 epochs",
        source=_SOURCE,
        reported=38.30,
        given=f"""
            {_STATIC} schedule.name=stepped schedule.until={10 / 30},{20 / 30},{25 / 30}
            schedule.factors=1,0.75,0.05,0.025
        """,
        added=_STATIC_ADDED,
        note="The best of the report; see agarwal-static for what is the report's in it.",
    ),
    Preset(
        "agarwal-diffaugment",
        "DiffAugment tried on the U-Net",
        source=_SOURCE,
        result="not given",
        given=_BASE,
        added=f"""
            {SILENT} diffaugment.color=1 diffaugment.translation=1 diffaugment.cutout=1
            training.batch=1 training.steps_per_epoch=300 training.epochs=100
        """,
        note="The report says that it was tried, and neither how nor with which score.",
    ),
)
