"""Tiles of a picture that is too large for a network: where they lie, and how they are joined."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mifid.baseline.data import to_pixels
from mifid.images import Pixels

__all__ = ["Axis", "Canvas", "Patches", "canvas", "joined", "mirrored", "patches"]

MARGIN = 96
"""Pixels at the edge of a tile that are painted and thrown away. The network sees a border there
instead of the picture; each output of CycleGAN's ResNet-9 depends on 87 pixels to each side."""

RAMP = 64
"""Pixels over which a tile turns into the next one."""


@dataclass(frozen=True)
class Axis:
    """Tiles along one side of a picture.

    Attributes:
        length: pixels of that side, with the border that is mirrored.
        tile: pixels of each tile.
        starts: first pixel of each tile; the last one ends at ``length``.
    """

    length: int
    tile: int
    starts: tuple[int, ...]

    def weights(self, index: int) -> Tensor:
        """Return the weight of each pixel of a tile (tile,); over all tiles they sum up to 1."""
        pixels = np.arange(self.tile) + self.starts[index] + 0.5
        begins = 1.0 if index == 0 else self._turned(index - 1, pixels)
        ends = 0.0 if index == len(self.starts) - 1 else self._turned(index, pixels)
        return torch.from_numpy(np.broadcast_to(begins - ends, self.tile).astype(np.float32))

    def _turned(
        self, index: int, pixels: npt.NDArray[np.floating[Any]]
    ) -> npt.NDArray[np.floating[Any]]:
        """Return how far, 0..1, tile ``index`` has turned into the next one at these pixels."""
        middle = (self.starts[index] + self.tile + self.starts[index + 1]) / 2
        return np.clip((pixels - middle) / _ramp(self.tile) + 0.5, 0, 1)


@dataclass(frozen=True)
class Canvas:
    """A picture with a mirrored border, of sides that a network takes, and its tiles."""

    down: Axis
    across: Axis

    def __len__(self) -> int:
        return len(self.down.starts) * len(self.across.starts)


@dataclass(frozen=True)
class Patches:
    """Parts of a picture, (top, left) of each, all of one height and width."""

    places: tuple[tuple[int, int], ...]
    height: int
    width: int


def canvas(height: int, width: int, *, multiple: int, size: int, most_pixels: int) -> Canvas:
    """Return the tiles of a picture of height x width: one, if it is not too large.

    Args:
        height, width: of the picture.
        multiple: of the sides of pictures that the network takes; 0: only those of ``size``.
        size: pixels a side at which the network was trained; smaller pictures are mirrored up to
            it.
        most_pixels: of a tile, unless one of ``size`` has more.
    """
    if not multiple:
        sides = max(height, size), max(width, size)
        return Canvas(*(_axis(side, size, 1) for side in sides))
    least = _up(size, multiple)
    high, wide = (max(least, _up(side, multiple)) for side in (height, width))
    square = max(least, math.isqrt(most_pixels) // multiple * multiple)
    if high * wide <= most_pixels:
        tile = high, wide
    else:
        # Narrow pictures get longer tiles.
        tall = min(high, max(square, most_pixels // wide // multiple * multiple))
        tile = tall, min(wide, max(square, most_pixels // tall // multiple * multiple))
    return Canvas(_axis(high, tile[0], multiple), _axis(wide, tile[1], multiple))


def _axis(length: int, tile: int, multiple: int) -> Axis:
    if length <= tile:
        return Axis(length, tile, (0,))
    step = tile - 2 * min(MARGIN, tile // 8) - _ramp(tile)
    # Tiles at multiples are halved at the same pixels as the whole picture; where the overlap
    # leaves no room for that, they lie anywhere.
    unit = multiple if step >= multiple else 1
    step = step // unit * unit
    gaps = math.ceil((length - tile) / step)
    starts = tuple(i * (length - tile) // gaps // unit * unit for i in range(gaps + 1))
    return Axis(length, tile, starts)


def _ramp(tile: int) -> int:
    return min(RAMP, tile // 4)


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def joined(on: Canvas, height: int, width: int, paint: Callable[[int, int], Tensor]) -> Pixels:
    """Return a picture (height, width, 3) uint8, joined from its tiles.

    Only one row of tiles is in memory as floats.

    Args:
        on: the tiles.
        height, width: of the picture.
        paint: (top, left) of a tile -> (3, h, w) float32 in -1..1 on the CPU.
    """
    made = np.empty((height, width, 3), np.uint8)
    row = torch.zeros(3, on.down.tile, on.across.length)
    ends = (*on.down.starts[1:], on.down.length)
    for number, (top, end) in enumerate(zip(on.down.starts, ends, strict=True)):
        weights = on.down.weights(number)[:, None]
        for index, left in enumerate(on.across.starts):
            part = row[:, :, left : left + on.across.tile]
            part += paint(top, left) * (weights * on.across.weights(index))
        done = end - top
        shown = min(end, height) - top
        if shown > 0:
            made[top : top + shown] = to_pixels(row[None, :, :shown, :width])[0]
        row = torch.cat([row[:, done:], torch.zeros(3, done, row.shape[2])], dim=1)
    return made


def patches(on: Canvas, *, multiple: int, side: int, most_pixels: int) -> Patches:
    """Return patches that are spread evenly over a picture, all on multiples.

    Args:
        on: the tiles.
        multiple: of the sides of pictures that the network takes; 0: any place.
        side: pixels a side of a patch, less where the picture is narrower.
        most_pixels: of all patches, unless one has more.
    """
    high, wide = on.down.length, on.across.length
    tall, broad = min(high, side), min(wide, side)
    number = max(1, most_pixels // (tall * broad))
    rows = min(max(1, round(math.sqrt(number * high / wide))), math.ceil(high / tall), number)
    columns = min(max(1, number // rows), math.ceil(wide / broad))
    down, across = (
        _spread(length - patch, count, multiple or 1)
        for length, patch, count in ((high, tall, rows), (wide, broad, columns))
    )
    return Patches(tuple(itertools.product(down, across)), tall, broad)


def _spread(last: int, count: int, multiple: int) -> list[int]:
    """Return ``count`` multiples from 0 to ``last``; the middle, if it is one."""
    if count == 1:
        return [last // 2 // multiple * multiple]
    return [i * last // (count - 1) // multiple * multiple for i in range(count)]


def mirrored(start: int, end: int, length: int) -> npt.NDArray[np.intp]:
    """Return which of ``length`` pixels lie at ``start`` to ``end``, beyond the last one mirrored.

    >>> mirrored(2, 8, 4).tolist(), mirrored(0, 3, 1).tolist()
    ([2, 3, 2, 1, 0, 1], [0, 0, 0])
    """
    there = max(1, 2 * (length - 1))
    place = np.arange(start, end) % there
    return np.where(place < length, place, there - place)
