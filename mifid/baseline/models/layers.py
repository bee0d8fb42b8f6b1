"""Activations by name, and the two ways to double a picture's side."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from mifid.errors import InputError
from mifid.registry import suggest

__all__ = ["ResizeConv", "activation", "upsample"]

_SLOPE = 0.2  # of leaky_relu: Radford et al. 2016, and CycleGANs since

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    # In place where the gradient can be had from the output: one map less in memory per layer.
    "relu": lambda: nn.ReLU(inplace=True),
    "leaky_relu": lambda: nn.LeakyReLU(_SLOPE, inplace=True),
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "gelu": nn.GELU,
}


def activation(name: str) -> nn.Module:
    """Return the activation called ``name``; relu and leaky_relu (slope 0.2) work in place.

    Raises:
        InputError: there is no such activation.
    """
    if name not in _ACTIVATIONS:
        raise InputError(f"unknown activation '{name}'", hint=suggest(name, _ACTIVATIONS))
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


def upsample(kind: str, inputs: int, outputs: int, *, kernel: int, bias: bool) -> nn.Module:
    """Return a layer that doubles both sides, (B, inputs, H, W) -> (B, outputs, 2 H, 2 W).

    Args:
        kind: ``transposed``, or ``resize``, which is 3 x 3 whatever ``kernel`` is.
        inputs: channels in.
        outputs: channels out.
        kernel: side of the transposed convolution's kernel, at least 2.
        bias: whether it has one.

    Raises:
        InputError: there is no such kind.
    """
    if kind == "resize":
        return ResizeConv(inputs, outputs, bias=bias)
    if kind != "transposed":
        known = ["resize", "transposed"]
        raise InputError(f"unknown upsampling '{kind}'", hint=suggest(kind, known))
    return nn.ConvTranspose2d(
        inputs,
        outputs,
        kernel,
        stride=2,
        padding=(kernel - 1) // 2,
        output_padding=kernel % 2,  # an odd kernel alone gives 2 H - 1
        bias=bias,
    )
