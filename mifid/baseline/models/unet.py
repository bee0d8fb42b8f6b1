"""The U-Net generator of pix2pix (Isola et al. 2017) and of Keras's CycleGAN tutorial."""

from __future__ import annotations

import itertools
from collections import OrderedDict

import torch
from torch import Tensor, nn

from mifid.baseline.config import Generator
from mifid.baseline.models.blocks import halving, stage
from mifid.baseline.models.generator import GeneratorNetwork
from mifid.baseline.models.layers import upsample
from mifid.baseline.models.norms import keeps_bias
from mifid.errors import InputError

__all__ = ["DROPPED", "UNet", "checked_depth"]

_KERNEL = 4
_DEEPEST = 8
DROPPED = 3
"""Number of innermost decoder layers with dropout."""


class UNet(GeneratorNetwork):
    """Halve down to one pixel and double back up; (B, 3, S, S) -> the same.

    At 256: down 64-128-256-512-512-512-512-512, up 512-512-512-512-256-128-64 and 3, each layer
    of the decoder joined to the encoder's of its size.

    The first layer and the innermost have no norm: of a map of one pixel instance norm returns its
    shift, whatever the picture (pix2pix's errata say this about batch norm).

    With ``config.skip_relu`` the decoder gets maps of the encoder through a ReLU, as in pix2pix's
    code: its ReLU comes after the join.
    """

    def __init__(self, config: Generator, *, size: int) -> None:
        super().__init__()
        kernel = config.kernel or _KERNEL
        depth = checked_depth(config.depth, size=size, kernel=kernel)
        self.multiple = 2**depth
        widths = [config.width * min(2**level, 8) for level in range(depth)]
        self.down = nn.ModuleList(
            _down(
                config,
                inputs,
                outputs,
                kernel=kernel,
                norm_name="none" if level in (0, depth - 1) else config.norm,
            )
            for level, (inputs, outputs) in enumerate(itertools.pairwise([3, *widths]))
        )
        # From the innermost outwards. Each but the first gets the layer below and its skip.
        outward = widths[-2::-1]
        inner = [widths[-1], *(2 * width for width in outward)]
        self.up = nn.ModuleList(
            _up(
                config,
                inputs,
                outputs,
                kernel=kernel,
                dropout=config.dropout if index < DROPPED else config.outer_dropout,
            )
            for index, (inputs, outputs) in enumerate(zip(inner, outward, strict=False))
        )
        self.skip = nn.ReLU() if config.skip_relu else nn.Identity()
        conv = upsample(config.upsample, inner[-1], 3, kernel=kernel, bias=True)
        self.out = nn.Sequential(OrderedDict(conv=conv, tanh=nn.Tanh()))

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, 3, S, S) float32 in -1..1 into the same."""
        skips: list[Tensor] = []
        for down in self.down:
            x = down(x)
            skips.append(self.skip(x))
        x = skips[-1]
        for up, skip in zip(self.up, skips[-2::-1], strict=True):
            x = torch.cat([up(x), skip], dim=1)
        picture: Tensor = self.out(x)
        return picture


def _down(
    config: Generator, inputs: int, outputs: int, *, kernel: int, norm_name: str
) -> nn.Sequential:
    bias = keeps_bias(norm_name)
    return stage(
        halving(inputs, outputs, kernel=kernel, bias=bias, how=config.halving),
        channels=outputs,
        norm_name=norm_name,
        activation_name=config.down_activation,
    )


def _up(
    config: Generator, inputs: int, outputs: int, *, kernel: int, dropout: float
) -> nn.Sequential:
    return stage(
        upsample(config.upsample, inputs, outputs, kernel=kernel, bias=keeps_bias(config.norm)),
        channels=outputs,
        norm_name=config.norm,
        activation_name=config.activation,
        dropout=dropout,
        dropout_first=True,
    )


def checked_depth(depth: int, *, size: int, kernel: int) -> int:
    """Return the number of halvings; 0 means as many as the size has without a remainder."""
    most = next((n for n in range(_DEEPEST, 0, -1) if size % 2**n == 0), 0)
    if most == 0:
        raise InputError(
            f"data.size is {size}; expected an even number, as a U-Net halves pictures",
            hint=f"Set data.size to {size - 1} or {size + 1}; best are 128 and 256.",
        )
    if depth > most:
        raise InputError(
            f"generator.depth is {depth}; expected {most} or less, as pictures of {size} x {size} "
            "(data.size) cannot be halved more often",
            hint=f"Set generator.depth to {most} or less, or to 0 for as deep as the size allows.",
        )
    if kernel < 2:
        raise InputError(
            f"generator.kernel is {kernel}; expected 2 or more, as a U-Net's layers have stride 2 "
            "and would leave pixels out",
            hint="Set generator.kernel to 4, or to 0 for the network's own.",
        )
    return depth or most
