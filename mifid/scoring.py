"""score(): from whatever holds pictures to the number. The one orchestrator."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from mifid.cache import Cache
from mifid.extraction import Settings
from mifid.extractors import Extractor, open_extractor
from mifid.featureset import Features
from mifid.images import Source, Stream
from mifid.inputs import GivenSide, open_side, refuse_mixtures
from mifid.measuring import Computed, check_metrics, measure
from mifid.metrics.mifid import EPSILON, thresholded
from mifid.pipeline import Outcome, Pipeline
from mifid.progress import Progress, choose
from mifid.provenance import Provenance
from mifid.report import Report, Side
from mifid.statistics import Statistics
from mifid.version import __version__

__all__ = ["score"]

_KEEP_FEATURES = 10_000
"""Up to so many pictures features are kept (80 MB, Kaggle's most); beyond, FID alone streams."""


def score(
    images: Any,
    reference: Any,
    *,
    memorization_reference: Any = None,
    metrics: Iterable[str] = ("mifid",),
    epsilon: float = EPSILON,
    extractor: str | Callable[..., Any] | Extractor = "inception",
    weights: str | Path | None = None,
    backend: str = "auto",
    device: str = "auto",
    batch_size: int | None = None,
    workers: int | None = None,
    skip_bad: bool = False,
    value_range: tuple[float, float] | None = None,
    cache: bool = True,
    progress: Progress | bool | None = None,
) -> Report:
    """Score generated pictures against real ones, as Kaggle does.

    Args:
        images: the generated pictures: a folder, zip, tar, .npy, .npz, glob pattern, array
            (N, H, W, 3) uint8, tensor (N, 3, H, W), PIL images, an iterable of batches, or a file
            of features or statistics.
        reference: the real pictures, in any of the same forms.
        memorization_reference: the pictures that were trained on, if they are not the reference.
        metrics: of ``"fid"``, ``"memorization"``, ``"mifid"`` (which gives all three). With
            ``("fid",)`` more than 10,000 pictures are never held in memory.
        epsilon: memorization distances below it are penalized.
        extractor: a name, ``"package.module:function"``, or a callable that turns uint8 tensors
            (N, 3, H, W) into features (N, D).
        weights: a weights file for ``"inception"``; None: wherever they are found, else downloaded.
        backend: what runs Inception: ``"auto"``, ``"torch"``, ``"openvino"`` (the CPU's fastest).
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        batch_size: pictures at a time; None: 32, or 128 on CUDA.
        workers: decoding threads; None: one a core, at least two.
        skip_bad: go on without pictures that cannot be decoded; the report names them.
        value_range: (0, 1) or (-1, 1), needed for floating-point tensors and arrays.
        cache: False neither reads nor writes features kept on disk.
        progress: True or False; None shows bars in notebooks.

    Returns:
        Report: ``.mifid``, ``.fid``, ``.memorization_distance``, ``.to_json()``, ...

    Raises:
        MifidError: an input that cannot be used; the message says which, and what to do.

    >>> import numpy as np
    >>> random = np.random.RandomState(0)
    >>> pictures = random.randint(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    >>> def colours(batch):  # any function from pictures to features
    ...     return batch.float().mean(dim=(2, 3))
    >>> report = score(pictures, pictures, extractor=colours)
    >>> round(report.fid, 6), report.penalized
    (0.0, True)
    """
    start = time.perf_counter()
    wanted = check_metrics(metrics, epsilon)
    shown = choose(progress)
    # The reference first: it is small, so if it fails, it fails soon.
    raw = {
        "reference": reference,
        "memorization_reference": memorization_reference,
        "generated": images,
    }
    with ExitStack() as files:
        sides = [
            files.enter_context(closing(open_side(label, given, value_range=value_range)))
            for label, given in raw.items()
            if given is not None
        ]
        opened = time.perf_counter() - start
        pipeline = None
        if any(isinstance(side.input, Source | Stream) for side in sides):
            pipeline = Pipeline(
                open_extractor(extractor, weights=weights, backend=backend, progress=shown),
                settings=Settings(device, batch_size, workers, skip_bad),
                cache=Cache() if cache else None,
                progress=shown,
            )
        refuse_mixtures(sides, pipeline.extractor.identity if pipeline else None)
        computed = {side.label: _compute(side, pipeline, wanted == {"fid"}) for side in sides}
    seconds = {"open": opened, **(pipeline.seconds if pipeline else {})}
    numbers = measure(
        generated=computed["generated"],
        reference=computed["reference"],
        training=computed.get("memorization_reference", computed["reference"]),
        wanted=wanted,
        epsilon=epsilon,
        seconds=seconds,
    )
    seconds["total"] = time.perf_counter() - start
    distance = numbers.memorization_distance
    return Report(
        fid=numbers.fid,
        memorization_distance=distance,
        memorization_distance_thresholded=(
            None if distance is None else thresholded(distance, epsilon=epsilon)
        ),
        epsilon=epsilon,
        mifid=numbers.mifid,
        mifid_reason=numbers.mifid_reason,
        inputs={
            side.label: _told(side, computed[side.label], pipeline)
            for side in sorted(sides, key=lambda side: side.label)
        },
        protocol=_protocol(computed["generated"].provenance),
        not_comparable=_not_comparable(computed, epsilon),
        seconds=seconds,
    )


def _compute(side: GivenSide, pipeline: Pipeline | None, only_fid: bool) -> Computed:
    if isinstance(side.input, Features | Statistics):
        return side.input
    assert pipeline is not None
    many = isinstance(side.input, Stream) or len(side.input) > _KEEP_FEATURES
    if only_fid and many:
        return pipeline.statistics(side.input, side.label)
    return pipeline.features(side.input, side.label)


def _told(side: GivenSide, computed: Computed, pipeline: Pipeline | None) -> Side:
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
    )


def _protocol(provenance: Provenance) -> dict[str, Any]:
    return {
        "version": __version__,
        "extractor": provenance.extractor,
        "weights_sha256": provenance.weights_sha256,
        "resize": provenance.resize,
        "decoder": provenance.decoder,
        "ddof": 1,
        "dtype": provenance.dtype,
        "device": provenance.device,
        "backend": provenance.backend,
        "batch_size": provenance.batch_size,
        "versions": dict(provenance.versions),
    }


def _not_comparable(computed: dict[str, Computed], epsilon: float) -> str | None:
    for label, side in computed.items():
        if side.provenance.not_comparable:
            return f"{label.replace('_', ' ')}: {side.provenance.not_comparable}"
    if epsilon != EPSILON:
        return f"epsilon is {epsilon:g}, not {EPSILON:g}"
    return None
