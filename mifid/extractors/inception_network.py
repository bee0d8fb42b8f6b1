"""Layers of the Inception network of 2015-12-05: torch-fidelity's, prepared for speed.

The network itself is torch-fidelity's; nothing of it is written again here.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from mifid.errors import WeightsError
from mifid.extractors.network import folded_convolution

__all__ = ["build_network", "inception_layers", "parameter_shapes"]

# torch-fidelity's layers up to its pooled features, in the order of its forward().
_TRUNK = (
    *("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "MaxPool_1"),
    *("Conv2d_3b_1x1", "Conv2d_4a_3x3", "MaxPool_2"),
    *("Mixed_5b", "Mixed_5c", "Mixed_5d"),
    *("Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
    *("Mixed_7a", "Mixed_7b", "Mixed_7c", "AvgPool"),
)


def inception_layers(state_dict: Mapping[str, torch.Tensor]) -> nn.Sequential:
    """Return the layers from input (N, 3, 299, 299) to pooled features (N, 2048, 1, 1).

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
    return nn.Sequential(*(getattr(network, name) for name in _TRUNK))


def build_network(state_dict: Mapping[str, torch.Tensor]) -> Any:
    """Return torch-fidelity's ``FeatureExtractorInceptionV3`` with these weights.

    Raises:
        WeightsError: the weights are another network's; the message says what does not fit.
    """
    network = _unloaded_network()
    _check_fits(network.state_dict(), state_dict)
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


def _check_fits(expected: Mapping[str, torch.Tensor], given: Mapping[str, torch.Tensor]) -> None:
    # Older files lack the counters that only training uses; torch fills them in.
    needed = {key for key in expected if not key.endswith("num_batches_tracked")}
    missing = sorted(needed - given.keys())
    foreign = sorted(given.keys() - expected.keys())
    shapes = [key for key in needed & given.keys() if expected[key].shape != given[key].shape]
    if not (missing or foreign or shapes):
        return
    details = []
    if missing:
        details.append(f"{len(missing)} layers are missing (such as {missing[0]})")
    if foreign:
        details.append(f"{len(foreign)} are foreign (such as {foreign[0]})")
    for key in sorted(shapes)[:1]:
        details.append(f"{key} is {tuple(given[key].shape)}, not {tuple(expected[key].shape)}")
    raise WeightsError(
        f"the weights are another network's: {'; '.join(details)}",
        hint="Needed is pt_inception-2015-12-05-6726825d.pth; torchvision's Inception differs.",
    )
