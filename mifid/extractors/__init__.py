"""Pictures -> features: one file an extractor, and a line in the table.

The whole contract is :class:`mifid.extractors.base.Extractor`: uint8 pixels (N, H, W, 3) in,
float32 features (N, D) out, with a fingerprint that changes whenever the features would.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mifid.errors import InputError, setting
from mifid.extractors.base import Extractor
from mifid.extractors.precision import EXACT, choose_precision
from mifid.progress import Progress, Silent
from mifid.registry import Registry, import_object

__all__ = ["EXTRACTORS", "Extractor", "open_extractor"]

EXTRACTORS = Registry(
    "extractor",
    {
        "inception": "mifid.extractors.inception:open_inception",
        "inception-random": "mifid.extractors.inception_random:open_inception_random",
    },
)
"""name -> f(*, weights, progress, backend, precision) -> Extractor."""


def open_extractor(
    given: str | Callable[..., Any] | Extractor,
    *,
    weights: str | Path | None = None,
    backend: str = "auto",
    precision: str = EXACT,
    progress: Progress | None = None,
) -> Extractor:
    """Return an extractor, ready to tell its fingerprint; its network is loaded on first use.

    Args:
        given: a name of :data:`EXTRACTORS`, ``"package.module:function"``, or a callable that
            turns a uint8 tensor (N, 3, H, W) into features (N, D).
        weights: a file for extractors that have weights.
        backend: what runs Inception: ``"auto"``, ``"torch"`` or ``"openvino"``.
        precision: of Inception: ``"exact"`` (float32) or ``"fast"`` (bfloat16, not comparable with
            Kaggle).
        progress: where a download is shown.

    Raises:
        InputError: an unknown name, with the nearest known one.
        WeightsError: the weights cannot be found or are not this network's.
    """
    if isinstance(given, Extractor):
        return given
    if isinstance(given, str) and ":" not in given:
        opened: Extractor = EXTRACTORS[given](
            weights=weights,
            progress=progress or Silent(),
            backend=backend,
            precision=choose_precision(precision),
        )
        return opened
    from mifid.extractors.callables import CallableExtractor

    if backend not in {"auto", "torch"}:
        raise InputError(
            f"backend '{backend}' is for inception; your own extractor runs as it is",
            hint=f"Leave out {setting('backend')}.",
        )
    if choose_precision(precision) != EXACT:
        raise InputError(
            f"precision '{precision}' is for inception; your own extractor runs as it is",
            hint=f"Leave out {setting('precision')}.",
        )
    function = import_object(given) if isinstance(given, str) else given
    if isinstance(function, Extractor):
        return function
    return CallableExtractor(function, name=given if isinstance(given, str) else None)
