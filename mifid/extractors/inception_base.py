"""What the trained and the random Inception share: everything but where the weights come from."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from mifid.extractors.backends import BACKENDS, Backend, choose_backend
from mifid.extractors.base import Extractor
from mifid.extractors.classifier import Classifier, classifier_of
from mifid.extractors.isolation import isolated
from mifid.extractors.precision import (
    EXACT,
    PRECISIONS,
    Precision,
    choose_precision,
    why_not_exact,
)
from mifid.extractors.resize import TF1_BILINEAR, choose_resize, why_not_kaggles
from mifid.images.source import Pixels
from mifid.statistics.features import FeatureMatrix

if TYPE_CHECKING:
    import torch

__all__ = ["InceptionExtractor"]

AnInception = TypeVar("AnInception", bound="InceptionExtractor")


class InceptionExtractor(Extractor):
    """Runs the Inception network of 2015-12-05 on one of several backends.

    Attributes:
        resize: how pictures become its input, a name of :data:`mifid.extractors.resize.RESIZES`.
            Kaggle's scores are of TensorFlow 1's alone.
        precision: of its arithmetic, a name of :data:`mifid.extractors.precision.PRECISIONS`.
    """

    def __init__(
        self, backend: str = "auto", *, resize: str = TF1_BILINEAR, precision: Precision = EXACT
    ) -> None:
        choose_backend(backend, "cpu")  # refuses unknown ones at once
        self.resize = choose_resize(resize).name
        self.precision = choose_precision(precision)
        self._choice = backend
        self._loaded: Backend | None = None
        self._asked: tuple[str, str] | None = None

    @abstractmethod
    def state_dict(self) -> Mapping[str, torch.Tensor]:
        """Return the network's weights."""

    def with_resize(self: AnInception, resize: str) -> AnInception:
        """Return the same network behind another resize; it is loaded on its own.

        Raises:
            InputError: an unknown resize, with the nearest known name.
        """
        other = copy.copy(self)
        other.resize = choose_resize(resize).name
        other._loaded = other._asked = None
        return other

    @property
    def dtype(self) -> str:
        """Type of the network's arithmetic."""
        return PRECISIONS[self.precision]

    def not_comparable(self, own: str | None) -> str | None:
        """Join ``own`` with what else sets scores apart from Kaggle's; None: nothing does."""
        reasons = (own, why_not_kaggles(self.resize), why_not_exact(self.precision))
        return "; ".join(filter(None, reasons)) or None

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
            key = self.identity.weights_sha256
            assert key is not None
            backend: Backend = BACKENDS[name](
                self.state_dict,
                key=key,
                device=device,
                resize=choose_resize(self.resize),
                precision=self.precision,
            )
            self._loaded, self._asked = backend, (name, device)
        return self._loaded.device

    def __call__(self, pixels: Pixels) -> FeatureMatrix:
        """uint8 (N, H, W, 3) -> float32 (N, 2048)."""
        return self._ready()(pixels)

    def submit(self, pixels: Pixels) -> Callable[[], FeatureMatrix]:
        """Start on pictures; what is returned waits for their features."""
        return self._ready().submit(pixels)

    def _ready(self) -> Backend:
        if self._loaded is None:
            self.load()
        assert self._loaded is not None
        return self._loaded

    def classifier(self) -> Classifier:
        """The last layer's weights (1008, 2048), kept on disk.

        Raises:
            WeightsError: the weights cannot be read.
        """
        key = self.identity.weights_sha256
        assert key is not None
        with isolated():
            return classifier_of(self.state_dict, key=key)
