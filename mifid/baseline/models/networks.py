"""Networks by name. To add one: one new file, and one line in a table.

A generator's class is a :class:`~mifid.baseline.models.generator.GeneratorNetwork` that takes
``(config: Generator, *, size: int)``, a discriminator's takes ``(config: Discriminator, *, size:
int)``. Their ``signature`` says what ``forward`` takes and returns, so that a method is refused
networks that do not fit it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from mifid.baseline.config import Discriminator, Generator
from mifid.baseline.models.first_weights import initialise
from mifid.baseline.models.generator import GeneratorNetwork
from mifid.baseline.models.layers import adjust
from mifid.registry import Registry

__all__ = [
    "DISCRIMINATORS",
    "GENERATORS",
    "build_discriminator",
    "build_generator",
    "outline_discriminator",
    "outline_generator",
]

GENERATORS = Registry(
    "generator",
    {
        "unet": "mifid.baseline.models.unet:UNet",
        "resnet": "mifid.baseline.models.resnet:ResNet",
        "skip_resnet": "mifid.baseline.models.resnet:SkipResNet",
        "noise_resnet": "mifid.baseline.models.bayes_resnet:NoiseResNet",
        "map_resnet": "mifid.baseline.models.bayes_resnet:MapResNet",
        "attention_unet": "mifid.baseline.models.attention_unet:AttentionUNet",
        "dcgan": "mifid.baseline.models.dcgan:DCGANGenerator",
        "uvcgan": "mifid.baseline.models.uvcgan:UVCGAN",
        "uvcgan2": "mifid.baseline.models.uvcgan:UVCGAN2",
        "ugatit": "mifid.baseline.models.ugatit_generator:UGATIT",
        "ugatit_full": "mifid.baseline.models.ugatit_generator:UGATITFull",
    },
)

DISCRIMINATORS = Registry(
    "discriminator",
    {
        "patchgan": "mifid.baseline.models.patchgan:PatchGAN",
        "double_patchgan": "mifid.baseline.models.attention_unet:DoublePatchGAN",
        "dcgan": "mifid.baseline.models.dcgan:DCGANDiscriminator",
        "batch_patchgan": "mifid.baseline.models.batch_patchgan:BatchPatchGAN",
        "ugatit": "mifid.baseline.models.cam:CAMDiscriminator",
    },
)


def build_generator(config: Generator, *, size: int, seed: int) -> GeneratorNetwork:
    """Return a generator in float32 on the CPU, in training mode, its weights drawn from ``seed``.

    Its ``forward`` takes and returns what its ``signature`` says, and its ``paint`` returns
    (B, 3, size, size) in -1..1.

    Args:
        config: which network, and its options.
        size: pixels a side of the pictures.
        seed: of the first weights; torch's own random state is neither used nor changed.

    Raises:
        InputError: there is no such network, or it cannot be built with these options at this
            size; the message names the setting.
    """
    network = _built(GENERATORS[config.network], config, size=size, seed=seed)
    assert isinstance(network, GeneratorNetwork)
    network.paint_dropout = config.paint_dropout
    return network


def outline_generator(config: Generator, *, size: int) -> GeneratorNetwork:
    """Return a generator on torch's meta device: its weights have shapes, but take no memory.

    Raises:
        InputError: as :func:`build_generator`.
    """
    network = _outlined(GENERATORS[config.network], config, size=size)
    assert isinstance(network, GeneratorNetwork)
    network.paint_dropout = config.paint_dropout
    return network


def build_discriminator(config: Discriminator, *, size: int, seed: int) -> nn.Module:
    """Return a discriminator in float32 on the CPU, in training mode.

    Its ``forward`` takes (B, 3, size, size) in -1..1 and returns scores (B, heads, h, w), in 0..1
    with ``config.sigmoid``.

    Args:
        config: which network, and its options.
        size: pixels a side of the pictures.
        seed: of the first weights; torch's own random state is neither used nor changed.

    Raises:
        InputError: there is no such network, or it cannot be built with these options at this
            size; the message names the setting.
    """
    return _built(DISCRIMINATORS[config.network], config, size=size, seed=seed)


def outline_discriminator(config: Discriminator, *, size: int) -> nn.Module:
    """Return a discriminator on torch's meta device: its weights have shapes, but take no memory.

    Raises:
        InputError: as :func:`build_discriminator`.
    """
    return _outlined(DISCRIMINATORS[config.network], config, size=size)


def _built(cls: Any, config: Generator | Discriminator, *, size: int, seed: int) -> nn.Module:
    network = _outlined(cls, config, size=size)
    network.to_empty(device="cpu")
    initialise(network, config, seed=seed)
    return network


def _outlined(cls: Any, config: Generator | Discriminator, *, size: int) -> nn.Module:
    # On the meta device torch's layers do not set their own first weights: that saves time, and
    # draws nothing from the global random state.
    with torch.device("meta"):
        network: nn.Module = cls(config, size=size)
    adjust(network, config)
    return network
