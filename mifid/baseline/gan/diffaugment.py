"""DiffAugment: differentiable augmentation of the pictures that a discriminator sees.

With few paintings a discriminator memorizes them. Changing real and generated pictures in the same
way prevents this, and since gradients pass through the changes, the generator does not learn them.

Source: Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training", with the
ranges of its published settings (color, translation, cutout).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mifid.baseline.config import DiffAugment
from mifid.baseline.data import Draws

__all__ = ["diff_augment"]


def diff_augment(pictures: Tensor, config: DiffAugment, draws: Draws) -> Tensor:
    """Return pictures, of which a share (``config.rate``) is changed at all.

    Each of these is changed by each kind of change with that kind's probability.

    Args:
        pictures: (B, C, H, W) in -1..1, any floating dtype. Colours may leave that range.
        config: rate and probabilities; with 0 (a rate of 1) nothing is drawn, and if all are 0
            ``pictures`` is returned.
        draws: random numbers of the changes.
    """
    kinds = (config.color, config.translation, config.cutout)
    some = None
    if config.rate < 1 and max(kinds) > 0:
        some = draws.uniform(pictures, 1)[:, 0] < config.rate
    for probability, change, numbers in (
        (config.color, _color, 3),
        (config.translation, _translation, 2),
        (config.cutout, _cutout, 2),
    ):
        if probability > 0:
            drawn = draws.uniform(pictures, 1 + numbers)
            chosen = drawn[:, 0] < probability
            pictures = change(pictures, chosen if some is None else chosen & some, drawn[:, 1:])
    return pictures


def _color(pictures: Tensor, chosen: Tensor, drawn: Tensor) -> Tensor:
    """Change brightness + U(-0.5, 0.5), saturation x U(0, 2), contrast x U(0.5, 1.5)."""
    # The other pictures get 0, 1, 1: lerp with weight 1 returns them to the last bit.
    brightness, saturation, contrast = (
        torch.where(chosen, low + span * drawn[:, i], neutral).to(pictures.dtype).view(-1, 1, 1, 1)
        for i, (low, span, neutral) in enumerate(((-0.5, 1, 0.0), (0, 2, 1.0), (0.5, 1, 1.0)))
    )
    pictures = pictures + brightness
    pictures = torch.lerp(pictures.mean(dim=1, keepdim=True), pictures, saturation)
    return torch.lerp(pictures.mean(dim=(1, 2, 3), keepdim=True), pictures, contrast)


def _translation(pictures: Tensor, chosen: Tensor, drawn: Tensor) -> Tensor:
    """Shift by up to 1/8 of each side, whole pixels; zeros (grey) come in."""
    batch, channels, height, width = pictures.shape
    most_down, most_across = _eighth(height), _eighth(width)
    down = _steps(drawn[:, 0], most_down, chosen)
    across = _steps(drawn[:, 1], most_across, chosen)
    padded = F.pad(pictures, (most_across, most_across, most_down, most_down))
    rows = torch.arange(height, device=pictures.device) + most_down - down[:, None]
    columns = torch.arange(width, device=pictures.device) + most_across - across[:, None]
    shape = (batch, channels, height, padded.shape[3])
    shifted = padded.gather(2, rows[:, None, :, None].expand(shape))
    return shifted.gather(3, columns[:, None, None, :].expand(batch, channels, height, width))


def _eighth(side: int) -> int:
    return int(side / 8 + 0.5)


def _steps(drawn: Tensor, most: int, chosen: Tensor) -> Tensor:
    """Return whole numbers in -most..most, all equally likely; 0 where not chosen."""
    steps = (drawn * (2 * most + 1)).floor().clamp(max=2 * most) - most
    return torch.where(chosen, steps, 0.0).long()


def _cutout(pictures: Tensor, chosen: Tensor, drawn: Tensor) -> Tensor:
    """Set a rectangle of half of each side to 0 (grey); its centre lies anywhere on the picture."""
    height, width = pictures.shape[2:]
    rows = _covered(height, drawn[:, 0])[:, None, :, None]
    columns = _covered(width, drawn[:, 1])[:, None, None, :]
    return pictures.masked_fill(rows & columns & chosen.view(-1, 1, 1, 1), 0.0)


def _covered(side: int, drawn: Tensor) -> Tensor:
    """Return which of ``side`` pixels an interval of half of them covers, (B, side) bool."""
    length = int(side * 0.5 + 0.5)
    # An interval of even length has its centre between pixels: there is one place more.
    places = side + 1 - length % 2
    start = (drawn * places).floor().clamp(max=places - 1)[:, None] - length // 2
    pixels = torch.arange(side, device=drawn.device)
    return (pixels >= start) & (pixels < start + length)
