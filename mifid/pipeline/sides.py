"""A side's features or statistics, one network for all of them, and what a report says of each."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt

from mifid.cache import Cache
from mifid.errors import (
    FeatureError,
    UnavailableError,
    WeightsError,
    first_line,
)
from mifid.extractors import Extractor, logits
from mifid.images import Source, Stream
from mifid.inputs import GivenSide, Side, of_side, refuse_mixtures, refuse_other_networks
from mifid.pipeline.inference import Settings
from mifid.pipeline.pipeline import Outcome, Pipeline
from mifid.progress import Progress
from mifid.statistics import Computed, Features, Statistics

__all__ = ["compute_side", "describe_side", "logits_of", "pipeline_for"]

_KEEP_FEATURES = 10_000
"""Up to so many pictures features are kept (80 MB, Kaggle's most); beyond, FID alone streams."""

_FEW = 4_096
"""Up to so many pictures features take no more memory than their covariance does."""


def pipeline_for(
    sides: Collection[GivenSide],
    *,
    extractor: object,
    network: Callable[[], Extractor],
    settings: Settings,
    cache: Cache | None,
    progress: Progress,
) -> Pipeline | None:
    """Return what computes features of the sides; None if all are features or statistics already.

    Args:
        sides: opened.
        extractor: as the user gave it.
        network: opens it; not called if no side needs it.
        settings, cache, progress: of the pipeline.

    Raises:
        CompatibilityError: features of different networks would meet.
    """
    refuse_other_networks(sides, extractor)
    pipeline = None
    if any(isinstance(side.input, Source | Stream) for side in sides):
        pipeline = Pipeline(network(), settings=settings, cache=cache, progress=progress)
    refuse_mixtures(sides, pipeline.extractor.identity if pipeline else None)
    return pipeline


def compute_side(
    side: GivenSide,
    pipeline: Pipeline | None,
    *,
    only_fid: bool = False,
    intervals: bool = True,
) -> Computed:
    """Return a side's features, or its statistics if it is nothing else.

    Args:
        side: opened.
        pipeline: for pictures.
        only_fid: nothing but FID is wanted: of many pictures or a stream, statistics do.
        intervals: they are wanted, too, and need features.

    Raises:
        FeatureError: there was one picture only, or only one could be decoded.
        MifidError: as :meth:`mifid.pipeline.pipeline.Pipeline.features`.
    """
    if isinstance(side.input, Features | Statistics):
        return side.input
    assert pipeline is not None
    most = _KEEP_FEATURES if intervals else _FEW
    if only_fid and (isinstance(side.input, Stream) or len(side.input) > most):
        with _passing(side):
            return pipeline.statistics(side.input, side.label)
    with _passing(side):
        found = pipeline.features(side.input, side.label)
    if len(found.values) < 2:
        raise FeatureError(
            f"{side.title}: {side.description} gave one picture"
            f"{f', {len(found.bad):,} were left out' if found.bad else ''}; a covariance needs two",
            hint="FID compares sets; a single picture has no distribution.",
        )
    return found


def _passing(side: GivenSide) -> AbstractContextManager[None]:
    """What is wrong with a stream comes to light as it passes; what was opened is named already."""
    return of_side(side.title) if isinstance(side.input, Stream) else nullcontext()


def describe_side(side: GivenSide, computed: Computed, pipeline: Pipeline | None) -> Side:
    """Say what a side was, and what became of its pictures."""
    outcome = pipeline.outcomes.get(side.label) if pipeline else None
    outcome = outcome or Outcome(sha256=side.content_hash())
    return Side(
        source=side.description,
        n=computed.n if isinstance(computed, Statistics) else len(computed),
        sha256=outcome.sha256,
        cached=outcome.cached,
        skipped=dict(side.input.skipped) if isinstance(side.input, Source | Stream) else {},
        converted=outcome.converted,
        bad=outcome.bad,
        available=side.available,
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
