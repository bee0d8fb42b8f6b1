"""Comparison of features with exact ones of the same pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from benchmarks.gpu.network import (
    KeptInception,
    arithmetic,
    build_stock,
    build_trunk,
    prepared,
    run_trunk,
)
from benchmarks.gpu.stage import Plan, Recorder
from mifid.extractors import Extractor
from mifid.extractors.devices import exact_float32
from mifid.metrics import frechet_distance, memorization_distance

STEP = 32
"""Batch size where it does not matter."""

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Known:
    """Pixels (N, H, W, 3) uint8, of which the first ``generated`` are scored against the rest.

    ``exact`` are their features in float64, ``stock`` torch-fidelity's in float32 on the device.
    """

    pixels: Array
    generated: int
    exact: Array
    stock: Array

    def scores(self, features: Array) -> tuple[float, float]:
        """Return FID and memorization distance."""
        sides = {"generated": features[: self.generated], "reference": features[self.generated :]}
        return frechet_distance(**sides), memorization_distance(**sides)


def read_known(plan: Plan, counts: tuple[int, int]) -> Known:
    """Read pictures, and compute their exact features."""
    generated, reference = map(_pixels, (plan.photos, plan.paintings), counts)
    pixels = np.concatenate([generated, reference])
    exact = through(build_trunk(plan.device, torch.float64), pixels, plan.device, torch.float64)
    stock = build_stock(plan.device)
    with torch.inference_mode(), exact_float32():
        parts = [stock(each)[0].cpu() for each in _uploaded(pixels, plan.device)]
    return Known(pixels, len(generated), exact, torch.cat(parts).numpy())


def _pixels(folder: Path, count: int) -> Array:
    files = sorted(folder.glob("*.jpg"))[:count]
    return np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])


def _uploaded(pixels: Array, device: str) -> Iterator[torch.Tensor]:
    for first in range(0, len(pixels), STEP):
        part = torch.from_numpy(pixels[first : first + STEP])
        yield part.to(device).permute(0, 3, 1, 2)


def through(trunk: Any, pixels: Array, device: str, dtype: torch.dtype) -> Array:
    """Return features by the network alone."""
    with torch.inference_mode():
        parts = [run_trunk(trunk, prepared(each, dtype)) for each in _uploaded(pixels, device)]
        found: Array = torch.cat(parts).cpu().numpy()
    return found


@cache
def open_on(device: str, backend: str = "torch", precision: str = "exact") -> Extractor:
    """Return the extractor, loaded on a device and cached."""
    extractor = KeptInception(backend, precision=precision)
    extractor.load(device)
    return extractor


def batched(extractor: Extractor, pixels: Array, size: int) -> Array:
    """Return features (N, D), computed in batches."""
    parts = [extractor(pixels[first : first + size]) for first in range(0, len(pixels), size)]
    return np.concatenate(parts)


def error_of(features: Array, exact: Array) -> float:
    """Return the relative error, as a norm over all features."""
    return float(np.linalg.norm(features - exact) / np.linalg.norm(exact))


STOCKS_ERROR = 3.0
"""Bound of errors from float64, in errors of torch-fidelity's extractor on the device."""
ERROR = 5e-5
"""Bound of errors, relative to the norm of the features."""
SCORE_ERROR = 1e-5
"""Bound of relative differences of FID and memorization distance from the CPU."""

REAL = {
    "pictures": (512, 300),  # generated and reference
    "batches": (1, 7, 128),  # batch sizes that must give the same features
    # More shapes than kept CUDA graphs, and how often all of them run in turn.
    "shapes": ((256, 256), (200, 300), (64, 64), (299, 299), (512, 384), (100, 120)),
    "turns": 3,
}
TOY = {"pictures": (2, 2), "batches": (1, 2), "shapes": ((32, 32), (40, 48)), "turns": 1}


def parity(plan: Plan, recorder: Recorder) -> None:
    """Run all comparisons, independently of each other."""
    sizes = plan.sizes(REAL, TOY)
    known = read_known(plan, sizes.pictures)
    extractor = open_on(plan.device)
    most = sizes.batches[-1]
    with _graphs_counted() as graphs:
        features = batched(extractor, known.pixels, most)
        _compare(recorder, known, features)
        for size in sizes.batches:
            with recorder.part(f"batches of {size}"):
                count = min(len(known.pixels), 16 * size)
                error = error_of(
                    batched(extractor, known.pixels[:count], size), known.exact[:count]
                )
                recorder.at_most(f"features in batches of {size}: error", error, ERROR)
        with recorder.part("shapes"):
            _shapes(sizes, recorder, extractor)
        with recorder.part("order"):
            _order(recorder, known, extractor)
        with recorder.part("flags"):
            _flags(recorder, known, features, extractor)
        with recorder.part("repeated"):
            again = batched(extractor, known.pixels, most)
            recorder.record("bit_identical_when_repeated", bool(np.array_equal(again, features)))
    recorder.record("graphs", graphs)
    if plan.on_cuda:
        recorder.at_least("CUDA graphs that were recorded", graphs["recorded"], 1)
        recorder.at_least("CUDA graphs that were replayed", graphs["replayed"], 1)
    with recorder.part("two devices"):
        two = batched(open_on(f"{plan.device},{plan.device}"), known.pixels, 7)
        recorder.at_most("features on two workers: error", error_of(two, known.exact), ERROR)
    # On the CPU, tests compare the backends already.
    for backend in ("torch", *(["openvino"] if plan.on_cuda and find_spec("openvino") else [])):
        with recorder.part(f"{backend} on the CPU"):
            _cpu(recorder, known, features, backend)
    with recorder.part("precisions"):
        _precisions(plan, recorder, known, features)


def _compare(recorder: Recorder, known: Known, features: Array) -> None:
    ours, stocks = error_of(features, known.exact), error_of(known.stock, known.exact)
    recorder.record("feature_error", ours)
    recorder.record("feature_error_of_torch_fidelity", stocks)
    recorder.record("pictures", [known.generated, len(known.pixels) - known.generated])
    recorder.at_most("features: error", ours, ERROR)
    recorder.at_most("features: error over torch-fidelity's", ours / stocks, STOCKS_ERROR)
    with recorder.part("float64"):
        on_cpu = through(build_trunk("cpu", torch.float64), known.pixels[:1], "cpu", torch.float64)
        recorder.at_most("float64 on the device: error", error_of(known.exact[:1], on_cpu), 1e-12)


def _shapes(sizes: Any, recorder: Recorder, extractor: Extractor) -> None:
    """Compare many sizes and more batch sizes than kept graphs, several times in turn."""
    cpu = open_on("cpu")
    random = np.random.RandomState(0)
    batches = [
        random.randint(0, 256, (2 + number, *size, 3), dtype=np.uint8)
        for number, size in enumerate(sizes.shapes)
    ]
    expected = [cpu(batch) for batch in batches]
    turns = [*range(len(batches)), 0] * sizes.turns
    worst = max(error_of(extractor(batches[turn]), expected[turn]) for turn in turns)
    recorder.at_most(f"features of {len(batches)} shapes: worst error", worst, ERROR)


def _order(recorder: Recorder, known: Known, extractor: Extractor) -> None:
    """Compare submitted batches whose results are read in reverse order."""
    parts = np.array_split(known.pixels[:STEP], 2 * extractor.in_flight + 1)
    in_order = [extractor(part) for part in parts]
    under_way = [extractor.submit(part) for part in parts]
    taken = [take() for take in reversed(under_way)][::-1]
    worst = max(error_of(one, other) for one, other in zip(taken, in_order, strict=True))
    recorder.record("batches_under_way", extractor.in_flight)
    recorder.at_most("features taken last first: error", worst, ERROR)


def _flags(recorder: Recorder, known: Known, features: Array, extractor: Extractor) -> None:
    """Check that the caller's TF32 does not affect features, and that it is restored."""
    with arithmetic("tf32"):
        before = _float32_settings()
        again = batched(extractor, known.pixels[:STEP], STEP)
        after = _float32_settings()
    recorder.holds("a caller's TF32 is as it was", before == after, f"{before} became {after}")
    error = error_of(again, features[:STEP])
    recorder.at_most("features where the caller allows TF32: error", error, ERROR)


def _cpu(recorder: Recorder, known: Known, features: Array, backend: str) -> None:
    """Compare features and scores with those of a backend on the CPU."""
    on_cpu = batched(open_on("cpu", backend), known.pixels, STEP)
    where = f"{backend} on the CPU"
    recorder.at_most(f"features of {where}: error", error_of(on_cpu, known.exact), ERROR)
    ours, theirs = known.scores(features), known.scores(on_cpu)
    for name, one, other in zip(("fid", "memorization_distance"), ours, theirs, strict=True):
        recorder.record(name, one)
        recorder.at_most(f"{name} against {where}: difference", abs(one / other - 1), SCORE_ERROR)


def _precisions(plan: Plan, recorder: Recorder, known: Known, features: Array) -> None:
    """Record how each arithmetic changes features, FID and distance, without a bound."""
    fast = batched(open_on(plan.device, precision="fast"), known.pixels, STEP)
    found = {"exact": features, "torch-fidelity float32": known.stock, "fast": fast}
    # Most processors are slow in 16 bits.
    for name in ("tf32", *(["bfloat16", "float16"] if plan.on_cuda else [])):
        with recorder.part(name), arithmetic(name) as dtype:
            trunk = build_trunk(plan.device, dtype)
            found[name] = through(trunk, known.pixels, plan.device, dtype)
    fid, distance = known.scores(features)
    rows = {}
    for name, changed in found.items():
        moved = known.scores(changed)
        rows[name] = {
            "feature_error": error_of(changed, known.exact),
            "fid_difference": moved[0] / fid - 1,
            "distance_difference": moved[1] / distance - 1,
        }
    recorder.record("precisions", rows)


def _float32_settings() -> list[Any]:
    if hasattr(torch.backends, "fp32_precision"):
        backends: Any = torch.backends
        both = (backends.cudnn.conv, backends.cuda.matmul)
        return [each.fp32_precision for each in both]
    return [torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()]


@contextmanager
def _graphs_counted() -> Iterator[dict[str, int]]:
    """Count CUDA graphs, to check that the comparison used them."""
    counted = {"recorded": 0, "replayed": 0}
    kept = torch.cuda.CUDAGraph.capture_end, torch.cuda.CUDAGraph.replay

    def counting(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            counted[name] += 1
            return method(*given)

        return call

    graph: Any = torch.cuda.CUDAGraph
    graph.capture_end, graph.replay = map(counting, counted, kept)
    try:
        yield counted
    finally:
        graph.capture_end, graph.replay = kept
