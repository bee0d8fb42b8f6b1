"""How pictures lie in memory while a network runs: the faster way depends on network and device."""

from __future__ import annotations

import torch

from mifid.baseline.config.schema import Config

__all__ = ["memory_format"]


def memory_format(
    config: Config, device: torch.device | str, *, training: bool = True
) -> torch.memory_format:
    """Return the memory format of networks and batches.

    With ``training.layout`` auto: channels last, but first to train a U-Net on a CPU, whose deep
    layers have large weights and small maps (docs/training.md has the measurement).
    """
    layout = config.training.layout
    if layout == "auto":
        on_cpu = training and torch.device(device).type == "cpu"
        deep = config.generator.network == "unet"
        layout = "channels_first" if on_cpu and deep else "channels_last"
    return torch.channels_last if layout == "channels_last" else torch.contiguous_format
