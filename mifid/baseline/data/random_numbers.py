"""Random numbers of a training run: drawn for all processes, of which each takes its part.

Every draw is made for the whole batch of all processes, from generators that all processes seed
alike, and each takes its own part: so two processes see what one would have seen.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["Draws"]


class Draws:
    """Draws for a batch of which this process holds the part ``[rank::world]``.

    Args:
        seed: equal on all processes.
        device: where :meth:`normal_like` draws. The other draws are small; they are made on the CPU
            and moved, so that they are the same on every device.
    """

    def __init__(
        self, seed: int, *, device: torch.device | str = "cpu", rank: int = 0, world: int = 1
    ) -> None:
        self._small = torch.Generator().manual_seed(seed)
        # Not seed + 1, with which another run's small draws begin. A CPU generator takes in the
        # low 32 bits of its seed alone.
        self._large = torch.Generator(device).manual_seed(seed ^ 0x5DEECE66)
        self._rank, self._world = rank, world

    def uniform(self, like: Tensor, *shape: int) -> Tensor:
        """Uniform in 0..1, (B, *shape) float32 on the device of ``like``, whose first size is B."""
        whole = torch.rand(len(like) * self._world, *shape, generator=self._small)
        return whole[self._rank :: self._world].to(like.device, non_blocking=True)

    def chance(self, like: Tensor, probability: float) -> Tensor:
        """Independent yes or no, (B,) bool on the device of ``like``."""
        return self.uniform(like) < probability

    def integers(self, like: Tensor, low: int, high: int, *shape: int) -> Tensor:
        """Integers ``low <= n < high``, (B, *shape) int64 on the device of ``like``."""
        steps = (self.uniform(like, *shape) * (high - low)).long()  # before low: long() cuts to 0
        return (low + steps).clamp_(max=high - 1)

    def normal_like(self, like: Tensor) -> Tensor:
        """Gaussian noise, of the shape, dtype and device of ``like``."""
        whole = torch.randn(
            (len(like) * self._world, *like.shape[1:]),
            generator=self._large,
            dtype=like.dtype,
            device=like.device,
        )
        return whole[self._rank :: self._world]

    def state_dict(self) -> dict[str, Any]:
        """Return what :meth:`load_state_dict` goes on from."""
        return {"small": self._small.get_state(), "large": self._large.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken."""
        self._small.set_state(state["small"])
        self._large.set_state(state["large"])
