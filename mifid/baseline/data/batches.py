"""Batches of photos and paintings for each step, on the device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mifid.baseline.config import Config
from mifid.baseline.data.augment import Augmenter, to_tensor
from mifid.baseline.data.random_numbers import Draws
from mifid.baseline.distributed import Processes
from mifid.images import Pixels

__all__ = [
    "Feed",
    "PictureSet",
    "Shuffle",
    "hold_back",
]

_SHARE = 0.5
"""Largest part of a GPU's free memory that pictures take; the competition's are 1.4 GB."""


class PictureSet:
    """Pictures of one size, read by index, in a GPU's memory if they fit.

    Args:
        pixels: (N, S, S, 3) uint8, usually memory-mapped.
        kept: indices into ``pixels`` of the pictures to use.
        device: that the pictures are copied to.
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

    def spread(self, number: int) -> PictureSet:
        """Return ``number`` of the pictures, evenly over all of them."""
        if number >= len(self):
            return self
        chosen = np.arange(number) * len(self) // max(number, 1)
        return PictureSet(self._pixels, self._kept[chosen], self._device)

    def _fits(self) -> bool:
        free, _ = torch.cuda.mem_get_info(self._device)
        need = len(self._kept) * self._pixels[0].nbytes
        return bool(need <= _SHARE * free)


class Shuffle:
    """An endless series of indices: each index once an epoch, each epoch in a new order.

    Photos and paintings have one each. Zipping the two sides instead would use only as many photos
    as there are paintings.

    Args:
        count: indices are ``0 <= i < count``.
        seed: of all orders.
    """

    def __init__(self, count: int, seed: int) -> None:
        self.count = count
        self._seed = seed
        self.taken = 0
        self._epoch = -1
        self._order: npt.NDArray[np.int64] = np.empty(0, np.int64)

    def take(self, number: int) -> npt.NDArray[np.int64]:
        """Return the next ``number`` indices (number,) int64."""
        parts = []
        while number:
            epoch, start = divmod(self.taken, self.count)
            part = self._of(epoch)[start : start + number]
            parts.append(part)
            self.taken += len(part)
            number -= len(part)
        return np.concatenate(parts)

    def _of(self, epoch: int) -> npt.NDArray[np.int64]:
        if epoch != self._epoch:
            random = np.random.default_rng([self._seed, epoch])
            self._epoch, self._order = epoch, random.permutation(self.count)
        return self._order

    def state_dict(self) -> dict[str, Any]:
        """Return the state that :meth:`load_state_dict` restores; orders follow from the seed."""
        return {"taken": self.taken}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of :meth:`state_dict`."""
        self.taken = state["taken"]


def hold_back(
    count: int, number: int, *, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Split ``count`` indices into (kept, held back), both sorted; ``number`` are held back."""
    order = np.random.default_rng([seed, count]).permutation(count)
    return np.sort(order[number:]), np.sort(order[:number])


class Feed:
    """An endless series of batches. Each process gets its part of every batch.

    Args:
        photos, paintings: the training pictures.
        draws: random numbers of the augmentation.
        further: pictures that a step takes beyond each picture of its batch.
    """

    def __init__(
        self,
        config: Config,
        *,
        photos: PictureSet,
        paintings: PictureSet,
        draws: Draws,
        processes: Processes,
        further: int = 0,
    ) -> None:
        self._batch = config.training.batch
        self._further = further
        self._draws = draws
        self._processes = processes
        seed = config.training.seed * 100
        self._sides = {
            label: _Side(config, label, pictures, seed + 10 * number)
            for number, (label, pictures) in enumerate(
                (("photos", photos), ("paintings", paintings)), 1
            )
        }

    def next(self, fraction: float = 0.0) -> tuple[Tensor, Tensor]:
        """Return (photos, paintings), each (B + further x B, 3, S, S) float32 in -1..1.

        The batch comes first, then a further picture for each picture of the batch, and so on.
        These are drawn without regard to the batch, each once before any comes again, and are not
        augmented. ``fraction`` of the run is over.
        """
        photos, paintings = (self._take(side, fraction) for side in self._sides.values())
        return photos, paintings

    def variants(self, side: str) -> int:
        """Return the number of different pictures of a side: all variants, if drawn once."""
        return self._sides[side].shuffle.count

    def sheet(self, side: str, *, pictures: int, variants: int) -> list[tuple[Tensor, Tensor]]:
        """Return the first pictures and some augmented variants of each, to look at.

        They have random numbers of their own, so that training stays the same.

        Returns:
            list: (original (S, S, 3) uint8, variants (V, 3, S, S) float32 in -1..1) a picture.
        """
        chosen, draws = self._sides[side], Draws(0)
        each = len(chosen.augmenter) // len(chosen.pictures)
        rows = []
        for picture in range(min(pictures, len(chosen.pictures))):
            originals = chosen.pictures.take(np.full(variants, picture))
            shown = picture * each + torch.arange(variants) % each
            rows.append((originals[0], chosen.augmenter(originals, shown, draws)))
        return rows

    def _take(self, side: _Side, fraction: float) -> Tensor:
        everyone = side.shuffle.take(self._batch)
        mine = torch.from_numpy(everyone[self._processes.rank :: self._processes.world])
        pictures = side.pictures.take(side.augmenter.picture_of(mine).numpy())
        batch = side.augmenter(pictures, mine, self._draws, fraction=fraction)
        return torch.cat([batch, self._take_further(side)]) if self._further else batch

    def _take_further(self, side: _Side) -> Tensor:
        everyone = side.further.take(self._further * self._batch).reshape(self._further, -1)
        mine = everyone[:, self._processes.rank :: self._processes.world]
        return to_tensor(side.pictures.take(mine.flatten()))

    def state_dict(self) -> dict[str, Any]:
        """Return the position of each shuffle."""
        shuffles = {label: side.shuffle for label, side in self._sides.items()}
        if self._further:
            shuffles |= {f"further_{label}": side.further for label, side in self._sides.items()}
        return {label: shuffle.state_dict() for label, shuffle in shuffles.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of :meth:`state_dict`."""
        for label, side in self._sides.items():
            side.shuffle.load_state_dict(state[label])
            if self._further:
                side.further.load_state_dict(state[f"further_{label}"])


class _Side:
    def __init__(self, config: Config, label: str, pictures: PictureSet, seed: int) -> None:
        self.pictures = pictures
        self.augmenter = Augmenter(
            config.augment,
            enabled=config.augment.sides in ("both", label),
            pictures=len(pictures),
            size=config.data.size,
            seed=seed,
        )
        self.shuffle = Shuffle(len(self.augmenter), seed + 1)
        self.further = Shuffle(len(pictures), seed + 2)
