"""Layers and memory layout of all networks."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mifid.baseline.config import Config, Discriminator, Generator

__all__ = [
    "NORMS",
    "BlurConv",
    "BlurPool",
    "PooledConv",
    "ResizeConv",
    "activation",
    "adjust",
    "memory_format",
    "upsample",
]

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    # In place if the gradient follows from the output: one map less in memory per layer.
    "relu": lambda: nn.ReLU(inplace=True),
    "leaky_relu": lambda: nn.LeakyReLU(inplace=True),
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "gelu": nn.GELU,
}


def activation(name: str) -> nn.Module:
    """Return the activation called ``name``; relu and leaky_relu work in place."""
    return _ACTIVATIONS[name]()


class ResizeConv(nn.Module):
    """Nearest neighbour x 2, then 3 x 3 with a mirrored border (Odena et al. 2016).

    (B, inputs, H, W) -> (B, outputs, 2 H, 2 W).
    """

    def __init__(self, inputs: int, outputs: int, *, bias: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect", bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Double both sides."""
        doubled: Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return doubled


class BlurConv(nn.Module):
    """Twice the size by the 4-tap blur [1, 3, 3, 1], then 3 x 3 with a border of zeros (CUT).

    (B, inputs, H, W) -> (B, outputs, 2 H, 2 W). With the border repeated, that blur is bilinear
    interpolation (Zhang 2019).
    """

    def __init__(self, inputs: int, outputs: int, *, bias: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Double both sides."""
        doubled: Tensor = self.conv(
            F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        )
        return doubled


class BlurPool(nn.Module):
    """The 3-tap blur [1, 2, 1] with a mirrored border, then every second pixel (Zhang 2019; CUT).

    (B, C, H, W) -> (B, C, H / 2, W / 2), rounded up. Two averages of 2 make that blur.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Halve both sides."""
        height, width = x.shape[2:]
        padded = F.pad(x, (1, width % 2, 1, height % 2), mode="reflect")
        return F.avg_pool2d(F.avg_pool2d(padded, 2, stride=1), 2)


class PooledConv(nn.Module):
    """A convolution that keeps the size, then the average of each 2 x 2.

    (B, inputs, H, W) -> (B, outputs, H // 2, W // 2).
    """

    def __init__(self, inputs: int, outputs: int, *, kernel: int, bias: bool) -> None:
        super().__init__()
        self._border = 2 * [(kernel - 1) // 2, kernel // 2]
        self.conv = nn.Conv2d(inputs, outputs, kernel, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Halve both sides."""
        return F.avg_pool2d(self.conv(F.pad(x, self._border)), 2)


def upsample(kind: str, inputs: int, outputs: int, *, kernel: int, bias: bool) -> nn.Module:
    """Return a layer that doubles both sides, (B, inputs, H, W) -> (B, outputs, 2 H, 2 W).

    Args:
        kind: ``"transposed"``; or ``"resize"`` or ``"blur"``, which are 3 x 3 whatever ``kernel``.
        inputs: channels in.
        outputs: channels out.
        kernel: side of the transposed convolution's kernel, at least 2.
        bias: whether the convolution has one.
    """
    if kind == "resize":
        return ResizeConv(inputs, outputs, bias=bias)
    if kind == "blur":
        return BlurConv(inputs, outputs, bias=bias)
    return nn.ConvTranspose2d(
        inputs,
        outputs,
        kernel,
        stride=2,
        padding=(kernel - 1) // 2,
        output_padding=kernel % 2,  # an odd kernel alone gives 2 H - 1
        bias=bias,
    )


NORMS = (
    *(nn.GroupNorm, nn.LayerNorm, nn.RMSNorm),
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d),
    *(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
)
"""Norms of torch, whose epsilon and first scales are settings."""


def adjust(network: nn.Module, config: Generator | Discriminator) -> None:
    """Set the epsilon of all norms and the slope of all leaky_relu."""
    for module in network.modules():
        if isinstance(module, NORMS):
            module.eps = config.norm_eps
        elif isinstance(module, nn.LeakyReLU):
            module.negative_slope = config.slope


def memory_format(
    config: Config, device: torch.device | str, *, training: bool = True
) -> torch.memory_format:
    """Return the memory format of networks and batches.

    ``training.layout`` auto means channels last, but channels first to train a U-Net on a CPU: its
    deep layers have large weights and small maps (docs/training.md has the measurement).
    """
    layout = config.training.layout
    if layout == "auto":
        on_cpu = training and torch.device(device).type == "cpu"
        deep = config.generator.network == "unet"
        layout = "channels_first" if on_cpu and deep else "channels_last"
    return torch.channels_last if layout == "channels_last" else torch.contiguous_format
