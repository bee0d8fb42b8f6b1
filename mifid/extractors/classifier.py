"""The last layer of Inception: from features to classes, without another pass over pictures.

The layer is linear, so logits follow from features that are at hand. Its matrix (8 MB) is kept in
the cache under the hash of the weights: runs from cached features then need neither the whole
weights file nor torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mifid.cache import Cache, make_key
from mifid.errors import FeatureError, WeightsError

if TYPE_CHECKING:
    import torch

__all__ = ["Classifier", "classifier_of", "logits"]

Classifier = npt.NDArray[np.float32]
"""(C, D) float32: a row a class, to be multiplied with features (N, D)."""

_LAYER = "fc.weight"


def logits(features: npt.NDArray[Any], classifier: Classifier) -> npt.NDArray[np.float64]:
    """Return (N, C) float64 logits of features (N, D), without the classes' biases.

    They are torch-fidelity's ``logits_unbiased``, which its Inception Score uses, because Salimans
    et al.'s own code left the biases out.

    Raises:
        FeatureError: the widths differ.
    """
    if features.ndim != 2 or features.shape[1] != classifier.shape[1]:
        raise FeatureError(
            f"features have shape {features.shape}, the classifier {classifier.shape}; expected "
            "(pictures, width) and (classes, width)",
            hint="The features come from another network than the classifier.",
        )
    found: npt.NDArray[np.float64] = features.astype(np.float64) @ classifier.T.astype(np.float64)
    return found


def classifier_of(
    read_weights: Callable[[], Mapping[str, torch.Tensor]], *, key: str
) -> Classifier:
    """Return the network's last layer, from the cache or from its weights.

    Args:
        read_weights: reads the network's state dict; called only where the cache has no such layer.
        key: SHA-256 of the weights.

    Raises:
        WeightsError: the weights cannot be read, or have no such layer.
    """
    cache, entry = Cache(), make_key("mifid classifier 1", key)
    kept = cache.load(entry)
    if kept is not None:
        return np.asarray(kept["weight"], np.float32)
    layer = read_weights().get(_LAYER)
    if layer is None or layer.ndim != 2:
        raise WeightsError(
            f"the weights have no matrix '{_LAYER}', so they hold no classifier",
            hint="Needed is pt_inception-2015-12-05-6726825d.pth.",
        )
    weight: Classifier = layer.detach().cpu().numpy().astype(np.float32)
    cache.store(entry, {"weight": weight})
    return weight
