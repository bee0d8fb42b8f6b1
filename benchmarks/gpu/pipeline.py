"""Speed of each stage from a zip of pictures to features, and of all together."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.network import (
    KeptInception,
    arithmetic,
    build_trunk,
    median_seconds,
    prepared,
    recorded,
    run_trunk,
)
from benchmarks.gpu.stage import GOALS, Plan, Recorder
from benchmarks.pictures import zip_pictures
from mifid.extractors import Extractor
from mifid.extractors.devices import exact_float32
from mifid.images import BatchReader, Source, digests, open_images
from mifid.pipeline import Options
from mifid.pipeline.inference import Extraction

EXTRACTION = "whole extraction"
BARE = "network alone, on the device, a CUDA graph"
BARE_WITHOUT_GRAPH = "network alone"


def pipeline(plan: Plan, recorder: Recorder) -> None:
    """Record pictures/s by stage; check the extraction against the network alone."""
    archive = plan.work / "pipeline.zip"
    zip_pictures(plan.photos, archive, plan.sizes.pictures)
    rates: dict[str, float] = {}

    def record(name: str, rate: float) -> None:
        rates[name] = rate
        recorder.record("pictures_per_second", rates)

    with closing(_opened(archive)) as source:
        recorder.record("pictures", len(source))
        with recorder.part("hash"):
            record("hash", _timed(lambda: len(digests(source))))
        for kind, count in plan.sizes.decoders:
            with recorder.part(f"decode in {count} {kind}"):
                record(
                    f"decode, {kind}: {count}", _timed(partial(_decode, plan, source, kind, count))
                )
    pixels = _decoded(archive, plan.sizes.batch)
    with recorder.part("transfers"):
        _transfers(plan, pixels, record)
    with recorder.part("networks"), torch.inference_mode():
        _networks(plan, pixels, record)
    for device in _devices(plan):
        for precision in plan.sizes.extractions:
            with recorder.part(f"extraction on {device}, {precision}"):
                _extractions(plan, archive, device, precision, record)
    _judge(plan, recorder, rates)


def _judge(plan: Plan, recorder: Recorder, rates: dict[str, float]) -> None:
    bare = rates[BARE if plan.on_cuda else BARE_WITHOUT_GRAPH]
    ratio = rates[f"{EXTRACTION}, {plan.device}, exact"] / bare
    recorder.record("extraction_over_bare_network", ratio)
    if not plan.toy:
        goal = GOALS["extraction_over_bare_network"]
        recorder.at_least("whole extraction over the network alone", ratio, goal)


def _timed(work: Callable[[], int]) -> float:
    """Return pictures/s of a function that returns its number of pictures."""
    start = time.perf_counter()
    count = work()
    return count / (time.perf_counter() - start)


def _decode(plan: Plan, source: Source, kind: Any, count: int) -> int:
    reader = BatchReader(
        source, batch_size=plan.sizes.batch, workers=count, skip_bad=False, decoders=kind
    )
    return sum(len(batch.indices) for batch in reader)


def _decoded(archive: Path, count: int) -> np.ndarray[Any, Any]:
    """Return one batch of pixels (count, H, W, 3)."""
    with closing(_opened(archive)) as source:
        batches = BatchReader(source, batch_size=count, workers=None, skip_bad=False)
        return next(iter(batches)).pixels


def _transfers(
    plan: Plan, pixels: np.ndarray[Any, Any], record: Callable[[str, float], None]
) -> None:
    """Time copies of pixels to the device, directly and through pinned memory."""
    count = len(pixels)
    here = torch.from_numpy(pixels)
    rate = partial(median_seconds, device=plan.device, seconds=plan.sizes.seconds)
    there = torch.empty_like(here, device=plan.device)
    record("upload, pageable", count / rate(lambda: there.copy_(here)))
    if plan.on_cuda:
        pinned = here.pin_memory()
        record("copy into pinned memory", count / rate(lambda: pinned.copy_(here)))
        record("upload, pinned", count / rate(lambda: there.copy_(pinned, non_blocking=True)))


def _networks(
    plan: Plan, pixels: np.ndarray[Any, Any], record: Callable[[str, float], None]
) -> None:
    """Time the resize, and the network without it, on data on the device."""
    batch = torch.from_numpy(pixels).to(plan.device).permute(0, 3, 1, 2)
    rate = partial(median_seconds, device=plan.device, seconds=plan.sizes.seconds)
    with exact_float32():
        record("resize on the device", len(batch) / rate(lambda: prepared(batch)))
    for name, suffix in (("float32", ""), ("bfloat16", ", bfloat16")):
        with arithmetic(name) as dtype:
            trunk = build_trunk(plan.device, dtype, layers=plan.sizes.layers)
            x = prepared(batch, dtype).contiguous(memory_format=torch.channels_last)
            work = partial(run_trunk, trunk, x)
            record(f"{BARE_WITHOUT_GRAPH}{suffix}", len(batch) / rate(work))
            if plan.on_cuda:
                record(f"{BARE}{suffix}", len(batch) / rate(recorded(work)))


def _devices(plan: Plan) -> list[str]:
    """Return the device, and all devices together if there are several."""
    several = plan.on_cuda and torch.cuda.device_count() > 1
    return [plan.device, *(["cuda:all"] if several else [])]


def _extractions(
    plan: Plan, archive: Path, device: str, precision: str, record: Callable[[str, float], None]
) -> None:
    """Time whole extractions: the first, a warmed-up one, and one of pictures in memory."""
    extractor = KeptInception("torch", precision=precision)
    extractor.load(device)
    name = f"{EXTRACTION}, {device}, {precision}"
    for suffix in (", the first", ""):
        with closing(_opened(archive)) as source:
            record(f"{name}{suffix}", _timed(partial(_extract, plan, source, extractor, device)))
    with closing(_opened(archive)) as source:
        reader = BatchReader(source, batch_size=plan.sizes.batch, workers=None, skip_bad=False)
        memory = open_images(np.concatenate([batch.pixels for batch in reader]))
    assert isinstance(memory, Source)
    record(
        f"{name}, of decoded pictures", _timed(partial(_extract, plan, memory, extractor, device))
    )


def _extract(plan: Plan, source: Source, extractor: Extractor, device: str) -> int:
    options = Options(device=device, batch_size=plan.sizes.batch, progress=False)
    extraction = Extraction(source, extractor, options, "pictures")
    return len(extraction.gather()[0])


def _opened(archive: Path) -> Source:
    source = open_images(archive)
    assert isinstance(source, Source)
    return source
