"""The residual generators: CycleGAN's, and one with skip connections."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from mifid.baseline.config import Generator
from mifid.baseline.models.blocks import ResidualBlock, halving, reflected, stage
from mifid.baseline.models.layers import upsample
from mifid.baseline.models.norms import keeps_bias
from mifid.errors import InputError

__all__ = [
    "ResNet",
    "SkipResNet",
    "check_residual",
    "doubled",
    "halved",
    "painted",
    "stem",
]

_KERNEL = 3
_OUTER_KERNEL = 7


class ResNet(nn.Module):
    """c7s1-64, d128, d256, R256 x blocks, u128, u64, c7s1-3; (B, 3, S, S) -> the same.

    Reflection padding in the 7 x 7 and the residual convolutions, zeros in those that halve and
    double, as in the authors' code.
    """

    def __init__(self, config: Generator, *, size: int) -> None:
        super().__init__()
        check_residual(config, size=size)
        width = config.width
        self.stem = stem(config)
        self.down1 = halved(config, width, 2 * width)
        self.down2 = halved(config, 2 * width, 4 * width)
        self.blocks = nn.Sequential(
            *(ResidualBlock(config, 4 * width) for _ in range(config.blocks))
        )
        self.up1 = doubled(config, 4 * width, 2 * width)
        self.up2 = doubled(config, 2 * width, width)
        self.out = painted(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, S, S) float32 in -1..1 -> the same."""
        inner = self.blocks(self.down2(self.down1(self.stem(x))))
        picture: Tensor = self.out(self.up2(self.up1(inner)))
        return picture


def stem(config: Generator) -> nn.Sequential:
    """Return c7s1-width."""
    return _staged(
        config,
        reflected(3, config.width, kernel=_OUTER_KERNEL, bias=keeps_bias(config.norm)),
        config.width,
    )


def halved(config: Generator, inputs: int, outputs: int) -> nn.Sequential:
    """Return d<outputs>."""
    conv = halving(inputs, outputs, kernel=_KERNEL, bias=keeps_bias(config.norm))
    return _staged(config, conv, outputs)


def doubled(config: Generator, inputs: int, outputs: int) -> nn.Sequential:
    """Return u<outputs>."""
    conv = upsample(config.upsample, inputs, outputs, kernel=_KERNEL, bias=keeps_bias(config.norm))
    return _staged(config, conv, outputs)


def painted(inputs: int) -> nn.Sequential:
    """Return c7s1-3 and tanh."""
    conv = reflected(inputs, 3, kernel=_OUTER_KERNEL, bias=True)
    return nn.Sequential(OrderedDict(conv=conv, tanh=nn.Tanh()))


def _staged(config: Generator, conv: nn.Module, channels: int) -> nn.Sequential:
    return stage(conv, channels=channels, norm_name=config.norm, activation_name=config.activation)


def check_residual(config: Generator, *, size: int) -> None:
    """Refuse what a network that halves twice around residual blocks cannot be built for.

    Raises:
        InputError: ``size`` does not divide by 4, the blocks' kernel is even, or it is too large
            for their maps to be mirrored at the border.
    """
    kernel = config.kernel or _KERNEL
    if size % 4:
        raise InputError(
            f"data.size: {config.network} halves pictures twice, so their side has to divide by "
            f"4; got {size}",
            hint=f"Set data.size to {max(16, size - size % 4)} or {size + 4 - size % 4}.",
        )
    if kernel % 2 == 0:
        raise InputError(
            f"generator.kernel: a residual block keeps the size of its map, so its kernel has to "
            f"be odd; got {kernel}",
            hint=f"Set generator.kernel to {kernel - 1} or {kernel + 1}.",
        )
    if kernel // 2 >= size // 4:
        raise InputError(
            f"generator.kernel: {kernel} is too large for residual blocks on maps of "
            f"{size // 4} x {size // 4} (data.size {size}); expected {size // 2 - 1} or less",
            hint="Set generator.kernel to 3.",
        )


class SkipResNet(nn.Module):
    """CycleGAN's ResNet whose decoder is shown the encoder's map of its size too.

    (B, 3, S, S) -> the same. The report says that there are skips, not how they join. Ours are
    concatenated, as in a U-Net: the layer after weighs what it takes from either, and at no cost
    that counts, since the blocks hold nearly all of the work.
    """

    def __init__(self, config: Generator, *, size: int) -> None:
        super().__init__()
        check_residual(config, size=size)
        width = config.width
        self.stem = stem(config)
        self.down1 = halved(config, width, 2 * width)
        self.down2 = halved(config, 2 * width, 4 * width)
        self.blocks = nn.Sequential(
            *(ResidualBlock(config, 4 * width) for _ in range(config.blocks))
        )
        self.up1 = doubled(config, 4 * width, 2 * width)
        self.up2 = doubled(config, 4 * width, width)  # of up1 and of down1
        self.out = painted(2 * width)  # of up2 and of the stem

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, S, S) float32 in -1..1 -> the same."""
        whole = self.stem(x)
        half = self.down1(whole)
        inner = self.blocks(self.down2(half))
        joined = torch.cat([self.up1(inner), half], dim=1)
        picture: Tensor = self.out(torch.cat([self.up2(joined), whole], dim=1))
        return picture
