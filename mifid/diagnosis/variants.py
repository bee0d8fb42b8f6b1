"""FID of one pair of sides under several resizes and encodings."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from mifid.diagnosis.diagnosis import NOTHING, Variant, advised
from mifid.diagnosis.reencoding import ENCODINGS, Encoding, Reencoded, mean_change
from mifid.extractors import CLEAN_FID, PYTORCH_FID, RESIZES, InceptionExtractor
from mifid.images import Source, evenly
from mifid.inputs import Input
from mifid.metrics import Moments, frechet_distance
from mifid.pipeline import Options, Pipeline
from mifid.statistics import FeatureMatrix, Features, Statistics

__all__ = ["EXAMINED", "Measurement"]

EXAMINED = 256
"""Pictures of each side that are examined for encoding and change of pixels."""

_TOOLS = {PYTORCH_FID: "pytorch-fid", CLEAN_FID: "clean-fid"}


class _Step(NamedTuple):
    """A variant to measure, and the most pictures that it sends through the network."""

    pictures: int
    measure: Callable[[], Variant]


class Measurement:
    """The variants of one pair of sides.

    Args:
        pipeline: of the pictures as given; the resize of its extractor is varied if it is
            Inception's.
        generated: the pictures that are encoded again; a Source.
        reference: pictures, features or statistics.
        options: of the pipelines of all variants.

    Attributes:
        n_generated, n_reference: pictures used; complete after :meth:`run`.
    """

    def __init__(
        self, pipeline: Pipeline, generated: Input, reference: Input, options: Options
    ) -> None:
        assert isinstance(generated, Source)
        self.generated, self.reference = generated, reference
        self.n_generated: int | None = None
        self.n_reference: int | None = None
        self._pipeline, self._extractor, self._options = pipeline, pipeline.extractor, options
        self._real: FeatureMatrix | Moments | None = None  # of the reference as given
        # What went through the network, not from the cache: for the estimate of the time left.
        self._pictures, self._seconds = 0, 0.0

    def run(self) -> list[Variant]:
        """Measure all variants, the pictures as given first."""
        steps = self._steps()
        variants: list[Variant] = []
        with self._options.reporter.task("variants", len(steps), "variant") as task:
            for i, step in enumerate(steps):
                variant = step.measure()
                variants.append(_compared(variant, variants[0]) if variants else variant)
                task.advance()
                if self._pictures:
                    left = sum(later.pictures for later in steps[i + 1 :])
                    task.status(_time_left(left * self._seconds / self._pictures))
        return variants

    def _steps(self) -> list[_Step]:
        n = len(self.generated)
        both = n + (len(self.reference) if isinstance(self.reference, Source) else 0)
        steps = [_Step(both, self._given)]
        reason = self._why_no_resize()
        for name in _TOOLS:
            if reason is None:
                steps.append(_Step(both, partial(self._resized, name)))
            else:
                steps.append(_Step(0, partial(_resize_variant, name, omitted=reason)))
        for encoding in ENCODINGS.values():
            steps.append(_Step(0 if encoding.lossless else n, partial(self._encoded, encoding)))
        return steps

    def _given(self) -> Variant:
        self._real = self._reference()  # first: it is small, so errors come soon
        generated = self._features(self._pipeline, self.generated, "generated")
        self.n_generated = len(generated)
        fid = frechet_distance(generated=generated, reference=self._real)
        return Variant("given", "given", "as given", fid=fid)

    def _reference(self) -> FeatureMatrix | Moments:
        if isinstance(self.reference, Statistics):
            self.n_reference = self.reference.n
            return Moments(self.reference.mu, self.reference.sigma)
        if isinstance(self.reference, Features):
            values = self.reference.values
        else:
            assert isinstance(self.reference, Source)
            values = self._features(self._pipeline, self.reference, "reference")
        self.n_reference = len(values)
        return values

    def _resized(self, name: str) -> Variant:
        assert isinstance(self._extractor, InceptionExtractor)
        assert isinstance(self.reference, Source)
        pipeline = Pipeline(self._extractor.with_resize(name), self._options)
        tool = _TOOLS[name]
        fid = frechet_distance(
            generated=self._features(pipeline, self.generated, f"generated as {tool}"),
            reference=self._features(pipeline, self.reference, f"reference as {tool}"),
        )
        return _resize_variant(name, fid=fid)

    def _encoded(self, encoding: Encoding) -> Variant:
        assert self._real is not None
        encoded = Reencoded(self.generated, encoding)
        examined = evenly(len(self.generated), EXAMINED)
        levels = mean_change(self.generated, encoded, examined, workers=self._options.workers)
        variant = Variant(encoding.name, "encoding", encoding.title, levels=levels)
        if encoding.lossless and levels == 0:  # the network would only repeat itself
            return variant
        generated = self._features(self._pipeline, encoded, f"generated as {encoding.name}")
        return replace(variant, fid=frechet_distance(generated=generated, reference=self._real))

    def _why_no_resize(self) -> str | None:
        if not isinstance(self._extractor, InceptionExtractor):
            return f"{self._extractor.identity.name} resizes by itself; only inception's can change"
        if not isinstance(self.reference, Source):
            return "the reference is features or statistics, without pictures to resize"
        return None

    def _features(self, pipeline: Pipeline, source: Source, label: str) -> FeatureMatrix:
        start = time.perf_counter()
        found = pipeline.features(source, label)
        if not pipeline.outcomes[label].cached:
            self._pictures += len(found)
            self._seconds += time.perf_counter() - start
        return found.values


def _resize_variant(name: str, *, fid: float | None = None, omitted: str | None = None) -> Variant:
    return Variant(f"resize {name}", "resize", RESIZES[name].title, fid=fid, omitted=omitted)


def _compared(variant: Variant, given: Variant) -> Variant:
    """Complete a variant with its difference from the pictures as given, and its advice."""
    if variant.omitted is not None:
        return variant
    assert given.fid is not None
    # A lossless encoding was not scored: it has the same pixels, so the same FID.
    fid = given.fid if variant.fid is None else variant.fid
    difference = fid - given.fid
    return advised(
        replace(
            variant,
            fid=fid,
            difference=difference,
            percent=None if given.fid < NOTHING else 100 * difference / given.fid,
        )
    )


def _time_left(seconds: float) -> str:
    if seconds < 60:
        return f"at most {seconds:.0f} s left"
    return f"at most {seconds / 60:.0f} min left"
