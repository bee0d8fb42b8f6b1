"""The Keras tutorial of the competition, which reports B and C start from; report C's row.

What the tutorial gives counts as given by a report that names it.
"""

from __future__ import annotations

from mifid.baseline.presets.preset import Preset

__all__ = ["DIFFERENCES", "ENCODER", "KERAS", "LOCKEE", "SILENT", "TUTORIAL", "TUTORIAL_GENERATOR"]

KERAS = "generator.norm_eps=1e-3 discriminator.norm_eps=1e-3 optimiser.eps=1e-7"
"""Epsilons of Keras's norms and of its Adam."""

# A depth of 0 goes down to 1 x 1: 8 halvings at 256.
_LOSSES = "loss.adversarial=bce loss.discriminator_scale=0.5 training.method=cyclegan"
_DISCRIMINATOR = """
    discriminator.network=patchgan discriminator.norm=instance discriminator.activation=leaky_relu
    discriminator.width=64 discriminator.layers=3 discriminator.kernel=4
    discriminator.sigmoid=false
"""
TUTORIAL_GENERATOR = """
    generator.network=unet generator.norm=instance generator.activation=relu generator.width=64
    generator.depth=0 generator.kernel=4 generator.upsample=transposed generator.dropout=0.5
"""
"""The tutorial's U-Net, without its first weights and the encoder's activation."""

TUTORIAL = f"""
    {KERAS} {TUTORIAL_GENERATOR} {_DISCRIMINATOR} {_LOSSES}
    generator.init=0.02 generator.norm_init=0.02
    discriminator.slope=0.3 discriminator.norm_init=0.02 discriminator.init=0.02
"""
"""Networks, first weights and losses of the tutorial, with Keras's epsilons and slope."""

ENCODER = "generator.down_activation=leaky_relu generator.slope=0.3"
"""The activation of the U-Net's encoder."""

DIFFERENCES = (
    "Unlike in Keras, the first layers have biases and the innermost layer of the U-Net no norm "
    "(54,414,531 weights for 54,414,979 in the generator, 2,765,633 for 2,765,569 in the "
    "discriminator), enlarging is bilinear instead of bicubic, and pictures are rounded instead of "
    "cut to whole numbers."
)
"""What no setting changes."""

SILENT = "augment.sides=none schedule.name=constant training.pool=0 training.ema=0"
"""Our choice where a report is silent: as in the tutorial, which has none of these."""

_LOCKEE = "C. Lockee"
_TRAINED = f"""
    {KERAS} {_LOSSES} loss.cycle=10 loss.identity=5
    optimiser.name=adam optimiser.rate=1e-3 optimiser.discriminator_rate=2e-4
    optimiser.beta1=0.5 training.batch=1
"""
_LEAKY = "discriminator.slope=0.3 discriminator.norm_init=0.02 discriminator.init=0.02"
_GENERATOR = """
    generator.network=attention_unet generator.norm=group generator.activation=relu
    generator.down_activation=leaky_relu generator.slope=0.3 generator.width=64 generator.depth=0
    generator.kernel=4 generator.upsample=transposed generator.dropout=0.5 generator.init=0.02
"""
_ENHANCED = """
    discriminator.network=double_patchgan discriminator.norm=group
    discriminator.activation=leaky_relu discriminator.slope=0.3 discriminator.width=64
    discriminator.layers=3 discriminator.kernel=4 discriminator.noise=0.1 discriminator.init=0.02
    discriminator.sigmoid=false
"""
_ATTENTION = (
    "In the report's notebook the attention's weights stay as they are drawn, since Keras does not "
    "find them: generator.attention=fixed. Here they are trained."
)

LOCKEE = (
    Preset(
        "lockee-base",
        "U-Net of the Keras tutorial, BCE, generator rate 1e-3, 12 epochs",
        source=_LOCKEE,
        reported=58.9,
        given=f"""
            {TUTORIAL} {ENCODER} {_TRAINED} training.epochs=12
            generator.init=0.1 generator.norm_init=0.1
        """,
        added=SILENT,
        note=f"The report draws the generator's first weights from N(0, 0.1). {DIFFERENCES}",
    ),
    Preset(
        "lockee-generator",
        "enhanced generator: second convolutions, GroupNorm, attention, residual blocks, 20 epochs",
        source=_LOCKEE,
        reported=64.78,
        given=f"{_TRAINED} {_GENERATOR} {_DISCRIMINATOR} {_LEAKY} training.epochs=20",
        added=SILENT,
        note=_ATTENTION,
    ),
    Preset(
        "lockee-discriminator",
        "enhanced discriminator: noise, second convolutions, GroupNorm, 20 epochs",
        source=_LOCKEE,
        reported=71.8,
        given=f"{TUTORIAL_GENERATOR} {ENCODER} {_TRAINED} {_ENHANCED} training.epochs=20",
        added=f"{SILENT} generator.init=0.1 generator.norm_init=0.1",
        note="The report's last leaky ReLU has a slope of 0.2; here all have 0.3.",
    ),
    *(
        Preset(
            f"lockee-both-{epochs}",
            f"enhanced generator and discriminator, {epochs} epochs",
            source=_LOCKEE,
            reported=reported,
            result="" if reported else "not given",
            given=f"{_TRAINED} {_GENERATOR} {_ENHANCED} training.epochs={epochs}",
            added=SILENT,
            note=_ATTENTION,
        )
        for epochs, reported in ((20, 73.79), (12, 71.84), (27, None))
    ),
)
"""Report C: Lockee, Keras; the tutorial that the enhanced networks are compared with."""
