"""The CycleGAN paper."""

from __future__ import annotations

from mifid.baseline.presets.preset import Preset

__all__ = ["PRESETS"]

PRESETS = (
    Preset(
        "cyclegan-paper",
        "ResNet-9, LSGAN, 100 epochs and 100 more with a falling rate",
        source="Zhu et al. 2017",
        given="""
            generator.network=resnet generator.norm=instance generator.activation=relu
            generator.width=64 generator.blocks=9 generator.kernel=0 generator.upsample=transposed
            discriminator.network=patchgan discriminator.norm=instance
            discriminator.activation=leaky_relu discriminator.width=64 discriminator.layers=3
            discriminator.kernel=4
            loss.adversarial=lsgan loss.cycle=10 loss.identity=5 loss.discriminator_scale=0.5
            optimiser.name=adam optimiser.rate=2e-4 optimiser.discriminator_rate=2e-4
            schedule.name=linear schedule.start=0.5
            training.method=cyclegan training.batch=1 training.epochs=200 training.pool=50
        """,
        added="training.epoch=photos training.ema=0",
        note="What the paper leaves open is as in its authors' code: the betas, resize 286 and "
        "crop 256 with flips, and an epoch that goes through the larger side. That makes some 1.4 "
        "million steps with the competition's photos. Under a five-hour limit people report 50.2.",
    ),
)
