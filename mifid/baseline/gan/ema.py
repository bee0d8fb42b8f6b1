"""A moving average of a network's weights, which paints steadier than the network itself."""

from __future__ import annotations

from itertools import chain

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mifid.errors import InputError

__all__ = ["average_of", "decay_at"]


def average_of(network: nn.Module, decay: float) -> AveragedModel:
    """Return a moving average that starts as a copy of ``network``.

    Its ``update_parameters(network)`` is called after each step; ``.module`` is the network to
    paint with, in evaluation mode and without gradients. ``state_dict()`` holds all that a later
    run goes on from.

    Args:
        network: on the device, and in the memory format, where its average is to be.
        decay: part of the average that stays at each step, once it is warm; see :func:`decay_at`.

    Raises:
        InputError: a decay outside 0..1.
    """
    if not 0 <= decay <= 1:
        raise InputError(
            f"training.ema is {decay}; expected 0..1",
            hint="It is the part of the average that stays at each step, such as 0.999.",
        )
    return _MovingAverage(network, decay)


def decay_at(averaged: int, decay: float) -> float:
    """Return the decay after ``averaged`` updates: ``min(decay, (1 + n) / (10 + n))``.

    So a young average soon forgets the first, drawn weights. The first update copies.
    Source: TensorFlow's ``ExponentialMovingAverage(num_updates=...)``.

    >>> [round(decay_at(n, 0.999), 3) for n in (0, 1, 90, 10_000)]
    [0.0, 0.182, 0.91, 0.999]
    """
    return min(decay, (1 + averaged) / (10 + averaged)) if averaged else 0.0


class _MovingAverage(AveragedModel):
    """Torch's averaged model, with a decay that depends on how often it was updated.

    Torch hands an averaging function its count as a tensor on the weights' device: on a GPU the
    host would wait for it at each step. The count stays on the CPU here.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__(network)
        self._decay = decay
        self.eval().requires_grad_(False)

    def update_parameters(self, model: nn.Module) -> None:
        """Take the weights and buffers (batch norm's statistics) of ``model`` in."""
        decay = decay_at(int(self.n_averaged), self._decay)
        pairs = list(zip(_tensors(self.module), _tensors(model), strict=True))
        averages = [mine for mine, _ in pairs if mine.is_floating_point()]
        values = [theirs for mine, theirs in pairs if mine.is_floating_point()]
        average_in = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call, unused-ignore]
        average_in(averages, values, self.n_averaged)
        for mine, theirs in pairs:
            if not mine.is_floating_point():  # batch norm's number of batches has no average
                mine.copy_(theirs)
        self.n_averaged += 1


def _tensors(network: nn.Module) -> list[Tensor]:
    return [tensor.detach() for tensor in chain(network.parameters(), network.buffers())]
