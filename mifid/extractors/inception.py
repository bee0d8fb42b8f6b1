"""``inception``: the trained network that Kaggle scores with."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mifid.errors import WeightsError, first_line, warn
from mifid.extractors.base import Identity
from mifid.extractors.inception_base import InceptionExtractor
from mifid.extractors.precision import EXACT, Precision
from mifid.extractors.resize import TF1_BILINEAR
from mifid.extractors.weights import PUBLISHED, Weights, obtain
from mifid.progress import Progress

if TYPE_CHECKING:
    import torch

__all__ = ["TrainedInception", "load_state_dict", "open_inception"]


def open_inception(
    *, weights: str | Path | None, progress: Progress, backend: str, precision: Precision
) -> TrainedInception:
    """Find the weights, or fetch them."""
    return TrainedInception(obtain(weights, progress), backend, precision=precision)


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
                f"{weights.path} is not the published weights file: its sha256 begins "
                f"{weights.sha256[:8]}, not {PUBLISHED}; scores are not comparable with Kaggle's"
            )

    @property
    def identity(self) -> Identity:
        """Told by the weights' hash."""
        sha = self.weights.sha256
        return Identity(
            name="inception",
            fingerprint=f"inception-2015-12-05 {self.resize} {self.dtype} {sha}",
            weights_sha256=sha,
            resize=self.resize,
            dtype=self.dtype,
            not_comparable=self.not_comparable(
                None
                if self.weights.published
                else f"the weights are not the published ones (sha256 {sha[:8]}..., "
                f"not {PUBLISHED})"
            ),
        )

    def state_dict(self) -> Mapping[str, torch.Tensor]:
        """Read the weights file."""
        return load_state_dict(self.weights.path)


def load_state_dict(path: Path) -> Mapping[str, torch.Tensor]:
    """Read tensors by name; a file that holds code is refused (``weights_only=True``).

    Raises:
        WeightsError: the file is no state dict, or is damaged.
    """
    import torch

    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise WeightsError(
            f"{path} cannot be read as network weights: {first_line(error)}",
            hint="It may be cut short; `mifid weights fetch` gets the published file.",
        ) from error
    if not isinstance(loaded, dict) or not all(torch.is_tensor(v) for v in loaded.values()):
        raise WeightsError(
            f"{path} is no state dict: it holds a {type(loaded).__name__}",
            hint="Expected a dict of tensors, as pt_inception-2015-12-05-6726825d.pth is.",
        )
    return loaded
