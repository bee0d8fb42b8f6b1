"""score(): from whatever holds pictures to the number. The one orchestrator."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mifid.cache import Cache
from mifid.errors import UnavailableError, WeightsError, first_line
from mifid.evidence.assessing import REPLICATES, SEED, Assessment, Resampling, assess
from mifid.evidence.evidence import Evidence
from mifid.extraction import Settings
from mifid.extractors import Extractor, open_extractor
from mifid.extractors.classifier import logits
from mifid.featureset import Features
from mifid.images import Source, Stream
from mifid.inputs import GivenSide, open_side, refuse_mixtures
from mifid.measuring import Computed, check_metrics, check_widths, measure, measure_more
from mifid.metrics import CORE
from mifid.metrics.mifid import EPSILON, thresholded
from mifid.pipeline import Pipeline
from mifid.progress import Progress, choose
from mifid.report import Report
from mifid.statistics import Statistics
from mifid.telling import not_comparable, protocol, told

__all__ = ["score"]

_KEEP_FEATURES = 10_000
"""Up to so many pictures features are kept (80 MB, Kaggle's most); beyond, FID alone streams."""


def score(
    images: Any,
    reference: Any,
    *,
    memorization_reference: Any = None,
    held_out: Any = None,
    metrics: Iterable[str] = ("mifid",),
    epsilon: float = EPSILON,
    ci: float | None = None,
    resample: Sequence[str] = ("generated", "reference"),
    replicates: int = REPLICATES,
    seed: int = SEED,
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
        held_out: real pictures that nobody trained on: for the floor of FID, FLD and C_T.
        metrics: names of :data:`mifid.metrics.METRICS`, ``"prdc"`` or ``"all"``; ``"mifid"`` gives
            FID, memorization distance and MiFID. With ``("fid",)`` more than 10,000 pictures are
            never held in memory.
        epsilon: memorization distances below it are penalized.
        ci: level of the intervals in per cent; 0: none; None: 95 for up to 20,000 pictures.
        resample: which sides could have been other pictures, for the intervals.
        replicates: of the bootstrap that makes them.
        seed: of everything that draws at random. The headline numbers draw nothing.
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
        Report: ``.mifid``, ``.fid``, ``.memorization_distance``, ``.uncertainty``, ``.plot()``,
        ``.to_json()``, ...

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
    resampling = Resampling(ci, resample, replicates, seed)
    shown = choose(progress)
    store = Cache() if cache else None
    # The reference first: it is small, so if it fails, it fails soon.
    given = {
        "reference": reference,
        "memorization_reference": memorization_reference,
        "held_out": held_out,
        "generated": images,
    }
    given = {label: raw for label, raw in given.items() if raw is not None}
    with ExitStack() as files:
        sides = [
            files.enter_context(closing(open_side(label, raw, value_range=value_range)))
            for label, raw in given.items()
        ]
        seconds = {"open": time.perf_counter() - start}

        def opened() -> Extractor:
            return open_extractor(extractor, weights=weights, backend=backend, progress=shown)

        pipeline = None
        if any(isinstance(side.input, Source | Stream) for side in sides):
            settings = Settings(device, batch_size, workers, skip_bad)
            pipeline = Pipeline(opened(), settings=settings, cache=store, progress=shown)
        refuse_mixtures(sides, pipeline.extractor.identity if pipeline else None)
        computed = {side.label: _compute(side, pipeline, wanted == {"fid"}) for side in sides}
    check_widths(computed)
    seconds |= pipeline.seconds if pipeline else {}
    training = computed.get("memorization_reference", computed["reference"])
    numbers = measure(
        generated=computed["generated"],
        reference=computed["reference"],
        training=training,
        wanted=wanted,
        epsilon=epsilon,
        seconds=seconds,
    )
    more = measure_more(
        wanted,
        sides={**computed, "training": training},
        logits=lambda: _logits(computed["generated"], pipeline, opened),
        seed=seed,
        seconds=seconds,
        progress=shown,
    )
    assessment = Assessment()
    if wanted & set(CORE):
        assessment = assess(
            generated=computed["generated"],
            reference=computed["reference"],
            training=training,
            held_out=computed.get("held_out"),
            epsilon=epsilon,
            resampling=resampling,
            cache=store,
            seconds=seconds,
            progress=shown,
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
            side.label: told(side, computed[side.label], pipeline)
            for side in sorted(sides, key=lambda side: side.label)
        },
        protocol=protocol(computed["generated"].provenance),
        not_comparable=not_comparable(computed, epsilon),
        seconds=seconds,
        uncertainty=assessment.uncertainty,
        uncertainty_reason=assessment.uncertainty_reason,
        bias=assessment.bias,
        bias_reason=assessment.bias_reason,
        metrics=more,
        evidence=_evidence(sides, computed, given, epsilon, value_range),
    )


def _compute(side: GivenSide, pipeline: Pipeline | None, only_fid: bool) -> Computed:
    if isinstance(side.input, Features | Statistics):
        return side.input
    assert pipeline is not None
    many = isinstance(side.input, Stream) or len(side.input) > _KEEP_FEATURES
    if only_fid and many:
        return pipeline.statistics(side.input, side.label)
    return pipeline.features(side.input, side.label)


def _logits(
    generated: Computed, pipeline: Pipeline | None, opened: Callable[[], Extractor]
) -> npt.NDArray[np.floating[Any]] | None:
    """What the network's classifier makes of features: linear, so no second pass is needed."""
    if isinstance(generated, Statistics):
        return None
    extractor = pipeline.extractor if pipeline else opened()
    if extractor.identity.fingerprint != generated.provenance.fingerprint:
        return None  # a file of another network's features
    classifier = extractor.classifier()
    return None if classifier is None else logits(generated.values, classifier)


def _evidence(
    sides: list[GivenSide],
    computed: Mapping[str, Computed],
    given: Mapping[str, Any],
    epsilon: float,
    value_range: tuple[float, float] | None,
) -> Evidence | None:
    """Keep what plots and pages need; nothing of streams: a training loop makes hundreds."""
    if any(isinstance(side.input, Stream) for side in sides):
        return None
    return Evidence(dict(computed), dict(given), epsilon, value_range)
