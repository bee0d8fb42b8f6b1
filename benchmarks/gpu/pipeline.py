"""Speed of each stage from a zip of pictures to features, and of all together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
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
from benchmarks.gpu.stage import Plan, Recorder
from benchmarks.pictures import zip_pictures
from mifid.extractors.devices import exact_float32
from mifid.images import BatchReader, digests, open_images
from mifid.pipeline import Options
from mifid.pipeline.inference import Extraction

Record = Callable[[str, float], None]
Rate = Callable[[Callable[[], Any]], float]  # a function -> its seconds

GOAL = 0.8
"""Whole extraction over the network alone, on a GPU; set before the measurements."""

REAL = {
    "pictures": None,  # of the photos; None: all
    "batch": 128,
    "decoders": (
        *(("threads", 1), ("threads", 4), ("threads", 16)),
        *(("processes", 4), ("processes", 16)),
    ),
    "precisions": ("exact", "fast"),  # of the whole extraction
    "seconds": 0.5,  # of each measurement of a rate
    "layers": None,  # first layers of the network alone; None: all
}
TOY = {"pictures": 2, "batch": 2, "decoders": (("threads", 1), ("processes", 2))}
TOY |= {"precisions": ("exact",), "seconds": 0.0, "layers": 1}

EXTRACTION = "whole extraction"
BARE = "network alone, on the device, a CUDA graph"
BARE_WITHOUT_GRAPH = "network alone"


def pipeline(plan: Plan, recorder: Recorder) -> None:
    """Record pictures/s by stage; check the extraction against the network alone."""
    sizes = plan.sizes(REAL, TOY)
    archive = plan.work / "pipeline.zip"
    zip_pictures(plan.photos, archive, sizes.pictures)
    rates: dict[str, float] = {}

    def record(name: str, rate: float) -> None:
        rates[name] = rate
        recorder.record("pictures_per_second", rates)

    with closing(open_images(archive)) as source:
        recorder.record("pictures", len(source))
        pixels = next(iter(_reader(source, sizes.batch))).pixels  # (B, H, W, 3)
        with recorder.part("hash"):
            record("hash", _timed(lambda: len(digests(source))))
        for kind, workers in sizes.decoders:
            with recorder.part(f"decode in {workers} {kind}"):
                reader = _reader(source, sizes.batch, workers=workers, decoders=kind)
                rate = _timed(lambda reader=reader: sum(len(each.indices) for each in reader))
                record(f"decode, {kind}: {workers}", rate)
    rate = partial(median_seconds, device=plan.device, seconds=sizes.seconds)
    with recorder.part("transfers"):
        _transfers(plan, pixels, rate, record)
    with recorder.part("networks"), torch.inference_mode():
        _networks(plan, pixels, sizes.layers, rate, record)
    several = plan.on_cuda and torch.cuda.device_count() > 1
    for device in (plan.device, *(["cuda:all"] if several else [])):
        for precision in sizes.precisions:
            with recorder.part(f"extraction on {device}, {precision}"):
                _extractions(archive, device, precision, sizes.batch, record)
    judge(plan, recorder, rates)


def judge(plan: Plan, recorder: Recorder, rates: Mapping[str, float]) -> None:
    """Compare the extraction with the network alone; check the goal."""
    bare = rates[BARE if plan.on_cuda else BARE_WITHOUT_GRAPH]
    ratio = rates[f"{EXTRACTION}, {plan.device}, exact"] / bare
    recorder.record("extraction_over_bare_network", ratio)
    if not plan.toy:
        recorder.at_least("whole extraction over the network alone", ratio, GOAL)


def _timed(work: Callable[[], int]) -> float:
    """Return pictures/s of a function that returns its number of pictures."""
    start = time.perf_counter()
    count = work()
    return count / (time.perf_counter() - start)


def _reader(source: Any, batch: int, **more: Any) -> BatchReader:
    return BatchReader(source, batch_size=batch, skip_bad=False, **{"workers": None, **more})


def _transfers(plan: Plan, pixels: np.ndarray, rate: Rate, record: Record) -> None:
    """Time copies of pixels to the device, directly and through pinned memory."""
    here = torch.from_numpy(pixels)
    there = torch.empty_like(here, device=plan.device)
    record("upload, pageable", len(here) / rate(lambda: there.copy_(here)))
    if plan.on_cuda:
        pinned = here.pin_memory()
        record("copy into pinned memory", len(here) / rate(lambda: pinned.copy_(here)))
        record("upload, pinned", len(here) / rate(lambda: there.copy_(pinned, non_blocking=True)))


def _networks(
    plan: Plan, pixels: np.ndarray, layers: int | None, rate: Rate, record: Record
) -> None:
    """Time the resize, and the network without it, on data on the device."""
    batch = torch.from_numpy(pixels).to(plan.device).permute(0, 3, 1, 2)
    with exact_float32():
        record("resize on the device", len(batch) / rate(lambda: prepared(batch)))
    for name, suffix in (("float32", ""), ("bfloat16", ", bfloat16")):
        with arithmetic(name) as dtype:
            trunk = build_trunk(plan.device, dtype, layers=layers)
            x = prepared(batch, dtype).contiguous(memory_format=torch.channels_last)
            work = partial(run_trunk, trunk, x)
            record(f"{BARE_WITHOUT_GRAPH}{suffix}", len(batch) / rate(work))
            if plan.on_cuda:
                record(f"{BARE}{suffix}", len(batch) / rate(recorded(work)))


def _extractions(archive: Path, device: str, precision: str, batch: int, record: Record) -> None:
    """Time whole extractions: the first, a warmed-up one, and one of pictures in memory."""
    extractor = KeptInception("torch", precision=precision)
    extractor.load(device)
    options = Options(device=device, batch_size=batch, progress=False)

    def rate(source: Any) -> float:
        return _timed(lambda: len(Extraction(source, extractor, options, "pictures").gather()[0]))

    name = f"{EXTRACTION}, {device}, {precision}"
    for suffix in (", the first", ""):
        with closing(open_images(archive)) as source:
            record(f"{name}{suffix}", rate(source))
    with closing(open_images(archive)) as source:
        pixels = np.concatenate([each.pixels for each in _reader(source, batch)])
    record(f"{name}, of decoded pictures", rate(open_images(pixels)))
