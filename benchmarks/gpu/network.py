"""The network alone in any arithmetic, and timing on a device."""

from __future__ import annotations

import copy
import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.gpu.stage import Plan, Recorder
from mifid.extractors import build_network
from mifid.extractors.devices import exact_float32
from mifid.extractors.inception import RandomInception
from mifid.extractors.inception_network import inception_layers
from mifid.extractors.network import Network, resize

ARITHMETICS = {
    "float32": (torch.float32, False),
    "tf32": (torch.float32, True),
    "bfloat16": (torch.bfloat16, False),
    "float16": (torch.float16, False),
}
"""Name -> dtype of weights and inputs, and whether float32 may use TF32."""


@contextmanager
def arithmetic(name: str) -> Iterator[torch.dtype]:
    """Set the precision of float32 products; yield the dtype of weights and inputs."""
    dtype, tf32 = ARITHMETICS[name]
    with exact_float32():
        # Restored with everything else at the end of exact_float32().
        if tf32 and hasattr(torch.backends, "fp32_precision"):
            backends: Any = torch.backends
            backends.cudnn.conv.fp32_precision = backends.cuda.matmul.fp32_precision = "tf32"
        elif tf32:
            torch.backends.cudnn.allow_tf32 = True
            torch.set_float32_matmul_precision("high")
        yield dtype


@lru_cache(maxsize=1)
def _weights() -> Mapping[str, Tensor]:
    return RandomInception().state_dict()  # drawing them takes seconds


class KeptInception(RandomInception):
    """``inception-random`` with weights drawn once per process."""

    def state_dict(self) -> Mapping[str, Tensor]:
        """Return the weights."""
        return _weights()


def build_stock(device: str) -> Any:
    """Return torch-fidelity's extractor: uint8 (N, 3, H, W) -> (features (N, 2048),)."""
    return build_network(_weights()).to(device)


def build_trunk(
    device: str,
    dtype: torch.dtype,
    *,
    layout: torch.memory_format = torch.channels_last,
    layers: int | None = None,
) -> nn.Sequential:
    """Return mifid's network without its resize; for float64, torch-fidelity's unfolded one."""
    trunk = _unfolded() if dtype == torch.float64 else _folded()  # folding rounds to float32
    copied = copy.deepcopy(trunk[:layers])
    return copied.to(device, dtype).to(memory_format=layout).requires_grad_(False).eval()


def _unfolded() -> nn.Sequential:
    network = build_network(_weights())
    return nn.Sequential(*(each for name, each in network.named_children() if name != "fc"))


@lru_cache(maxsize=1)
def _folded() -> nn.Sequential:
    return Network(inception_layers(_weights())).trunk


def prepared(pixels: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Convert uint8 (N, 3, H, W) to the network's input (N, 3, 299, 299) of a dtype."""
    outside = torch.float64 if dtype == torch.float64 else torch.float32
    with exact_float32():  # as mifid does in any precision
        return ((resize(pixels.to(outside)) - 128) / 128).to(dtype)


def run_trunk(trunk: nn.Sequential, x: Tensor) -> Tensor:
    """Compute features (N, D); the last average is at least float32, as in mifid."""
    *layers, last = trunk
    for layer in layers:
        x = layer(x)
    wide = x.dtype in {torch.float32, torch.float64}
    return torch.flatten(last(x if wide or list(last.parameters()) else x.float()), 1)


def gigaflop(trunk: nn.Sequential, x: Tensor) -> float:
    """Return GFLOP per picture: multiplications and additions of the convolutions."""
    counted: list[int] = []

    def count(layer: Any, _: Any, out: Tensor) -> None:
        counted.append(2 * layer.weight[0].numel() * out[0].numel())

    hooks = [
        module.register_forward_hook(count)
        for module in trunk.modules()
        if isinstance(module, nn.Conv2d)
    ]
    run_trunk(trunk, x[:1])
    for hook in hooks:
        hook.remove()
    return sum(counted) / 1e9


def recorded(work: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """Return the same work as one CUDA graph."""
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # what a recording must not do: choose algorithms, allocate
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = work()

    def replay() -> Tensor:
        graph.replay()
        return out

    return replay


def synchronize(device: str) -> None:
    """Wait until a device has finished."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def median_seconds(work: Callable[[], Any], device: str, seconds: float) -> float:
    """Return the median time of a call, of five groups that take ``seconds`` together.

    Calls of a group follow each other without waiting, as a pipeline's do.
    """
    for _ in range(2):
        work()
    synchronize(device)
    start = time.perf_counter()
    work()
    synchronize(device)
    calls = max(1, round(seconds / 5 / max(time.perf_counter() - start, 1e-9)))
    found = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(calls):
            work()
        synchronize(device)
        found.append((time.perf_counter() - start) / calls)
    return statistics.median(found)


REAL = {
    "batches": (32, 64, 128, 256),
    "batch": 128,  # of all variants; at the others only those that mifid uses
    "layers": None,  # first layers; None: all
    "compiler": "inductor",  # backend of torch.compile
    "seconds": 0.5,  # of each measurement of a rate
    "matrix": 8192,  # rows and columns of the products
    "copied_mib": 256,
}
TOY = {"batches": (1, 2), "batch": 2, "layers": 1, "compiler": "eager"}
TOY |= {"seconds": 0.0, "matrix": 64, "copied_mib": 1}

LAYOUTS = {"channels last": torch.channels_last, "channels first": torch.contiguous_format}

Row = dict[str, Any]


def network(plan: Plan, recorder: Recorder) -> None:
    """Time matrix products and copies, then the network in every variant."""
    sizes = plan.sizes(REAL, TOY)
    # A CPU has no TF32, and rarely float16.
    arithmetics = tuple(ARITHMETICS) if plan.on_cuda else ("float32", "bfloat16")
    roofs: dict[str, float] = {}
    with recorder.part("roof"):
        roofs = {name: _product(plan.device, name, sizes) for name in arithmetics}
        recorder.record("matrix_tflop_per_second", roofs)
    with recorder.part("copies"):
        recorder.record("copy_gb_per_second", _copies(plan, sizes))
    trunk = build_trunk(plan.device, torch.float32, layers=sizes.layers)
    gflop = gigaflop(trunk, _pictures(plan.device, 1, torch.float32))
    recorder.record("gflop_a_picture", gflop)
    rows: list[Row] = []
    with torch.inference_mode():
        for variant in variants(sizes, arithmetics, cuda=plan.on_cuda):
            with recorder.part(" ".join(map(str, variant.values()))):
                rate = _rate(plan.device, variant, sizes)
                rows.append({**variant, "pictures_per_second": rate})
                rows[-1]["tflop_per_second"] = rate * gflop / 1e3
                if roof := roofs.get(variant["arithmetic"]):
                    rows[-1]["share_of_roof"] = rows[-1]["tflop_per_second"] / roof
                recorder.record("variants", rows)
        recorder.record("compiled", [_compiled(plan.device, name, sizes) for name in COMPILED])


def variants(sizes: Any, arithmetics: Sequence[str], *, cuda: bool) -> Iterator[Row]:
    """Yield all variants at one batch size; at other sizes only those that mifid uses."""
    launches = ("eager", "graph") if cuda else ("eager",)
    for batch in sorted(sizes.batches, key=lambda size: size != sizes.batch):
        whole = batch == sizes.batch
        choices = itertools.product(
            arithmetics,
            LAYOUTS if whole else ["channels last"],
            launches if whole else launches[-1:],
            (False, True) if cuda else (False,),
        )
        for values in choices:
            names = ("arithmetic", "layout", "launch", "cudnn_benchmark")
            yield {"batch": batch, **dict(zip(names, values, strict=True))}


def _rate(device: str, variant: Row, sizes: Any) -> float:
    """Return pictures per second."""
    layout = LAYOUTS[variant["layout"]]
    with arithmetic(variant["arithmetic"]) as dtype, _benchmarked(variant["cudnn_benchmark"]):
        trunk = build_trunk(device, dtype, layout=layout, layers=sizes.layers)
        x = _pictures(device, variant["batch"], dtype).contiguous(memory_format=layout)
        work = partial(run_trunk, trunk, x)
        timed = recorded(work) if variant["launch"] == "graph" else work
        return variant["batch"] / median_seconds(timed, device, sizes.seconds)


COMPILED = ("float32", "bfloat16")


def _compiled(device: str, name: str, sizes: Any) -> Row:
    """Time torch.compile, or record why it fails, which is no failure of mifid."""
    try:
        with arithmetic(name) as dtype:
            trunk = build_trunk(device, dtype, layers=sizes.layers)
            x = _pictures(device, sizes.batch, dtype)
            x = x.contiguous(memory_format=torch.channels_last)
            work = partial(torch.compile(trunk, backend=sizes.compiler), x)
            start = time.perf_counter()
            work()
            synchronize(device)
            found = {"compile_seconds": time.perf_counter() - start}
            found["pictures_per_second"] = sizes.batch / median_seconds(work, device, sizes.seconds)
            return {"arithmetic": name, **found}
    except Exception as error:
        return {"arithmetic": name, "error": f"{type(error).__name__}: {error}"[:200]}


def _product(device: str, name: str, sizes: Any) -> float:
    """Return TFLOP/s of a matrix product."""
    with arithmetic(name) as dtype:
        # Not zeros: some devices multiply them faster.
        a, b = torch.randn(2, sizes.matrix, sizes.matrix, device=device).to(dtype)
        work = partial(torch.mm, a, b, out=torch.empty_like(a))
        return 2 * sizes.matrix**3 / median_seconds(work, device, sizes.seconds) / 1e12


def _copies(plan: Plan, sizes: Any) -> dict[str, float]:
    """Return GB/s to the device and back, with pinned and with pageable memory."""
    size = sizes.copied_mib * 2**20
    there = torch.empty(size, dtype=torch.uint8, device=plan.device)
    found = {}
    for pinned in (False, True) if plan.on_cuda else (False,):
        here = torch.ones(size, dtype=torch.uint8, pin_memory=pinned)
        kind = "pinned" if pinned else "pageable"
        for name, to, given in (("to the device", there, here), ("from the device", here, there)):
            copy = partial(to.copy_, given, non_blocking=True)
            seconds = median_seconds(copy, plan.device, sizes.seconds)
            found[f"{name}, {kind}"] = size / seconds / 1e9
    return found


def _pictures(device: str, count: int, dtype: torch.dtype) -> Tensor:
    """Return an input of the network: (count, 3, 299, 299) in -1..1."""
    return (torch.rand(count, 3, 299, 299, device=device) * 2 - 1).to(dtype)


@contextmanager
def _benchmarked(chosen: bool) -> Iterator[None]:
    """Switch cuDNN's search for algorithms on or off."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = chosen
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
