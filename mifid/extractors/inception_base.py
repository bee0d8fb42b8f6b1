"""What the trained and the random Inception share: everything but where the weights come from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mifid.extractors.backends import BACKENDS, Backend, choose_backend
from mifid.extractors.base import Extractor
from mifid.featureset import FeatureMatrix
from mifid.images.source import Pixels

if TYPE_CHECKING:
    import torch

__all__ = ["InceptionExtractor"]


class InceptionExtractor(Extractor):
    """Runs the Inception network of 2015-12-05 in true float32, on one of several backends."""

    def __init__(self, backend: str = "auto") -> None:
        choose_backend(backend, "cpu")  # refuses unknown ones at once
        self._choice = backend
        self._loaded: Backend | None = None
        self._asked: tuple[str, str] | None = None

    @abstractmethod
    def state_dict(self) -> Mapping[str, torch.Tensor]:
        """Return the network's weights."""

    @property
    def backend(self) -> str:
        """The loaded backend's name; before that, the choice."""
        return self._loaded.name if self._loaded else self._choice

    def load(self, device: str = "auto") -> str:
        """Load the network; again only if another device is asked for."""
        name = choose_backend(self._choice, device)
        if self._loaded is None or self._asked != (name, device):
            key = self.identity.weights_sha256
            assert key is not None
            backend: Backend = BACKENDS[name](self.state_dict, key=key, device=device)
            self._loaded, self._asked = backend, (name, device)
        return self._loaded.device

    def __call__(self, pixels: Pixels) -> FeatureMatrix:
        """uint8 (N, H, W, 3) -> float32 (N, 2048)."""
        if self._loaded is None:
            self.load()
        assert self._loaded is not None
        return self._loaded(pixels)
