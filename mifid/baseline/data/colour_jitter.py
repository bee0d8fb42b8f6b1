"""Colour jitter: brightness, contrast, saturation and hue of each picture, changed at random."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["JITTERED", "colour_jitter"]

JITTERED = 4
"""Random numbers that a picture needs."""

_LUMA = (0.299, 0.587, 0.114)  # of red, green, blue (ITU-R BT.601), as Pillow's grey


def colour_jitter(pictures: Tensor, drawn: Tensor, amount: float) -> Tensor:
    """Change the colours of pictures.

    Brightness, contrast and saturation are multiplied by factors within ``1 - amount`` and
    ``1 + amount``; the hue moves by up to ``amount`` of its circle. After each, colours are cut off
    at 0 and 1. It is torchvision's ColorJitter in a fixed order, where that draws the order, too.

    Args:
        pictures: (B, 3, H, W) float32 in -1..1.
        drawn: (B, 4) in 0..1, on the same device.
        amount: 0..0.5.

    Returns:
        Tensor: (B, 3, H, W) float32 in -1..1.
    """
    signed = amount * (2 * drawn - 1)
    brightness, contrast, saturation = (1 + signed[:, i].view(-1, 1, 1, 1) for i in range(3))
    colours = ((pictures + 1) / 2 * brightness).clamp(0, 1)
    mean = _grey(colours).mean(dim=(2, 3), keepdim=True)
    colours = torch.lerp(mean.expand_as(colours), colours, contrast).clamp(0, 1)
    colours = torch.lerp(_grey(colours).expand_as(colours), colours, saturation).clamp(0, 1)
    return 2 * _turned(colours, signed[:, 3].view(-1, 1, 1)) - 1


def _grey(colours: Tensor) -> Tensor:
    luma = colours.new_tensor(_LUMA).view(1, 3, 1, 1)
    return (colours * luma).sum(dim=1, keepdim=True)


def _turned(colours: Tensor, turn: Tensor) -> Tensor:
    """Move the hue of colours (B, 3, H, W) in 0..1 by part of a circle, through HSV."""
    red, green, blue = colours.unbind(1)
    value, low = colours.amax(dim=1), colours.amin(dim=1)
    chroma = value - low
    safe = torch.where(chroma > 0, chroma, 1.0)
    sixths = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    sixths = sixths + 6 * turn
    channels = []
    for number in (5, 3, 1):
        place = (number + sixths) % 6
        share = torch.minimum(place, 4 - place).clamp(0, 1)
        channels.append(value - chroma * share)
    return torch.stack(channels, dim=1)
