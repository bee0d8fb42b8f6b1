"""LeCam regularisation: a discriminator that stays near its averages, for few pictures."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mifid.baseline.config import Loss
from mifid.baseline.distributed import Processes
from mifid.baseline.gan.states import check_state

__all__ = ["LeCam"]


class LeCam:
    """Moving averages of a discriminator's scores, and the penalty on leaving them.

    With averages a of the mean scores of real and of generated pictures, the penalty is
    ``mean(max(0, D(x) - a_fake)^2) + mean(max(0, a_real - D(g))^2)``. For the first
    ``loss.lecam_start`` steps the averages are the last means, and there is no penalty.

    Args:
        loss: settings.
        processes: their means are averaged.

    Source: Tseng et al. 2021, "Regularizing Generative Adversarial Networks under Limited Data";
    the ReLU, the start and the decay of 0.9 are those of its authors' code.
    """

    def __init__(self, loss: Loss, processes: Processes) -> None:
        self._loss = loss
        self._processes = processes
        self._steps = 0
        self._averages = torch.zeros(2)  # of real and of generated pictures

    def penalty(self, of_real: Tensor, of_fake: Tensor) -> Tensor:
        """Update the averages by the scores of a step; return the penalty, a float32 scalar."""
        of_real, of_fake = of_real.float(), of_fake.float()
        means = torch.stack([of_real.detach().mean(), of_fake.detach().mean()])
        decay = self._loss.lecam_decay if self._steps >= self._loss.lecam_start else 0.0
        averages = self._averages.to(means.device)
        updated = torch.lerp(self._processes.average(means), averages, decay)
        # Scores may be not finite for a step in float16, whose update is left out then.
        self._averages = torch.where(torch.isfinite(updated), updated, averages)
        self._steps += 1
        if self._steps <= self._loss.lecam_start:
            return means.new_zeros(())
        real, fake = self._averages
        return F.relu(of_real - fake).square().mean() + F.relu(real - of_fake).square().mean()

    def state_dict(self) -> dict[str, Any]:
        """Return the state that :meth:`load_state_dict` restores."""
        return {"averages": self._averages.clone(), "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of :meth:`state_dict`.

        Raises:
            InputError: it is no such state.
        """
        check_state(state, self.state_dict(), name="lecam")
        self._averages, self._steps = state["averages"].clone(), state["steps"]
