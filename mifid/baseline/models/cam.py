"""Class activation maps, and U-GAT-IT's discriminators that have them (Kim et al. 2020)."""

from __future__ import annotations

import itertools
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from mifid.baseline.config import Discriminator
from mifid.baseline.models.norms import spectral_norm
from mifid.errors import InputError

__all__ = ["CAMDiscriminator", "ClassActivation"]

_KERNEL = 4
_DEEPER = 2  # halvings of the global scale beyond the local one's


class ClassActivation(nn.Module):
    """Weigh the channels of a map as two classifiers of its averages and maxima do.

    (B, C, H, W) -> the weighed map (B, C, H, W) before its activation, and logits (B, 2). Each
    channel is multiplied by its weight in the one classifier, and by that in the other; a 1 x 1
    convolution joins both products. Their weights are multiplied first, so that no product of maps
    is computed.

    Args:
        channels: C.
        spectral: whether the classifiers have spectral norm. Their weights multiply the channels
            without it, as in the authors' code: the norm would make every such weight a unit
            vector.
    """

    def __init__(self, channels: int, *, spectral: bool = False) -> None:
        super().__init__()
        self.average, self.maximum = (nn.Linear(channels, 1, bias=False) for _ in range(2))
        self.join = nn.Conv2d(2 * channels, channels, 1)
        if spectral:
            spectral_norm(self.average)
            spectral_norm(self.maximum)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighed map and the logits."""
        logits = torch.cat(
            [
                self.average(x.mean(dim=(2, 3))),
                self.maximum(F.adaptive_max_pool2d(x, 1).flatten(1)),  # amax shares ties' gradients
            ],
            dim=1,
        )
        weights = torch.cat([_without_norm(self.average), _without_norm(self.maximum)], dim=1)
        of_average, of_maximum = (self.join.weight * weights[..., None, None]).chunk(2, dim=1)
        return F.conv2d(x, of_average + of_maximum, self.join.bias), logits


def _without_norm(layer: nn.Linear) -> Tensor:
    """Return the weight (1, C) that the optimiser changes."""
    if not parametrize.is_parametrized(layer):
        return layer.weight
    return layer.get_parameter("parametrizations.weight.original")


class CAMDiscriminator(nn.Module):
    """U-GAT-IT's discriminators of one side: a local and a global scale.

    (B, 3, S, S) -> the scores of patches (B, 1, h, w) and of maps (B, 1, 1, 2) of the local scale,
    and the same two of the global one. The local scale halves ``config.layers`` times, the global
    one twice more, as far as pictures of this size allow; a convolution with stride 1 follows.
    Every convolution but the 1 x 1 has spectral norm and a mirrored border. At 256, as in the
    authors' code, there are 30 x 30 and 6 x 6 patches, and 3,290,560 and 53,130,176 weights.

    Of the settings it reads ``width``, ``layers``, ``slope`` and the first weights.
    """

    signature = "picture -> scores of two scales"

    def __init__(self, config: Discriminator, *, size: int) -> None:
        super().__init__()
        local, global_ = _halvings(config.layers, size=size)
        self.local_scale = _Scale(config.width, local)
        self.global_scale = _Scale(config.width, global_)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Turn (B, 3, S, S) float32 in -1..1 into four tensors of scores."""
        return (*self.local_scale(x), *self.global_scale(x))


class _Scale(nn.Module):
    """One discriminator, of so many halvings."""

    def __init__(self, width: int, halvings: int) -> None:
        super().__init__()
        widths = [3, *(width * 2**level for level in range(halvings + 1))]
        self.stages = nn.Sequential(
            *(
                _stage(_conv(inputs, outputs, stride=2 if index < halvings else 1))
                for index, (inputs, outputs) in enumerate(itertools.pairwise(widths))
            )
        )
        self.activation_map = ClassActivation(widths[-1], spectral=True)
        self.activation = nn.LeakyReLU(inplace=True)
        self.out = _conv(widths[-1], 1, stride=1, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scores of patches (B, 1, h, w) and of maps (B, 1, 1, 2)."""
        weighed, logits = self.activation_map(self.stages(x))
        return self.out(self.activation(weighed)), logits[:, None, None]


def _stage(conv: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(OrderedDict(conv=conv, activation=nn.LeakyReLU(inplace=True)))


def _conv(inputs: int, outputs: int, *, stride: int, bias: bool = True) -> nn.Conv2d:
    return spectral_norm(
        nn.Conv2d(
            inputs, outputs, _KERNEL, stride=stride, padding=1, padding_mode="reflect", bias=bias
        )
    )


def _halvings(local: int, *, size: int) -> tuple[int, int]:
    """Return the halvings of both scales.

    Raises:
        InputError: the global scale would not be deeper than the local one.
    """
    most, side = 0, size // 2
    while side >= 3:  # the convolution after it leaves 2 x 2, which a mirrored border needs
        most, side = most + 1, side // 2
    if local < most:
        return local, min(local + _DEEPER, most)
    raise InputError(
        f"discriminator.layers is {local}; expected {most - 1} or less, as the local scale of "
        f"ugatit halves so often, its global scale more often, and pictures of {size} x {size} "
        f"(data.size) can be halved {most} times",
        hint=f"Set discriminator.layers to {most - 1}, or data.size to {4 * 2 ** (local + 1)} or "
        "more.",
    )
