"""Which pictures a step sees."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Shuffle", "hold_back"]


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
