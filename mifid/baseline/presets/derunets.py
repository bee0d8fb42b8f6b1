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
_ADDED = "generator.network=resnet loss.identity=0 training.batch=1 training.ema=0"
_LEAKY = "generator.activation=leaky_relu discriminator.activation=leaky_relu"
_LEAKY_BATCH = f"{_LEAKY} generator.norm=batch discriminator.norm=batch"
_INSTANCE = "generator.norm=instance discriminator.norm=instance"
_RESIDUAL = "generator.residual_activation=true"
_BETAS = "optimiser.beta1=0.5 optimiser.beta2=0.999"
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
            training.batch=64 training.epochs=1000 training.pool=0 training.ema=0
        """,
        note="The slides say no more than 'basic' and 'DCGAN-like'; the rest is after Radford et "
        "al. 2016.",
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
        reported=95.15,
        given=f"{_GIVEN} optimiser.name=adam_sgd optimiser.switch=0.5 training.epochs=200",
        added=f"{_ADDED} {_LEAKY_BATCH} {_PYTORCH_BETAS} schedule.name=constant",
    ),
    Preset(
        "derunets-linear",
        "Adam (0.5, 0.999), linear decay, 30 epochs",
        source=_SOURCE,
        reported=79.19,
        given=f"{_GIVEN} {_BETAS} optimiser.name=adam schedule.name=linear training.epochs=30",
        added=f"{_ADDED} {_LEAKY_BATCH}",
    ),
    Preset(
        "derunets-instance",
        "InstanceNorm, an activation before the residual addition",
        source=_SOURCE,
        result="not given",
        given=f"{_GIVEN} {_INSTANCE} {_RESIDUAL}",
        added=f"{_ADDED} {_LEAKY} {_BETAS} training.epochs=30",
        note="The slides name it as a step, without a score.",
    ),
    Preset(
        "derunets-radam",
        "RAdam (0.5, 0.999), InstanceNorm, 30 epochs",
        source=_SOURCE,
        reported=57.34,
        given=f"{_GIVEN} {_INSTANCE} {_BETAS} optimiser.name=radam training.epochs=30",
        added=f"{_ADDED} {_LEAKY} {_RESIDUAL}",
    ),
    Preset(
        "derunets-silu",
        "RAdam, InstanceNorm, SiLU (tanh in the discriminator), 250 epochs",
        source=_SOURCE,
        reported=51.07,
        given=f"""
            {_GIVEN} {_INSTANCE} {_BETAS} generator.activation=silu discriminator.activation=tanh
            optimiser.name=radam training.epochs=250
        """,
        added=f"{_ADDED} {_RESIDUAL}",
        note="The best of the slides.",
    ),
)
