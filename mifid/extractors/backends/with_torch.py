"""The network in torch: on the CPU, CUDA or MPS."""

from __future__ import annotations

import numpy as np
import torch

from mifid.extractors.backends import ReadWeights
from mifid.extractors.devices import choose_device, exact_float32, in_parts
from mifid.extractors.inception_network import InceptionNetwork, build_network
from mifid.extractors.resize import Resize
from mifid.featureset import FeatureMatrix
from mifid.images.source import Pixels

__all__ = ["TorchBackend"]


class TorchBackend:
    """Batch normalisation folded, channels last, true float32."""

    name = "torch"

    def __init__(self, read_weights: ReadWeights, *, key: str, device: str, resize: Resize) -> None:
        del key
        self._device = choose_device(device)
        self.device = str(self._device)
        network = InceptionNetwork(build_network(read_weights()), resize)
        self._network = network.to(self._device)
        self._limit: int | None = None  # rows that fit in memory, once that is known

    def __call__(self, pixels: Pixels) -> FeatureMatrix:
        """uint8 (N, H, W, 3) -> float32 (N, 2048)."""
        batch = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)
        with torch.inference_mode(), exact_float32():
            features, self._limit = in_parts(
                lambda part: self._network(part.to(self._device)), batch, self._limit
            )
        return features.numpy()
