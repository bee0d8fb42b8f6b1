"""Norms of the whole picture, for tiles: else each would have contrasts and colours of its own.

Instance, group and layer norm subtract the mean of a map and divide by its deviation. Of a picture
in tiles these are measured once, over patches that are spread over all of it, at its own scale.
(Thumbnails, as in Chen et al. 2021, arXiv:2103.11784, would be of another scale.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor, nn

__all__ = ["Moments", "measured_norms", "same_norms"]

Moments: TypeAlias = "dict[nn.GroupNorm, tuple[Tensor, Tensor]]"
"""Norm -> mean and variance of its groups, each (groups,)."""


_EDGE = 8
"""The eighth of a patch at each edge is not measured."""


@contextmanager
def measured_norms(network: nn.Module) -> Iterator[Moments]:
    """Let norms take all pictures of a batch as parts of one; yield what they measure."""
    moments: Moments = {}
    with _replaced(_norms(network), partial(_measured, moments)):
        yield moments


@contextmanager
def same_norms(moments: Mapping[nn.GroupNorm, tuple[Tensor, Tensor]]) -> Iterator[None]:
    """Let norms use these means and variances instead of each picture's own."""

    def normalised(layer: nn.GroupNorm, x: Tensor) -> Tensor:
        return _normalised(layer, x, *moments[layer])

    with _replaced(moments, normalised):
        yield


def _measured(moments: Moments, layer: nn.GroupNorm, x: Tensor) -> Tensor:
    # At its edge a patch has a border, where the whole picture goes on.
    down, across = (side // _EDGE for side in x.shape[2:])
    inner = x[:, :, down : x.shape[2] - down, across : x.shape[3] - across]
    groups = inner.reshape(len(x), layer.num_groups, -1).transpose(0, 1).flatten(1)
    variance, mean = torch.var_mean(groups.float(), dim=1, correction=0)
    moments[layer] = mean, variance
    return _normalised(layer, x, mean, variance)


def _normalised(layer: nn.GroupNorm, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Return the norm of (B, C, H, W) with given moments (groups,)."""
    each = layer.num_channels // layer.num_groups
    scale = torch.rsqrt(variance + layer.eps).repeat_interleave(each)
    if layer.weight is not None:
        scale = scale * layer.weight
    made = x - _per_channel(mean.repeat_interleave(each))
    made *= _per_channel(scale)
    if layer.bias is not None:
        made += _per_channel(layer.bias)
    return made


def _per_channel(values: Tensor) -> Tensor:
    return values[:, None, None]


def _norms(network: nn.Module) -> list[nn.GroupNorm]:
    return [layer for layer in network.modules() if isinstance(layer, nn.GroupNorm)]


@contextmanager
def _replaced(
    layers: Iterable[nn.GroupNorm], compute: Callable[[nn.GroupNorm, Tensor], Tensor]
) -> Iterator[None]:
    """Let layers compute ``compute(layer, input)``; a hook would compute each norm twice."""
    replaced = list(layers)
    for layer in replaced:
        layer.__dict__["forward"] = partial(compute, layer)
    try:
        yield
    finally:
        for layer in replaced:
            del layer.__dict__["forward"]
