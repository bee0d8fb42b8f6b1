"""UVCGANv2 and UVCGAN, of whose authors' code the values are."""

from __future__ import annotations

from mifid.baseline.presets.preset import Preset

__all__ = ["PRESETS"]

_GENERATOR = """
    generator.width=48 generator.depth=4 generator.blocks=12 generator.activation=leaky_relu
    generator.slope=0.01 generator.init_type=normal generator.init=0.02
"""
_V2 = f"""
    {_GENERATOR} generator.network=uvcgan2
    discriminator.network=batch_patchgan discriminator.batch_head=norm
    discriminator.norm=plain_instance discriminator.activation=leaky_relu discriminator.slope=0.2
    discriminator.width=64 discriminator.layers=3 discriminator.kernel=4
    discriminator.init_type=normal discriminator.init=0.02
    loss.adversarial=lsgan loss.discriminator_scale=0.5
    optimiser.name=adam optimiser.discriminator_rate=1e-4 optimiser.beta1=0.5 optimiser.beta2=0.99
    schedule.name=constant augment.sides=both augment.flip=true
    training.method=uvcgan2 training.batch=1 training.steps=1_000_000 training.pool=0
    training.ema=0.9999
"""
_DEVIATIONS = (
    "The authors average both generators, we only the painter, as only it paints the submission. "
    "Their step and losses are ours, in their units (pictures in 0..1)."
)

PRESETS = (
    Preset(
        "uvcgan2",
        "UVCGANv2: U-Net with a pixel-wise transformer, batch heads, gradient penalty",
        source="Torbunov et al. 2023",
        given=f"""
            {_V2} optimiser.rate=1e-4 augment.enlarge=1
            loss.cycle=5 loss.identity=2.5 loss.gradient_penalty=1
        """,
        note="The values are those for pictures of high quality (AFHQ). The authors begin with a "
        "generator that mifid pretrain makes: give its folder as --init. A run of 1,000,000 steps "
        f"took them 3.5 days on an A6000, whatever the batch. {_DEVIATIONS}",
    ),
    Preset(
        "uvcgan2-lq",
        "UVCGANv2 with the values for pictures of low quality: weaker penalty, longer cycle",
        source="Torbunov et al. 2023",
        given=f"""
            {_V2} optimiser.rate=5e-5 augment.enlarge={286 / 256}
            loss.cycle=10 loss.identity=5 loss.gradient_penalty=0.01
        """,
        note="The values are those for selfies and anime, which are about as many as the "
        "competition's pictures. For CelebA the authors have a rate of 1e-4 and "
        f"discriminator.batch_head=deviation. {_DEVIATIONS}",
    ),
    Preset(
        "uvcgan",
        "UVCGAN: a CycleGAN whose generators have a pixel-wise transformer and instance norm",
        source="Torbunov et al. 2023",
        given=f"""
            {_GENERATOR} generator.network=uvcgan generator.norm=plain_instance
            discriminator.network=patchgan discriminator.norm=plain_instance
            discriminator.activation=leaky_relu discriminator.slope=0.2 discriminator.width=64
            discriminator.layers=3 discriminator.kernel=4 discriminator.init_type=normal
            discriminator.init=0.02
            loss.adversarial=lsgan loss.cycle=5 loss.identity=2.5 loss.discriminator_scale=0.5
            optimiser.name=adam optimiser.rate=1e-4 optimiser.discriminator_rate=1e-4
            optimiser.beta1=0.5 optimiser.beta2=0.99 schedule.name=linear schedule.start=0.5
            augment.sides=both augment.flip=true augment.enlarge={286 / 256}
            training.method=cyclegan training.batch=1 training.steps=1_000_000 training.pool=50
        """,
        added="training.ema=0",
        note="Cycle and identity losses of pictures in -1..1 are twice the authors', whose weights "
        "are therefore 10 and 5. Their gradient penalty, which draws the gradient's norm to 100 "
        "with a weight of 1e-5, is left out. They begin with a generator that mifid pretrain "
        "makes: give its folder as --init. A run took them 2.5 days.",
    ),
    Preset(
        "uvcgan2-pretrain",
        "UVCGANv2's generator learns to fill holes in pictures: for --init, not a submission",
        source="Torbunov et al. 2023",
        given=f"""
            {_GENERATOR} generator.network=uvcgan2
            inpainting.domains=both inpainting.masked=0.4 inpainting.tile=32
            optimiser.name=adamw optimiser.rate={32 * 5e-3 / 512} optimiser.beta1=0.9
            optimiser.beta2=0.99 optimiser.weight_decay=0.05
            schedule.name=cosine_restarts schedule.teeth=5
            augment.sides=both augment.enlarge=1 augment.flip=true augment.rotate=10
            augment.jitter=0.2
            training.method=inpainting training.batch=16 training.steps=512_000
        """,
        added="training.ema=0 data.held_back=6",
        note="For mifid pretrain. The rate is 5e-3 / 512 for each of the 32 pictures of a step; "
        "set another with training.batch. The length is that for pictures of high quality, 500 "
        "epochs of 32,768 pictures; the authors pretrain five times as long for selfies and "
        "anime. Here rates fall to 0 before each restart, there to 1e-5 of the first, and colours "
        "change in a fixed order.",
    ),
)
