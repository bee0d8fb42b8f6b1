"""First weights: N(0, 0.02), each layer its own draw."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["initialise"]

_DEVIATION = 0.02  # Radford et al. 2016; CycleGAN, appendix 7.1

_DRAWN = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
_NORMS = (nn.GroupNorm, nn.BatchNorm2d)


def initialise(network: nn.Module, *, seed: int) -> None:
    """Set every weight and buffer of ``network``, on the CPU: none keeps what it held.

    Convolutions and linear layers N(0, 0.02), layer after layer from one generator, so that no two
    share a draw; biases 0; norms scale by 1, so that they begin as the papers' norms without scale.

    Raises:
        TypeError: a layer holds weights that nothing here knows how to set.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, module in network.named_modules():
        if isinstance(module, _DRAWN):
            nn.init.normal_(module.weight, 0.0, _DEVIATION, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, _NORMS):
            module.reset_parameters()  # scale 1, shift 0; running mean 0, variance 1
        elif any(True for _ in module.parameters(recurse=False)) or any(
            True for _ in module.buffers(recurse=False)
        ):
            raise TypeError(f"no first weights for {type(module).__name__} ('{name}')")
