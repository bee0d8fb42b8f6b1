"""Layers of the Inception network of 2015-12-05: torch-fidelity's, prepared for speed.

The network itself is torch-fidelity's; nothing of it is written again here.

Spatial features are the first 7 channels of ``mixed_6/conv:0`` in the TensorFlow graph, 17 x 17
places each. Their names in the graph and in torch-fidelity correspond by place: ``mixed`` to
``mixed_2`` are Mixed_5b to 5d, ``mixed_3`` to ``mixed_7`` are Mixed_6a to 6e. ``conv`` is the
branch of a block that is a single 1 x 1 convolution. So ``mixed_6/conv`` is ``Mixed_6d.branch1x1``,
with 192 channels; torch-fidelity's utils/util_convert_inception_weights.py copies its weights from
there. The node without a further name is the last of the layer, after batch norm and ReLU. OpenAI's
evaluator flattens (N, 17, 17, 7), channels last, and so are the statistics in its files.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from mifid.extractors.network import folded_convolution
from mifid.extractors.weights import refuse_other_network

__all__ = ["build_network", "inception_layers", "parameter_shapes"]

# torch-fidelity's layers up to its pooled features, in the order of its forward().
_TRUNK = (
    *("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "MaxPool_1"),
    *("Conv2d_3b_1x1", "Conv2d_4a_3x3", "MaxPool_2"),
    *("Mixed_5b", "Mixed_5c", "Mixed_5d"),
    *("Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
    *("Mixed_7a", "Mixed_7b", "Mixed_7c", "AvgPool"),
)


_TAPPED = _TRUNK.index("Mixed_6d")
_SPATIAL_CHANNELS = 7
_LAST = (2048, 8, 8)  # activations before the average


def inception_layers(
    state_dict: Mapping[str, torch.Tensor], *, spatial: bool = False
) -> nn.Sequential:
    """Return the layers from input (N, 3, 299, 299) to pooled features (N, 2048, 1, 1).

    With ``spatial``, to pooled and spatial features (N, 2048 + 2023).

    Raises:
        WeightsError: the weights are another network's.
    """
    network = build_network(state_dict)
    for module in network.modules():
        if hasattr(module, "conv") and hasattr(module, "bn"):
            module.conv = folded_convolution(
                module.conv.weight,
                module.bn.state_dict(),
                eps=module.bn.eps,
                stride=module.conv.stride,
                padding=module.conv.padding,
            )
            module.bn = nn.Identity()
    layers = [getattr(network, name) for name in _TRUNK]
    if spatial:
        *rest, average = layers[_TAPPED + 1 :]
        tapped = _Tapped(layers[_TAPPED], nn.Sequential(*rest))
        layers = [*layers[:_TAPPED], tapped, _Pooled(average)]
    return nn.Sequential(*layers)


class _Tapped(nn.Module):
    """Mixed_6d and the layers after it -> (N, 2048 * 8 * 8 + 2023): last and spatial activations.

    Mixed_6d's first branch is computed twice, which costs 1 % of the network.
    """

    def __init__(self, block: Any, rest: nn.Module) -> None:
        super().__init__()
        self.block: Any = block
        self.rest = rest

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 768, 17, 17) -> (N, 133095)."""
        spatial = self.block.branch1x1(x)[:, :_SPATIAL_CHANNELS].permute(0, 2, 3, 1)
        last = self.rest(self.block(x))
        return torch.cat([last.flatten(1), spatial.flatten(1)], dim=1)


class _Pooled(nn.Module):
    """The average over the last activations beside the spatial ones: (N, 133095) -> (N, 4071)."""

    def __init__(self, average: nn.Module) -> None:
        super().__init__()
        self.average = average

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Take both apart, and average one."""
        n = math.prod(_LAST)
        pooled = self.average(x[:, :n].reshape(-1, *_LAST)).flatten(1)
        return torch.cat([pooled, x[:, n:]], dim=1)


def build_network(state_dict: Mapping[str, torch.Tensor]) -> Any:
    """Return torch-fidelity's ``FeatureExtractorInceptionV3`` with these weights.

    Raises:
        WeightsError: the weights are another network's; the message says what does not fit.
    """
    network = _unloaded_network()
    refuse_other_network(
        {key: tuple(value.shape) for key, value in network.state_dict().items()},
        state_dict,
        hint="Needed is pt_inception-2015-12-05-6726825d.pth; torchvision's Inception differs.",
        optional=["num_batches_tracked"],  # only training uses them; older files lack them
    )
    network.to_empty(device="cpu")
    network.loading = True
    network.load_state_dict(dict(state_dict))
    return network


def parameter_shapes() -> dict[str, tuple[int, ...]]:
    """Return the shape of every entry of the network's state dict, in the network's order."""
    return {key: tuple(value.shape) for key, value in _unloaded_network().state_dict().items()}


def _unloaded_network() -> Any:
    """Build the network without memory for its weights (they come next, so none are drawn)."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Unloaded(FeatureExtractorInceptionV3):  # type: ignore[misc]
        """Its constructor always loads a file; this one lets an empty one pass."""

        loading = False

        def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
            return super().load_state_dict(*args, **kwargs) if self.loading else None

    empty = io.BytesIO()
    torch.save({}, empty)
    empty.seek(0)
    with torch.device("meta"):
        return Unloaded("inception-v3-compat", ["2048"], feature_extractor_weights_path=empty)
