"""How batches travel to a torch device and features back, without anybody waiting for the other.

On CUDA: copies from and to pinned memory run beside the computation, and the network's hundreds of
launches are recorded once for each shape of a batch and replayed as one (a CUDA graph). Elsewhere
the same steps are done one after the other.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from mifid.extractors.devices import exact_float32, in_parts
from mifid.featureset import FeatureMatrix
from mifid.images.source import Pixels

__all__ = ["Lane", "Worker"]

_MOST_GRAPHS = 4  # each holds the memory of all that the network computes for one batch


class Worker:
    """A network on one device.

    Args:
        network: uint8 (N, 3, H, W) -> float32 (N, D), on the device, row by row independent.
        device: where it is.
    """

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self.device = device
        self._network = network
        self._limit: int | None = None  # rows that fit in memory, once that is known
        self._graphs: OrderedDict[torch.Size, _Graph | None] = OrderedDict()

    def __call__(self, batch: Tensor) -> Tensor:
        """(N, 3, H, W) on the device -> (N, D) on the device, which may not be there yet."""
        features, self._limit = in_parts(self._run, batch, self._limit)
        return features

    def _run(self, batch: Tensor) -> Tensor:
        if self.device.type != "cuda":
            return self._network(batch)  # type: ignore[no-any-return]
        if batch.shape not in self._graphs:
            # The first batch of a shape warms up what a recording must not do: choose algorithms,
            # allocate workspaces, bring matrices to the device. Many shapes come only once.
            self._graphs[batch.shape] = None
            return self._network(batch)  # type: ignore[no-any-return]
        graph = self._graphs.pop(batch.shape) or self._record(batch)
        self._graphs[batch.shape] = graph  # now the last one used
        return graph(batch)

    def _record(self, batch: Tensor) -> _Graph:
        recorded = [shape for shape, graph in self._graphs.items() if graph]
        if len(recorded) >= _MOST_GRAPHS:
            self._graphs[recorded[0]] = None
        return _Graph(self._network, batch)


class _Graph:
    """A network's work on one shape of batches, recorded."""

    def __init__(self, network: nn.Module, batch: Tensor) -> None:
        self._input = batch.clone()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._output: Tensor = network(self._input)

    def __call__(self, batch: Tensor) -> Tensor:
        self._input.copy_(batch)
        self._graph.replay()
        # A copy: the next replay writes into the same memory.
        return self._output.clone()


class Lane:
    """Buffers of one batch under way on a worker's device."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._copies = torch.cuda.Stream(worker.device) if self._on_cuda else None  # type: ignore[no-untyped-call]
        self._pinned: dict[str, Tensor] = {}
        self._under_way: _UnderWay | None = None

    @property
    def _on_cuda(self) -> bool:
        return self._worker.device.type == "cuda"

    def submit(self, pixels: Pixels) -> Callable[[], FeatureMatrix]:
        """Start on uint8 (N, H, W, 3); the call of what is returned waits for (N, D) float32."""
        if self._under_way:
            self._under_way.take()  # its buffers are needed
        with self._context(), torch.inference_mode(), exact_float32():
            batch = self._upload(torch.from_numpy(np.ascontiguousarray(pixels)))
            features = self._worker(batch.permute(0, 3, 1, 2))
            self._under_way = self._download(features)
        return self._under_way.take

    def _context(self) -> AbstractContextManager[object]:
        return torch.cuda.device(self._worker.device) if self._on_cuda else nullcontext()

    def _upload(self, pixels: Tensor) -> Tensor:
        if self._copies is None:
            return pixels.to(self._worker.device)
        pinned = self._buffer("pixels", pixels)
        pinned.copy_(pixels)
        computing = torch.cuda.current_stream()
        with torch.cuda.stream(self._copies):
            batch = pinned.to(self._worker.device, non_blocking=True)
        computing.wait_stream(self._copies)
        batch.record_stream(computing)
        return batch

    def _download(self, features: Tensor) -> _UnderWay:
        if not self._on_cuda:
            return _UnderWay(features.cpu(), lambda: None)
        pinned = self._buffer("features", features)
        pinned.copy_(features, non_blocking=True)
        done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        done.record()
        return _UnderWay(pinned, done.synchronize)

    def _buffer(self, name: str, like: Tensor) -> Tensor:
        """Return pinned memory of this shape, the same as before if it was."""
        kept = self._pinned.get(name)
        if kept is None or kept.shape != like.shape:
            kept = torch.empty(like.shape, dtype=like.dtype, pin_memory=True)
            self._pinned[name] = kept
        return kept


class _UnderWay:
    """Features that are being computed into a buffer that others will use again."""

    def __init__(self, buffer: Tensor, wait: Callable[[], object]) -> None:
        self._buffer = buffer
        self._wait = wait
        self._found: FeatureMatrix | None = None

    def take(self) -> FeatureMatrix:
        """Wait for them and copy them."""
        if self._found is None:
            self._wait()
            self._found = self._buffer.numpy().copy()
        return self._found
