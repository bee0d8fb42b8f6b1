"""Pictures -> features: one file an extractor, and a line in the table.

The whole contract is :class:`mifid.extractors.base.Extractor`: uint8 pixels (N, H, W, 3) in,
float32 features (N, D) out, with a fingerprint that changes whenever the features would.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mifid.extractors.base import Extractor
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
"""name -> f(*, weights, progress) -> Extractor."""


def open_extractor(
    given: str | Callable[..., Any] | Extractor,
    *,
    weights: str | Path | None = None,
    progress: Progress | None = None,
) -> Extractor:
    """Return an extractor, ready to tell its fingerprint; its network is loaded on first use.

    Args:
        given: a name of :data:`EXTRACTORS`, ``"package.module:function"``, or a callable that
            turns a uint8 tensor (N, 3, H, W) into features (N, D).
        weights: a file for extractors that have weights.
        progress: where a download is shown.

    Raises:
        InputError: an unknown name, with the nearest known one.
        WeightsError: the weights cannot be found or are not this network's.
    """
    if isinstance(given, Extractor):
        return given
    if isinstance(given, str) and ":" not in given:
        opened: Extractor = EXTRACTORS[given](weights=weights, progress=progress or Silent())
        return opened
    from mifid.extractors.callables import CallableExtractor

    function = import_object(given) if isinstance(given, str) else given
    if isinstance(function, Extractor):
        return function
    return CallableExtractor(function, name=given if isinstance(given, str) else None)
