"""The network in torch: on the CPU, one CUDA device or several, or MPS."""

from __future__ import annotations

import copy
import platform
from collections.abc import Callable, Sequence
from itertools import cycle

import torch

from mifid.errors import warn
from mifid.extractors.backends import ReadWeights
from mifid.extractors.backends.lanes import Lane, Worker
from mifid.extractors.base import DEFAULT_BATCH_SIZE
from mifid.extractors.devices import choose_devices
from mifid.extractors.network import InceptionNetwork, build_network
from mifid.extractors.precision import EXACT, Precision, no_bfloat16
from mifid.extractors.resize import Resize
from mifid.images.source import Pixels
from mifid.statistics.features import FeatureMatrix

__all__ = ["TorchBackend"]

# On a CPU a quarter faster than 32: what layers pass on stays in the cache.
_BATCH_SIZES = {"cpu": 8, "cuda": 128}
_LANES = 2  # a device: one batch is brought while another is computed


class TorchBackend:
    """Batch normalisation folded, channels last, true float32 unless ``fast`` is asked for.

    Several devices, as in ``"cuda:0,cuda:1"`` or ``"cuda:all"``, take batches in turn.
    """

    name = "torch"

    def __init__(
        self,
        read_weights: ReadWeights,
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
        network = InceptionNetwork(build_network(read_weights()), resize, precision)
        networks = [network, *(copy.deepcopy(network) for _ in devices[1:])]
        workers = [Worker(n.to(each), each) for n, each in zip(networks, devices, strict=True)]
        self._lanes = cycle([Lane(worker) for _ in range(_LANES) for worker in workers])

    def __call__(self, pixels: Pixels) -> FeatureMatrix:
        """uint8 (N, H, W, 3) -> float32 (N, 2048)."""
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
    """Whether this processor has it, as far as this version of torch can tell."""
    # torch asks itself by these; AMX's bfloat16 comes with its tiles.
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    asked = [getattr(torch.cpu, name, None) for name in names]
    if platform.machine().lower() not in {"x86_64", "amd64"} or not all(asked):
        return True
    return any(supported() for supported in asked if supported)
