"""Layers, first weights and memory layout of all networks."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mifid.baseline.config import Config

__all__ = [
    "ResizeConv",
    "activation",
    "initialise",
    "memory_format",
    "upsample",
]

_SLOPE = 0.2  # of leaky_relu: Radford et al. 2016, and CycleGANs since

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    # In place if the gradient follows from the output: one map less in memory per layer.
    "relu": lambda: nn.ReLU(inplace=True),
    "leaky_relu": lambda: nn.LeakyReLU(_SLOPE, inplace=True),
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "gelu": nn.GELU,
}


def activation(name: str) -> nn.Module:
    """Return the activation called ``name``; relu and leaky_relu (slope 0.2) work in place."""
    return _ACTIVATIONS[name]()


class ResizeConv(nn.Module):
    """Nearest neighbour x 2, then 3 x 3 with a mirrored border (Odena et al. 2016).

    (B, inputs, H, W) -> (B, outputs, 2 H, 2 W).
    """

    def __init__(self, inputs: int, outputs: int, *, bias: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect", bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Double both sides."""
        doubled: Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return doubled


def upsample(kind: str, inputs: int, outputs: int, *, kernel: int, bias: bool) -> nn.Module:
    """Return a layer that doubles both sides, (B, inputs, H, W) -> (B, outputs, 2 H, 2 W).

    Args:
        kind: ``"transposed"``, or ``"resize"``, which is 3 x 3 whatever ``kernel`` is.
        inputs: channels in.
        outputs: channels out.
        kernel: side of the transposed convolution's kernel, at least 2.
        bias: whether the convolution has one.
    """
    if kind == "resize":
        return ResizeConv(inputs, outputs, bias=bias)
    return nn.ConvTranspose2d(
        inputs,
        outputs,
        kernel,
        stride=2,
        padding=(kernel - 1) // 2,
        output_padding=kernel % 2,  # an odd kernel alone gives 2 H - 1
        bias=bias,
    )


_DEVIATION = 0.02  # Radford et al. 2016; CycleGAN, appendix 7.1

_DRAWN = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
_NORMS = (nn.GroupNorm, nn.BatchNorm2d)


def initialise(network: nn.Module, *, seed: int) -> None:
    """Set every weight and buffer of ``network``, on the CPU.

    Convolutions and linear layers get N(0, 0.02), layer after layer from one random generator, so
    that all weights are independent; biases are 0; norms scale by 1, so that they begin as the
    papers' norms without scale.

    Raises:
        TypeError: a layer has weights that this function does not know.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, module in network.named_modules():
        if isinstance(module, _DRAWN):
            nn.init.normal_(module.weight, 0.0, _DEVIATION, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, _NORMS):
            module.reset_parameters()  # scale 1, shift 0; running mean 0, variance 1
        elif [*module.parameters(recurse=False), *module.buffers(recurse=False)]:
            raise TypeError(f"no first weights for {type(module).__name__} ('{name}')")


def memory_format(
    config: Config, device: torch.device | str, *, training: bool = True
) -> torch.memory_format:
    """Return the memory format of networks and batches.

    ``training.layout`` auto means channels last, but channels first to train a U-Net on a CPU: its
    deep layers have large weights and small maps (docs/training.md has the measurement).
    """
    layout = config.training.layout
    if layout == "auto":
        on_cpu = training and torch.device(device).type == "cpu"
        deep = config.generator.network == "unet"
        layout = "channels_first" if on_cpu and deep else "channels_last"
    return torch.channels_last if layout == "channels_last" else torch.contiguous_format
