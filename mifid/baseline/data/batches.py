"""Each step's photos and paintings, on the device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mifid.baseline.config import Config
from mifid.baseline.data.augment import Augmenter
from mifid.baseline.data.random_numbers import Draws
from mifid.baseline.distributed import Processes
from mifid.images import Pixels

__all__ = [
    "Bank",
    "Feed",
    "Shuffle",
    "hold_back",
]

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


class Shuffle:
    """An endless series of indices: every one once an epoch, each epoch in a new order.

    Photos and paintings have one each. Zipping the two sides instead would show a model only as
    many photos as there are paintings.

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
        """Return what :meth:`load_state_dict` goes on from: orders follow from the seed."""
        return {"taken": self.taken}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken."""
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
        photos, paintings: what is trained on.
        draws: of the augmentation.
    """

    def __init__(
        self, config: Config, *, photos: Bank, paintings: Bank, draws: Draws, processes: Processes
    ) -> None:
        self._batch = config.training.batch
        self._draws = draws
        self._processes = processes
        seed = config.training.seed * 100
        self._sides = {
            label: _Side(config, label, bank, seed + 10 * number)
            for number, (label, bank) in enumerate(
                (("photos", photos), ("paintings", paintings)), 1
            )
        }

    def next(self) -> tuple[Tensor, Tensor]:
        """Return (photos, paintings), each (B, 3, S, S) float32 in -1..1."""
        photos, paintings = (self._take(side) for side in self._sides.values())
        return photos, paintings

    def variants(self, side: str) -> int:
        """Return how many different pictures a side has: more than there are, if augmented once."""
        return self._sides[side].shuffle.count

    def sheet(self, side: str, *, pictures: int, variants: int) -> list[tuple[Tensor, Tensor]]:
        """Return the first pictures and what augmentation makes of them, for the eye.

        The draws come from a seed of their own: looking changes nothing.

        Returns:
            list: (original (S, S, 3) uint8, variants (V, 3, S, S) float32 in -1..1) a picture.
        """
        chosen, draws = self._sides[side], Draws(0)
        each = len(chosen.augmenter) // len(chosen.bank)
        rows = []
        for picture in range(min(pictures, len(chosen.bank))):
            originals = chosen.bank.take(np.full(variants, picture))
            shown = picture * each + torch.arange(variants) % each
            rows.append((originals[0], chosen.augmenter(originals, shown, draws)))
        return rows

    def _take(self, side: _Side) -> Tensor:
        everyone = side.shuffle.take(self._batch)
        mine = torch.from_numpy(everyone[self._processes.rank :: self._processes.world])
        pictures = side.bank.take(side.augmenter.picture_of(mine).numpy())
        return side.augmenter(pictures, mine, self._draws)

    def state_dict(self) -> dict[str, Any]:
        """Return where each shuffle is."""
        return {label: side.shuffle.state_dict() for label, side in self._sides.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken."""
        for label, side in self._sides.items():
            side.shuffle.load_state_dict(state[label])


class _Side:
    def __init__(self, config: Config, label: str, bank: Bank, seed: int) -> None:
        self.bank = bank
        self.augmenter = Augmenter(
            config.augment,
            enabled=config.augment.sides in ("both", label),
            pictures=len(bank),
            size=config.data.size,
            seed=seed,
        )
        self.shuffle = Shuffle(len(self.augmenter), seed + 1)
