"""UVCGANv2's discriminator: a PatchGAN whose last layers compare a picture with others."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mifid.baseline.config import Discriminator
from mifid.baseline.models.first_weights import draw_by
from mifid.baseline.models.norms import spectral_norm
from mifid.baseline.models.patchgan import check_patches, discriminator_stage, scores

__all__ = ["BatchPatchGAN"]

_KERNEL = 3  # of the head
_SLOPE = 0.01  # of the head, as in the authors' code, where the body has 0.2
_SMALLEST = 1e-6  # added to a variance whose root has a gradient


class BatchPatchGAN(nn.Module):
    """A body C64-C128-C256-C512 with spectral norm, and a head over a batch of bodies.

    (B, 3, S, S), and bodies (N, 512, h, w) of earlier pictures or None -> scores (B, heads, h, w).
    At 256 with 3 layers h and w are 31. The network itself works on 0..1; it takes -1..1, as all
    discriminators here.

    A head normalises by statistics of all bodies (``config.batch_head`` norm, batch norm), or has a
    further map, the mean deviation over them (deviation, Karras et al. 2018, section 3); then 3 x 3
    to as many channels, and 3 x 3 to the scores. It begins with torch's default weights, but
    without biases, as in the authors' code, where the body alone has spectral norm.

    Source: Torbunov et al. 2023, "Rethinking CycleGAN", section 3.2.

    Attributes:
        body_shape: (C, h, w) of a body.
    """

    signature = "picture, earlier -> scores"

    def __init__(self, config: Discriminator, *, size: int) -> None:
        super().__init__()
        check_patches(config, size=size)
        self.body = _Body(config)
        with torch.no_grad():  # of an outline, if it is built as one; without power iteration
            self.body_shape = self.body.eval()(torch.empty(1, 3, size, size)).shape[1:]
        self.body.train()
        self.head = _Head(config, channels=self.body_shape[0])

    def forward(self, x: Tensor, earlier: Tensor | None = None) -> Tensor:
        """Turn (B, 3, S, S) float32 in -1..1 into (B, heads, h, w)."""
        patches: Tensor = self.head(self.body(x), earlier)
        return patches

    def compile(self, *args: Any, **options: Any) -> None:
        """Compile the body; the head would be compiled again for each number of earlier bodies."""
        self.body.compile(*args, **options)


class _Body(nn.Module):
    """A PatchGAN without its last layer, (B, 3, S, S) -> (B, channels, h, w)."""

    def __init__(self, config: Discriminator) -> None:
        super().__init__()
        widths = [config.width * min(2**level, 8) for level in range(config.layers + 1)]
        self.stages = nn.Sequential(
            *(
                discriminator_stage(
                    config, inputs, outputs, index=index, stride=2 if index < config.layers else 1
                )
                for index, (inputs, outputs) in enumerate(itertools.pairwise([3, *widths]))
            )
        )
        for module in list(self.stages.modules()):
            if isinstance(module, nn.Conv2d):
                spectral_norm(module)

    def forward(self, x: Tensor) -> Tensor:
        body: Tensor = self.stages((x + 1) / 2)
        return body


class _Head(nn.Module):
    """Scores of bodies beside earlier ones."""

    def __init__(self, config: Discriminator, *, channels: int) -> None:
        super().__init__()
        inputs = channels
        if config.batch_head == "norm":
            # Without running statistics, which nothing would read.
            self.compare: nn.Module = nn.BatchNorm2d(channels, track_running_stats=False)
        else:
            self.compare, inputs = _Deviation(), channels + 1
        conv = partial(nn.Conv2d, kernel_size=_KERNEL, padding=_KERNEL // 2)
        self.conv = conv(inputs, channels)
        self.out = scores(
            conv(channels, config.heads), pooling=config.pooling, sigmoid=config.sigmoid
        )
        for layer in (self.conv, self.out):
            draw_by(layer, partial(nn.init.kaiming_uniform_, a=5**0.5))

    def forward(self, bodies: Tensor, earlier: Tensor | None) -> Tensor:
        """Turn (B, C, h, w), and earlier bodies (N, C, h, w) or None, into (B, heads, h, w)."""
        both = bodies if earlier is None else torch.cat([bodies, earlier.to(bodies.dtype)])
        compared = self.compare(both)[: len(bodies)]
        patches: Tensor = self.out(F.leaky_relu(self.conv(compared), _SLOPE))
        return patches


class _Deviation(nn.Module):
    """Add a map: the mean over a body of its values' deviations over the batch.

    (N, C, h, w) -> (N, C + 1, h, w).
    """

    def forward(self, x: Tensor) -> Tensor:
        variance = x.float().var(dim=0, unbiased=False)
        deviation = (variance + _SMALLEST).sqrt().mean().to(x.dtype)
        return torch.cat([x, deviation.expand(len(x), 1, *x.shape[2:])], dim=1)
