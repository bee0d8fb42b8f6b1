"""U-GAT-IT's generator, light and full (Kim et al. 2020): attention, and norms that it steers."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from mifid.baseline.config import Generator
from mifid.baseline.models.blocks import reflected, stage
from mifid.baseline.models.cam import ClassActivation
from mifid.baseline.models.generator import GeneratorNetwork, Painted
from mifid.baseline.models.layers import upsample
from mifid.errors import InputError

__all__ = ["UGATIT", "LayerInstanceNorm", "UGATITFull"]

_RHO_OF_BLOCKS, _RHO_OF_DOUBLINGS = 0.9, 0.0


class UGATIT(GeneratorNetwork):
    """The light generator: halve twice, blocks, attention, blocks with AdaLIN, double twice.

    (B, 3, S, S) in -1..1 -> the same, the logits (B, 2) of its class activation map, and the map
    (B, S/4, S/4) float32. At 256, width 64 and 4 blocks a side it has 10,589,888 weights, as the
    authors' code. Scales and shifts of all AdaLIN come from two linear layers that see the average
    of each channel.

    ``multiple`` stays 0: scales and shifts are computed from the whole picture, so that parts of a
    larger one would not fit together.

    Every border is mirrored, no convolution has a bias. Of the settings it reads ``width``,
    ``blocks`` (of each side), ``norm_eps`` and the first weights.
    """

    signature = "picture -> picture, logits, map"

    def __init__(self, config: Generator, *, size: int) -> None:
        super().__init__()
        _check(size)
        width, eps = config.width, config.norm_eps
        inner = 4 * width
        self.stem = _stage(reflected(3, width, kernel=7, bias=False))
        self.down1 = _stage(_halving(width, 2 * width))
        self.down2 = _stage(_halving(2 * width, inner))
        self.inner = nn.Sequential(*(_Residual(inner) for _ in range(config.blocks)))
        self.activation_map = ClassActivation(inner)
        self.activation = nn.ReLU(inplace=True)
        self.style = nn.Sequential(
            OrderedDict(
                first=nn.Linear(self._seen_numbers(inner, size=size), inner, bias=False),
                first_activation=nn.ReLU(inplace=True),
                second=nn.Linear(inner, inner, bias=False),
                second_activation=nn.ReLU(inplace=True),
            )
        )
        self.scale, self.shift = (nn.Linear(inner, inner, bias=False) for _ in range(2))
        self.blocks = nn.ModuleList(_SteeredResidual(inner, eps=eps) for _ in range(config.blocks))
        self.up1 = _doubling(inner, eps=eps)
        self.up2 = _doubling(2 * width, eps=eps)
        conv = reflected(width, 3, kernel=7, bias=False)
        self.out = nn.Sequential(OrderedDict(conv=conv, tanh=nn.Tanh()))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Turn (B, 3, S, S) float32 in -1..1 into the same, logits (B, 2) and map (B, h, w)."""
        weighed, logits = self.activation_map(self.inner(self.down2(self.down1(self.stem(x)))))
        inner = self.activation(weighed)
        look = inner.sum(dim=1, dtype=torch.promote_types(inner.dtype, torch.float32))
        style = self.style(self._seen(inner))
        scale, shift = self.scale(style), self.shift(style)
        for block in self.blocks:
            inner = block(inner, scale, shift)
        return self.out(self.up2(self.up1(inner))), logits, look

    def paint(self, pictures: Tensor | None, noise: Tensor | None) -> Painted:
        """Return pictures, and where the network looks."""
        assert pictures is not None
        assert noise is None
        picture, _, look = self.forward(pictures)
        return Painted(picture, {"attention": look})

    def _seen_numbers(self, channels: int, *, size: int) -> int:  # noqa: ARG002
        """Return how many numbers :meth:`_seen` returns for each picture."""
        return channels

    def _seen(self, inner: Tensor) -> Tensor:
        """Return what scales and shifts are computed from, (B, numbers)."""
        return inner.mean(dim=(2, 3))


class UGATITFull(UGATIT):
    """The full generator, whose scales and shifts come from every pixel of the inner map.

    At 256 its first linear layer has 268 of its 278,959,808 weights (in millions). So it takes
    pictures of the size that it was built for, and no others.
    """

    def _seen_numbers(self, channels: int, *, size: int) -> int:
        return channels * (size // 4) ** 2

    def _seen(self, inner: Tensor) -> Tensor:
        seen, numbers = inner.flatten(1), self.style.get_parameter("first.weight").shape[1]
        if seen.shape[1] != numbers:
            side = 4 * round((numbers / inner.shape[1]) ** 0.5)
            given = " x ".join(str(4 * length) for length in inner.shape[2:])
            raise InputError(
                f"the full generator of U-GAT-IT was built for pictures of {side} x {side}; got "
                f"{given}",
                hint=f"Give pictures of {side} x {side}, or take the light form (ugatit).",
            )
        return seen


class LayerInstanceNorm(nn.Module):
    """LIN and AdaLIN: rho times instance norm plus 1 - rho times layer norm, scaled and shifted.

    (B, C, H, W) -> the same. Both are affine in x, so that one multiplication and one addition for
    each value make them. Variances are unbiased (n - 1), as in the authors' code; the one of all
    channels follows from those of each, by the law of total variance. They are computed in float32.
    The optimiser may take ``rho`` beyond 0..1: the method brings it back after each step.

    Args:
        channels: C.
        rho: at the beginning.
        eps: added to variances.
        own: whether scale and shift are weights of this layer (LIN); else they are given (AdaLIN).
    """

    def __init__(self, channels: int, *, rho: float, eps: float, own: bool) -> None:
        super().__init__()
        self._first_rho, self._eps = rho, eps
        self.rho = nn.Parameter(torch.empty(channels))
        self.weight = nn.Parameter(torch.empty(channels)) if own else None
        self.bias = nn.Parameter(torch.empty(channels)) if own else None

    def initialise(self, generator: torch.Generator) -> None:  # noqa: ARG002
        """Set rho to its first value, scales to 1 and shifts to 0."""
        nn.init.constant_(self.rho, self._first_rho)
        if self.weight is not None and self.bias is not None:
            nn.init.ones_(self.weight)
            nn.init.zeros_(self.bias)

    def forward(
        self, x: Tensor, scale: Tensor | None = None, shift: Tensor | None = None
    ) -> Tensor:
        """Normalise ``x``; AdaLIN is given scale and shift, (B, C)."""
        scale, shift = (scale, shift) if self.weight is None else (self.weight, self.bias)
        assert scale is not None
        assert shift is not None
        values = x.to(torch.promote_types(x.dtype, torch.float32))
        channels, pixels = x.shape[1], x.shape[2] * x.shape[3]
        variance, mean = _Moments.apply(values)
        of_all = mean.mean(dim=1, keepdim=True)
        squares = (pixels - 1) * variance + pixels * (mean - of_all).square()
        variance_of_all = squares.sum(dim=1, keepdim=True) / (channels * pixels - 1)
        instance = self.rho * (variance + self._eps).rsqrt()
        layer = (1 - self.rho) * (variance_of_all + self._eps).rsqrt()
        factor = scale * (instance + layer)
        offset = shift - scale * (instance * mean + layer * of_all)
        normed: Tensor = torch.addcmul(offset[..., None, None], values, factor[..., None, None])
        return normed.to(x.dtype)


class _Moments(torch.autograd.Function):
    """Unbiased variance and mean (B, C) of each channel of x (B, C, H, W).

    On a CPU torch.var_mean takes four times as long, and its gradients keep a map more in memory.
    """

    @staticmethod
    def forward(context: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        mean = x.mean(dim=(2, 3))
        squares = (x - mean[..., None, None]).square_().sum(dim=(2, 3))
        context.save_for_backward(x, mean)
        return squares / (x.shape[2] * x.shape[3] - 1), mean

    @staticmethod
    def backward(context: Any, of_variance: Tensor, of_mean: Tensor) -> Tensor:
        x, mean = context.saved_tensors
        pixels = x.shape[2] * x.shape[3]
        slope = 2 * of_variance / (pixels - 1)
        offset = of_mean / pixels - slope * mean
        return torch.addcmul(offset[..., None, None], x, slope[..., None, None])


class _Residual(nn.Module):
    """x + two convolutions of x, each with instance norm; (B, channels, H, W) -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _stage(reflected(channels, channels, kernel=3, bias=False))
        self.second = _stage(reflected(channels, channels, kernel=3, bias=False), activation="")

    def forward(self, x: Tensor) -> Tensor:
        """Add two convolutions of ``x`` to it."""
        change: Tensor = self.second(self.first(x))
        return x + change


class _SteeredResidual(nn.Module):
    """x + two convolutions of x, each with AdaLIN; (B, channels, H, W) -> the same."""

    def __init__(self, channels: int, *, eps: float) -> None:
        super().__init__()
        self.first, self.second = (
            reflected(channels, channels, kernel=3, bias=False) for _ in range(2)
        )
        self.first_norm, self.second_norm = (
            LayerInstanceNorm(channels, rho=_RHO_OF_BLOCKS, eps=eps, own=False) for _ in range(2)
        )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """Add two convolutions of ``x`` to it, which ``scale`` and ``shift`` (B, C) steer."""
        change = self.activation(self.first_norm(self.first(x), scale, shift))
        added: Tensor = self.second_norm(self.second(change), scale, shift)
        return x + added


def _stage(conv: nn.Conv2d, *, activation: str = "relu") -> nn.Sequential:
    return stage(
        conv,
        channels=conv.out_channels,
        norm_name="plain_instance",
        activation_name=activation,
    )


def _halving(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, padding_mode="reflect", bias=False)


def _doubling(inputs: int, *, eps: float) -> nn.Sequential:
    outputs = inputs // 2
    conv = upsample("resize", inputs, outputs, kernel=3, bias=False)
    norm = LayerInstanceNorm(outputs, rho=_RHO_OF_DOUBLINGS, eps=eps, own=True)
    return nn.Sequential(OrderedDict(conv=conv, norm=norm, activation=nn.ReLU(inplace=True)))


def _check(size: int) -> None:
    """Refuse sizes that cannot be halved twice."""
    if size % 4:
        raise InputError(
            f"data.size is {size}; expected a multiple of 4, as U-GAT-IT halves pictures twice",
            hint=f"Set data.size to {max(16, size - size % 4)} or {size + 4 - size % 4}.",
        )
