"""Bayesian CycleGAN's generators (You et al. 2020): residual networks that also see a map.

The map is one channel beside the picture's three: N(0, 1) noise of each pixel, or what an encoder
makes of another picture of the side that is translated into (the paper's statistic feature map).
"""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mifid.baseline.config import Generator
from mifid.baseline.models.generator import GeneratorNetwork, Painted
from mifid.baseline.models.resnet import ResNet

__all__ = ["MapEncoder", "MapResNet", "NoiseResNet"]

_CODE = 32  # numbers of mean and log-variance, as in the authors' code
_SIDE = 2  # of the averages that they are made of: 32 x 32 pixels of 64 x 64 in the authors' code
_REMEMBERED = 16


class NoiseResNet(GeneratorNetwork):
    """CycleGAN's ResNet with a channel more; (B, 3, S, S), maps (B, 1, S, S) -> (B, 3, S, S).

    While it paints, the map is N(0, 1) noise.
    """

    signature = "picture, map -> picture"
    multiple = ResNet.multiple
    noise_per_pixel = True

    def __init__(self, config: Generator, *, size: int) -> None:
        super().__init__()
        self.noise = (1, size, size)
        self.resnet = ResNet(config, size=size, inputs=4)

    def forward(self, pictures: Tensor, maps: Tensor) -> Tensor:
        """Turn pictures in -1..1 and their maps into (B, 3, S, S) in -1..1."""
        picture: Tensor = self.resnet(torch.cat([pictures, maps], dim=1))
        return picture

    def paint(self, pictures: Tensor | None, noise: Tensor | None) -> Painted:
        """Return what the network makes of a batch and noise of each pixel."""
        assert pictures is not None
        assert noise is not None
        return Painted(self.forward(pictures, noise))


class MapEncoder(nn.Module):
    """A map of a picture, and a code that the KL divergence alone sees.

    (B, 3, S, S) in -1..1 -> map (B, 1, S, S) in -1..1, mean and log-variance (B, 32). It is a
    ResNet without blocks and of twice the generator's width, as in the authors' commands (64 beside
    32). Their average pooling has windows of 32 pixels, and fits 256 alone; here it has 2 x 2
    windows at any size, which are theirs at 256.
    """

    def __init__(self, config: Generator, *, size: int) -> None:
        super().__init__()
        wide = replace(config, width=2 * config.width, blocks=0)
        self.resnet = ResNet(wide, size=size, outputs=1)
        averages = 4 * wide.width * _SIDE**2
        self.mean = nn.Linear(averages, _CODE)
        self.log_variance = nn.Linear(averages, _CODE)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return maps, means and log-variances."""
        inner = self.resnet.encode(pictures)
        code = F.adaptive_avg_pool2d(inner, _SIDE).flatten(1)
        return self.resnet.decode(inner), self.mean(code), self.log_variance(code)


class MapResNet(NoiseResNet):
    """A NoiseResNet that sees the maps of its own encoder instead of noise.

    While it paints, the map is that of one of the 16 training pictures that it remembers
    (``examples``), which the noise chooses for each picture; or that of one picture: see
    :meth:`like`.
    """

    multiple = 0
    has_maps = True
    noise_per_pixel = False
    examples: Tensor

    def __init__(self, config: Generator, *, size: int) -> None:
        super().__init__(config, size=size)
        self.noise = (_REMEMBERED,)
        self.encoder = MapEncoder(config, size=size)
        # Pictures rather than maps: these change with the encoder, and averaging would blur them.
        self.register_buffer("examples", torch.zeros(_REMEMBERED, 3, size, size, dtype=torch.uint8))

    def initialise(self, generator: torch.Generator) -> None:  # noqa: ARG002 - nothing is drawn
        """Remember grey pictures, until training gives others."""
        self.examples.fill_(128)

    def paint(self, pictures: Tensor | None, noise: Tensor | None) -> Painted:
        """Return what the network makes of a batch: each picture's largest number names its map."""
        assert pictures is not None
        if noise is None:
            chosen = torch.zeros(len(pictures), dtype=torch.long, device=pictures.device)
        else:
            chosen = noise.argmax(dim=1)
        used, places = torch.unique(chosen, return_inverse=True)
        maps, _, _ = self.encoder.forward(self.examples[used].to(pictures.dtype) / 127.5 - 1)
        given = maps[places]
        return Painted(self.forward(pictures, given), {"map": given[:, 0]})

    def like(self, picture: Tensor) -> MapResNet:
        """Return a network with the same weights that paints with the map of one picture."""
        other = copy.copy(self)
        other._buffers = {**self._buffers, "examples": picture[None].to(self.examples.device)}
        other.noise = ()
        return other
