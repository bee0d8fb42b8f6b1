"""``inception``: the trained network that Kaggle scores with."""

from __future__ import annotations

import hashlib
import io
import zipfile
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
                f"{weights.path} is not the published weights file: its sha256 is "
                f"{weights.sha256}, not {PUBLISHED}; scores are not comparable with Kaggle's"
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
                else f"the weights are not the published ones (sha256 {sha[:16]}..., "
                f"not {PUBLISHED[:16]}...)"
            ),
        )

    def state_dict(self) -> Mapping[str, torch.Tensor]:
        """Read the weights file."""
        return load_state_dict(self.weights.path, sha256=self.weights.sha256)


def load_state_dict(path: Path, *, sha256: str | None = None) -> Mapping[str, torch.Tensor]:
    """Read tensors by name; a file that holds code is refused (``weights_only=True``).

    Args:
        path: of a file that ``torch.save`` wrote.
        sha256: what the file had when it was looked at; None: any.

    Raises:
        WeightsError: the file is no state dict, is damaged, or is another file by now.
    """
    import torch

    try:
        content = path.read_bytes()  # once: what is hashed is what is loaded
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error
    if sha256 not in {None, hashlib.sha256(content).hexdigest()}:
        raise WeightsError(
            f"{path} changed while it was read", hint="Let what writes it finish first."
        )
    _check_kind(content, path)
    try:
        loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # damage can make torch raise nearly anything
        raise _unreadable(path, first_line(error)) from error
    if not isinstance(loaded, dict) or not all(torch.is_tensor(v) for v in loaded.values()):
        raise WeightsError(
            f"{path} is no state dict: it holds a {type(loaded).__name__}",
            hint="Expected a dict of tensors, as pt_inception-2015-12-05-6726825d.pth is.",
        )
    return loaded


def _check_kind(content: bytes, path: Path) -> None:
    """Refuse what is no file of torch's, or a damaged one: torch looks at no checksum."""
    if content.startswith(b"\x80"):  # a pickle, as torch wrote before version 1.6
        return
    if not content.startswith(b"PK\x03\x04"):
        raise _unreadable(path, f"it begins with {content[:16]!r}")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            damaged = archive.testzip()
    except Exception as error:  # damage can make zipfile raise nearly anything
        raise _unreadable(path, first_line(error)) from error
    if damaged is not None:
        raise _unreadable(path, f"the checksum of {damaged} is another")
    if not any(name.endswith("data.pkl") for name in names):
        held = ", ".join(names[:4]) or "nothing"
        raise _unreadable(path, f"it is a zip (such as .npz) that torch did not write: {held}")


def _unreadable(path: Path, why: str) -> WeightsError:
    return WeightsError(
        f"{path} cannot be read as network weights: {why}",
        hint="Expected a .pth file that torch.save wrote, whole; `mifid weights fetch` gets the "
        "published one.",
    )
