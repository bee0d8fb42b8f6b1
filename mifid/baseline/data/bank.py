"""Training pictures where the network is, if there is room for them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mifid.images.source import Pixels

__all__ = ["Bank"]

_SHARE = 0.5
"""At most this part of a GPU's free memory goes to pictures; the competition's are 1.4 GB."""


class Bank:
    """Pictures of one size, to be taken by index.

    Args:
        pixels: (N, S, S, 3) uint8, usually memory-mapped.
        kept: indices into ``pixels`` of those to be used.
        device: where they are wanted.
    """

    def __init__(
        self, pixels: Pixels, kept: npt.NDArray[np.int64], device: torch.device | str
    ) -> None:
        self._pixels, self._kept = pixels, kept
        self._device = torch.device(device)
        self._resident: Tensor | None = None
        if self._device.type == "cuda" and self._fits():
            self._resident = torch.from_numpy(pixels[kept]).to(self._device)

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def is_resident(self) -> bool:
        """Whether all pictures are on the device already."""
        return self._resident is not None

    def take(self, indices: npt.NDArray[np.int64]) -> Tensor:
        """Return pictures (B, S, S, 3) uint8 on the device; indices count the kept ones."""
        if self._resident is not None:
            return self._resident[torch.from_numpy(indices).to(self._device, non_blocking=True)]
        pictures = torch.from_numpy(self._pixels[self._kept[indices]])
        if self._device.type == "cuda":
            return pictures.pin_memory().to(self._device, non_blocking=True)
        return pictures.to(self._device)

    def batches(self, size: int = 16) -> Iterator[Tensor]:
        """Yield all pictures in order, ``size`` at a time."""
        for start in range(0, len(self), size):
            yield self.take(np.arange(start, min(start + size, len(self))))

    def spread(self, number: int) -> Bank:
        """Return ``number`` of the pictures, evenly over all of them."""
        if number >= len(self):
            return self
        chosen = np.arange(number) * len(self) // max(number, 1)
        return Bank(self._pixels, self._kept[chosen], self._device)

    def _fits(self) -> bool:
        free, _ = torch.cuda.mem_get_info(self._device)
        need = len(self._kept) * self._pixels[0].nbytes
        return bool(need <= _SHARE * free)
