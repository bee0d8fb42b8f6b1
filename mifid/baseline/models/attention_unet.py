"""Report C's enhanced networks: a U-Net with attention, and a PatchGAN of doubled convolutions."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mifid.baseline.config import Discriminator, Generator
from mifid.baseline.models.blocks import halving, stage
from mifid.baseline.models.first_weights import Drawn, draw_by
from mifid.baseline.models.generator import GeneratorNetwork
from mifid.baseline.models.layers import activation, upsample
from mifid.baseline.models.norms import InstanceNorm, erases_one_pixel, keeps_bias, norm
from mifid.baseline.models.patchgan import InputNoise, check_patches, scores
from mifid.baseline.models.unet import DROPPED, checked_depth

__all__ = ["AttentionUNet", "DoublePatchGAN", "SelfAttention"]

_KERNEL = 4
_SEEING_DOWN = (2, 5)  # encoder layers with attention: maps of 32 x 32 and 4 x 4 at 256
_SEEING_UP = (2,)  # decoder layers with attention: a map of 8 x 8

_glorot: Drawn = nn.init.xavier_uniform_
"""Keras's default first weights."""


class AttentionUNet(GeneratorNetwork):
    """A U-Net with a second convolution in each encoder layer, attention, and residual blocks.

    (B, 3, S, S) -> the same. At 256: down 64-128-256-512-512-512-512-512, up
    512-512-512-512-256-128-64 and 3. A residual block follows each join of a decoder's map with the
    encoder's of its size. The 4 x 4 convolutions that halve and double begin with
    N(0, config.init), all others with Keras's Glorot uniform.
    """

    def __init__(self, config: Generator, *, size: int) -> None:
        super().__init__()
        kernel = config.kernel or _KERNEL
        depth = checked_depth(config.depth, size=size, kernel=kernel)
        self.multiple = 2**depth
        widths = [config.width * min(2**level, 8) for level in range(depth)]
        outward = widths[-2::-1]
        self.down = nn.ModuleList(
            _double_down(
                config,
                inputs,
                outputs,
                kernel=kernel,
                norm_name=_inmost_norm(config.norm) if level == depth - 1 else config.norm,
                activation_name=config.down_activation,
            )
            for level, (inputs, outputs) in enumerate(itertools.pairwise([3, *widths]))
        )
        inner = [widths[-1], *(2 * width for width in outward)]
        self.up = nn.ModuleList(
            _up(config, inputs, outputs, kernel=kernel, number=number)
            for number, (inputs, outputs) in enumerate(zip(inner, outward, strict=False))
        )
        self.join = nn.ModuleList(_Residual(config, 2 * width) for width in outward)
        self.see_down = _attentions(config, widths, _SEEING_DOWN)
        self.see_up = _attentions(config, outward, _SEEING_UP)
        self.compares_all_pixels = config.attention != "none"
        conv = upsample(config.upsample, inner[-1], 3, kernel=kernel, bias=True)
        draw_by(conv, _glorot)
        self.out = nn.Sequential(OrderedDict(conv=conv, tanh=nn.Tanh()))

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, 3, S, S) float32 in -1..1 into the same."""
        skips: list[Tensor] = []
        for number, down in enumerate(self.down):
            x = _seen(self.see_down, number, down(x))
            skips.append(x)
        for number, (up, join, skip) in enumerate(
            zip(self.up, self.join, skips[-2::-1], strict=True)
        ):
            x = join(torch.cat([_seen(self.see_up, number, up(x)), skip], dim=1))
        picture: Tensor = self.out(x)
        return picture


class DoublePatchGAN(nn.Module):
    """A PatchGAN with a second convolution after each halving.

    (B, 3, S, S) -> (B, heads, h, w).

    The last norm is instance norm whatever ``config.norm`` is, its scales N(0, 0.02).
    """

    signature = "picture -> scores"

    def __init__(self, config: Discriminator, *, size: int) -> None:
        super().__init__()
        check_patches(config, size=size)
        widths = [config.width * min(2**level, 8) for level in range(config.layers + 1)]
        self.noise = InputNoise(config.noise)
        self.down = nn.Sequential(
            *(
                _double_down(
                    config,
                    inputs,
                    outputs,
                    kernel=config.kernel,
                    norm_name=config.norm,
                    activation_name=config.activation,
                    dropout=config.dropout,
                )
                for inputs, outputs in itertools.pairwise([3, *widths[:-1]])
            )
        )
        padding = (config.kernel - 1) // 2
        conv = nn.Conv2d(widths[-2], widths[-1], config.kernel, padding=padding, bias=False)
        last = InstanceNorm(widths[-1])
        draw_by(last, partial(nn.init.normal_, std=0.02))
        self.last = nn.Sequential(
            OrderedDict(conv=conv, norm=last, activation=activation(config.activation))
        )
        self.out = scores(
            nn.Conv2d(widths[-1], config.heads, config.kernel, padding=padding),
            pooling=config.pooling,
            sigmoid=config.sigmoid,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, 3, S, S) float32 in -1..1 into (B, heads, h, w)."""
        patches: Tensor = self.out(self.last(self.down(self.noise(x))))
        return patches


class SelfAttention(nn.Module):
    """x + attention of each pixel to all others (Zhang et al. 2019), without a learned gate.

    (B, C, H, W) -> the same. Queries and keys have C / 8 channels; the products are not scaled.

    Args:
        channels: C.
        trained: False: the weights stay as they are drawn. In report C's notebook they are made
            where Keras does not find them.
    """

    def __init__(self, channels: int, *, trained: bool = True) -> None:
        super().__init__()
        inner = max(1, channels // 8)
        self.query = nn.Conv2d(channels, inner, 1)
        self.key = nn.Conv2d(channels, inner, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        for conv in (self.query, self.key, self.value):
            draw_by(conv, _glorot)
            conv.requires_grad_(trained)

    def forward(self, x: Tensor) -> Tensor:
        """Add what each pixel sees of the others."""
        query, key, value = (
            conv(x).flatten(2).transpose(1, 2).unsqueeze(1)
            for conv in (self.query, self.key, self.value)
        )
        seen = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        return x + seen.squeeze(1).transpose(1, 2).reshape(x.shape)


class _Residual(nn.Module):
    """Activation of x + two convolutions of x, (B, channels, H, W) -> the same."""

    def __init__(self, config: Generator, channels: int) -> None:
        super().__init__()
        self.first = stage(
            _same(channels, config.norm),
            channels=channels,
            norm_name=config.norm,
            activation_name=config.activation,
        )
        self.second = stage(_same(channels, config.norm), channels=channels, norm_name=config.norm)
        self.activation = activation(config.activation)

    def forward(self, x: Tensor) -> Tensor:
        """Add two convolutions of ``x`` to it."""
        joined: Tensor = self.activation(x + self.second(self.first(x)))
        return joined


def _double_down(
    config: Generator | Discriminator,
    inputs: int,
    outputs: int,
    *,
    kernel: int,
    norm_name: str,
    activation_name: str,
    dropout: float = 0.0,
) -> nn.Sequential:
    """Return a halving, norm, activation, a second convolution and norm."""
    first = stage(
        halving(inputs, outputs, kernel=kernel, bias=False, how=config.halving),
        channels=outputs,
        norm_name=norm_name,
        activation_name=activation_name,
        dropout=dropout,
    )
    second = stage(_same(outputs, norm_name), channels=outputs, norm_name=norm_name)
    return nn.Sequential(OrderedDict(first=first, second=second))


def _up(config: Generator, inputs: int, outputs: int, *, kernel: int, number: int) -> nn.Sequential:
    conv = upsample(config.upsample, inputs, outputs, kernel=kernel, bias=False)
    last = [
        ("norm", norm(config.norm, outputs)),
        ("activation", activation(config.activation)),
        ("dropout", nn.Dropout(config.dropout if number < DROPPED else config.outer_dropout)),
    ]
    return nn.Sequential(OrderedDict([("conv", conv), *last]))


def _inmost_norm(name: str) -> str:
    """Return the norm of a map of one pixel, of which some make the same whatever it is."""
    return "none" if erases_one_pixel(name) else name


def _same(channels: int, norm_name: str) -> nn.Conv2d:
    conv = nn.Conv2d(channels, channels, 3, padding=1, bias=keeps_bias(norm_name))
    draw_by(conv, _glorot)
    return conv


def _attentions(config: Generator, widths: list[int], numbers: tuple[int, ...]) -> nn.ModuleDict:
    """Return the attention of layers by their number; none where the network has fewer layers."""
    if config.attention == "none":
        return nn.ModuleDict()
    trained = config.attention == "trained"
    return nn.ModuleDict(
        {str(n): SelfAttention(widths[n], trained=trained) for n in numbers if n < len(widths)}
    )


def _seen(attentions: nn.ModuleDict, number: int, x: Tensor) -> Tensor:
    return attentions[str(number)](x) if str(number) in attentions else x
