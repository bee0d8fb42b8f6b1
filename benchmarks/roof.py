"""What bounds the network's speed here: float32 matrix products, and the network by itself.

Each measurement is a process of its own: libraries bring threads that would disturb each other's,
and the benchmark that asks must stay small.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from child import environment
from machine import run_measured
from peer_job import Job

__all__ = ["BATCH", "LIBRARIES", "NETWORKS", "cost_of_a_picture", "network_rate", "product_rate"]

SIZES = (1024, 2048)
"""Rows and columns of the matrices; the faster size counts."""

BATCH = 16
"""Pictures at a time for the network by itself."""

Function = Callable[[], Any]


# --- asked by the benchmark ----------------------------------------------------------------------


def product_rate(library: str, seconds: float) -> float:
    """Return GFLOP/s of a float32 matrix product that runs for this long at each size."""
    return _ask("product", library, str(seconds))


def network_rate(network: str, job: Job, seconds: float) -> float:
    """Return pictures/s from uint8 pixels in memory to features: resize and network alone."""
    return _ask("network", network, str(seconds), str(job.weights), env=environment(job))


def cost_of_a_picture(job: Job) -> float:
    """Return GFLOP: multiplications and additions of the network's convolutions for a picture."""
    return _ask("cost", str(job.weights))


def _ask(*question: str, env: Mapping[str, str] | None = None) -> float:
    measured = run_measured([sys.executable, __file__, *question], env=env)
    if measured.code:
        raise click.ClickException(f"{' '.join(question[:2])} failed:\n{measured.stderr[-2000:]}")
    return float(json.loads(measured.stdout.splitlines()[-1]))


# --- in a process of its own ---------------------------------------------------------------------


def _median_seconds(function: Function, seconds: float) -> float:
    """Time calls until ``seconds`` have passed, one at least; one before warms up."""
    function()
    times: list[float] = []
    while not times or sum(times) < seconds:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _product(library: str, seconds: str) -> float:
    return max(
        2 * size**3 / _median_seconds(LIBRARIES[library](size), float(seconds)) / 1e9
        for size in SIZES
    )


def _with_numpy(size: int) -> Function:
    import numpy as np

    a, b = _matrices(size)
    out = np.empty_like(a)
    return lambda: np.matmul(a, b, out=out)


def _with_torch(size: int) -> Function:
    import torch

    a, b = map(torch.from_numpy, _matrices(size))
    out = torch.empty_like(a)
    return lambda: torch.mm(a, b, out=out)


def _with_openvino(size: int) -> Function:
    from mifid.extractors.backends.openvino_backend import import_openvino

    openvino = import_openvino()
    ops = openvino.opset13
    a, b = _matrices(size)
    given = ops.parameter([size, size], a.dtype)
    model = openvino.Model([ops.matmul(given, ops.constant(b), False, False)], [given])
    settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    request.set_input_tensor(openvino.Tensor(a))
    return request.infer  # type: ignore[no-any-return]


def _matrices(size: int) -> Any:
    import numpy as np

    return np.random.RandomState(0).rand(2, size, size).astype(np.float32)


LIBRARIES = {"numpy": _with_numpy, "torch": _with_torch, "openvino": _with_openvino}
"""Whose matrix products are timed; most processors' best is one of theirs."""


def _network(name: str, seconds: str, weights: str) -> float:
    return BATCH / _median_seconds(NETWORKS[name](Path(weights)), float(seconds))


def _ours(backend: str) -> Callable[[Path], Function]:
    def load(weights: Path) -> Function:
        from mifid.extractors import open_extractor

        extractor = open_extractor("inception", weights=weights, backend=backend)
        extractor.load("cpu")
        pixels = _pixels()
        return lambda: extractor(pixels)

    return load


def _stock(weights: Path) -> Function:
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(weights)
    )
    pixels = torch.from_numpy(_pixels()).permute(0, 3, 1, 2).contiguous()

    def extract() -> Any:
        with torch.no_grad():
            return network(pixels)

    return extract


def _pixels() -> Any:
    import numpy as np

    return np.random.RandomState(0).randint(0, 256, (BATCH, 256, 256, 3), dtype=np.uint8)


NETWORKS = {
    "mifid": _ours("openvino"),
    "mifid-torch": _ours("torch"),
    "torch-fidelity": _stock,
}
"""Who runs the network by itself; torch-fidelity's is the stock extractor."""


def _cost(weights: str) -> float:
    import torch
    from torch import nn

    from mifid.extractors import build_network, load_state_dict
    from mifid.extractors.network import InceptionNetwork

    network = InceptionNetwork(build_network(load_state_dict(Path(weights))))
    counted: list[int] = []

    def count(layer: Any, _: Any, out: torch.Tensor) -> None:
        counted.append(2 * layer.weight[0].numel() * out.numel())

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    network(torch.zeros(1, 3, 299, 299, dtype=torch.uint8))
    return sum(counted) / 1e9


TASKS: dict[str, Callable[..., float]] = {"product": _product, "network": _network, "cost": _cost}

if __name__ == "__main__":
    task, *given = sys.argv[1:]
    print(json.dumps(TASKS[task](*given)))
