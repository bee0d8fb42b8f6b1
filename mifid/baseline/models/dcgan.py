"""DCGAN (Radford et al. 2016): a generator of pictures from noise, and its discriminator."""

from __future__ import annotations

import itertools
from collections import OrderedDict

from torch import Tensor, nn

from mifid.baseline.config import Discriminator, Generator
from mifid.baseline.models.blocks import stage
from mifid.baseline.models.generator import GeneratorNetwork, Painted
from mifid.baseline.models.layers import activation, upsample
from mifid.baseline.models.norms import keeps_bias, norm
from mifid.baseline.models.patchgan import InputNoise, discriminator_stage, scores
from mifid.errors import InputError

__all__ = ["DCGANDiscriminator", "DCGANGenerator"]

_SMALLEST = 4  # side of the innermost map, in both
_KERNEL = 4  # Radford's 5 x 5 with stride 2 overlaps unevenly: a checkerboard (Odena et al. 2016)


class DCGANGenerator(GeneratorNetwork):
    """Project, reshape to 4 x 4, and double up to a picture; (B, latent) -> (B, 3, S, S) in -1..1.

    ``config.width`` is the width of the largest map. It doubles inwards, up to 8 times (at 64
    pixels and a width of 128: 1024-512-256-128, as published).

    It is given ``config.latent`` numbers.
    """

    signature = "noise -> picture"
    sees_pictures = False

    def __init__(self, config: Generator, *, size: int) -> None:
        super().__init__()
        doublings = _doublings(size)
        widths = [config.width * min(2**level, 8) for level in range(doublings)][::-1]
        self.noise = (config.latent,)
        self.project = nn.Linear(config.latent, widths[0] * _SMALLEST**2)
        self.inner = nn.Sequential(
            OrderedDict(norm=norm(config.norm, widths[0]), activation=activation(config.activation))
        )
        self.up = nn.Sequential(
            *(_double(config, inputs, outputs) for inputs, outputs in itertools.pairwise(widths))
        )
        conv = upsample(config.upsample, widths[-1], 3, kernel=_KERNEL, bias=True)
        self.out = nn.Sequential(OrderedDict(conv=conv, tanh=nn.Tanh()))

    def forward(self, noise: Tensor) -> Tensor:
        """Turn (B, latent) float32 into (B, 3, S, S) in -1..1."""
        inner = self.project(noise).unflatten(1, (-1, _SMALLEST, _SMALLEST))
        picture: Tensor = self.out(self.up(self.inner(inner)))
        return picture

    def paint(self, pictures: Tensor | None, noise: Tensor | None) -> Painted:  # noqa: ARG002
        """Return pictures of (B, latent) numbers."""
        assert noise is not None
        return Painted(self.forward(noise))


class DCGANDiscriminator(nn.Module):
    """Halve down to 4 x 4, then the picture's scores; (B, 3, S, S) -> (B, heads, 1, 1).

    No norm on the first layer. ``config.layers`` is not read: the size gives their number.
    """

    signature = "picture -> scores"

    def __init__(self, config: Discriminator, *, size: int) -> None:
        super().__init__()
        widths = [config.width * min(2**level, 8) for level in range(_doublings(size))]
        self.noise = InputNoise(config.noise)
        self.stages = nn.Sequential(
            *(
                discriminator_stage(config, inputs, outputs, index=index, stride=2)
                for index, (inputs, outputs) in enumerate(itertools.pairwise([3, *widths]))
            )
        )
        self.out = scores(nn.Conv2d(widths[-1], config.heads, _SMALLEST), sigmoid=config.sigmoid)

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, 3, S, S) float32 in -1..1 into (B, heads, 1, 1)."""
        score: Tensor = self.out(self.stages(self.noise(x)))
        return score


def _double(config: Generator, inputs: int, outputs: int) -> nn.Sequential:
    return stage(
        upsample(config.upsample, inputs, outputs, kernel=_KERNEL, bias=keeps_bias(config.norm)),
        channels=outputs,
        norm_name=config.norm,
        activation_name=config.activation,
    )


def _doublings(size: int) -> int:
    """Return the number of doublings from 4 to ``size``."""
    if size < 16 or size & (size - 1):
        raise InputError(
            f"data.size is {size}; expected 16, 32, 64, 128 or another power of 2, for a dcgan",
            hint=f"Set data.size to {max(16, 2 ** (size.bit_length() - 1))}.",
        )
    return size.bit_length() - _SMALLEST.bit_length()
