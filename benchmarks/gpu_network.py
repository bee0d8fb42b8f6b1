"""How fast the bare network runs with data on the device, and what the device can do at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from gpu_plan import Plan
from gpu_recorder import Recorder
from gpu_trunk import (
    ARITHMETICS,
    arithmetic,
    build_trunk,
    gigaflop,
    median_seconds,
    recorded,
    run_trunk,
    synchronize,
)
from torch import Tensor

__all__ = ["network"]

LAYOUTS = {"channels last": torch.channels_last, "channels first": torch.contiguous_format}

Row = dict[str, Any]


def network(plan: Plan, recorder: Recorder) -> None:
    """Time matrix products and copies, then the network in every variant."""
    with recorder.part("roof"):
        recorder.record("matrix_tflop_per_second", _products(plan))
    with recorder.part("copies"):
        recorder.record("copy_gb_per_second", _copies(plan))
    gflop = gigaflop(
        build_trunk(plan.device, torch.float32, layers=plan.sizes.layers),
        _pictures(plan, 1, torch.float32),
    )
    recorder.record("gflop_a_picture", gflop)
    rows: list[Row] = []
    with torch.inference_mode():
        for variant in _variants(plan):
            with recorder.part(" ".join(map(str, variant.values()))):
                rows.append({**variant, "pictures_per_second": _rate(plan, variant)})
                rows[-1]["tflop_per_second"] = rows[-1]["pictures_per_second"] * gflop / 1e3
                recorder.record("variants", rows)
        recorder.record("compiled", _compiled(plan))


def _variants(plan: Plan) -> Iterator[Row]:
    """Everything at one batch size; of the other sizes only what mifid itself does."""
    sizes = plan.sizes
    launches = ("eager", "graph") if plan.on_cuda else ("eager",)
    for batch in sorted(sizes.network_batches, key=lambda size: size != sizes.batch):
        whole = batch == sizes.batch
        for name in _arithmetics(plan):
            for layout in LAYOUTS if whole else ["channels last"]:
                for launch in launches if whole else launches[-1:]:
                    for chosen in (False, True) if plan.on_cuda else (False,):
                        yield {
                            "batch": batch,
                            "arithmetic": name,
                            "layout": layout,
                            "launch": launch,
                            "cudnn_benchmark": chosen,
                        }


def _arithmetics(plan: Plan) -> tuple[str, ...]:
    """The CPU's are two: it has no TF32, and few have float16."""
    return tuple(ARITHMETICS) if plan.on_cuda else ("float32", "bfloat16")


def _rate(plan: Plan, variant: Row) -> float:
    """Pictures a second."""
    layout = LAYOUTS[variant["layout"]]
    with arithmetic(variant["arithmetic"]) as dtype, _benchmarked(variant["cudnn_benchmark"]):
        trunk = build_trunk(plan.device, dtype, layout=layout, layers=plan.sizes.layers)
        x = _pictures(plan, variant["batch"], dtype).contiguous(memory_format=layout)

        def work() -> Tensor:
            return run_trunk(trunk, x)

        timed = recorded(work) if variant["launch"] == "graph" else work
        return float(variant["batch"] / median_seconds(timed, plan.device, plan.sizes.seconds))


def _compiled(plan: Plan) -> list[Row]:
    """torch.compile at one batch size, or why it does not work."""
    rows: list[Row] = []
    for name in ("float32", "bfloat16"):
        try:
            rows.append({"arithmetic": name, **_compiled_rate(plan, name)})
        except Exception as error:  # what is told is that it fails here
            why = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            rows.append({"arithmetic": name, "error": why})
    return rows


def _compiled_rate(plan: Plan, name: str) -> Row:
    with arithmetic(name) as dtype:
        trunk = build_trunk(plan.device, dtype, layers=plan.sizes.layers)
        x = _pictures(plan, plan.sizes.batch, dtype)
        x = x.contiguous(memory_format=torch.channels_last)
        work = partial(torch.compile(trunk, backend=plan.sizes.compiler), x)
        compile_seconds = _once(work, plan.device)
        seconds = median_seconds(work, plan.device, plan.sizes.seconds)
    return {"compile_seconds": compile_seconds, "pictures_per_second": plan.sizes.batch / seconds}


def _once(work: Callable[[], Any], device: str) -> float:
    start = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - start


def _products(plan: Plan) -> dict[str, float]:
    side = plan.sizes.matrix
    found = {}
    for name in _arithmetics(plan):
        with arithmetic(name) as dtype:
            # Not zeros: some devices multiply them faster.
            a, b = torch.randn(2, side, side, device=plan.device).to(dtype)
            out = torch.empty_like(a)
            seconds = median_seconds(
                partial(torch.mm, a, b, out=out),
                plan.device,
                plan.sizes.seconds,
            )
            found[name] = 2 * side**3 / seconds / 1e12
    return found


def _copies(plan: Plan) -> dict[str, float]:
    """GB/s to the device and back, from pinned memory and from any."""
    size = plan.sizes.copied_mib * 2**20
    there = torch.empty(size, dtype=torch.uint8, device=plan.device)
    found = {}
    for pinned in (False, True) if plan.on_cuda else (False,):
        here = torch.ones(size, dtype=torch.uint8, pin_memory=pinned)
        kind = "pinned" if pinned else "pageable"
        for name, to, given in (("to the device", there, here), ("from the device", here, there)):
            seconds = median_seconds(
                partial(to.copy_, given, non_blocking=True),
                plan.device,
                plan.sizes.seconds,
            )
            found[f"{name}, {kind}"] = size / seconds / 1e9
    return found


def _pictures(plan: Plan, count: int, dtype: torch.dtype) -> Tensor:
    """What the network sees: (count, 3, 299, 299) in -1..1."""
    return (torch.rand(count, 3, 299, 299, device=plan.device) * 2 - 1).to(dtype)


@contextmanager
def _benchmarked(chosen: bool) -> Iterator[None]:
    """Let cuDNN try its algorithms, or not."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = chosen
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
