"""Runs the network in torch; overlaps copies and compute on a GPU.

On CUDA: copies from and to pinned memory run beside the computation, and the network's hundreds of
launches are recorded once for each size of a batch and replayed as one (a CUDA graph). Elsewhere
the same steps are done one after the other.
"""

from __future__ import annotations

import copy
import platform
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import cycle
from typing import Protocol

import torch
from torch import Tensor

from mifid.errors import first_line, warn
from mifid.extractors.backends import ReadLayers
from mifid.extractors.base import DEFAULT_BATCH_SIZE, EXACT, Precision, no_bfloat16
from mifid.extractors.devices import as_tensor, choose_devices, in_parts
from mifid.extractors.isolation import isolated
from mifid.extractors.network import Network
from mifid.extractors.resize import Resize
from mifid.images import Pixels
from mifid.statistics import FeatureMatrix

__all__ = [
    "Lane",
    "TorchBackend",
    "Worker",
]

_MOST_GRAPHS = 4  # each holds the memory of all that the network computes for one batch


class OneDevice(Protocol):
    """A network on one device, row by row independent."""

    def prepare(self, pixels: Tensor) -> Tensor:
        """uint8 (N, 3, H, W) -> input of one size, whatever that of the pictures."""

    def compute(self, x: Tensor) -> Tensor:
        """Input (N, ...) -> float32 features (N, D)."""


class Worker:
    """A network on one device.

    Args:
        network: what computes features.
        device: where it is.
    """

    def __init__(self, network: OneDevice, device: torch.device) -> None:
        self.device = device
        self._network = network
        self._limit: int | None = None  # rows that fit in memory, once that is known
        self._met: set[torch.Size] = set()
        self._most_graphs = _MOST_GRAPHS
        self._graphs: dict[torch.Size, _Graph] = {}

    def __call__(self, batch: Tensor) -> Tensor:
        """(N, 3, H, W) on the device -> (N, D) on the device, which may not be there yet."""
        features, self._limit = in_parts(self._run, batch, self._limit)
        return features

    def _run(self, batch: Tensor) -> Tensor:
        try:
            # Pictures come in many sizes, the network's input in one: only its work is recorded.
            x = self._network.prepare(batch)
            return self._on_cuda(x) if self.device.type == "cuda" else self._network.compute(x)
        except torch.OutOfMemoryError:
            self._graphs.clear()  # they hold memory for batches that will not come any more
            raise

    def _on_cuda(self, x: Tensor) -> Tensor:
        if x.shape in self._graphs:
            return self._graphs[x.shape](x)
        if x.shape in self._met and len(self._graphs) < self._most_graphs:
            graph = self._recorded(x)
            if graph is not None:
                self._graphs[x.shape] = graph
                return graph(x)
        # The first batch of a size warms up what a recording must not do: choose algorithms,
        # allocate workspaces. Many sizes come only once.
        self._met.add(x.shape)
        return self._network.compute(x)

    def _recorded(self, x: Tensor) -> _Graph | None:
        try:
            return _Graph(self._network, x)
        except torch.OutOfMemoryError:
            raise  # parts of the batch may fit
        except RuntimeError as error:
            # What was recorded before is whole; the features are the same without.
            self._most_graphs = len(self._graphs)
            warn(
                f"{self.device}: launches could not be recorded ({first_line(error)}); they are "
                "made one by one, which is slower"
            )
            return None


class _Graph:
    """A network's work on batches of one size, recorded."""

    def __init__(self, network: OneDevice, x: Tensor) -> None:
        self._input = x.clone()
        self._graph = torch.cuda.CUDAGraph()
        # A stream of the input's device: torch's own for this belongs to the first device that
        # recorded. Thread-local: what other threads do on the GPU does not break the recording.
        stream = torch.cuda.Stream(x.device)  # type: ignore[no-untyped-call]
        with torch.cuda.graph(self._graph, stream=stream, capture_error_mode="thread_local"):
            self._output = network.compute(self._input)

    def __call__(self, x: Tensor) -> Tensor:
        self._input.copy_(x)
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
        with self._context(), isolated(), torch.inference_mode():
            batch = self._upload(as_tensor(pixels))
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
            kept = torch.empty(like.shape, dtype=like.dtype, device="cpu", pin_memory=True)
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


# On a CPU a quarter faster than 32: what layers pass on stays in the cache.
_BATCH_SIZES = {"cpu": 8, "cuda": 128}
_LANES = 2  # a device: one batch is brought while another is computed


class TorchBackend:
    """Channels last, true float32 unless ``fast`` is asked for.

    Several devices, as in ``"cuda:0,cuda:1"`` or ``"cuda:all"``, take batches in turn.
    """

    name = "torch"

    def __init__(
        self,
        read_layers: ReadLayers,
        *,
        key: str,
        device: str,
        resize: Resize,
        precision: Precision,
    ) -> None:
        del key
        devices = choose_devices(device)
        self.device = ", ".join(map(str, devices))
        on_cuda = devices[0].type == "cuda"
        self.batch_size = _BATCH_SIZES.get(devices[0].type, DEFAULT_BATCH_SIZE)
        self.in_flight = len(devices) * (_LANES if on_cuda else 1)
        if precision != EXACT:
            _check_bfloat16(devices)
        network = Network(read_layers(), resize, precision)
        networks = [network, *(copy.deepcopy(network) for _ in devices[1:])]
        workers = [Worker(n.to(each), each) for n, each in zip(networks, devices, strict=True)]
        self._lanes = cycle([Lane(worker) for _ in range(_LANES) for worker in workers])

    def __call__(self, pixels: Pixels) -> FeatureMatrix:
        """uint8 (N, H, W, 3) -> float32 (N, D)."""
        return self.submit(pixels)()

    def submit(self, pixels: Pixels) -> Callable[[], FeatureMatrix]:
        """Start on a batch; see :class:`mifid.extractors.backends.Backend`."""
        return next(self._lanes).submit(pixels)


def _check_bfloat16(devices: Sequence[torch.device]) -> None:
    """Where it would have to be emulated, slower than float32, refuse or at least say so."""
    for device in devices:
        if device.type == "cuda" and torch.version.cuda:
            major, _ = torch.cuda.get_device_capability(device)
            if major < 8:
                raise no_bfloat16(torch.cuda.get_device_name(device))
        elif device.type == "cpu" and not _cpu_has_bfloat16():
            # Not refused: so a GPU's numbers can be looked into without the GPU.
            warn(no_bfloat16("this processor").message)


def _cpu_has_bfloat16() -> bool:
    """Return whether this processor has it, as far as torch knows."""
    # torch asks itself by these; AMX's bfloat16 comes with its tiles.
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    asked = [getattr(torch.cpu, name, None) for name in names]
    if platform.machine().lower() not in {"x86_64", "amd64"} or not all(asked):
        return True
    return any(supported() for supported in asked if supported)
