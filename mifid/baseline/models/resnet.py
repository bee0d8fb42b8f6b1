"""The residual generators: CycleGAN's, and one with skip connections."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from mifid.baseline.config import Generator
from mifid.baseline.models.blocks import ResidualBlock, halving, reflected, stage
from mifid.baseline.models.generator import GeneratorNetwork
from mifid.baseline.models.layers import BlurPool, upsample
from mifid.baseline.models.norms import keeps_bias
from mifid.errors import InputError

__all__ = ["ResNet", "SkipResNet"]

_KERNEL = 3
_OUTER_KERNEL = 7


class ResNet(GeneratorNetwork):
    """c7s1-64, d128, d256, R256 x blocks, u128, u64, c7s1-3; (B, 3, S, S) -> the same.

    With other ``inputs`` and ``outputs`` these are the channels of what it takes and makes.
    The 7 x 7 and the residual convolutions pad by reflection, those that halve and double pad with
    zeros, as in the authors' code.
    """

    multiple = 4

    def __init__(self, config: Generator, *, size: int, inputs: int = 3, outputs: int = 3) -> None:
        super().__init__()
        _check(config, size=size)
        width = config.width
        first = config.norm if config.first_norm else "none"
        self.stem = stage(
            reflected(inputs, width, kernel=_OUTER_KERNEL, bias=keeps_bias(first)),
            channels=width,
            norm_name=first,
            activation_name=config.activation,
        )
        self.down1 = _half(config, width, 2 * width)
        self.down2 = _half(config, 2 * width, 4 * width)
        self.blocks = nn.Sequential(
            *(ResidualBlock(config, 4 * width) for _ in range(config.blocks))
        )
        self.up1 = _double(config, 4 * width, 2 * width)
        self.up2 = _double(config, 2 * width, width)
        self.out = _out(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, 3, S, S) float32 in -1..1 into the same."""
        return self.decode(self.encode(x))

    def encode(self, x: Tensor) -> Tensor:
        """Turn a picture into the maps (B, 4 x width, S / 4, S / 4) before the blocks."""
        inner: Tensor = self.down2(self.down1(self.stem(x)))
        return inner

    def decode(self, inner: Tensor) -> Tensor:
        """Turn these maps into a picture, by the blocks and the way up."""
        picture: Tensor = self.out(self.up2(self.up1(self.blocks(inner))))
        return picture


class SkipResNet(ResNet):
    """CycleGAN's ResNet, whose decoder also sees the encoder's maps; (B, 3, S, S) -> the same.

    The report says that there are skip connections, not how they are joined. Ours are concatenated,
    as in a U-Net; this costs little, as the blocks do nearly all of the work.
    """

    def __init__(self, config: Generator, *, size: int) -> None:
        super().__init__(config, size=size)
        self.up2 = _double(config, 4 * config.width, config.width)  # of up1 and of down1
        self.out = _out(2 * config.width)  # of up2 and of the stem

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, 3, S, S) float32 in -1..1 into the same."""
        whole = self.stem(x)
        half = self.down1(whole)
        inner = self.blocks(self.down2(half))
        joined = torch.cat([self.up1(inner), half], dim=1)
        picture: Tensor = self.out(torch.cat([self.up2(joined), whole], dim=1))
        return picture


def _half(config: Generator, inputs: int, outputs: int) -> nn.Sequential:
    """Return d<outputs>."""
    bias = keeps_bias(config.norm)
    if config.halving == "blur":
        conv: nn.Module = nn.Conv2d(inputs, outputs, _KERNEL, padding=_KERNEL // 2, bias=bias)
        blurred = _stage(config, conv, outputs)
        blurred.add_module("blur", BlurPool())
        return blurred
    conv = halving(inputs, outputs, kernel=_KERNEL, bias=bias, how=config.halving)
    return _stage(config, conv, outputs)


def _double(config: Generator, inputs: int, outputs: int) -> nn.Sequential:
    """Return u<outputs>."""
    conv = upsample(config.upsample, inputs, outputs, kernel=_KERNEL, bias=keeps_bias(config.norm))
    return _stage(config, conv, outputs)


def _out(inputs: int, outputs: int = 3) -> nn.Sequential:
    """Return c7s1-<outputs> and tanh."""
    conv = reflected(inputs, outputs, kernel=_OUTER_KERNEL, bias=True)
    return nn.Sequential(OrderedDict(conv=conv, tanh=nn.Tanh()))


def _stage(config: Generator, conv: nn.Module, channels: int) -> nn.Sequential:
    return stage(conv, channels=channels, norm_name=config.norm, activation_name=config.activation)


def _check(config: Generator, *, size: int) -> None:
    """Refuse settings with which a residual generator cannot be built.

    Raises:
        InputError: ``size`` is not divisible by 4; the blocks' kernel is even, or too large for
            reflection padding.
    """
    kernel = config.kernel or _KERNEL
    if size % 4:
        raise InputError(
            f"data.size is {size}; expected a number divisible by 4, as {config.network} halves "
            "pictures twice",
            hint=f"Set data.size to {max(16, size - size % 4)} or {size + 4 - size % 4}.",
        )
    if kernel % 2 == 0:
        raise InputError(
            f"generator.kernel is {kernel}; expected an odd number, as residual blocks keep the "
            "size of their maps",
            hint=f"Set generator.kernel to {kernel - 1} or {kernel + 1}.",
        )
    if kernel // 2 >= size // 4:
        raise InputError(
            f"generator.kernel is {kernel}; expected {size // 2 - 1} or less, as residual blocks "
            f"have maps of {size // 4} x {size // 4} with a data.size of {size}",
            hint="Set generator.kernel to 3.",
        )
