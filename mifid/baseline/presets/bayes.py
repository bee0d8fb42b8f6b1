"""Bayesian CycleGAN (You et al. 2020), by the commands that its authors publish."""

from __future__ import annotations

from mifid.baseline.presets.preset import Preset

__all__ = ["BAYES", "PRESETS", "SILENT"]

_SOURCE = "You et al. 2020"

BAYES = """
    generator.norm=plain_instance generator.activation=relu generator.width=32 generator.blocks=6
    generator.kernel=0 generator.upsample=transposed generator.residual_activation=true
    discriminator.network=patchgan discriminator.norm=plain_instance
    discriminator.activation=leaky_relu discriminator.width=64 discriminator.layers=3
    discriminator.kernel=4 discriminator.wide_padding=true
    generator.init=0.02 discriminator.init=0.02
    loss.adversarial=lsgan loss.real_label=1 loss.fake_label=0 loss.generator_label=1
    loss.cycle=10 loss.gamma=0 loss.prior=1 loss.discriminator_scale=0.5
    optimiser.name=adam optimiser.rate=2e-4 optimiser.discriminator_rate=2e-4
    optimiser.beta1=0.5 optimiser.beta2=0.999
    training.method=bayes_cyclegan training.mc_samples=3 training.batch=1 training.pool=0
    augment.enlarge=1 augment.flip=true
"""
"""Networks, losses and step of the authors' code, with the options of its published command."""

SILENT = "training.epoch=photos training.ema=0"
"""What they leave open: an epoch goes through the larger side, as their data loader does."""

_GIVEN = f"""
    {BAYES} schedule.name=sawtooth schedule.start=0.5 schedule.teeth=50 training.epochs=100
"""

PRESETS = (
    Preset(
        "bayes-z",
        "three translations of each picture, with noise; priors; 50 epochs and 50 of falling rates",
        source=_SOURCE,
        given=f"{_GIVEN} generator.network=noise_resnet",
        added=SILENT,
        note="The rate falls to 1/e in each of the last 50 epochs, here at each step, there every "
        "100 steps; biases begin at 0. loss.gamma=0.5 is the authors' other value. Their default "
        "options (4 halvings, width 64, two discriminators, pictures of 512) are not those of "
        "their commands; a residual network here has 2 halvings.",
    ),
    Preset(
        "bayes-sfm",
        "as bayes-z, with maps that an encoder makes of other pictures instead of noise",
        source=_SOURCE,
        given=f"{_GIVEN} generator.network=map_resnet loss.kl=0.1",
        added=SILENT,
        note="The paper trains 100 epochs with noise, then 100 with maps; this begins with maps. "
        "The authors draw pictures for maps independently; here each comes once before one comes "
        "again.",
    ),
)
