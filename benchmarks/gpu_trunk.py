"""The bare network in any arithmetic, and how fast something runs on a device."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from mifid.extractors import build_network
from mifid.extractors.devices import exact_float32
from mifid.extractors.inception import RandomInception
from mifid.extractors.network import InceptionNetwork, resize

__all__ = [
    "ARITHMETICS",
    "KeptInception",
    "arithmetic",
    "build_stock",
    "build_trunk",
    "gigaflop",
    "median_seconds",
    "prepared",
    "recorded",
    "run_trunk",
    "synchronize",
]

ARITHMETICS = {
    "float32": (torch.float32, False),
    "tf32": (torch.float32, True),
    "bfloat16": (torch.bfloat16, False),
    "float16": (torch.float16, False),
}
"""Name -> type of weights and inputs, and whether TF32 is allowed inside float32."""


@contextmanager
def arithmetic(name: str) -> Iterator[torch.dtype]:
    """Set what float32 products may do; give the type of weights and inputs."""
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
    """``inception-random``, whose weights are drawn once for all extractors of a process."""

    def state_dict(self) -> Mapping[str, Tensor]:
        """Return the weights."""
        return _weights()


def build_stock(device: str) -> Any:
    """Return torch-fidelity's extractor as it is: uint8 (N, 3, H, W) -> (features (N, 2048),)."""
    return build_network(_weights()).to(device)


def build_trunk(
    device: str,
    dtype: torch.dtype,
    *,
    layout: torch.memory_format = torch.channels_last,
    layers: int | None = None,
) -> nn.Sequential:
    """Return mifid's network without its resize; for float64 torch-fidelity's, nothing folded."""
    trunk = _unfolded() if dtype == torch.float64 else _folded()  # folding rounds to float32
    copied = copy.deepcopy(trunk[:layers])
    return copied.to(device, dtype).to(memory_format=layout).requires_grad_(False).eval()


def _unfolded() -> nn.Sequential:
    network = build_network(_weights())
    return nn.Sequential(*(each for name, each in network.named_children() if name != "fc"))


@lru_cache(maxsize=1)
def _folded() -> nn.Sequential:
    return InceptionNetwork(build_network(_weights())).trunk


def prepared(pixels: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """uint8 (N, 3, H, W) -> the network's input (N, 3, 299, 299) of this type."""
    outside = torch.float64 if dtype == torch.float64 else torch.float32
    with exact_float32():  # as mifid does in any precision
        return ((resize(pixels.to(outside)) - 128) / 128).to(dtype)


def run_trunk(trunk: nn.Sequential, x: Tensor) -> Tensor:
    """Compute features (N, D); the last average is float32 at least, as in mifid."""
    *layers, last = trunk
    for layer in layers:
        x = layer(x)
    wide = x.dtype in {torch.float32, torch.float64}
    return torch.flatten(last(x if wide or list(last.parameters()) else x.float()), 1)


def gigaflop(trunk: nn.Sequential, x: Tensor) -> float:
    """Return GFLOP of a picture: multiplications and additions of the convolutions."""
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
    """Wait until a device has done its work."""
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
