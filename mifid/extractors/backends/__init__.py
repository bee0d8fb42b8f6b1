"""What runs a network: one file a backend, and a line in the table.

All compute the same function; in float32 their features differ by rounding, within bounds that
tests hold. `auto` takes OpenVINO where it is installed and there is no accelerator, else torch.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from mifid.errors import InputError, setting
from mifid.images import Pixels
from mifid.registry import Registry, suggest
from mifid.statistics import FeatureMatrix

if TYPE_CHECKING:
    from torch import nn

__all__ = ["BACKENDS", "Backend", "ReadLayers", "choose_backend", "has_accelerator"]

ReadLayers = Callable[[], "nn.Sequential"]
"""Reads the weights and returns the network's layers, float32: input (N, 3, S, S) -> (N, D, ...),
which is flattened. The last of them has no weights and is float32 in any precision, as an average
over the picture."""


class Backend(Protocol):
    """A loaded network: uint8 pixels (N, H, W, 3) -> float32 features (N, D)."""

    name: str
    device: str
    batch_size: int
    in_flight: int

    def __call__(self, pixels: Pixels) -> FeatureMatrix:
        """Compute the features of pictures of one size."""

    def submit(self, pixels: Pixels) -> Callable[[], FeatureMatrix]:
        """Start on pictures of one size; what is returned waits for their features.

        Up to ``in_flight`` of them may be under way; each may be called once, in any order.
        """


BACKENDS = Registry(
    "backend",
    {
        "torch": "mifid.extractors.backends.torch_backend:TorchBackend",
        "openvino": "mifid.extractors.backends.openvino_backend:OpenVinoBackend",
    },
)
"""name -> f(read_layers, *, key, device, resize, precision) -> Backend.

``key`` is the SHA-256 of the weights, ``resize`` a :class:`mifid.extractors.resize.Resize`,
``precision`` a name of :data:`mifid.extractors.base.PRECISIONS`.
"""


def choose_backend(backend: str, device: str) -> str:
    """Return the name of the backend to use, without importing any.

    Raises:
        InputError: an unknown backend.
    """
    if backend == "auto":
        on_cpu = device == "cpu" or (device == "auto" and not has_accelerator())
        return "openvino" if on_cpu and find_spec("openvino") else "torch"
    if backend not in BACKENDS:
        raise InputError(
            f"{setting('backend')}: unknown backend '{backend}'",
            hint=suggest(backend, ["auto", *BACKENDS]),
        )
    return backend


def has_accelerator() -> bool:
    """Return whether torch may find a GPU here; to ask torch itself takes seconds of import."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    drivers = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")  # NVIDIA, WSL, AMD
    return any(map(os.path.exists, drivers)) or shutil.which("nvidia-smi") is not None
