"""A residual generator with skip connections, after report D (Sabathier and Souaidi)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mifid.baseline.config.schema import Generator
from mifid.baseline.models.blocks import ResidualBlock
from mifid.baseline.models.resnet import check_residual, doubled, halved, painted, stem

__all__ = ["SkipResNet"]


class SkipResNet(nn.Module):
    """CycleGAN's ResNet whose decoder is shown the encoder's map of its size too.

    (B, 3, S, S) -> the same. The report says that there are skips, not how they join. Ours are
    concatenated, as in a U-Net: the layer after weighs what it takes from either, and at no cost
    that counts, since the blocks hold nearly all of the work.
    """

    def __init__(self, config: Generator, *, size: int) -> None:
        super().__init__()
        check_residual(config, size=size)
        width = config.width
        self.stem = stem(config)
        self.down1 = halved(config, width, 2 * width)
        self.down2 = halved(config, 2 * width, 4 * width)
        self.blocks = nn.Sequential(
            *(ResidualBlock(config, 4 * width) for _ in range(config.blocks))
        )
        self.up1 = doubled(config, 4 * width, 2 * width)
        self.up2 = doubled(config, 4 * width, width)  # of up1 and of down1
        self.out = painted(2 * width)  # of up2 and of the stem

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, S, S) float32 in -1..1 -> the same."""
        whole = self.stem(x)
        half = self.down1(whole)
        inner = self.blocks(self.down2(half))
        joined = torch.cat([self.up1(inner), half], dim=1)
        picture: Tensor = self.out(torch.cat([self.up2(joined), whole], dim=1))
        return picture
