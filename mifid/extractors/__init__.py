"""Pictures -> features: one file an extractor, and a line in the table.

The whole contract is :class:`mifid.extractors.base.Extractor`: uint8 pixels (N, H, W, 3) in,
float32 features (N, D) out, with a fingerprint that changes whenever the features would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mifid.errors import InputError, setting
from mifid.extractors.base import EXACT, Extractor, choose_precision
from mifid.progress import Progress, Silent
from mifid.registry import Registry, import_object, lazy_names, suggest

__all__ = [
    "EXACT",
    "EXTRACTORS",
    "THRESHOLDS",
    "Extractor",
    "check_extractor",
    "choose_precision",
    "entry",
    "open_extractor",
    "threshold",
]

EXTRACTORS = Registry(
    "extractor",
    {
        "inception": "mifid.extractors.inception:open_inception",
        "inception-clean-fid": "mifid.extractors.inception:open_clean_fid",
        "inception-pytorch-fid": "mifid.extractors.inception:open_pytorch_fid",
        "lite0": "mifid.extractors.lite0:open_lite0",
        "dinov2": "mifid.extractors.dinov2:open_dinov2",
        "dinov2-b14": "mifid.extractors.dinov2:open_dinov2_b14",
        "clip-l14-336": "mifid.extractors.clip:open_clip",
        "timm:NAME": "mifid.extractors.timm_backbone:open_timm",
        "inception-random": "mifid.extractors.inception:open_inception_random",
    },
)
"""name -> f(*, weights, progress, backend, precision) -> Extractor.

``timm:NAME`` stands for all names of timm's networks, which are its function's first argument.
"""

THRESHOLDS: Mapping[str, float | None] = {
    "inception": 0.1,  # Kaggle's
    "inception-clean-fid": None,
    "inception-pytorch-fid": None,
    "inception-random": None,
    "lite0": 0.12,
    "dinov2": None,
    "dinov2-b14": None,
    "clip-l14-336": None,
    "timm:NAME": None,
}
"""name -> threshold of the memorization distance of its features; None: it has none.

docs/numerics.md describes how each was chosen.
"""


def entry(extractor: str) -> str | None:
    """Return the name in :data:`EXTRACTORS` that stands for an extractor; None: it is a user's own.

    >>> entry("lite0"), entry("timm:resnet50"), entry("my_module:function")
    ('lite0', 'timm:NAME', None)
    """
    beginning, colon, _ = extractor.partition(":")
    name = f"{beginning}:NAME" if colon else extractor
    return name if name in EXTRACTORS else None


def check_extractor(given: object) -> None:
    """Raise InputError for a name that is neither in the table nor ``package.module:function``."""
    if isinstance(given, str) and entry(given) is None and ":" not in given:
        raise InputError(
            f"{setting('extractor')}: unknown extractor '{given}'",
            hint=f"{suggest(given, EXTRACTORS)} Or your own: package.module:function.",
        )


def threshold(extractor: str, given: float | None = None) -> float | None:
    """Return the threshold of the memorization distance: the one given, else the extractor's own.

    Kaggle's is taken for extractors that are not mifid's.
    """
    return THRESHOLDS[entry(extractor) or "inception"] if given is None else given


def open_extractor(
    given: str | Callable[..., Any] | Extractor,
    *,
    weights: str | Path | None = None,
    backend: str = "auto",
    precision: str = EXACT,
    progress: Progress | None = None,
) -> Extractor:
    """Return an extractor, which has its fingerprint; its network is loaded on first use.

    Args:
        given: a name of :data:`EXTRACTORS`, ``"timm:resnet50"``, ``"package.module:function"``, or
            a callable that turns a uint8 tensor (N, 3, H, W) into features (N, D).
        weights: a weights file for the extractor; None: where it is found, else downloaded.
        backend: what runs the network: ``"auto"``, ``"torch"`` or ``"openvino"``.
        precision: of the network: ``"exact"`` (float32) or ``"fast"`` (bfloat16, not comparable
            with Kaggle).
        progress: where a download is shown.

    Raises:
        InputError: an unknown name, with the nearest known one.
        WeightsError: the weights cannot be found or are not this network's.
    """
    if isinstance(given, Extractor):
        return given
    check_extractor(given)
    name = entry(given) if isinstance(given, str) else None
    if isinstance(given, str) and name is not None:
        members = given.split(":", 1)[1:]  # of a family of names
        opened: Extractor = EXTRACTORS[name](
            *members,
            weights=weights,
            progress=progress or Silent(),
            backend=backend,
            precision=choose_precision(precision),
        )
        return opened
    from mifid.extractors.callables import CallableExtractor

    if weights is not None:
        raise InputError(
            f"{setting('weights')} is {weights}, but your extractor loads its weights itself",
            hint=f"Leave out {setting('weights')}.",
        )
    if backend not in {"auto", "torch"}:
        raise InputError(
            f"backend '{backend}' is for mifid's own networks; your extractor runs as it is",
            hint=f"Leave out {setting('backend')}.",
        )
    if choose_precision(precision) != EXACT:
        raise InputError(
            f"precision '{precision}' is for mifid's own networks; your extractor runs as it is",
            hint=f"Leave out {setting('precision')}.",
        )
    function = import_object(given) if isinstance(given, str) else given
    if isinstance(function, Extractor):
        return function
    return CallableExtractor(function, name=given if isinstance(given, str) else None)


if TYPE_CHECKING:
    from mifid.extractors.backends import choose_backend as choose_backend
    from mifid.extractors.backends import has_accelerator as has_accelerator
    from mifid.extractors.base import SPATIAL_WIDTH as SPATIAL_WIDTH
    from mifid.extractors.base import Identity as Identity
    from mifid.extractors.classifier import logits as logits
    from mifid.extractors.devices import choose_device as choose_device
    from mifid.extractors.devices import choose_devices as choose_devices
    from mifid.extractors.downloads import DownloadError as DownloadError
    from mifid.extractors.downloads import download as download
    from mifid.extractors.inception import InceptionExtractor as InceptionExtractor
    from mifid.extractors.inception import published_identity as published_identity
    from mifid.extractors.inception_network import build_network as build_network
    from mifid.extractors.isolation import isolated as isolated
    from mifid.extractors.isolation import own_draws as own_draws
    from mifid.extractors.lite0 import find_lite0 as find_lite0
    from mifid.extractors.resize import CLEAN_FID as CLEAN_FID
    from mifid.extractors.resize import PYTORCH_FID as PYTORCH_FID
    from mifid.extractors.resize import RESIZES as RESIZES
    from mifid.extractors.resize import TF1_BILINEAR as TF1_BILINEAR
    from mifid.extractors.weights import FILES as FILES
    from mifid.extractors.weights import KAGGLE_INPUT as KAGGLE_INPUT
    from mifid.extractors.weights import PUBLISHED as PUBLISHED
    from mifid.extractors.weights import PublishedFile as PublishedFile
    from mifid.extractors.weights import fetch as fetch
    from mifid.extractors.weights import find as find
    from mifid.extractors.weights import load_state_dict as load_state_dict
    from mifid.extractors.weights import places as places

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "backends": ["choose_backend", "has_accelerator"],
        "base": ["SPATIAL_WIDTH", "Identity"],
        "classifier": ["logits"],
        "devices": ["choose_device", "choose_devices"],
        "downloads": ["DownloadError", "download"],
        "inception": ["InceptionExtractor", "published_identity"],
        "inception_network": ["build_network"],
        "isolation": ["isolated", "own_draws"],
        "lite0": ["find_lite0"],
        "resize": ["CLEAN_FID", "PYTORCH_FID", "RESIZES", "TF1_BILINEAR"],
        "weights": [
            "FILES",
            "KAGGLE_INPUT",
            "PUBLISHED",
            "PublishedFile",
            "fetch",
            "find",
            "load_state_dict",
            "places",
        ],
    },
)
