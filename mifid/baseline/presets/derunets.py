"""Report A: Derunets and Shkokov, slides, PyTorch.

Each row is told as a change to the row before. What is carried over so is marked as our choice,
as is all that the slides leave open, for which the CycleGAN paper's code stands in; but an epoch
goes through the 300 paintings, as in the other reports on this competition.
"""

from __future__ import annotations

from mifid.baseline.presets.preset import row

__all__ = ["PRESETS"]

_SOURCE = "A. Derunets, Shkokov"

# "Losses: MSE adversarial on both, L1 cycle": an identity loss is not among them.
_LOSS = {"loss.adversarial": "lsgan"}
_OURS = {
    "generator.network": "resnet",
    "loss.identity": 0,
    "training.batch": 1,
    "training.ema": 0.0,
}
_LEAKY_BATCH = {
    "generator.activation": "leaky_relu",
    "generator.norm": "batch",
    "discriminator.activation": "leaky_relu",
    "discriminator.norm": "batch",
}
_INSTANCE = {"generator.norm": "instance", "discriminator.norm": "instance"}
_RESIDUAL = {"generator.residual_activation": True}
_BETAS = {"optimiser.beta1": 0.5, "optimiser.beta2": 0.999}
_NO_BETAS = {"optimiser.beta1": 0.9, "optimiser.beta2": 0.999}  # PyTorch's own
_LEAKY = {"generator.activation": "leaky_relu", "discriminator.activation": "leaky_relu"}

PRESETS = (
    row(
        "derunets-dcgan",
        "DCGAN: paintings from noise, without photos",
        source=_SOURCE,
        reported=276.20,
        stated={
            "training.method": "gan",
            "generator.network": "dcgan",
            "discriminator.network": "dcgan",
        },
        ours={
            "generator.norm": "batch",
            "generator.latent": 100,
            "discriminator.norm": "batch",
            "loss.adversarial": "bce",
            "loss.discriminator_scale": 1.0,
            "schedule.name": "constant",
            "training.batch": 64,
            "training.epochs": 1000,
            "training.pool": 0,
            "training.ema": 0.0,
        },
        note="The slides say no more than 'basic' and 'DCGAN-like'; the rest is after Radford et "
        "al. 2016.",
    ),
    row(
        "derunets-first",
        "first CycleGAN: LeakyReLU, BatchNorm, Adam without betas, exponential rate",
        source=_SOURCE,
        reported=97.58,
        stated={
            **_LOSS,
            **_LEAKY_BATCH,
            **_NO_BETAS,
            "optimiser.name": "adam",
            "schedule.name": "exponential",
            "training.method": "cyclegan",
            "training.batch": 1,
        },
        ours={**_OURS, "training.epochs": 30},
        note="Adam without betas has PyTorch's, 0.9 and 0.999.",
    ),
    row(
        "derunets-adam-sgd",
        "Adam for 100 epochs, then SGD for 100",
        source=_SOURCE,
        reported=95.15,
        stated={
            **_LOSS,
            "optimiser.name": "adam_sgd",
            "optimiser.switch": 0.5,
            "training.method": "cyclegan",
            "training.epochs": 200,
        },
        ours={**_OURS, **_LEAKY_BATCH, **_NO_BETAS, "schedule.name": "constant"},
    ),
    row(
        "derunets-linear",
        "Adam (0.5, 0.999), linear decay, 30 epochs",
        source=_SOURCE,
        reported=79.19,
        stated={
            **_LOSS,
            **_BETAS,
            "optimiser.name": "adam",
            "schedule.name": "linear",
            "training.method": "cyclegan",
            "training.epochs": 30,
        },
        ours={**_OURS, **_LEAKY_BATCH},
    ),
    row(
        "derunets-instance",
        "InstanceNorm, an activation before the residual addition",
        source=_SOURCE,
        result="not given",
        stated={**_LOSS, **_INSTANCE, **_RESIDUAL, "training.method": "cyclegan"},
        ours={**_OURS, **_LEAKY, **_BETAS, "training.epochs": 30},
        note="The slides name it as a step, without a score.",
    ),
    row(
        "derunets-radam",
        "RAdam (0.5, 0.999), InstanceNorm, 30 epochs",
        source=_SOURCE,
        reported=57.34,
        stated={
            **_LOSS,
            **_INSTANCE,
            **_BETAS,
            "optimiser.name": "radam",
            "training.method": "cyclegan",
            "training.epochs": 30,
        },
        ours={**_OURS, **_LEAKY, **_RESIDUAL},
    ),
    row(
        "derunets-silu",
        "RAdam, InstanceNorm, SiLU (tanh in the discriminator), 250 epochs",
        source=_SOURCE,
        reported=51.07,
        stated={
            **_LOSS,
            **_INSTANCE,
            **_BETAS,
            "generator.activation": "silu",
            "discriminator.activation": "tanh",
            "optimiser.name": "radam",
            "training.method": "cyclegan",
            "training.epochs": 250,
        },
        ours={**_OURS, **_RESIDUAL},
        note="The best of the slides.",
    ),
)
