"""Layers of EfficientNet-Lite, by the names that its published weights have.

Source: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite, as the
weights' author converted it: https://github.com/ml-illustrated/EfficientNet-Lite-PyTorch
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count

import torch
from torch import nn

from mifid.extractors.network import folded_convolution

__all__ = ["LITE0", "lite_layers"]

_EPS = 1e-3

_OF_NORM = ("weight", "bias", "running_mean", "running_var")

_STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of the first block of each stage

LITE0 = (1, 2, 2, 3, 3, 4, 1)
"""Number of blocks of each stage. Lite1 to Lite4 have more, and Lite3 and Lite4 are wider."""


class _Residual(nn.Sequential):
    """x + layers(x)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        inner: torch.Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return x + inner


def lite_layers(
    state_dict: Mapping[str, torch.Tensor], blocks: Sequence[int] = LITE0
) -> nn.Sequential:
    """Return the layers from input (N, 3, H, W) to pooled features (N, 1280, 1, 1).

    Args:
        state_dict: the published weights.
        blocks: of each stage; the default is Lite0's.
    """
    layers = [*_convolution(state_dict, "_conv_stem", "_bn0", stride=2), nn.ReLU6(inplace=True)]
    numbers = count()
    for stage, (stride, repeats) in enumerate(zip(_STRIDES, blocks, strict=True)):
        first = _block(state_dict, next(numbers), stride, expands=stage > 0)
        layers.append(nn.Sequential(*first))
        layers += [_Residual(*_block(state_dict, next(numbers))) for _ in range(repeats - 1)]
    layers += [*_convolution(state_dict, "_conv_head", "_bn1"), nn.ReLU6(inplace=True)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1))


def _block(
    state_dict: Mapping[str, torch.Tensor], number: int, stride: int = 1, *, expands: bool = True
) -> Iterator[nn.Module]:
    """Yield the layers of an inverted bottleneck: expand, filter each channel, project."""
    name = f"_blocks.{number}"
    if expands:
        yield from _convolution(state_dict, f"{name}._expand_conv", f"{name}._bn0")
        yield nn.ReLU6(inplace=True)
    yield from _convolution(state_dict, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride)
    yield nn.ReLU6(inplace=True)
    yield from _convolution(state_dict, f"{name}._project_conv", f"{name}._bn2")


def _convolution(
    state_dict: Mapping[str, torch.Tensor], name: str, norm: str, *, stride: int = 1
) -> Iterator[nn.Module]:
    """Yield a convolution with its batch norm, padded as TensorFlow's SAME pads even sizes."""
    weight = state_dict[f"{name}.weight"]
    before, after = (weight.shape[2] - stride) // 2, (weight.shape[2] - stride + 1) // 2
    if before != after:
        yield nn.ZeroPad2d((before, after, before, after))
    yield folded_convolution(
        weight,
        {key: state_dict[f"{norm}.{key}"] for key in _OF_NORM},
        eps=_EPS,
        stride=stride,
        padding=before if before == after else 0,
        groups=len(weight) if "depthwise" in name else 1,
    )
