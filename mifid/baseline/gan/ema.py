"""Moving averages of a network's weights, whose pictures vary less than the network's own."""

from __future__ import annotations

from itertools import chain

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mifid.baseline.models import GeneratorNetwork

__all__ = ["MovingAverage", "decay_at"]


def decay_at(averaged: int, decay: float) -> float:
    """Return the decay after ``averaged`` updates: ``min(decay, (1 + n) / (10 + n))``.

    The first, random weights have little effect on the average so. The first update copies.
    Source: TensorFlow's ``ExponentialMovingAverage(num_updates=...)``.

    >>> [round(decay_at(n, 0.999), 3) for n in (0, 1, 90, 10_000)]
    [0.0, 0.182, 0.91, 0.999]
    """
    return min(decay, (1 + averaged) / (10 + averaged)) if averaged else 0.0


class MovingAverage(AveragedModel):
    """A moving average of weights that starts as a copy of ``network``.

    Its decay depends on the number of updates. Torch gives an averaging function this number as a
    tensor on the weights' device: on a GPU the host would wait for it at each step. Here it stays
    on the CPU.

    Args:
        network: on the device, and in the memory format, that its average should have.
        decay: part of the average that each step keeps, 0..1; :func:`decay_at` is smaller at first.

    Attributes:
        module: the averaged network, in evaluation mode and without gradients.
    """

    def __init__(self, network: GeneratorNetwork, decay: float) -> None:
        super().__init__(network)
        self._decay = decay
        self.eval().requires_grad_(False)

    @property
    def painter(self) -> GeneratorNetwork:
        """The averaged network."""
        assert isinstance(self.module, GeneratorNetwork)
        return self.module

    def update_parameters(self, model: nn.Module) -> None:
        """Include the weights and buffers (batch norm's statistics) of ``model``."""
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
