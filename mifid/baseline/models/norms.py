"""Normalisations of maps by name, and of weights.

Those of maps are (B, C, H, W) -> the same, with a scale and shift per channel or none.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import _SpectralNorm

__all__ = [
    "GroupNorm",
    "InstanceNorm",
    "erases_one_pixel",
    "keeps_bias",
    "norm",
    "norm_is_per_sample",
    "spectral_norm",
]

_GROUPS = 8  # of "group", as report C has it


class GroupNorm(nn.GroupNorm):
    """Mean 0, deviation 1 over each group of channels of each picture (Wu and He 2018)."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, H, W)."""
        if x.is_cpu:
            # For channels_last torch's CPU kernel computes E[x^2] - E[x]^2 in float32: with a mean
            # of 100 deviations (a flat sky) an output is wrong by 0.2, with 1000 by any amount.
            x = x.contiguous()
        # CUDA's autocast returns float32 here, and every later layer would move twice the bytes.
        return super().forward(x).to(x.dtype)


class InstanceNorm(GroupNorm):
    """Mean 0, deviation 1 over each channel of each picture (Ulyanov et al. 2016).

    Group norm with one channel in each group is the same arithmetic, and on a CPU torch computes it
    two to three times as fast as its ``InstanceNorm2d``. ``affine``: a scale and a shift for each
    channel.
    """

    def __init__(self, channels: int, *, affine: bool = True) -> None:
        super().__init__(channels, channels, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, H, W); channels_last stays so on a CPU."""
        if not x.is_cpu or x.is_contiguous():
            return super().forward(x)
        # Batch norm of one picture is the same too, and its kernel for channels_last is exact.
        # Without a scale, it would compute the statistics of bfloat16 in bfloat16.
        dtype = torch.promote_types(x.dtype, torch.float32)
        scale = self.weight if self.affine else torch.ones(x.shape[1], dtype=dtype)
        pictures = [
            F.batch_norm(one, None, None, scale, self.bias, training=True, eps=self.eps)
            for one in torch.split(x, 1)
        ]
        return torch.cat(pictures) if len(pictures) > 1 else pictures[0]


def _group_norm(channels: int) -> GroupNorm:
    groups = next(n for n in range(_GROUPS, 0, -1) if channels % n == 0)
    return GroupNorm(groups, channels)


_NORMS: dict[str, Callable[[int], nn.Module]] = {
    "instance": InstanceNorm,
    "plain_instance": partial(InstanceNorm, affine=False),
    "batch": nn.BatchNorm2d,
    "group": _group_norm,
    # Ba et al. 2016: over all of a picture (C, H, W). The scale is per channel, not per pixel, so
    # that weights do not depend on the size of the pictures.
    "layer": lambda channels: GroupNorm(1, channels),
    "none": nn.Identity,
}


def norm(name: str, channels: int) -> nn.Module:
    """Return the norm called ``name``, over ``channels``.

    ``plain_instance`` is instance norm without scale and shift. ``group`` makes 8 groups, or the
    largest smaller number that divides the channels. Statistics are computed in float32 under
    autocast too, as torch's kernels of all of these do.
    """
    return _NORMS[name](channels)


def norm_is_per_sample(network: nn.Module) -> bool:
    """Return whether a picture's output is independent of the others in its batch."""
    return not any(isinstance(module, _BatchNorm) for module in network.modules())


def keeps_bias(name: str) -> bool:
    """Return whether a convolution before the norm called ``name`` has a bias.

    Instance and batch norm subtract each channel's mean, and with it any bias of that channel.
    Group and layer norm subtract one mean from several channels, whose differences remain.
    ``plain_instance`` is for networks as their authors wrote them, with biases: CUT compares maps
    before the norm.
    """
    return name not in ("instance", "batch")


def erases_one_pixel(name: str) -> bool:
    """Return whether the norm called ``name`` makes the same of any map of one pixel."""
    return name in ("instance", "plain_instance", "batch")


Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


def spectral_norm(layer: Layer) -> Layer:
    """Divide a layer's weight by its largest singular value (Miyato et al. 2018); return it.

    In training mode each pass improves the value by one step of the power method.
    """
    parametrize.register_parametrization(layer, "weight", _Spectral(layer.weight))
    return layer


class _Spectral(_SpectralNorm):
    """Torch's, which autocast would compute in half precision; an outline is not computed."""

    def _power_method(self, weight_mat: Tensor, n_power_iterations: int) -> None:
        if not weight_mat.is_meta:
            super()._power_method(weight_mat, n_power_iterations)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.is_meta:
            return weight
        with torch.autocast(weight.device.type, enabled=False):
            normed: Tensor = super().forward(weight)
        return normed
