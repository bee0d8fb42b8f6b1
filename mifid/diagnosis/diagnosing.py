"""diagnose(): how far FID moves when the same pictures are resized or encoded otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from mifid.cache import Cache
from mifid.diagnosis.diagnosis import DiagnosedSide, Diagnosis, notes_on
from mifid.diagnosis.variants import LOOKED_AT, Measurement
from mifid.errors import InputError, recorded_warnings, warn
from mifid.extractors import EXACT, Extractor, open_extractor
from mifid.images import SideRanges, Source, Stream, check_ranges, count_encodings, evenly
from mifid.inputs import (
    GivenSide,
    Input,
    check_limit,
    limited,
    open_side,
    refuse_mixtures,
    refuse_other_networks,
)
from mifid.pipeline import Settings
from mifid.progress import Progress, choose
from mifid.uncertainty import SEED

__all__ = ["diagnose"]


def diagnose(
    images: Any,
    reference: Any,
    *,
    limit: int | None = None,
    seed: int = SEED,
    extractor: str | Callable[..., Any] | Extractor = "inception",
    weights: str | Path | None = None,
    backend: str = "auto",
    precision: str = EXACT,
    device: str = "auto",
    batch_size: int | None = None,
    workers: int | None = None,
    skip_bad: bool = False,
    value_range: SideRanges | None = None,
    cache: bool = True,
    progress: Progress | bool | None = None,
) -> Diagnosis:
    """Measure FID of the same pictures under other resizes and other encodings.

    Both sides are resized as pytorch-fid and as clean-fid do, instead of as Kaggle does; and the
    generated pictures are saved as JPEG of several qualities and as PNG before they are scored.

    Args:
        images: the generated pictures, in any form that can be read twice.
        reference: the real pictures; with features or statistics alone resizes are omitted.
        limit: use so many pictures a side, drawn with ``seed``, the same that :func:`mifid.score`
            takes; None: all. A variant takes as long as a first score.
        seed: of that draw.
        extractor: a name, ``"package.module:function"``, or a callable; resizes are omitted for
            all but Inception, as the others resize by themselves.
        weights, backend, precision, device, batch_size, workers, skip_bad, value_range, cache,
            progress: as for :func:`mifid.score`. Every variant's features are kept apart.

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
    check_limit(limit)
    check_ranges(value_range, ["generated", "reference"])
    shown = choose(progress)
    with recorded_warnings() as warned, ExitStack() as files:
        sides = {
            label: files.enter_context(closing(open_side(label, given, value_range=value_range)))
            for label, given in (("reference", reference), ("generated", images))
        }
        _refuse_unreadable(sides)
        for side in sides.values():
            if isinstance(side.input, Source):
                for doubt in side.input.doubts:
                    warn(f"{side.title}: {doubt}")
        refuse_other_networks(sides.values(), extractor)
        opened = open_extractor(
            extractor, weights=weights, backend=backend, precision=precision, progress=shown
        )
        refuse_mixtures(sides.values(), opened.identity)
        measurement = Measurement(
            extractor=opened,
            generated=_thinned(sides["generated"].input, limit, seed),
            reference=_thinned(sides["reference"].input, limit, seed),
            settings=Settings(device, batch_size, workers, skip_bad),
            cache=Cache() if cache else None,
            progress=shown,
        )
        variants = tuple(measurement.run())
        told = {
            "generated": _told(sides["generated"], measurement.generated, measurement.n_generated),
            "reference": _told(sides["reference"], measurement.reference, measurement.n_reference),
        }
    why = opened.identity.not_comparable
    return Diagnosis(
        variants=variants,
        **told,
        extractor=opened.identity.name,
        notes=tuple(notes_on(variants, **told, not_comparable=why)),
        not_comparable=why,
        warnings=tuple(warned),
        seconds=time.perf_counter() - start,
    )


def _refuse_unreadable(sides: dict[str, GivenSide]) -> None:
    """What passes by once, or holds no pictures, cannot be resized or encoded otherwise."""
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


def _thinned(given: Input, limit: int | None, seed: int) -> Input:
    return given if limit is None else limited(given, limit, seed)


def _told(side: GivenSide, used: Input, n: int | None) -> DiagnosedSide:
    if not isinstance(used, Source):
        return DiagnosedSide(side.description, n, n)
    assert isinstance(side.input, Source)
    encodings = count_encodings(used, evenly(len(used), LOOKED_AT))
    return DiagnosedSide(side.description, n, len(side.input), dict(encodings))
