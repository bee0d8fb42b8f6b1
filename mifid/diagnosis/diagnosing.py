"""diagnose(): how far FID moves when the same pictures are resized or encoded otherwise."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mifid.diagnosis.diagnosis import DiagnosedSide, Diagnosis, notes_on
from mifid.diagnosis.variants import EXAMINED, Measurement
from mifid.errors import InputError, recorded_warnings, warn
from mifid.images import (
    Source,
    Stream,
    check_ranges,
    count_encodings,
    evenly,
    warn_of_unused_ranges,
)
from mifid.inputs import GivenSide
from mifid.pipeline import Keywords, Options, choose_network, open_sides, pipeline_for, with_options

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["diagnose"]


@with_options
def diagnose(images: Any, reference: Any, **keywords: Unpack[Keywords]) -> Diagnosis:
    """Measure FID of the same pictures under other resizes and other encodings.

    Both sides are resized as pytorch-fid and as clean-fid do, instead of as Kaggle does; and the
    generated pictures are saved as JPEG of several qualities and as PNG before they are scored.
    Each variant takes as long as a first score, and its features are cached by themselves. An
    extractor other than Inception resizes by itself: resizes are then omitted.

    Args:
        images: the generated pictures, in any form that can be read twice.
        reference: the real pictures; with features or statistics alone resizes are omitted.
        keywords: as of :class:`mifid.pipeline.Options`.

    Returns:
        Diagnosis: ``.variants``, ``.text()``, ``.to_json()``.

    Raises:
        MifidError: an input that cannot be used; the message says which, and what to do.

    >>> import numpy as np
    >>> random = np.random.RandomState(0)
    >>> pictures = random.randint(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    >>> def colours(batch):
    ...     return batch.float().mean(dim=(2, 3))
    >>> result = diagnose(pictures[:4], pictures[4:], extractor=colours)
    >>> [variant.name for variant in result.variants if variant.fid is None]
    ['resize pytorch-bilinear-299', 'resize pillow-bicubic-antialiased-299']
    """
    start = time.perf_counter()
    options = Options.of(diagnose, keywords)
    given = {"reference": reference, "generated": images}
    check_ranges(options.value_range, given)
    with recorded_warnings() as warned, open_sides(given, options) as opened:
        sides = {side.label: side for side in opened}
        warn_of_unused_ranges(options.value_range, {side.label: side.ranged for side in opened})
        _refuse_unreadable(sides)
        for side in opened:
            if isinstance(side.input, Source):
                for doubt in side.input.doubts:
                    warn(f"{side.title}: {doubt}")
        options = choose_network(options, opened)
        pipeline = pipeline_for(opened, options)
        assert pipeline is not None  # the generated side has pictures
        measurement = Measurement(
            pipeline, sides["generated"].input, sides["reference"].input, options
        )
        variants = tuple(measurement.run())
        used = {
            "generated": _described(sides["generated"], measurement.n_generated),
            "reference": _described(sides["reference"], measurement.n_reference),
        }
    identity = pipeline.extractor.identity
    return Diagnosis(
        variants=variants,
        **used,
        extractor=identity.name,
        notes=tuple(notes_on(variants, **used, not_comparable=identity.not_comparable)),
        not_comparable=identity.not_comparable,
        warnings=tuple(warned),
        seconds=time.perf_counter() - start,
    )


def _refuse_unreadable(sides: dict[str, GivenSide]) -> None:
    """Refuse pictures that pass by once, and a side without pictures to resize or encode."""
    for side in sides.values():
        if isinstance(side.input, Stream):
            raise InputError(
                f"{side.title}: {side.description} passes by once; diagnose reads pictures "
                "several times",
                hint="Give a folder, an archive or an array.",
            )
    if not isinstance(sides["generated"].input, Source):
        raise InputError(
            f"generated: {sides['generated'].description} has no pictures to resize or encode",
            hint="Give the pictures themselves.",
        )


def _described(side: GivenSide, n: int | None) -> DiagnosedSide:
    if not isinstance(side.input, Source):
        return DiagnosedSide(side.description, n, n)
    encodings = count_encodings(side.input, evenly(len(side.input), EXAMINED))
    available = side.available or len(side.input)
    return DiagnosedSide(side.description, n, available, dict(encodings))
