"""score(): from whatever holds pictures to the number, top to bottom."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mifid.cache import Cache
from mifid.errors import recorded_warnings
from mifid.evaluation import (
    check_copies,
    check_held_out,
    check_metrics,
    check_numbers,
    check_pictures,
    check_submission,
    check_threshold,
    check_widths,
    measure,
    measure_more,
    not_comparable,
)
from mifid.evidence import Evidence
from mifid.extractors import EXACT, Extractor, open_extractor
from mifid.images import SideRanges, Stream, check_ranges
from mifid.inputs import open_side
from mifid.metrics import EPSILON, thresholded
from mifid.pipeline import Settings, compute_side, describe_side, logits_of, pipeline_for
from mifid.progress import Progress, choose
from mifid.report import Report
from mifid.statistics import Computed, protocol
from mifid.uncertainty import REPLICATES, SEED, Resampling, assess

__all__ = ["score"]


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
    precision: str = EXACT,
    device: str = "auto",
    batch_size: int | None = None,
    workers: int | None = None,
    skip_bad: bool = False,
    value_range: SideRanges | None = None,
    limit: int | None = None,
    cache: bool = True,
    progress: Progress | bool | None = None,
) -> Report:
    """Score generated pictures against real ones, as Kaggle does.

    Args:
        images: the generated pictures: a folder, zip, tar, .npy, .npz, glob pattern, array
            (N, H, W, 3) uint8, tensor (N, 3, H, W), a list or iterable of pictures, paths or rows
            (see :func:`mifid.images.open_images`), or features or statistics: a file of them, or
            floats (N, D).
        reference: the real pictures, in any of the same forms; a list of folders is one set.
        memorization_reference: the pictures that were trained on, if they are not the reference.
        held_out: real pictures that nobody trained on: for the floor of FID, FLD and C_T.
        metrics: names of :data:`mifid.metrics.METRICS`, ``"prdc"`` or ``"all"``; ``"mifid"`` gives
            FID, memorization distance and MiFID. With ``("fid",)`` features of more than 10,000
            pictures (with ``ci=0`` of more than 4,096) are not held in memory.
        epsilon: memorization distances below it are penalized.
        ci: level of the intervals in per cent; 0: none; None: 95 for up to 20,000 pictures.
        resample: which sides could have been other pictures, for the intervals.
        replicates: of the bootstrap that makes them.
        seed: of everything that draws at random. The headline numbers draw nothing, but for the
            pictures that ``limit`` takes.
        extractor: a name, ``"package.module:function"``, or a callable that turns uint8 tensors
            (N, 3, H, W) into features (N, D).
        weights: a weights file for ``"inception"``; None: wherever they are found, else downloaded.
        backend: what runs Inception: ``"auto"``, ``"torch"``, ``"openvino"`` (the CPU's fastest).
        precision: of Inception: ``"exact"``; ``"fast"`` is bfloat16: another number, and marked so.
        device: ``"auto"``, ``"cpu"``, ``"mps"``, ``"cuda"``, ``"cuda:1"``, several as in
            ``"cuda:0,cuda:1"``, or ``"cuda:all"``.
        batch_size: pictures at a time; None: what suits the backend and device.
        workers: decoding threads or processes; None: one a core, at least two.
        skip_bad: go on without pictures that cannot be decoded; the report names them.
        value_range: what black and white are in floating-point tensors and arrays, such as (0, 1)
            or (-1, 1); or one a side, as ``{"generated": (-1, 1), "reference": (0, 1)}``. Values
            clearly outside are refused.
        limit: score at most so many pictures a side, drawn with ``seed``, of a stream the first
            ones; None: all. The score is then not comparable with Kaggle's.
        cache: False neither reads nor writes features kept on disk.
        progress: True or False; None shows bars in notebooks.

    Returns:
        Report: ``.mifid``, ``.fid``, ``.memorization_distance``, ``.uncertainty``, ``.plot()``,
        ``.to_json()``, ...

    Raises:
        MifidError: an input that cannot be used; the message says which, and what to do.

    >>> import numpy as np
    >>> random = np.random.RandomState(0)
    >>> real, painted = random.randint(0, 256, (2, 8, 16, 16, 3), dtype=np.uint8)
    >>> def colours(batch):  # any function from pictures to features
    ...     return batch.float().mean(dim=(2, 3))
    >>> report = score(painted, real, extractor=colours)
    >>> round(report.fid, 1), report.penalized
    (19.0, True)
    """
    start = time.perf_counter()
    names = (metrics,) if isinstance(metrics, str) else tuple(metrics)
    wanted = check_metrics(names, epsilon)
    resampling = Resampling(ci, resample, replicates, seed)
    settings = Settings(device, batch_size, workers, skip_bad)
    shown = choose(progress)
    store = Cache() if cache else None
    # The reference first: it is small, so if it fails, it fails soon.
    given = {
        "reference": reference,
        "memorization_reference": memorization_reference,
        "held_out": held_out,
        "generated": images,
    }
    optional = {"memorization_reference", "held_out"}
    given = {label: raw for label, raw in given.items() if raw is not None or label not in optional}
    check_ranges(value_range, given)

    def network() -> Extractor:
        return open_extractor(
            extractor, weights=weights, backend=backend, precision=precision, progress=shown
        )

    with recorded_warnings() as warned, ExitStack() as files:
        sides = [
            files.enter_context(
                closing(open_side(label, raw, value_range=value_range, limit=limit, seed=seed))
            )
            for label, raw in given.items()
        ]
        seconds = {"open": time.perf_counter() - start}
        pipeline = pipeline_for(
            sides,
            extractor=extractor,
            network=network,
            settings=settings,
            cache=store,
            progress=shown,
        )
        computed = {
            side.label: compute_side(side, pipeline, only_fid=wanted == {"fid"}, intervals=ci != 0)
            for side in sides
        }
        seconds |= pipeline.seconds if pipeline else {}
        check_widths(computed)
        check_held_out(computed)
        inputs = {
            side.label: describe_side(side, computed[side.label], pipeline)
            for side in sorted(sides, key=lambda side: side.label)
        }
        by_label = {side.label: side for side in sides}
        check_copies(by_label, computed, inputs, pipeline, wanted=wanted)
        for label, side in by_label.items():
            check_pictures(side, computed[label], pipeline)
        report = _report(
            computed,
            wanted=wanted,
            epsilon=epsilon,
            resampling=resampling,
            logits=lambda: logits_of(computed["generated"], pipeline, extractor, network),
            cache=store,
            progress=shown,
            seconds=seconds,
        )
        # What reports say of the numbers decides; they alone would not be comparable.
        kaggle = not_comparable(computed, epsilon, numbers=False) is None
        check_numbers(computed, competition=kaggle, wanted=wanted)
        if report.mifid is not None:
            scorer = computed["generated"].provenance.extractor
            check_threshold(scorer, report.memorization_distance, epsilon)
        if kaggle:
            check_submission(by_label["generated"], pipeline)
    drawn = [f"{side.title} drawn from {side.available:,}" for side in sides if side.available]
    if drawn:
        why = f"not all pictures: {', '.join(drawn)}"
        report = replace(report, not_comparable=report.not_comparable or why)
    asked = {
        "metrics": names,
        "ci": ci,
        "resample": tuple(resample),
        "replicates": replicates,
        "seed": seed,
        "weights": weights,
        "backend": backend,
        "precision": precision,
        "device": device,
        "batch_size": batch_size,
        "skip_bad": skip_bad,
        "limit": limit,
    }
    # Nothing is kept of streams: a training loop makes hundreds.
    passed = any(isinstance(side.input, Stream) for side in sides)
    return replace(
        report,
        inputs=inputs,
        warnings=tuple(warned),
        seconds={**seconds, "total": time.perf_counter() - start},
        limit=limit,
        seed=seed,
        evidence=None if passed else Evidence(computed, given, epsilon, value_range, asked=asked),
    )


def _report(
    computed: Mapping[str, Computed],
    *,
    wanted: frozenset[str],
    epsilon: float,
    resampling: Resampling,
    logits: Callable[[], npt.NDArray[np.floating[Any]] | None],
    cache: Cache | None,
    progress: Progress,
    seconds: dict[str, float],
) -> Report:
    """Compute all that was asked for; what the sides were is still to be told."""
    sides = {
        "generated": computed["generated"],
        "reference": computed["reference"],
        "training": computed.get("memorization_reference", computed["reference"]),
    }
    held_out = computed.get("held_out")
    # Held-out pictures enter no number that Kaggle computes.
    scored = {label: side for label, side in computed.items() if label != "held_out"}
    with progress.task("scores", None, ""):  # a root of a matrix is one step, but may be long
        numbers = measure(**sides, wanted=wanted, epsilon=epsilon, seconds=seconds)
    more = measure_more(
        wanted,
        sides={**sides, "held_out": held_out},
        logits=logits,
        seed=resampling.seed,
        seconds=seconds,
        progress=progress,
    )
    assessment = assess(
        **sides,
        held_out=held_out,
        values=numbers.found,
        epsilon=epsilon,
        resampling=resampling,
        cache=cache,
        seconds=seconds,
        progress=progress,
    )
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
        inputs={},
        protocol=protocol(computed["generated"].provenance),
        not_comparable=not_comparable(scored, epsilon),
        seconds=seconds,
        uncertainty=assessment.uncertainty,
        uncertainty_reason=assessment.uncertainty_reason,
        bias=assessment.bias,
        bias_reason=assessment.bias_reason,
        metrics=more,
    )
