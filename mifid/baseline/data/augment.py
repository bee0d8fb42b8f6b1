"""Augmentation: resize and crop, mirror, turns, colours; conversion of pixels and tensors."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mifid.baseline.config import Augment
from mifid.baseline.data.colour_jitter import JITTERED, colour_jitter
from mifid.baseline.data.random_numbers import Draws
from mifid.images import Pixels

__all__ = [
    "Augmenter",
    "to_pixels",
    "to_tensor",
]


def to_tensor(pixels: Tensor) -> Tensor:
    """Convert (B, H, W, 3) uint8 to (B, 3, H, W) float32 in -1..1."""
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def to_pixels(pictures: Tensor) -> Pixels:
    """Convert (B, 3, H, W) in -1..1 to (B, H, W, 3) uint8 on the host, rounded to the nearest."""
    levels = ((pictures.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(levels.permute(0, 2, 3, 1).cpu().numpy())


_DRAWN = 5  # numbers a picture: side, top, left, turn, mirror


class _Moves(NamedTuple):
    """Changes of each of B pictures, in the order in which they are made. All (B,).

    Attributes:
        transposed, upside_down, mirrored: bool; together all quarter turns and mirrorings.
        side: float32, pixels a side after enlarging.
        top, left: float32, whole pixels of the enlarged picture where the cut begins.
        angle: float32, radians clockwise about the middle of the picture.
    """

    transposed: Tensor
    upside_down: Tensor
    mirrored: Tensor
    side: Tensor
    top: Tensor
    left: Tensor
    angle: Tensor


class Augmenter:
    """Augments one side's pictures, a batch at a time, on the device where they are.

    A picture is turned and mirrored, then enlarged to a whole number of pixels a side (bilinear,
    pixel centres at halves) and cut out at whole pixels, as "resize to 286, crop 256" does.
    ``config.crop`` cuts smaller squares, also out of pictures that are not augmented otherwise.
    With ``config.rotate`` a picture is also turned by some degrees, and black comes in; with
    ``config.jitter`` its colours change last.

    Args:
        config: settings.
        enabled: whether this side is augmented at all.
        pictures: their number.
        size: pixels a side.
        seed: of the variants, if these are drawn once (``config.static``).
    """

    def __init__(
        self, config: Augment, *, enabled: bool, pictures: int, size: int, seed: int
    ) -> None:
        self._config = config
        self._size = size
        self._cut = config.crop or size
        self._largest = round(size * config.enlarge) if enabled else size
        self._turns = enabled and config.turns
        self._flips = enabled and config.flip
        self._rotates = enabled and config.rotate > 0
        self._jitters = enabled and config.jitter > 0
        changes = self._rotates or self._jitters
        self._acts = self._largest > self._cut or self._flips or self._turns or changes
        # Runs without these have the random numbers that they had before these were there.
        self._drawn = _DRAWN + changes * (1 + JITTERED)
        self._variants = max(config.static, 1) if enabled else 1
        self._pictures = pictures
        self._fixed: Tensor | None = None
        if enabled and config.static and self._acts:
            generator = torch.Generator().manual_seed(seed)
            self._fixed = torch.rand(len(self), self._drawn, generator=generator)

    def __len__(self) -> int:
        """Return the number of pictures to train on: all variants, if they are drawn once."""
        return self._pictures * self._variants

    def picture_of(self, indices: Tensor) -> Tensor:
        """Return the index of the picture that each variant is made of, int64."""
        return indices // self._variants

    def __call__(
        self, pixels: Tensor, indices: Tensor, draws: Draws, *, fraction: float = 0.0
    ) -> Tensor:
        """Augment a batch.

        Args:
            pixels: (B, S, S, 3) uint8, those that ``picture_of(indices)`` names.
            indices: (B,) int64 on the CPU, ``0 <= i < len(self)``.
            draws: not used if variants are drawn once, or if nothing is changed.
            fraction: part of the run that is over.

        Returns:
            Tensor: (B, 3, C, C) float32 in -1..1 on the device of ``pixels``; C is ``config.crop``,
                or S.
        """
        if not self._acts:
            return to_tensor(pixels)
        if self._fixed is not None:
            drawn = self._fixed[indices]
        else:
            drawn = draws.uniform(torch.empty(len(pixels)), self._drawn)
        largest = self._largest if fraction < self._config.enlarge_until else self._size
        moves = self._moves(drawn, largest, pixels.device)
        pictures = to_tensor(_oriented(pixels, moves))
        if largest > self._cut or self._rotates:
            pictures = _cut_out(pictures, moves, self._cut, rotated=self._rotates)
        if self._jitters:
            chosen = drawn[:, -JITTERED:].to(pixels.device, non_blocking=True)
            pictures = colour_jitter(pictures, chosen, self._config.jitter)
        return pictures

    def _moves(self, drawn: Tensor, largest: int, device: torch.device) -> _Moves:
        """Turn numbers (B, 5 or 10) in 0..1 into moves, on the CPU: one copy to the device."""
        smallest = self._size if self._config.vary else largest
        side = smallest + (drawn[:, 0] * (largest - smallest + 1)).floor()
        top, left = ((drawn[:, i] * (side - self._cut + 1)).floor() for i in (1, 2))
        turn = (drawn[:, 3] * 4).floor() if self._turns else torch.zeros(len(drawn))
        mirror = drawn[:, 4] < 0.5 if self._flips else torch.zeros(len(drawn), dtype=torch.bool)
        # Counterclockwise by k quarters, then mirrored: rot90(p) = upside down of p transposed,
        # rot90^2 = both mirrorings, rot90^3 = mirrored of p transposed.
        transposed = turn % 2 == 1
        upside_down = (turn == 1) | (turn == 2)
        mirrored = (turn >= 2) ^ mirror
        angle = torch.zeros(len(drawn))
        if self._rotates:
            angle = math.radians(self._config.rotate) * (2 * drawn[:, _DRAWN] - 1)
        whole = (transposed, upside_down, mirrored, side, top, left, angle)
        columns = [value.float() for value in whole]
        moved = torch.stack(columns).to(device, non_blocking=True)
        return _Moves(*(moved[:3] > 0.5), *moved[3:])


def _oriented(pixels: Tensor, moves: _Moves) -> Tensor:
    """Turn and mirror (B, S, S, 3) uint8: exact, and a quarter of the bytes of float32."""
    transposed, upside_down, mirrored = (chosen.view(-1, 1, 1, 1) for chosen in moves[:3])
    pixels = torch.where(transposed, pixels.transpose(1, 2), pixels)
    pixels = torch.where(upside_down, pixels.flip(1), pixels)
    return torch.where(mirrored, pixels.flip(2), pixels)


def _cut_out(pictures: Tensor, moves: _Moves, size: int, *, rotated: bool) -> Tensor:
    """Rotate, enlarge (B, 3, S, S) to ``side`` and cut ``size`` x ``size`` out.

    All is one interpolation. Black comes in at the corners of a rotated picture.
    """
    batch = len(pictures)
    centres = torch.arange(size, device=pictures.device) + 0.5
    # -1..1 of grid_sample are the edges of the picture, whatever its enlarged size.
    down, across = (
        (start[:, None] + centres) * (2 / moves.side[:, None]) - 1
        for start in (moves.top, moves.left)
    )
    grid = torch.stack(
        [
            across[:, None, :].expand(batch, size, size),
            down[:, :, None].expand(batch, size, size),
        ],
        dim=-1,
    )
    if rotated:
        cosine, sine = (part[:, None, None] for part in (moves.angle.cos(), moves.angle.sin()))
        x, y = grid.unbind(-1)
        grid = torch.stack([cosine * x + sine * y, cosine * y - sine * x], dim=-1)
        return F.grid_sample(pictures + 1, grid, mode="bilinear", align_corners=False) - 1
    # At most half a pixel beyond the edge is read: reflecting and repeating are the same.
    return F.grid_sample(
        pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
