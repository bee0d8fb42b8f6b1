"""What PatchNCE compares: maps inside a residual generator, and heads that project them (CUT)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from mifid.baseline.config import Generator
from mifid.baseline.models.resnet import ResNet

__all__ = ["PatchHeads", "ResNetWithMaps", "map_channels"]

_BORDER = 3  # of the 7 x 7 convolution
_LATER_BLOCK = 5
_FEATURES = 256
_SMALL = 1e-7  # as in the authors' code


def map_channels(config: Generator) -> list[int]:
    """Return the channels of the maps of :class:`ResNetWithMaps`."""
    width = config.width
    return [3, 2 * width, *(4 * width for _ in [0, *_kept_blocks(config.blocks)])]


class ResNetWithMaps(nn.Module):
    """A residual generator that also returns its maps; the weights are those of ``network``.

    The maps of (B, 3, S, S) are the picture with its mirrored border (B, 3, S + 6, S + 6), what
    the convolutions of both halvings return, before their norm, and what residual blocks 1 and 5
    return. A network of fewer than 5 blocks has its last block in the place of the fifth.
    """

    def __init__(self, network: ResNet) -> None:
        super().__init__()
        self.network = network
        self._kept = _kept_blocks(len(network.blocks))

    def forward(self, x: Tensor, *, paint: bool) -> tuple[Tensor | None, list[Tensor]]:
        """Return a picture and the maps; without ``paint`` None, and no more than the maps need.

        Args:
            x: (B, 3, S, S) float32 in -1..1.
            paint: whether the decoder runs.
        """
        network = self.network
        maps = [F.pad(x, 4 * [_BORDER], mode="reflect")]
        inner = network.stem(x)
        for down in (network.down1, network.down2):
            conv, norm, *others = down
            convolved = conv(inner)
            maps.append(convolved)
            # Without a norm the activation would change the map in place.
            inner = convolved.clone() if isinstance(norm, nn.Identity) else norm(convolved)
            for layer in others:
                inner = layer(inner)
        for number, block in enumerate(network.blocks, 1):
            inner = block(inner)
            if number in self._kept:
                maps.append(inner)
            if not paint and number == self._kept[-1]:
                return None, maps
        return network.out(network.up2(network.up1(inner))), maps


class PatchHeads(nn.Module):
    """A head for each map: linear to 256, ReLU, linear to 256, length 1; (..., C) -> (..., 256)."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(
                OrderedDict(
                    first=nn.Linear(inputs, _FEATURES),
                    activation=nn.ReLU(),
                    second=nn.Linear(_FEATURES, _FEATURES),
                )
            )
            for inputs in channels
        )

    def forward(self, places: Sequence[Tensor]) -> list[Tensor]:
        """Project what each map has at some places."""
        projected = [head(place) for head, place in zip(self.heads, places, strict=True)]
        return [each / (each.norm(dim=-1, keepdim=True) + _SMALL) for each in projected]


def _kept_blocks(blocks: int) -> list[int]:
    """Return the numbers of the blocks whose maps are compared, from 1 on."""
    return sorted({1, min(_LATER_BLOCK, blocks)})
