"""What an extractor is: Extractor, Identity, and its precision."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mifid.errors import InputError, setting
from mifid.images import Pixels
from mifid.registry import suggest
from mifid.statistics import FeatureMatrix

__all__ = [
    "DEFAULT_BATCH_SIZE",
    "EXACT",
    "FAST",
    "PRECISIONS",
    "SPATIAL_WIDTH",
    "Extractor",
    "Identity",
    "Precision",
    "choose_precision",
    "no_bfloat16",
    "why_not_exact",
]

DEFAULT_BATCH_SIZE = 32

SPATIAL_WIDTH = 7 * 17 * 17
"""Of the spatial features of Inception: 7 channels in 17 x 17 places."""


@dataclass(frozen=True)
class Identity:
    """What features depend on.

    Attributes:
        name: as the user names it.
        fingerprint: changes whenever the features would by more than the rounding of their
            ``dtype``; None: unknown, so nothing is cached.
        weights_sha256: of the weights file, where there is one.
        resize: how pictures become the network's input.
        dtype: of the network's arithmetic.
        not_comparable: why scores cannot be compared with Kaggle's; None if they can.
    """

    name: str
    fingerprint: str | None
    weights_sha256: str | None = None
    resize: str = "unknown"
    dtype: str = "float32"
    not_comparable: str | None = None


class Extractor(ABC):
    """Turns pixels into features."""

    @property
    @abstractmethod
    def identity(self) -> Identity:
        """What the features depend on, without loading the network."""

    @abstractmethod
    def load(self, device: str = "auto") -> str:
        """Load the network onto a device and return the device's name, such as ``"cpu"``."""

    @abstractmethod
    def __call__(self, pixels: Pixels) -> FeatureMatrix:
        """uint8 RGB pixels (N, H, W, 3), all of one size -> float32 features (N, D).

        A picture's features do not depend on what else is in the batch, up to rounding.
        """

    def submit(self, pixels: Pixels) -> Callable[[], FeatureMatrix]:
        """Start on a batch; the call of what is returned waits for its features.

        So the next batch can be brought to a device while it works on this one. By default all is
        done at once.
        """
        features = self(pixels)
        return lambda: features

    @property
    def batch_size(self) -> int:
        """How many pictures at a time are fast, once the network is loaded."""
        return DEFAULT_BATCH_SIZE

    @property
    def in_flight(self) -> int:
        """How many batches to submit before the first one's features are waited for."""
        return 1

    @property
    def backend(self) -> str:
        """Which library runs the network."""
        return "torch"

    def with_spatial(self) -> Extractor | None:
        """Return the extractor of these features and, behind them, the spatial ones.

        Its features are (N, D + :data:`SPATIAL_WIDTH`). None: the network has no spatial features.
        """
        return None

    def classifier(self) -> npt.NDArray[np.float32] | None:
        """Return what turns features (N, D) into logits, (C, D) float32; None: there is none."""
        return None


Precision = str

EXACT = "exact"
FAST = "fast"

PRECISIONS = {EXACT: "float32", FAST: "bfloat16"}
"""Name -> type of the network's weights, inputs and products. Sums, the resize before it and the
last average after it are float32 in both."""


def choose_precision(name: str) -> Precision:
    """Return ``name``.

    Raises:
        InputError: there is no such precision; with the nearest known name.
    """
    if name not in PRECISIONS:
        raise InputError(f"unknown precision '{name}'", hint=suggest(name, PRECISIONS))
    return name


def no_bfloat16(device: str) -> InputError:
    """Return the error for a device that would have to emulate it."""
    return InputError(
        f"{device} has no bfloat16 arithmetic: {setting('precision', 'fast')} would not be faster",
        hint=f"Leave out {setting('precision')}.",
    )


def why_not_exact(precision: Precision) -> str | None:
    """Return why scores at this precision cannot be compared with Kaggle's; None if they can."""
    if precision == EXACT:
        return None
    return f"the network ran in {PRECISIONS[precision]}, not in float32"
