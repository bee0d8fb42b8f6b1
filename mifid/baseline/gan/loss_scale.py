"""Scaling of losses for float16, whose smallest gradients would be 0 otherwise."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mifid.baseline.gan.optimisers import Stepper
from mifid.baseline.gan.states import check_state

__all__ = ["LossScale"]


class LossScale:
    """One scale of all losses of a method, which follows the gradients (Micikevicius et al. 2018).

    It starts at 65,536. If a gradient is not finite, the optimiser's step is left out and the scale
    halves; after 2,000 steps of optimisers without that, it doubles. Processes have averaged their
    gradients before, so the scale is the same in all.

    Args:
        device: of the losses.

    Attributes:
        in_a_row: training steps in a row, up to the last one, in which an optimiser was left out.
    """

    def __init__(self, device: torch.device) -> None:
        self._scaler = torch.amp.GradScaler(device.type)
        self._left_out = False
        self.in_a_row = 0

    @property
    def value(self) -> float:
        """The scale; waits for the device."""
        return float(self._scaler.get_scale())

    def scaled(self, loss: Tensor) -> Tensor:
        """Return a loss times the scale."""
        scaled: Tensor = self._scaler.scale(loss)
        return scaled

    def step(self, stepper: Stepper, *, fraction: float, factor: float) -> None:
        """Divide the gradients by the scale and step, or leave the step out; then adapt the scale.

        The arguments are those of :meth:`Stepper.step`.
        """
        step: Any = _Step(stepper)
        self._scaler.step(step, fraction=fraction, factor=factor)
        self._scaler.update()
        self._left_out = self._left_out or not step.is_done

    def end_step(self) -> bool:
        """End a training step; return whether an optimiser's step was left out in it."""
        left_out, self._left_out = self._left_out, False
        self.in_a_row = self.in_a_row + 1 if left_out else 0
        return left_out

    def state_dict(self) -> dict[str, Any]:
        """Return the state that :meth:`load_state_dict` restores."""
        return {"scaler": self._scaler.state_dict(), "in_a_row": self.in_a_row}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of :meth:`state_dict`.

        Raises:
            InputError: it is no such state.
        """
        check_state(state, self.state_dict(), name="loss_scale")
        self._scaler.load_state_dict(state["scaler"])
        self.in_a_row = state["in_a_row"]


class _Step:
    """What torch's GradScaler takes for an optimiser."""

    def __init__(self, stepper: Stepper) -> None:
        self._stepper = stepper
        self.param_groups: list[dict[str, list[nn.Parameter]]] = [{"params": stepper.weights}]
        self.is_done = False

    def step(self, *, fraction: float, factor: float) -> None:
        self._stepper.step(fraction=fraction, factor=factor)
        self.is_done = True
