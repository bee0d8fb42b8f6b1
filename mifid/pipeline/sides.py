"""Sides: opening them, computing their features with one network, describing them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mifid.errors import (
    FeatureError,
    InputError,
    UnavailableError,
    WeightsError,
    first_line,
    setting,
    warn,
)
from mifid.extractors import entry, logits
from mifid.images import Source, Stream, open_images, range_of
from mifid.inputs import (
    GivenSide,
    Side,
    limited,
    of_side,
    refuse_mixtures,
    refuse_other_networks,
)
from mifid.pipeline.options import Options
from mifid.pipeline.pipeline import Outcome, Pipeline, content_hash
from mifid.statistics import Computed, Features, FeatureStore, Statistics

__all__ = [
    "BESIDE",
    "STREAMED_FROM",
    "ComputedSide",
    "choose_network",
    "compute_side",
    "idle_options",
    "logits_of",
    "open_beside",
    "open_sides",
    "pipeline_for",
]

_MOST_HELD = 1 << 30
"""Bytes of a feature store up to which its features are held, if that is not necessary."""

_KEEP_FEATURES = 10_000
"""Up to so many pictures features are kept (80 MB, Kaggle's most); beyond, FID alone streams."""

_OF_THE_NETWORK = ("weights", "backend", "precision")
_OF_PICTURES = ("device", "batch_size", "workers", "skip_bad")

STREAMED_FROM = 4_096
"""Up to so many pictures features take no more memory than their covariance does."""


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class ComputedSide:
    """A side and its features.

    Attributes:
        opened: the side as it was given.
        computed: its features, or its statistics if there are no features.
        outcome: what is known of its pictures.
    """

    opened: GivenSide
    computed: Computed
    outcome: Outcome

    @property
    def description(self) -> Side:
        """The description of the side in a report."""
        side, found, inspection = self.opened, self.computed, self.outcome.inspection
        known = found.colours if isinstance(found, Features) else None
        return Side(
            source=side.description,
            n=found.n if isinstance(found, Statistics) else len(found),
            sha256=self.outcome.sha256,
            cached=self.outcome.cached,
            skipped=dict(side.input.skipped)
            if isinstance(side.input, Source | Stream | FeatureStore)
            else {},
            converted=self.outcome.converted,
            bad=self.outcome.bad,
            available=side.available,
            colours=known if inspection is None else inspection.colours,
        )


@contextmanager
def open_sides(given: Mapping[str, Any], options: Options) -> Iterator[list[GivenSide]]:
    """Open sides, in the order in which they are given, until the end of the block.

    Args:
        given: label -> what the user gave.
        options: of the call.

    Raises:
        MifidError: as :func:`mifid.inputs.open_side`.
    """
    with ExitStack() as files:
        yield [files.enter_context(options.opened(label, raw)) for label, raw in given.items()]


BESIDE = "_pictures"
"""End of the label of pictures that lie beside the statistics of a side, in one file."""


@contextmanager
def open_beside(sides: Iterable[GivenSide], options: Options) -> Iterator[list[GivenSide]]:
    """Open the pictures in those sides' files that hold statistics, too, until the block ends.

    OpenAI's reference batches hold 10,000 pictures, and the statistics of many more.
    """
    with ExitStack() as files:
        found = []
        for side in sides:
            if not (isinstance(side.input, Statistics) and side.from_file):
                continue
            try:
                own_range = range_of(options.value_range, side.label)
                opened = open_images(side.given, value_range=own_range)
            except InputError as error:
                warn(f"{side.title}: no pictures are used beside its statistics: {error.message}")
                continue
            kept = opened if options.limit is None else limited(opened, options.limit, options.seed)
            beside = GivenSide(side.label + BESIDE, opened.description, kept, side.given)
            found.append(files.enter_context(closing(beside)))
        yield found


def choose_network(
    options: Options, sides: Iterable[GivenSide], *, otherwise: str = "inception"
) -> Options:
    """Return the options with an extractor: the one given, or the one that a file was made with.

    Only networks of mifid's own are taken from a file. If no file names one: ``otherwise``.
    """
    if options.extractor is not None:
        return options
    for side in sides:
        if isinstance(side.input, Features | Statistics):
            maker = side.input.provenance
            if maker.fingerprint is not None and entry(maker.extractor):
                return replace(options, extractor=maker.extractor)
    return replace(options, extractor=otherwise)


def idle_options(sides: Iterable[GivenSide], *, logits: bool = False) -> tuple[str, ...]:
    """Return the options that change nothing: without pictures, those of their features.

    For ``logits``, the network is opened all the same: its classifier is used if its fingerprint,
    and thus weights and precision, are those of the features.
    """
    if any(isinstance(side.input, Source | Stream) for side in sides):
        return ()
    return _OF_PICTURES if logits else _OF_THE_NETWORK + _OF_PICTURES


def pipeline_for(
    sides: Collection[GivenSide], options: Options, *, logits: bool = False
) -> Pipeline | None:
    """Return the pipeline for the sides; None if all are features or statistics already.

    The network is not opened if no side needs it. Its options then have no effect, and are warned
    of (:func:`idle_options`).

    Raises:
        CompatibilityError: features of different networks would meet.
    """
    refuse_other_networks(sides, options.extractor)
    options.check_network()  # a typo, also where no side needs a network
    if options.incomplete and not any(isinstance(side.input, FeatureStore) for side in sides):
        warn(f"{setting('incomplete', True)} has no effect: no side is a feature store")
    pipeline = None
    if any(isinstance(side.input, Source | Stream) for side in sides):
        pipeline = Pipeline(options.network, options)
    else:
        options.warn_without_effect(idle_options(sides, logits=logits), "no side is pictures")
    refuse_mixtures(sides, pipeline.extractor.identity if pipeline else None)
    return pipeline


def compute_side(
    side: GivenSide,
    pipeline: Pipeline | None,
    *,
    only_fid: bool = False,
    intervals: bool = True,
    spatial: bool = False,
    by_parts: bool = False,
) -> ComputedSide:
    """Compute a side's features, or its statistics if there are no features.

    Args:
        side: opened.
        pipeline: for pictures.
        only_fid: no metric but FID is computed: of many pictures or a stream, statistics suffice.
        intervals: they are computed too, and need features.
        spatial: spatial features are needed too.
        by_parts: all that is computed can read a feature store part by part, if it is large.

    Raises:
        FeatureError: there was one picture only, or only one could be decoded.
        MifidError: as :meth:`mifid.pipeline.pipeline.Pipeline.features`.
    """
    most = _KEEP_FEATURES if intervals else STREAMED_FROM
    if isinstance(side.input, FeatureStore):
        size = 4 * len(side.input) * side.input.width
        streamed = only_fid and len(side.input) > most
        return _stored(side, side.input, streamed=streamed or (by_parts and size > _MOST_HELD))
    if isinstance(side.input, Features | Statistics):
        return ComputedSide(side, side.input, Outcome(sha256=_sha256(side.input)))
    assert pipeline is not None
    with _passing(side):
        if only_fid and (isinstance(side.input, Stream) or len(side.input) > most):
            found: Computed = pipeline.statistics(side.input, side.label)
        else:
            found = pipeline.features(side.input, side.label, spatial=spatial)
    outcome = pipeline.outcomes[side.label]
    if isinstance(found, Features) and len(found) < 2:
        left_out = f", {len(outcome.bad):,} were left out" if outcome.bad else ""
        raise FeatureError(
            f"{side.title}: {side.description} gave one picture{left_out}; a covariance needs two",
            hint="FID compares sets; a single picture has no distribution.",
        )
    return ComputedSide(side, found, outcome)


def _stored(side: GivenSide, store: FeatureStore, *, streamed: bool) -> ComputedSide:
    """Return a side whose features were computed by shards, with all that these noted.

    With ``streamed``, they are not held: there are their statistics, and the parts to read again.
    """
    found: Computed = store
    if streamed:
        found = store.statistics()
        found.shards = store
    outcome = Outcome(
        sha256=content_hash(store.digests),
        converted=store.converted,
        bad=store.bad,
        digests=store.digests,
        inspection=store.inspection,
    )
    return ComputedSide(side, found, outcome)


def _sha256(given: Computed) -> str:
    """Hash features, or mean and covariance."""
    if isinstance(given, Features):
        return given.sha256
    moments = np.concatenate([given.mu, given.sigma.ravel()])
    return hashlib.sha256(moments.tobytes()).hexdigest()


def _passing(side: GivenSide) -> AbstractContextManager[None]:
    """Name the side in errors about a stream, whose pictures are read only now."""
    return of_side(side.title) if isinstance(side.input, Stream) else nullcontext()


def logits_of(generated: Computed, options: Options) -> npt.NDArray[np.floating[Any]] | None:
    """Compute the logits of features: the classifier is linear, so no second pass is needed.

    Raises:
        UnavailableError: the weights of the classifier cannot be found or read; or the features
            are of another precision.
    """
    if isinstance(generated, Statistics):
        if generated.pictures is None:
            return None
        generated = generated.pictures
    given = options.extractor
    if isinstance(given, str) and given != generated.provenance.extractor:
        return None  # a file of another network's features: known before weights are sought
    try:
        network, made = options.network.identity, generated.provenance
        if network.fingerprint != made.fingerprint:
            if network.name == made.extractor and network.dtype != made.dtype:
                raise UnavailableError(
                    f"needs the network as it made the features, in {made.dtype}; with this "
                    f"{setting('precision')} it computes in {network.dtype}"
                )
            return None
        classifier = options.network.classifier()
    except WeightsError as error:
        why = first_line(error).rstrip(":")
        raise UnavailableError(f"needs the network's classifier: {why}") from error
    return None if classifier is None else logits(generated.values, classifier)
