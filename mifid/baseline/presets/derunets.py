"""Report A: Derunets and Shkokov, slides, PyTorch.

Each row is described as a change to the row before. What is carried over from there is marked as
our choice, as is all that the slides leave open, for which the CycleGAN paper's code stands in; but
an epoch goes through the 300 paintings, as in the other reports on this competition.
"""

from __future__ import annotations

from mifid.baseline.presets.preset import Preset

__all__ = ["PRESETS"]

_SOURCE = "A. Derunets, Shkokov"

# "Losses: MSE adversarial on both, L1 cycle": an identity loss is not among them.
_GIVEN = "training.method=cyclegan loss.adversarial=lsgan"
_ADDED = "generator.network=resnet loss.identity=0 training.ema=0"
_BATCH = "training.batch=4"
_INFERRED = "Batch 4 is inferred from a progress bar: 75 steps an epoch over 300 paintings."
_LEAKY = "generator.activation=leaky_relu discriminator.activation=leaky_relu"
_LEAKY_BATCH = f"{_LEAKY} generator.norm=batch discriminator.norm=batch"
_INSTANCE = "generator.norm=instance discriminator.norm=instance"
_RESIDUAL = "generator.residual_activation=true"
_BETAS = "optimiser.beta1=0.5 optimiser.beta2=0.999"
_SILU = "generator.activation=silu discriminator.activation=tanh"
_ADAM_SGD = "optimiser.name=adam_sgd optimiser.switch=0.5 training.epochs=200"
_PYTORCH_BETAS = "optimiser.beta1=0.9 optimiser.beta2=0.999"

PRESETS = (
    Preset(
        "derunets-dcgan",
        "DCGAN: paintings from noise, without photos",
        source=_SOURCE,
        reported=276.20,
        given="training.method=gan generator.network=dcgan discriminator.network=dcgan",
        added="""
            generator.norm=batch generator.latent=100 discriminator.norm=batch
            loss.adversarial=bce loss.discriminator_scale=1 schedule.name=constant
            training.batch=64 training.steps=2000 training.pool=0 training.ema=0
        """,
        note="The slides say no more than 'basic' and 'DCGAN-like'; the rest is after Radford et "
        "al. 2016. 2,000 steps are inferred from the line 'Step 2000' below their pictures.",
    ),
    Preset(
        "derunets-first",
        "first CycleGAN: LeakyReLU, BatchNorm, Adam without betas, exponential rate",
        source=_SOURCE,
        reported=97.58,
        given=f"""
            {_GIVEN} {_LEAKY_BATCH} {_PYTORCH_BETAS} optimiser.name=adam schedule.name=exponential
            training.batch=1
        """,
        added=f"{_ADDED} training.epochs=30",
        note="Adam without betas has PyTorch's, 0.9 and 0.999.",
    ),
    Preset(
        "derunets-adam-sgd",
        "Adam for 100 epochs, then SGD for 100",
        source=_SOURCE,
        result="not given",
        given=f"{_GIVEN} {_ADAM_SGD}",
        added=f"{_ADDED} training.batch=1 {_LEAKY_BATCH} {_PYTORCH_BETAS} schedule.name=constant",
        note="'ADAM + SGD 100+100 epochs' may also mean one for each kind of network.",
    ),
    Preset(
        "derunets-adam-sgd-act",
        "as derunets-adam-sgd, with better activations: SiLU, tanh in the discriminator",
        source=_SOURCE,
        result="not given",
        given=f"{_GIVEN} {_ADAM_SGD}",
        added=f"""
            {_ADDED} training.batch=1 {_SILU} {_PYTORCH_BETAS} schedule.name=constant
            generator.norm=batch discriminator.norm=batch
        """,
        note="Which activations are better is taken from the slides' later rows.",
    ),
    Preset(
        "derunets-sgd-radam",
        "SGD for the generators, RAdam for the discriminators",
        source=_SOURCE,
        reported=95.15,
        given=f"{_GIVEN} optimiser.name=sgd optimiser.discriminator_name=radam",
        added=f"""
            {_ADDED} training.batch=1 {_LEAKY_BATCH} {_PYTORCH_BETAS} optimiser.rate=2e-3
            training.epochs=200
        """,
        note="'sgd + radam' is all that the slides say: which is whose, the rates and the length "
        "are ours.",
    ),
    Preset(
        "derunets-linear",
        "Adam (0.5, 0.999), linear decay, 30 epochs",
        source=_SOURCE,
        reported=79.19,
        given=f"{_GIVEN} {_BETAS} optimiser.name=adam schedule.name=linear training.epochs=30",
        added=f"{_ADDED} training.batch=1 {_LEAKY_BATCH}",
    ),
    Preset(
        "derunets-instance",
        "InstanceNorm, SiLU (tanh in the discriminator), an activation before the addition",
        source=_SOURCE,
        result="not given",
        given=f"{_GIVEN} {_INSTANCE} {_RESIDUAL} {_SILU}",
        added=f"{_ADDED} {_BATCH} {_BETAS} training.epochs=30",
        note=f"The slides name it as a step, without a score. {_INFERRED}",
    ),
    Preset(
        "derunets-radam",
        "RAdam (0.5, 0.999), InstanceNorm, 30 epochs",
        source=_SOURCE,
        reported=57.34,
        given=f"{_GIVEN} {_INSTANCE} {_BETAS} optimiser.name=radam training.epochs=30",
        added=f"{_ADDED} {_BATCH} {_LEAKY} {_RESIDUAL}",
        note=_INFERRED,
    ),
    Preset(
        "derunets-silu",
        "RAdam, InstanceNorm, SiLU (tanh in the discriminator), 250 epochs",
        source=_SOURCE,
        reported=51.07,
        given=f"""
            {_GIVEN} {_INSTANCE} {_BETAS} {_SILU} optimiser.name=radam training.epochs=250
        """,
        added=f"{_ADDED} {_BATCH} {_RESIDUAL}",
        note=f"The best of the slides. {_INFERRED}",
    ),
)
