"""score(): from whatever holds pictures to the number. The one orchestrator."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mifid.cache import Cache
from mifid.errors import CompatibilityError, FeatureError, InputError
from mifid.extraction import Settings
from mifid.extractors import Extractor, open_extractor
from mifid.features import Features
from mifid.images import Source, Stream
from mifid.inputs import Input, open_input
from mifid.metrics import METRICS
from mifid.metrics.frechet import Moments, frechet_distance
from mifid.metrics.memorization import memorization_distance
from mifid.metrics.mifid import EPSILON, penalized, thresholded
from mifid.pipeline import Pipeline
from mifid.progress import Progress, choose
from mifid.provenance import Provenance
from mifid.registry import suggest
from mifid.report import Report, Side
from mifid.statistics import Statistics

__all__ = ["score"]

_KEEP_FEATURES = 10_000
"""Up to so many pictures features are kept (80 MB, Kaggle's most); beyond, FID alone streams."""

Computed = Features | Statistics


def score(
    images: Any,
    reference: Any,
    *,
    memorization_reference: Any = None,
    metrics: Iterable[str] = ("mifid",),
    epsilon: float = EPSILON,
    extractor: str | Callable[..., Any] | Extractor = "inception",
    weights: str | Path | None = None,
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
    wanted = _wanted(metrics, epsilon)
    # The reference first: it is small, so if it fails, it fails soon.
    raw = {
        "reference": reference,
        "memorization_reference": memorization_reference,
        "generated": images,
    }
    given = {
        label: open_input(side, value_range=value_range)
        for label, side in raw.items()
        if side is not None
    }
    opened = time.perf_counter() - start
    _refuse_single_pictures(given)

    shown = choose(progress)
    pipeline = None
    if any(isinstance(side, Source | Stream) for side in given.values()):
        pipeline = Pipeline(
            open_extractor(extractor, weights=weights, progress=shown),
            settings=Settings(device, batch_size, workers, skip_bad),
            cache=Cache() if cache else None,
            progress=shown,
        )
    _refuse_mixtures(given, pipeline)
    computed = {
        label: _compute(side, label, pipeline, only_fid=wanted == {"fid"})
        for label, side in given.items()
    }
    seconds = {"open": opened, **(pipeline.seconds if pipeline else {})}
    numbers = _measure(computed, wanted, epsilon, seconds)
    seconds["total"] = time.perf_counter() - start
    for side in given.values():
        if isinstance(side, Source):
            side.close()
    provenance = computed["generated"].provenance
    distance = numbers.distance
    return Report(
        fid=numbers.fid,
        memorization_distance=distance,
        memorization_distance_thresholded=(
            None if distance is None else thresholded(distance, epsilon=epsilon)
        ),
        epsilon=epsilon,
        mifid=numbers.mifid,
        mifid_reason=numbers.reason,
        inputs={
            label: _side(label, raw[label], given[label], computed[label], pipeline)
            for label in ("generated", "reference", "memorization_reference")
            if label in given
        },
        protocol=_protocol(provenance),
        not_comparable=_not_comparable(computed, epsilon),
        seconds=seconds,
    )


@dataclass(frozen=True)
class _Numbers:
    fid: float | None = None
    distance: float | None = None
    mifid: float | None = None
    reason: str | None = None


def _wanted(metrics: Iterable[str], epsilon: float) -> set[str]:
    wanted = {metrics} if isinstance(metrics, str) else set(metrics)
    for name in sorted(wanted):
        if name not in METRICS:
            raise InputError(f"unknown metric '{name}'", hint=suggest(name, METRICS))
    if not wanted:
        raise InputError("no metric was asked for", hint=f"There are: {', '.join(METRICS)}.")
    if not 0 <= epsilon <= 1:
        raise InputError(f"epsilon is {epsilon}; expected 0 to 1, as distances are")
    return wanted


def _refuse_single_pictures(given: dict[str, Input]) -> None:
    for label, side in given.items():
        if not isinstance(side, Stream | Statistics) and len(side) < 2:
            what = side.description if isinstance(side, Source) else "the features file"
            raise FeatureError(
                f"{label.replace('_', ' ')}: {what} holds one picture; a covariance needs two",
                hint="FID compares sets; a single picture has no distribution.",
            )


def _refuse_mixtures(given: dict[str, Input], pipeline: Pipeline | None) -> None:
    """Features of different extractors must not meet."""
    made_by: dict[str, tuple[str, str]] = {}
    for label, side in given.items():
        if isinstance(side, Source | Stream):
            assert pipeline is not None
            identity = pipeline.extractor.identity
            name, fingerprint = identity.name, identity.fingerprint
        else:
            name, fingerprint = side.provenance.extractor, side.provenance.fingerprint
        if fingerprint is not None:
            made_by.setdefault(fingerprint, (label, name))
    if len(made_by) > 1:
        (label, name), (other_label, other_name) = list(made_by.values())[:2]
        same = " with other weights" if name == other_name else ""
        raise CompatibilityError(
            f"the {label.replace('_', ' ')} was made with extractor '{name}', "
            f"the {other_label.replace('_', ' ')} with '{other_name}'{same}",
            hint=f"Use --extractor {name} for both, or make the reference anew "
            f"(mifid reference build --extractor {other_name}).",
        )


def _compute(side: Input, label: str, pipeline: Pipeline | None, *, only_fid: bool) -> Computed:
    if isinstance(side, Features | Statistics):
        return side
    assert pipeline is not None
    many = isinstance(side, Stream) or len(side) > _KEEP_FEATURES
    if only_fid and many:
        return pipeline.statistics(side, label)
    return pipeline.features(side, label)


def _measure(
    computed: dict[str, Computed], wanted: set[str], epsilon: float, seconds: dict[str, float]
) -> _Numbers:
    generated, reference = computed["generated"], computed["reference"]
    fid = distance = reason = None
    start = time.perf_counter()
    if wanted & {"fid", "mifid"}:
        fid = frechet_distance(generated=_moments(generated), reference=_moments(reference))
    seconds["fid"] = time.perf_counter() - start
    start = time.perf_counter()
    if wanted & {"memorization", "mifid"}:
        training = computed.get("memorization_reference", reference)
        reason = _no_distance(generated, training)
        if isinstance(generated, Features) and isinstance(training, Features):
            distance = memorization_distance(generated=generated.values, reference=training.values)
    seconds["memorization"] = time.perf_counter() - start
    if "mifid" not in wanted:
        reason = f"only {', '.join(sorted(wanted))} was asked for"
    if "mifid" in wanted and fid is not None and distance is not None:
        score = penalized(fid=fid, memorization_distance=distance, epsilon=epsilon)
        return _Numbers(fid, distance, score)
    return _Numbers(fid, distance, None, reason)


def _no_distance(generated: Computed, training: Computed) -> str | None:
    for what, side in (("generated pictures", generated), ("reference", training)):
        if isinstance(side, Statistics):
            return (
                f"the {what} are given as mean and covariance only; "
                "the memorization distance needs features or pictures"
            )
    return None


def _moments(side: Computed) -> Moments | np.ndarray[Any, np.dtype[np.float32]]:
    return side.values if isinstance(side, Features) else Moments(side.mu, side.sigma)


def _side(
    label: str, raw: Any, given: Input, computed: Computed, pipeline: Pipeline | None
) -> Side:
    n = computed.n if isinstance(computed, Statistics) else len(computed)
    if isinstance(given, Features | Statistics):
        what = "features" if isinstance(given, Features) else "mean and covariance"
        where = f" in {raw}" if isinstance(raw, str | Path) else ""
        values = given.values if isinstance(given, Features) else given.sigma
        digest = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
        return Side(what + where, n, digest)
    assert pipeline is not None
    return Side(
        source=given.description,
        n=n,
        sha256=pipeline.hashes.get(label),
        cached=label in pipeline.cached,
        skipped=dict(given.skipped),
        converted=computed.converted if isinstance(computed, Features) else {},
        bad=computed.bad if isinstance(computed, Features) else (),
    )


def _protocol(provenance: Provenance) -> dict[str, Any]:
    from mifid.version import __version__

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
