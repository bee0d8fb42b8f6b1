"""Our own recipes."""

from __future__ import annotations

from mifid.baseline.presets.preset import Preset

__all__ = ["PRESETS"]

PRESETS = (
    Preset(
        "kaggle-5h",
        "U-Net CycleGAN, 220,000 pairs within five hours: the default",
        source="mifid",
        added=f"""
            generator.network=unet
            augment.sides=both augment.enlarge={286 / 256} augment.flip=true
            loss.adversarial=lsgan loss.real_label=0.9 loss.cycle=10 loss.identity=5
            optimiser.name=adam optimiser.rate=2e-4 optimiser.discriminator_rate=2e-4
            optimiser.beta1=0.5 optimiser.beta2=0.999 schedule.name=linear schedule.start=0.5
            training.batch=4 training.steps=55_000 training.budget=5h training.pool=50
            training.ema=0.999
            checkpoint.exact=false checkpoint.kept=1
        """,
        note="Ends after 55,000 steps of four pairs or when the five hours are over, whichever "
        "comes first; the rate follows whichever is nearer. People report 37.4 to 42 after 220,000 "
        "to 480,000 pairs of U-Net training, and that longer training does not help.",
    ),
    Preset(
        "tiny",
        "ResNet-2 at 64 pixels, 30 steps: to see the machinery work",
        source="mifid",
        added="""
            data.size=64 data.fit=crop data.held_back=8
            generator.network=resnet generator.width=16 generator.blocks=2
            discriminator.width=16 discriminator.layers=2
            training.batch=4 training.steps=30 training.pool=8 training.ema=0.99
            training.log_steps=5 score.points=2 score.samples=3
        """,
        note="Its pictures are no good: it is far too small, and its run too short.",
    ),
)
