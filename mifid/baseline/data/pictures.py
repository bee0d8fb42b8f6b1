"""Between pictures as they are stored and pictures as networks take them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mifid.images.source import Pixels

__all__ = ["to_pixels", "to_tensor"]


def to_tensor(pixels: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) float32 in -1..1."""
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def to_pixels(pictures: Tensor) -> Pixels:
    """(B, 3, H, W) in -1..1 -> (B, H, W, 3) uint8 on the host, rounded to the nearest."""
    levels = ((pictures.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(levels.permute(0, 2, 3, 1).cpu().numpy())
