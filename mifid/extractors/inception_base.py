"""What the trained and the random Inception share: everything but where the weights come from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mifid.extractors.base import Extractor
from mifid.featureset import FeatureMatrix
from mifid.images.source import Pixels

if TYPE_CHECKING:
    import torch

    from mifid.extractors.inception_network import InceptionNetwork

__all__ = ["InceptionExtractor"]


class InceptionExtractor(Extractor):
    """Runs the Inception network of 2015-12-05 in true float32."""

    def __init__(self) -> None:
        self._network: InceptionNetwork | None = None
        self._device: torch.device | None = None
        self._limit: int | None = None  # rows that fit in memory, once that is known

    @abstractmethod
    def state_dict(self) -> Mapping[str, torch.Tensor]:
        """Return the network's weights."""

    def load(self, device: str = "auto") -> str:
        """Load the network; a second call moves it."""
        from mifid.extractors.devices import choose_device
        from mifid.extractors.inception_network import InceptionNetwork, build_network

        self._device = choose_device(device)
        if self._network is None:
            self._network = InceptionNetwork(build_network(self.state_dict()))
        self._network.to(self._device)
        return str(self._device)

    def __call__(self, pixels: Pixels) -> FeatureMatrix:
        """uint8 (N, H, W, 3) -> float32 (N, 2048)."""
        import torch

        from mifid.extractors.devices import exact_float32, in_parts

        if self._network is None:
            self.load()
        assert self._network is not None
        network, device = self._network, self._device
        batch = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)
        with torch.inference_mode(), exact_float32():
            features, self._limit = in_parts(
                lambda part: network(part.to(device)), batch, self._limit
            )
        return features.numpy()
