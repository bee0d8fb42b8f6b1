"""The last layer of Inception: from features to classes, without another pass over pictures.

The layer is linear, so logits follow from features that are at hand. Its matrix (8 MB) is kept on
disk under the hash of the weights: runs from cached features then need neither the whole weights
file nor torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mifid.cache import read_arrays
from mifid.errors import FeatureError, MifidError, WeightsError, first_line, warn
from mifid.files import atomic_write, cache_folder

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
    """Return the network's last layer, from disk or from its weights.

    Args:
        read_weights: reads the network's state dict; called only where the layer is not on disk.
        key: SHA-256 of the weights.

    Raises:
        WeightsError: the weights cannot be read, or have no such layer.
    """
    path = cache_folder() / "classifiers" / f"{key}.npz"
    kept = _kept(path, key)
    if kept is not None:
        return kept
    layer = read_weights().get(_LAYER)
    if layer is None or layer.ndim != 2:
        raise WeightsError(
            f"the weights have no matrix '{_LAYER}', so they hold no classifier",
            hint="Needed is pt_inception-2015-12-05-6726825d.pth.",
        )
    weight: Classifier = layer.detach().cpu().numpy().astype(np.float32)
    _keep(path, key, weight)
    return weight


def _kept(path: Path, key: str) -> Classifier | None:
    """Read a kept layer, if there is one and it is whole."""
    try:
        arrays = read_arrays(path)
        weight, owner = arrays["weight"], str(arrays["key"])
        if owner != key or weight.ndim != 2 or weight.dtype != np.float32:
            raise ValueError("it is another network's")
        return np.asarray(weight, np.float32)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        warn(f"the kept classifier {path} cannot be read: {error.strerror or error}")
        return None
    except Exception as error:  # damage can make NumPy and zipfile raise nearly anything
        warn(f"the kept classifier {path} is damaged and is read again: {first_line(error)}")
        with suppress(OSError):
            path.unlink()
        return None


def _keep(path: Path, key: str, weight: Classifier) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            np.savez(file, weight=weight, key=np.array(key))
    except (MifidError, OSError) as error:
        warn(f"the classifier could not be kept for the next run: {first_line(error)}")
