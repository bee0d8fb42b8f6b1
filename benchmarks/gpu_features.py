"""Pictures whose exact features are known, and their features by other means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gpu_plan import Plan
from gpu_trunk import KeptInception, build_stock, build_trunk, prepared, run_trunk
from PIL import Image

from mifid.extractors import Extractor
from mifid.extractors.devices import exact_float32
from mifid.metrics import frechet_distance, memorization_distance

__all__ = ["STEP", "Array", "Known", "batched", "error_of", "open_on", "read_known", "through"]

STEP = 32
"""Pictures at a time where it does not matter."""

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Known:
    """Pixels (N, H, W, 3) uint8, of which the first ``generated`` are scored against the rest.

    ``exact`` are their features in float64, ``stock`` torch-fidelity's in float32 on the device.
    """

    pixels: Array
    generated: int
    exact: Array
    stock: Array

    def scores(self, features: Array) -> tuple[float, float]:
        """FID and memorization distance."""
        sides = {"generated": features[: self.generated], "reference": features[self.generated :]}
        return frechet_distance(**sides), memorization_distance(**sides)


def read_known(plan: Plan) -> Known:
    """Read pictures, and compute what is known of them."""
    generated, reference = (
        _pixels(folder, count)
        for folder, count in zip((plan.photos, plan.paintings), plan.sizes.parity, strict=True)
    )
    pixels = np.concatenate([generated, reference])
    exact = through(build_trunk(plan.device, torch.float64), pixels, plan.device, torch.float64)
    stock = build_stock(plan.device)
    with torch.inference_mode(), exact_float32():
        parts = [stock(each)[0].cpu() for each in _uploaded(pixels, plan.device)]
    return Known(pixels, len(generated), exact, torch.cat(parts).numpy())


def _pixels(folder: Path, count: int) -> Array:
    files = sorted(folder.glob("*.jpg"))[:count]
    return np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])


def _uploaded(pixels: Array, device: str) -> Iterator[torch.Tensor]:
    for first in range(0, len(pixels), STEP):
        part = torch.from_numpy(pixels[first : first + STEP])
        yield part.to(device).permute(0, 3, 1, 2)


def through(trunk: Any, pixels: Array, device: str, dtype: torch.dtype) -> Array:
    """Features by the bare network."""
    with torch.inference_mode():
        parts = [run_trunk(trunk, prepared(each, dtype)) for each in _uploaded(pixels, device)]
        found: Array = torch.cat(parts).cpu().numpy()
    return found


@cache
def open_on(device: str, backend: str = "torch", precision: str = "exact") -> Extractor:
    """Return the extractor, loaded on a device; the same one the next time."""
    extractor = KeptInception(backend, precision=precision)
    extractor.load(device)
    return extractor


def batched(extractor: Extractor, pixels: Array, size: int) -> Array:
    """Return features (N, D), so many pictures at a time."""
    parts = [extractor(pixels[first : first + size]) for first in range(0, len(pixels), size)]
    return np.concatenate(parts)


def error_of(features: Array, exact: Array) -> float:
    """Return the relative error, as a norm over all features."""
    return float(np.linalg.norm(features - exact) / np.linalg.norm(exact))
