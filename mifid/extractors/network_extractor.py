"""Extractors whose network runs on one of the backends; those with trained weights and a protocol.

A protocol is how pictures become the network's input and what its features are.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ClassVar, TypeVar

import numpy as np
from PIL import Image

from mifid.errors import warn
from mifid.extractors.backends import BACKENDS, Backend, choose_backend
from mifid.extractors.base import (
    EXACT,
    PRECISIONS,
    Extractor,
    Identity,
    Precision,
    choose_precision,
    why_not_exact,
)
from mifid.extractors.resize import Resize
from mifid.extractors.weights import Weights
from mifid.images import Pixels
from mifid.machine import available_cores
from mifid.statistics import FeatureMatrix

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NetworkExtractor", "TrainedExtractor", "fit"]

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
        return self._ready()(fit(pixels, self.how))

    def submit(self, pixels: Pixels) -> Callable[[], FeatureMatrix]:
        """Start on pictures; what is returned waits for their features."""
        return self._ready().submit(fit(pixels, self.how))

    def _ready(self) -> Backend:
        if self._loaded is None:
            self.load()
        assert self._loaded is not None
        return self._loaded


class TrainedExtractor(NetworkExtractor):
    """Runs a network with the weights of a file, by a protocol.

    Attributes:
        name: as the user names it.
        protocol: name and version of the protocol; it changes whenever features would.
        weights: where the weights are.
    """

    name: ClassVar[str]
    protocol: ClassVar[str]
    resize: ClassVar[Resize]

    def __init__(
        self, weights: Weights, backend: str = "auto", *, precision: Precision = EXACT
    ) -> None:
        super().__init__(backend, resize=self.resize, precision=precision)
        self.weights = weights
        if not weights.published:
            warn(
                f"{weights.path} is not the published weights file of {self.name}: its sha256 is "
                f"{weights.sha256}, not {weights.expected}; numbers of papers are not comparable"
            )

    @property
    def identity(self) -> Identity:
        """Identify the features by the protocol and the weights' hash."""
        sha256 = self.weights.sha256
        reasons = (
            f"{self.name} (protocol {self.protocol}) is not the network that Kaggle scores with",
            None if self.weights.published else f"its weights are others (sha256 {sha256[:16]}...)",
            why_not_exact(self.precision),
        )
        return Identity(
            name=self.name,
            fingerprint=f"{self.protocol} {self.dtype} {sha256}",
            weights_sha256=sha256,
            resize=self.how.name,
            dtype=self.dtype,
            not_comparable="; ".join(filter(None, reasons)),
        )


def fit(pixels: Pixels, how: Resize) -> Pixels:
    """uint8 (N, H, W, 3) -> uint8 (N, S, S, 3), by Pillow, in one thread a core.

    Pixels are returned as they are where ``how`` leaves the resize to the backend.
    """
    if how.fit is None:
        return pixels
    fitted = np.empty((len(pixels), how.size, how.size, 3), np.uint8)
    to_size = how.fit

    def one(index: int) -> None:
        fitted[index] = np.asarray(to_size(Image.fromarray(pixels[index]), how.size))

    with ThreadPoolExecutor(available_cores()) as pool:
        list(pool.map(one, range(len(pixels))))  # raises what a thread did
    return fitted
