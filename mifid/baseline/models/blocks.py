"""Blocks of generators and discriminators: stages and residual blocks."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from mifid.baseline.config import Generator
from mifid.baseline.models.layers import PooledConv, activation
from mifid.baseline.models.norms import keeps_bias, norm

__all__ = ["ResidualBlock", "halving", "reflected", "stage"]

_KERNEL = 3


def stage(
    conv: nn.Module,
    *,
    channels: int,
    norm_name: str,
    activation_name: str = "",
    dropout: float = 0.0,
    dropout_first: bool = False,
) -> nn.Sequential:
    """Return conv, norm, and, if they are named, activation and dropout.

    Args:
        conv: a layer with ``channels`` output channels.
        channels: of the norm.
        norm_name: as for :func:`mifid.baseline.models.norms.norm`.
        activation_name: as for :func:`mifid.baseline.models.layers.activation`; empty: none.
        dropout: probability; 0: no dropout.
        dropout_first: before the activation, as in Keras's U-Net.
    """
    last: list[tuple[str, nn.Module]] = []
    if activation_name:
        last.append(("activation", activation(activation_name)))
    if dropout:
        last.insert(0 if dropout_first else len(last), ("dropout", nn.Dropout(dropout)))
    # Named, not numbered: keys of saved weights stay the same when a layer is added or removed.
    return nn.Sequential(OrderedDict([("conv", conv), ("norm", norm(norm_name, channels)), *last]))


def reflected(inputs: int, outputs: int, *, kernel: int, bias: bool) -> nn.Conv2d:
    """Return a convolution that keeps the size, with a mirrored border; ``kernel`` is odd."""
    return nn.Conv2d(
        inputs, outputs, kernel, padding=kernel // 2, padding_mode="reflect", bias=bias
    )


def halving(inputs: int, outputs: int, *, kernel: int, bias: bool, how: str) -> nn.Module:
    """Return a layer that halves an even side, with a border of zeros.

    Args:
        inputs: channels in.
        outputs: channels out.
        kernel: side of the convolution's kernel.
        bias: whether it has one.
        how: ``"stride"`` of 2, or ``"average"`` of 2 x 2 after the convolution.
    """
    if how == "average":
        return PooledConv(inputs, outputs, kernel=kernel, bias=bias)
    return nn.Conv2d(inputs, outputs, kernel, stride=2, padding=(kernel - 1) // 2, bias=bias)


class ResidualBlock(nn.Module):
    """x + two convolutions of x, (B, channels, H, W) -> the same, with reflection padding.

    Conv, norm, activation, dropout; conv, norm; and with ``config.residual_activation`` a further
    activation before the addition.
    """

    def __init__(self, config: Generator, channels: int) -> None:
        super().__init__()
        kernel = config.kernel or _KERNEL
        bias = keeps_bias(config.norm)
        self.first = stage(
            reflected(channels, channels, kernel=kernel, bias=bias),
            channels=channels,
            norm_name=config.norm,
            activation_name=config.activation,
            dropout=config.dropout,
        )
        self.second = stage(
            reflected(channels, channels, kernel=kernel, bias=bias),
            channels=channels,
            norm_name=config.norm,
            activation_name=config.activation if config.residual_activation else "",
        )

    def forward(self, x: Tensor) -> Tensor:
        """Add two convolutions of ``x`` to it."""
        change: Tensor = self.second(self.first(x))
        return x + change
