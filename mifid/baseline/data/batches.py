"""What each step is fed: photos and paintings, shuffled apart, augmented, on the device."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mifid.baseline.config.schema import Config
from mifid.baseline.data.augment import Augmenter
from mifid.baseline.data.bank import Bank
from mifid.baseline.data.random_numbers import Draws
from mifid.baseline.data.sampling import Shuffle
from mifid.baseline.distributed import Processes

__all__ = ["Feed"]


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
