"""PhotoPainter: a generator over a photo of any size, in bounded memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mifid.baseline.generation import LoadedGenerator, Painter, drops
from mifid.errors import InputError, MifidError
from mifid.images import Pixels
from mifid.painting.shared_norms import Moments, measured_norms, same_norms
from mifid.painting.tiles import Canvas, canvas, joined, mirrored, patches
from mifid.progress import Progress, Silent

__all__ = ["PhotoPainter"]

_MEMORY = 1536 << 20
"""Bytes that the maps of one tile may take."""

_MAPS = 6
"""Maps of the first layer's width and the tile's size that are in memory at a time: a ResNet was
measured to need 3, one with skip connections 6, a U-Net 2."""

_PATCH = 256
"""Pixels a side of the patches over which norms are measured, if the network takes them."""


class PhotoPainter:
    """A generator that paints photos of any size.

    A photo is painted whole where the network takes its size and the memory suffices, else in
    tiles that overlap.

    Args:
        generator: that paints.
        device: of the network.
        dropout: whether it stays on; None: as the generator's setting says.
        most_pixels: of a tile; None: as many as the maps of 1.5 GiB have.

    Attributes:
        is_random: whether another seed gives another painting.
        seconds: time in the network so far.

    Raises:
        InputError: the generator does not paint photos, or has no dropout that could stay on.
    """

    def __init__(
        self,
        generator: LoadedGenerator,
        *,
        device: torch.device,
        dropout: bool | None = None,
        most_pixels: int | None = None,
    ) -> None:
        network = generator.network
        if not network.sees_pictures:
            raise InputError(
                f"{generator.origin} makes pictures of noise, not of photos",
                hint="Paint with a generator that was trained on photos, such as a resnet or unet.",
            )
        self._network = network.to(device)
        self._device = device
        self._dropout = drops(generator, dropout)
        self.is_random = bool(network.noise) or self._dropout
        self._size = generator.config.data.size
        self._multiple = 0 if network.compares_all_pixels else network.multiple
        if self._multiple:
            self._size = generator.config.trained_size
        bytes_per_pixel = 4 * _MAPS * generator.config.generator.width
        self._most = most_pixels or _MEMORY // bytes_per_pixel
        self.seconds = 0.0

    def paint(self, photo: Pixels, *, seed: int = 0, progress: Progress | None = None) -> Pixels:
        """Paint a photo (H, W, 3) uint8 of any size; return a painting of the same size.

        Args:
            photo: to paint.
            seed: of the noise and of dropout.
            progress: where the tiles are counted.

        Raises:
            MifidError: the network paints NaN, or there is too little memory.
        """
        height, width = photo.shape[:2]
        on = canvas(height, width, multiple=self._multiple, size=self._size, most_pixels=self._most)
        painting = _Tiles(
            Painter(self._network, device=self._device, seed=seed, dropout=self._dropout),
            photo,
            on,
            noisy=bool(self._network.noise),
            per_pixel=self._network.noise_per_pixel,
        )
        norms = nullcontext() if len(on) == 1 else same_norms(self._norms(painting, on))
        with norms, (progress or Silent()).task("paint", len(on), "tile") as task:

            def paint(top: int, left: int) -> Tensor:
                made = self._run(painting, [(top, left)], on.down.tile, on.across.tile)[0]
                task.advance()
                return made

            return joined(on, height, width, paint)

    def _norms(self, painting: _Tiles, on: Canvas) -> Moments:
        """Measure the norms over patches of the whole picture."""
        side = (
            max(self._size, _PATCH // self._multiple * self._multiple)
            if self._multiple
            else self._size
        )
        chosen = patches(on, multiple=self._multiple, side=side, most_pixels=self._most)
        with measured_norms(self._network) as moments:
            if any(isinstance(layer, torch.nn.GroupNorm) for layer in self._network.modules()):
                self._run(painting, chosen.places, chosen.height, chosen.width)
        return moments

    def _run(
        self, painting: _Tiles, places: Sequence[tuple[int, int]], height: int, width: int
    ) -> Tensor:
        """Return parts of the painting (B, 3, height, width) on the CPU."""
        started = time.perf_counter()
        try:
            return painting.run(places, height, width)
        except RuntimeError as error:  # torch.OutOfMemoryError is one, too
            if isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error):
                raise MifidError(
                    f"out of memory with {width} x {height} pixels at a time",
                    hint="Close other programs, or paint at a smaller size.",
                ) from error
            raise
        finally:
            self.seconds += time.perf_counter() - started


class _Tiles:
    """Parts of one painting; the noise is that of the whole picture."""

    def __init__(
        self, painter: Painter, photo: Pixels, on: Canvas, *, noisy: bool, per_pixel: bool
    ) -> None:
        self._painter = painter
        self._photo = photo
        self._noise: npt.NDArray[np.float32] | None = None
        self._per_pixel = per_pixel
        if noisy:
            self._noise = painter.noise(0, on.down.length, on.across.length)

    def run(self, places: Sequence[tuple[int, int]], height: int, width: int) -> Tensor:
        given = np.stack([self._part(top, left, height, width) for top, left in places])
        noise = None
        if self._noise is not None:
            noise = np.stack([self._noise_of(top, left, height, width) for top, left in places])
        # Dropout draws by the number of a picture: another one in each tile.
        first = places[0][0] * (1 << 16) + places[0][1]
        made = self._painter.run(torch.from_numpy(given), first=first, noise=noise)
        return made.picture.float().cpu()

    def _part(self, top: int, left: int, height: int, width: int) -> Pixels:
        rows = mirrored(top, top + height, self._photo.shape[0])
        columns = mirrored(left, left + width, self._photo.shape[1])
        return self._photo[rows[:, None], columns]

    def _noise_of(self, top: int, left: int, height: int, width: int) -> npt.NDArray[np.float32]:
        assert self._noise is not None
        if not self._per_pixel:
            return self._noise
        return self._noise[:, top : top + height, left : left + width]
