"""One network for all sides of a question: which it is, and what it makes of each side."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mifid.cache import Cache
from mifid.errors import InputError, UnavailableError, WeightsError, first_line
from mifid.extraction import Settings
from mifid.extractors import Extractor
from mifid.extractors.classifier import logits
from mifid.featureset import Features
from mifid.images import Source, Stream
from mifid.inputs import GivenSide, refuse_mixtures
from mifid.measuring import Computed
from mifid.pipeline import Pipeline
from mifid.progress import Progress
from mifid.statistics import Statistics

__all__ = ["compute", "logits_of", "pipeline_for", "refuse_seen"]

_KEEP_FEATURES = 10_000
"""Up to so many pictures features are kept (80 MB, Kaggle's most); beyond, FID alone streams."""


def pipeline_for(
    sides: Collection[GivenSide],
    *,
    network: Callable[[], Extractor],
    settings: Settings,
    cache: Cache | None,
    progress: Progress,
) -> Pipeline | None:
    """Return what computes features of the sides; None if all are features or statistics already.

    Raises:
        CompatibilityError: features of different networks would meet.
    """
    pipeline = None
    if any(isinstance(side.input, Source | Stream) for side in sides):
        pipeline = Pipeline(network(), settings=settings, cache=cache, progress=progress)
    refuse_mixtures(sides, pipeline.extractor.identity if pipeline else None)
    return pipeline


def compute(side: GivenSide, pipeline: Pipeline | None, *, only_fid: bool = False) -> Computed:
    """Return a side's features, or its statistics if it is nothing else.

    Args:
        side: opened.
        pipeline: for pictures.
        only_fid: nothing but FID is wanted: of many pictures or a stream, statistics do.
    """
    if isinstance(side.input, Features | Statistics):
        return side.input
    assert pipeline is not None
    many = isinstance(side.input, Stream) or len(side.input) > _KEEP_FEATURES
    if only_fid and many:
        return pipeline.statistics(side.input, side.label)
    return pipeline.features(side.input, side.label)


def refuse_seen(computed: Mapping[str, Computed]) -> None:
    """Held-out pictures that are those of another side hold nothing out.

    Raises:
        InputError: naming the side.
    """
    held_out = computed.get("held_out")
    for label, side in computed.items():
        if label == "held_out" or not isinstance(held_out, Features):
            continue
        if isinstance(side, Features) and np.array_equal(side.values, held_out.values):
            raise InputError(
                f"the held-out pictures are the {label.replace('_', ' ')} pictures",
                hint="Give pictures with --held-out that nobody trained on, or leave it out.",
            )


def logits_of(
    generated: Computed,
    pipeline: Pipeline | None,
    given: str | Callable[..., Any] | Extractor,
    network: Callable[[], Extractor],
) -> npt.NDArray[np.floating[Any]] | None:
    """What the network's classifier makes of features: linear, so no second pass is needed."""
    if isinstance(generated, Statistics):
        return None
    if isinstance(given, str) and given != generated.provenance.extractor:
        return None  # a file of another network's features: known before weights are sought
    try:
        extractor = pipeline.extractor if pipeline else network()
        if extractor.identity.fingerprint != generated.provenance.fingerprint:
            return None
        classifier = extractor.classifier()
    except WeightsError as error:
        why = first_line(error).rstrip(":")
        raise UnavailableError(f"needs the network's classifier: {why}") from error
    return None if classifier is None else logits(generated.values, classifier)
