"""Upper bounds of the network's speed: float32 matrix products, and the network alone.

Each measurement runs in a separate process, since the threads of libraries would disturb each
other, and the process of the benchmark must stay small.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.peers.job import Job
from benchmarks.processes import call

SIZES = (1024, 2048)
"""Rows and columns of the matrices; the faster size counts."""

BATCH = 16
"""Batch size of the network alone."""

Function = Callable[[], Any]


def product_rate(library: str, seconds: float) -> float:
    """Return GFLOP/s of a float32 matrix product that runs for this long at each size."""
    return float(call("peers.roof:product", library=library, seconds=seconds)[0])


def network_rate(name: str, job: Job, seconds: float) -> float:
    """Return pictures/s from uint8 pixels in memory to features: resize and network alone."""
    given = {"name": name, "seconds": seconds, "weights": job.weights}
    return float(call("peers.roof:network", env=job.environment, **given)[0])


def cost_of_a_picture(job: Job) -> float:
    """Return GFLOP per picture: multiplications and additions of the network's convolutions."""
    return float(call("peers.roof:cost", weights=job.weights)[0])


# --- in a separate process ------------------------------------------------------------------------


def _median_seconds(function: Function, seconds: float) -> float:
    """Time calls for at least ``seconds``, after one call to warm up."""
    function()
    times: list[float] = []
    while not times or sum(times) < seconds:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def product(*, library: str, seconds: float) -> float:
    """Return GFLOP/s of the faster size."""
    return max(
        2 * size**3 / _median_seconds(LIBRARIES[library](size), seconds) / 1e9 for size in SIZES
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
"""Libraries whose matrix products are timed; on most processors one of them is the fastest."""


def network(*, name: str, seconds: float, weights: str) -> float:
    """Return pictures/s of a network alone."""
    return BATCH / _median_seconds(NETWORKS[name](Path(weights)), seconds)


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


NETWORKS = {"mifid": _ours("openvino"), "mifid-torch": _ours("torch"), "torch-fidelity": _stock}
"""Tools whose network is timed alone; torch-fidelity's is the stock extractor."""


def cost(*, weights: str) -> float:
    """GFLOP of a picture."""
    import torch

    from benchmarks.gpu.network import gigaflop
    from mifid.extractors import load_state_dict
    from mifid.extractors.inception_network import inception_layers
    from mifid.extractors.network import Network

    trunk = Network(inception_layers(load_state_dict(Path(weights)))).trunk
    return gigaflop(trunk, torch.zeros(1, 3, 299, 299))
