"""One way to train one network, timed in a process of its own."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the process that starts these imports no torch: peaks begin with its own
    from torch import Tensor

__all__ = ["MIFID", "NETWORKS", "OURS", "OURS_ON_CUDA", "PLAIN", "Bench", "Job", "build"]

WARM_UP = 2
NETWORKS = {
    "unet": {"network": "unet"},
    "resnet6": {"network": "resnet", "blocks": 6},
    "resnet9": {"network": "resnet", "blocks": 9},
}
REFERENCE = "plain, two backwards"
PLAIN = (REFERENCE, "plain, one backward")
MIFID = "mifid"
OTHER_LAYOUT = "mifid, other layout"
OURS: dict[str, dict[str, Any]] = {
    MIFID: {"layout": "auto"},
    OTHER_LAYOUT: {},
    "mifid, bf16": {"precision": "bf16"},
}
OURS_ON_CUDA: dict[str, dict[str, Any]] = {
    "mifid, bf16, compiled": {"precision": "bf16", "compile": True},
}


@dataclass(frozen=True)
class Job:
    """One way to train one network."""

    way: str
    network: str
    batch: int
    size: int
    width: int
    device: str


def build(job: Job) -> Callable[[Tensor, Tensor], Any]:
    """Return a job's step: photos and paintings (B, 3, S, S) -> its losses."""
    from torch import channels_last

    from mifid.baseline.config import Config, Data, Generator
    from mifid.baseline.data import Draws
    from mifid.baseline.distributed import ALONE
    from mifid.baseline.gan import CycleGan
    from mifid.baseline.models.layers import memory_format
    from mifid.extractors import choose_device

    device = choose_device(job.device)
    config = replace(
        Config(),
        data=Data(size=job.size),
        generator=Generator(**NETWORKS[job.network], width=job.width),
    )
    config = replace(config, discriminator=replace(config.discriminator, width=job.width))
    settings = (OURS | OURS_ON_CUDA).get(job.way, {"layout": "channels_first"})
    if job.way == OTHER_LAYOUT:
        last = memory_format(config, device) == channels_last
        settings = {"layout": "channels_first" if last else "channels_last"}
    config = replace(config, training=replace(config.training, batch=job.batch, **settings))
    method = CycleGan(config, device=device, draws=Draws(0, device=device), processes=ALONE)
    if job.way in PLAIN:
        from plain_loop import PlainLoop

        two = job.way == REFERENCE
        return PlainLoop(method.networks, config, two_backwards=two).step
    return lambda photos, paintings: method.step(photos, paintings, fraction=0.0, factor=1.0)


class Bench:
    """A job in a process of its own; ``Bench.run`` is called there."""

    running: Callable[[], Any]
    wait: Callable[[], None]

    @classmethod
    def prepare(cls, job: Job) -> float:
        """Build and warm up; return a step's FLOP a pair if it is the way that they count of."""
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        from mifid.extractors import choose_device

        device = choose_device(job.device)
        step = build(job)
        numbers = torch.Generator().manual_seed(0)
        shape = (2, job.batch, 3, job.size, job.size)
        photos, paintings = (torch.rand(shape, generator=numbers) * 2 - 1).to(device)
        cls.running = lambda: step(photos, paintings)
        cls.wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
        counter = FlopCounterMode(display=False)
        with counter if job.way == MIFID else nullcontext():
            cls.running()
        for _ in range(WARM_UP):
            cls.running()
        cls.wait()
        return counter.get_total_flops() / job.batch

    @classmethod
    def run(cls, steps: int) -> float:
        """Return seconds a step."""
        start = time.perf_counter()
        for _ in range(steps):
            cls.running()
        cls.wait()
        return (time.perf_counter() - start) / steps

    @staticmethod
    def peak() -> float:
        """Return MiB: on CUDA those of tensors on the device, else of the whole process."""
        import torch

        if torch.cuda.is_initialized():
            return torch.cuda.max_memory_allocated() / 2**20
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
