"""Random numbers of a training run, drawn for all processes, of which each takes its part.

Every process draws for the whole batch of all processes, from generators with the same seeds, and
takes its own part: two processes together get what one process alone would get.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["Draws"]


class Draws:
    """Random numbers for a batch, of which this process has the part ``[rank::world]``.

    Args:
        seed: equal on all processes.
        device: where :meth:`normal_like` draws. The other draws are small; they are made on the CPU
            and moved, so that they are the same on every device.
    """

    def __init__(
        self, seed: int, *, device: torch.device | str = "cpu", rank: int = 0, world: int = 1
    ) -> None:
        self._small = torch.Generator().manual_seed(seed)
        # Not seed + 1, with which another run's small draws begin. A CPU generator uses only the
        # low 32 bits of its seed.
        self._large = torch.Generator(device).manual_seed(seed ^ 0x5DEECE66)
        self._rank, self._world = rank, world

    def uniform(self, like: Tensor, *shape: int) -> Tensor:
        """Draw uniformly from 0..1: (B, *shape) float32 on the device of ``like``, (B, ...)."""
        whole = torch.rand(len(like) * self._world, *shape, generator=self._small)
        return whole[self._rank :: self._world].to(like.device, non_blocking=True)

    def normal_like(self, like: Tensor) -> Tensor:
        """Draw standard normal numbers of the shape, dtype and device of ``like``."""
        whole = torch.randn(
            (len(like) * self._world, *like.shape[1:]),
            generator=self._large,
            dtype=like.dtype,
            device=like.device,
        )
        return whole[self._rank :: self._world]

    def common(self) -> float:
        """Draw one number uniformly from 0..1, the same for all pictures and processes."""
        return float(torch.rand((), generator=self._small))

    def places(self, number: int, *, of: int) -> Tensor:
        """Draw ``number`` different integers below ``of``, the same for all pictures and processes.

        Returns:
            Tensor: (min(number, of),) int64 on the CPU, in random order.
        """
        return torch.randperm(of, generator=self._small)[:number]

    def state_dict(self) -> dict[str, Any]:
        """Return the state that :meth:`load_state_dict` restores."""
        return {"small": self._small.get_state(), "large": self._large.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of :meth:`state_dict`."""
        self._small.set_state(state["small"])
        self._large.set_state(state["large"])
