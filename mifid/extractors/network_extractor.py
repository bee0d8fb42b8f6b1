"""NetworkExtractor: an extractor whose network runs on one of the backends."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from mifid.extractors.backends import BACKENDS, Backend, choose_backend
from mifid.extractors.base import EXACT, PRECISIONS, Extractor, Precision, choose_precision
from mifid.extractors.resize import Resize
from mifid.images import Pixels
from mifid.statistics import FeatureMatrix

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NetworkExtractor"]

AnExtractor = TypeVar("AnExtractor", bound="NetworkExtractor")


class NetworkExtractor(Extractor):
    """Runs layers on a backend, which is loaded on first use.

    Attributes:
        how: how pixels become the layers' input.
        precision: of their arithmetic, a name of :data:`mifid.extractors.base.PRECISIONS`.
    """

    def __init__(
        self, backend: str = "auto", *, resize: Resize, precision: Precision = EXACT
    ) -> None:
        choose_backend(backend, "cpu")  # refuses unknown ones at once
        self.how = resize
        self.precision = choose_precision(precision)
        self._choice = backend
        self._loaded: Backend | None = None
        self._asked: tuple[str, str] | None = None

    @abstractmethod
    def layers(self) -> nn.Sequential:
        """Read the weights and return the layers; see :data:`mifid.extractors.backends.ReadLayers`.

        Raises:
            WeightsError: the weights cannot be read, or are another network's.
        """

    def unloaded(self: AnExtractor) -> AnExtractor:
        """Return a copy that loads a network of its own."""
        other = copy.copy(self)
        other._loaded = other._asked = None
        return other

    @property
    def key(self) -> str:
        """SHA-256 of all that the layers are made of, under which a backend may keep them."""
        key = self.identity.weights_sha256
        assert key is not None
        return key

    @property
    def dtype(self) -> str:
        """Type of the network's arithmetic."""
        return PRECISIONS[self.precision]

    @property
    def backend(self) -> str:
        """The loaded backend's name; before that, the choice."""
        return self._loaded.name if self._loaded else self._choice

    @property
    def batch_size(self) -> int:
        """The loaded backend's."""
        return self._ready().batch_size

    @property
    def in_flight(self) -> int:
        """The loaded backend's."""
        return self._ready().in_flight

    def load(self, device: str = "auto") -> str:
        """Load the network; again only if another device is asked for."""
        name = choose_backend(self._choice, device)
        if self._loaded is None or self._asked != (name, device):
            backend: Backend = BACKENDS[name](
                self.layers, key=self.key, device=device, resize=self.how, precision=self.precision
            )
            self._loaded, self._asked = backend, (name, device)
        return self._loaded.device

    def __call__(self, pixels: Pixels) -> FeatureMatrix:
        """uint8 (N, H, W, 3) -> float32 (N, D)."""
        return self._ready()(pixels)

    def submit(self, pixels: Pixels) -> Callable[[], FeatureMatrix]:
        """Start on pictures; what is returned waits for their features."""
        return self._ready().submit(pixels)

    def _ready(self) -> Backend:
        if self._loaded is None:
            self.load()
        assert self._loaded is not None
        return self._loaded
