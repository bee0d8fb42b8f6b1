"""Kaggle's Inception as an extractor: with its trained weights, or with random ones.

``inception-random`` is for tests, demonstrations and comparisons of tools where there are no
trained weights. Its scores mean something only next to each other. Its weights are the same
everywhere and always: they come from NumPy's RandomState, whose stream is frozen, and are made of
them with integers, one multiplication and one rounding to float32.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from mifid.errors import InputError, WeightsError, setting, warn
from mifid.extractors.base import EXACT, PRECISIONS, Identity, Precision, why_not_exact
from mifid.extractors.classifier import Classifier, classifier_of
from mifid.extractors.isolation import isolated
from mifid.extractors.network_extractor import NetworkExtractor
from mifid.extractors.resize import (
    CLEAN_FID,
    PYTORCH_FID,
    TF1_BILINEAR,
    choose_resize,
    why_not_kaggles,
)
from mifid.extractors.weights import PUBLISHED, Weights, load_state_dict, obtain
from mifid.progress import Progress

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = [
    "BY_RESIZE",
    "SHA256",
    "InceptionExtractor",
    "RandomInception",
    "TrainedInception",
    "open_clean_fid",
    "open_inception",
    "open_inception_random",
    "open_pytorch_fid",
    "published_identity",
    "random_weights",
]

AnInception = TypeVar("AnInception", bound="InceptionExtractor")


class InceptionExtractor(NetworkExtractor):
    """Runs the Inception network of 2015-12-05 on one of several backends.

    Args:
        backend: a name of :data:`mifid.extractors.backends.BACKENDS`, or ``"auto"``.
        resize: how pictures become its input, a name of :data:`mifid.extractors.resize.RESIZES`.
            Kaggle's scores are of TensorFlow 1's alone.
        precision: of its arithmetic, a name of :data:`mifid.extractors.base.PRECISIONS`.
    """

    def __init__(
        self, backend: str = "auto", *, resize: str = TF1_BILINEAR, precision: Precision = EXACT
    ) -> None:
        super().__init__(backend, resize=choose_resize(resize), precision=precision)

    _spatial = False

    @abstractmethod
    def state_dict(self) -> Mapping[str, torch.Tensor]:
        """Return the network's weights."""

    def layers(self) -> nn.Sequential:
        """Build the network's layers of its weights."""
        from mifid.extractors.inception_network import inception_layers

        return inception_layers(self.state_dict(), spatial=self._spatial)

    @property
    def key(self) -> str:
        """SHA-256 of the weights; another one for the layers with spatial features."""
        key = super().key
        return hashlib.sha256(f"{key} spatial".encode()).hexdigest() if self._spatial else key

    def with_spatial(self: AnInception) -> AnInception:
        """Return the same network with spatial features behind its own, in one pass.

        See :func:`mifid.extractors.inception_network.inception_layers`.
        """
        other = self.unloaded()
        other._spatial = True
        return other

    @property
    def resize(self) -> str:
        """Name of the resize."""
        return self.how.name

    def with_resize(self: AnInception, resize: str) -> AnInception:
        """Return the same network behind another resize; it is loaded on its own.

        Raises:
            InputError: an unknown resize, with the nearest known name.
        """
        other = self.unloaded()
        other.how = choose_resize(resize)
        return other

    def not_comparable(self, own: str | None) -> str | None:
        """Join ``own`` with what else sets scores apart from Kaggle's; None: nothing does."""
        reasons = (own, why_not_kaggles(self.resize), why_not_exact(self.precision))
        return "; ".join(filter(None, reasons)) or None

    def classifier(self) -> Classifier:
        """Return the last layer's weights (1008, 2048), kept on disk.

        Raises:
            WeightsError: the weights cannot be read.
        """
        key = self.identity.weights_sha256
        assert key is not None
        with isolated():
            return classifier_of(self.state_dict, key=key)


BY_RESIZE = {
    TF1_BILINEAR: "inception",
    CLEAN_FID: "inception-clean-fid",
    PYTORCH_FID: "inception-pytorch-fid",
}
"""Resize -> name of the extractor that puts it before the trained network."""


def open_inception(
    *,
    weights: str | Path | None,
    progress: Progress,
    backend: str,
    precision: Precision,
    resize: str = TF1_BILINEAR,
) -> TrainedInception:
    """Find the weights, or fetch them."""
    found = obtain(weights, progress)
    return TrainedInception(found, backend, resize=resize, precision=precision)


open_clean_fid = partial(open_inception, resize=CLEAN_FID)
open_pytorch_fid = partial(open_inception, resize=PYTORCH_FID)


def published_identity(resize: str = TF1_BILINEAR) -> Identity:
    """Identify the features of the published weights, exact, which are those of other tools."""
    return _identity(resize, EXACT, PUBLISHED, not_comparable=why_not_kaggles(resize))


def _identity(
    resize: str, precision: Precision, sha256: str, *, not_comparable: str | None
) -> Identity:
    dtype = PRECISIONS[precision]
    return Identity(
        name=BY_RESIZE[resize],
        fingerprint=f"inception-2015-12-05 {resize} {dtype} {sha256}",
        weights_sha256=sha256,
        resize=resize,
        dtype=dtype,
        not_comparable=not_comparable,
    )


class TrainedInception(InceptionExtractor):
    """Inception with weights from a file."""

    def __init__(
        self,
        weights: Weights,
        backend: str = "auto",
        *,
        resize: str = TF1_BILINEAR,
        precision: Precision = EXACT,
    ) -> None:
        super().__init__(backend, resize=resize, precision=precision)
        self.weights = weights
        if not weights.published:
            warn(
                f"{weights.path} is not the published weights file: its sha256 is "
                f"{weights.sha256}, not {PUBLISHED}; scores are not comparable with Kaggle's"
            )

    @property
    def identity(self) -> Identity:
        """Identify the features by the weights' hash."""
        sha = self.weights.sha256
        own = None
        if not self.weights.published:
            own = (
                f"the weights are not the published ones (sha256 {sha[:16]}..., "
                f"not {PUBLISHED[:16]}...)"
            )
        return _identity(self.resize, self.precision, sha, not_comparable=self.not_comparable(own))

    def state_dict(self) -> Mapping[str, torch.Tensor]:
        """Read the weights file."""
        return load_state_dict(self.weights.path, sha256=self.weights.sha256)


SEED = 20151205
SHA256 = "1e78531b9a9f218c12b2ed1ff1ebc900742b9ade038a5d6e644f2f41a2736005"
"""Of the weights' bytes in the network's order."""

_LEVELS = 1 << 20

# Batch norm's bias keeps features alive on the way; that of the last block sets pictures apart.
_BIAS = {"": 0.3, "Mixed_7c": -0.3}


def open_inception_random(
    *, weights: str | Path | None, progress: Progress, backend: str, precision: Precision
) -> RandomInception:
    """Return the extractor; it takes no weights file."""
    del progress
    if weights is not None:
        raise InputError(
            "inception-random draws its weights and takes no weights file",
            hint=f"Leave out {setting('weights')}, or give {setting('extractor', 'inception')}.",
        )
    return RandomInception(backend, precision=precision)


class RandomInception(InceptionExtractor):
    """Inception with seeded weights."""

    @property
    def identity(self) -> Identity:
        """Identify the features by the pinned hash, which is checked on drawing the weights."""
        return Identity(
            name="inception-random",
            fingerprint=f"inception-random {self.resize} {self.dtype} {SHA256}",
            weights_sha256=SHA256,
            resize=self.resize,
            dtype=self.dtype,
            not_comparable=self.not_comparable("inception-random has seeded, not trained weights"),
        )

    def state_dict(self) -> Mapping[str, torch.Tensor]:
        """Draw the weights.

        Raises:
            WeightsError: they came out otherwise than everywhere else.
        """
        import torch

        from mifid.extractors.inception_network import parameter_shapes

        drawn = random_weights(parameter_shapes())
        sha256 = weights_sha256(drawn)
        if sha256 != SHA256:
            raise WeightsError(
                f"the seeded weights came out with sha256 {sha256}, not {SHA256}",
                hint="This NumPy or torch-fidelity differs from all that were tested; report it.",
            )
        return {key: torch.from_numpy(value) for key, value in drawn.items()}


def random_weights(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, npt.NDArray[np.generic]]:
    """Draw float32 weights for the parameters of these shapes, in their order.

    Convolutions are uniform with He's variance, and every filter sums to zero. Without the latter
    a deep random network passes on little but its activations' common mean: one feature in
    sixteen is always zero, and all pictures look alike. With it, and a small bias, none is dead.
    """
    random = np.random.RandomState(SEED)
    return {key: _draw(key, shape, random) for key, shape in shapes.items()}


def weights_sha256(weights: Mapping[str, npt.NDArray[np.generic]]) -> str:
    """Return the SHA-256 of names and little-endian values, in order."""
    digest = hashlib.sha256()
    for key, value in weights.items():
        digest.update(key.encode())
        digest.update(value.astype(value.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def _draw(
    key: str, shape: tuple[int, ...], random: np.random.RandomState
) -> npt.NDArray[np.generic]:
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, dtype=np.int64)
    if key.endswith(("conv.weight", "fc.weight")):
        return _zero_sum_filters(shape, random)
    bias = _BIAS.get(key.partition(".")[0], _BIAS[""])
    constants = {"bn.weight": 1.0, "bn.bias": bias, "running_var": 1.0}
    constant = next((v for suffix, v in constants.items() if key.endswith(suffix)), 0.0)
    return np.full(shape, constant, dtype=np.float32)


def _zero_sum_filters(
    shape: tuple[int, ...], random: np.random.RandomState
) -> npt.NDArray[np.float32]:
    inputs = int(np.prod(shape[1:]))
    drawn = random.randint(-_LEVELS, _LEVELS + 1, size=(shape[0], inputs), dtype=np.int64)
    # inputs * (drawn - mean), in integers: exact on every machine.
    centred = inputs * drawn - drawn.sum(axis=1, keepdims=True)
    # A uniform in -1..1 has variance 1/3; He's variance for ReLU is 2 / inputs.
    scale = np.sqrt(6.0 / inputs) / (inputs * _LEVELS)
    filters: npt.NDArray[np.float32] = (centred * scale).astype(np.float32).reshape(shape)
    return filters
