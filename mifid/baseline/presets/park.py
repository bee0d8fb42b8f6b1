"""The paper of CUT and FastCUT, with the values of its authors' code."""

from __future__ import annotations

from mifid.baseline.presets.preset import Preset

__all__ = ["PRESETS"]

_SOURCE = "Park et al. 2020"
_GIVEN = f"""
    augment.sides=both augment.enlarge={286 / 256} augment.vary=false augment.flip=true
    generator.network=resnet generator.norm=plain_instance generator.activation=relu
    generator.width=64 generator.blocks=9 generator.kernel=0 generator.halving=blur
    generator.upsample=blur generator.init_type=xavier generator.init=0.02
    discriminator.network=patchgan discriminator.norm=plain_instance
    discriminator.activation=leaky_relu discriminator.slope=0.2 discriminator.width=64
    discriminator.layers=3 discriminator.kernel=4 discriminator.halving=blur
    discriminator.init_type=xavier discriminator.init=0.02
    loss.adversarial=lsgan loss.weight=1 loss.discriminator_scale=0.5
    optimiser.name=adam optimiser.rate=2e-4 optimiser.discriminator_rate=2e-4
    optimiser.beta1=0.5 optimiser.beta2=0.999 schedule.name=linear
    training.method=cut training.batch=1 training.epoch=photos training.pool=0
"""
_LENGTH = (
    "An epoch goes through the larger side. The decaying epochs take whole pictures, flipped, "
    "without resize and crop, as in the authors' code."
)

PRESETS = (
    Preset(
        "cut",
        "PatchNCE on photos and paintings in the place of cycles, 200 epochs and 200 more",
        source=_SOURCE,
        given=f"""
            {_GIVEN} loss.nce=0.5 loss.nce_identity=0.5 loss.flip_equivariance=false
            training.epochs=400 schedule.start=0.5 augment.enlarge_until=0.5
        """,
        added="training.ema=0",
        note="The authors' lambda of 1 and the mean of two losses are two weights of 0.5. "
        f"{_LENGTH} That makes some 2.4 million steps with the competition's photos. On other "
        "pictures people find their best snapshot before the last, and poor ones after 100 epochs.",
    ),
    Preset(
        "fastcut",
        "as cut, without paintings in PatchNCE and with mirrored photos, 150 epochs and 50 more",
        source=_SOURCE,
        given=f"""
            {_GIVEN} loss.nce=10 loss.nce_identity=0 loss.flip_equivariance=true
            training.epochs=200 schedule.start=0.75 augment.enlarge_until=0.75
        """,
        added="training.ema=0",
        note=f"{_LENGTH} That makes some 1.2 million steps with the competition's photos. With a "
        "weight of 10 people have got pictures that hardly change (FID 252 of horses and zebras), "
        "and a weight of 1 mended it (60.5).",
    ),
)
