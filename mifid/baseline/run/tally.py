"""Losses summed on the device and read seldom: reading waits for the device."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from mifid.errors import MifidError

__all__ = ["HINT", "DivergedError", "Tally"]

HINT = (
    "The last checkpoint before it is kept. Lower optimiser.rate and optimiser.discriminator_rate, "
    "or use training.precision float32, in a new run."
)
"""What to do about it."""


class DivergedError(MifidError):
    """A loss that is no number any more: the weights are lost."""


class Tally:
    """Sums of the losses since they were last read.

    Args:
        names: of the losses.
        device: where they are.
    """

    def __init__(self, names: tuple[str, ...], device: torch.device) -> None:
        self._names = names
        self._sums = torch.zeros(len(names), device=device)
        self._steps = 0
        self._first_bad = torch.full((), -1, dtype=torch.int64, device=device)

    def add(self, losses: Tensor, step: int) -> None:
        """Add the losses (len(names),) of a step, without waiting for them."""
        self._sums += losses
        self._steps += 1
        bad = ~torch.isfinite(losses).all() & (self._first_bad < 0)
        self._first_bad.masked_fill_(bad, step)

    def check(self) -> None:
        """Wait for the device.

        Raises:
            DivergedError: a loss was not finite; it says at which step, and which.
        """
        step = int(self._first_bad)
        if step < 0:
            return
        bad = [name for name, value in self.peek().items() if not math.isfinite(value)]
        raise DivergedError(
            f"training diverged at step {step:,}: not a finite number: {', '.join(bad)}",
            hint=HINT,
        )

    def peek(self) -> dict[str, float]:
        """Return the mean of each loss so far."""
        means = (self._sums / max(self._steps, 1)).tolist()
        return dict(zip(self._names, means, strict=True))

    def read(self) -> dict[str, float]:
        """Return the mean of each loss since the last reading, and begin again.

        Raises:
            DivergedError: see :meth:`check`.
        """
        self.check()
        means = self.peek()
        self._sums.zero_()
        self._steps = 0
        return means

    def state_dict(self) -> dict[str, Any]:
        """Return what :meth:`load_state_dict` goes on from."""
        return {"sums": self._sums.clone(), "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken."""
        self._sums.copy_(state["sums"])
        self._steps = state["steps"]
