"""``inception-random``: the same network with weights drawn from a seed.

For tests, demonstrations and comparing tools where the trained weights cannot be had. Its scores
mean something only next to each other.

The weights are the same everywhere and always: they come from NumPy's RandomState, whose stream
is frozen, and are made of them with integers, one multiplication and one rounding to float32.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mifid.errors import InputError, WeightsError, setting
from mifid.extractors.base import Identity
from mifid.extractors.inception_base import InceptionExtractor
from mifid.extractors.precision import Precision
from mifid.progress import Progress

if TYPE_CHECKING:
    import torch

__all__ = ["SHA256", "RandomInception", "open_inception_random", "random_weights"]

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
        """Told by the pinned hash, which is checked when the weights are drawn."""
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

        from mifid.extractors.network import parameter_shapes

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
