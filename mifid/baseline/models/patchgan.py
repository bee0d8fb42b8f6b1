"""The PatchGAN discriminator of pix2pix and CycleGAN: a score for each patch of a picture."""

from __future__ import annotations

import itertools
from collections import OrderedDict

import torch
from torch import Tensor, nn

from mifid.baseline.config import Discriminator
from mifid.baseline.models.blocks import halving, stage
from mifid.baseline.models.layers import BlurPool
from mifid.baseline.models.norms import keeps_bias
from mifid.errors import InputError

__all__ = ["InputNoise", "PatchGAN", "check_patches", "discriminator_stage", "scores"]


class PatchGAN(nn.Module):
    """C64-C128-C256-C512 and a convolution to scores; (B, 3, S, S) -> (B, heads, h, w).

    The first ``config.layers`` have stride 2, the last two stride 1. With 3 and a 4 x 4 kernel each
    score depends on 70 x 70 pixels, and a picture of 256 has 30 x 30 scores. With
    ``config.halving`` blur those layers have stride 1 and a :class:`BlurPool` at their end, as in
    CUT, and as many scores. No norm on C64. Scores are in 0..1 with ``config.sigmoid``, else
    unbounded. With ``config.pooling`` the picture has one score, the average of its patches', and
    h = w = 1. With ``config.wide_padding`` a 4 x 4 kernel
    has a border of 2, as in pix2pixHD, and a picture of 256 has 35 x 35 scores.
    """

    signature = "picture -> scores"

    def __init__(self, config: Discriminator, *, size: int) -> None:
        super().__init__()
        check_patches(config, size=size)
        widths = [config.width * min(2**level, 8) for level in range(config.layers + 1)]
        self.noise = InputNoise(config.noise)
        self.stages = nn.Sequential(
            *(
                discriminator_stage(
                    config,
                    inputs,
                    outputs,
                    index=index,
                    stride=2 if index < config.layers else 1,
                    padding=_padding(config),
                )
                for index, (inputs, outputs) in enumerate(itertools.pairwise([3, *widths]))
            )
        )
        self.out = scores(
            nn.Conv2d(widths[-1], config.heads, config.kernel, padding=_padding(config)),
            pooling=config.pooling,
            sigmoid=config.sigmoid,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, 3, S, S) float32 in -1..1 into (B, heads, h, w)."""
        patches: Tensor = self.out(self.stages(self.noise(x)))
        return patches


class InputNoise(nn.Module):
    """Add Gaussian noise in training mode (report C); any shape -> the same.

    It is drawn from torch's own generator of the device, as dropout is.
    """

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, x: Tensor) -> Tensor:
        """Add noise to ``x``, or return it as it is."""
        if not self.training or self.deviation == 0:
            return x
        return x + self.deviation * torch.randn_like(x)


def scores(conv: nn.Conv2d, *, sigmoid: bool, pooling: bool = False) -> nn.Sequential:
    """Return the last layer, with or without the average of its patches and a sigmoid."""
    average = nn.AdaptiveAvgPool2d(1) if pooling else nn.Identity()
    last = _Sigmoid() if sigmoid else nn.Identity()
    return nn.Sequential(OrderedDict(conv=conv, pooling=average, sigmoid=last))


def discriminator_stage(
    config: Discriminator,
    inputs: int,
    outputs: int,
    *,
    index: int,
    stride: int,
    padding: int | None = None,
) -> nn.Sequential:
    """Return the stage of number ``index``; the first has neither norm nor dropout.

    ``padding`` is the border of zeros; None: as halving needs it.
    """
    norm_name = "none" if index == 0 else config.norm
    bias, kernel = keeps_bias(norm_name), config.kernel
    border = (kernel - 1) // 2 if padding is None else padding
    blurs = stride == 2 and config.halving == "blur"
    if stride == 2 and config.halving == "average":
        conv = halving(inputs, outputs, kernel=kernel, bias=bias, how=config.halving)
    else:
        step = 1 if blurs else stride
        conv = nn.Conv2d(inputs, outputs, kernel, stride=step, padding=border, bias=bias)
    made = stage(
        conv,
        channels=outputs,
        norm_name=norm_name,
        activation_name=config.activation,
        dropout=0.0 if index == 0 else config.dropout,
    )
    if blurs:
        made.add_module("blur", BlurPool())
    return made


def check_patches(config: Discriminator, *, size: int) -> None:
    """Refuse networks that end in one pixel or none: a norm makes the same of any one pixel."""
    sides = [_side(size, config, layers=n) for n in range(1, config.layers + 1)]
    if sides[-1] >= 2:
        return
    fit = max(1, sum(side >= 2 for side in sides))
    raise InputError(
        f"discriminator.layers is {config.layers}; so many halvings with a kernel of "
        f"{config.kernel} leave less than 2 x 2 of a picture of {size} x {size} (data.size) before "
        "the last layer",
        hint=f"Set discriminator.layers to {fit} or less, or data.size to more.",
    )


def _padding(config: Discriminator) -> int:
    """Return the border of zeros of the convolutions with stride, and of the last two."""
    wide = config.wide_padding and config.network == "patchgan"
    return config.kernel // 2 if wide else (config.kernel - 1) // 2


def _side(size: int, config: Discriminator, *, layers: int) -> int:
    """Return the side of the map before the last layer."""
    padding, kernel = _padding(config), config.kernel
    for stride in [2] * layers + [1]:
        size = (size + 2 * padding - kernel) // stride + 1
    return size


class _Sigmoid(nn.Module):
    """A sigmoid in float32: bfloat16 has no number between 0.996 and 1 for a sure discriminator."""

    def forward(self, given: Tensor) -> Tensor:
        return torch.sigmoid(given.float())
