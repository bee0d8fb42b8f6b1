"""One process a GPU, started by torchrun; or this process alone.

Plain averaging of gradients rather than DistributedDataParallel: a CycleGAN step runs every
network several times before one backward pass, and changes which weights have gradients between.
Buffers (batch norm's statistics) stay each process's own; rank 0's are kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor
from torch import distributed as dist

from mifid.errors import InputError

__all__ = ["ALONE", "Processes", "start_processes"]

_PATIENCE = timedelta(hours=12)  # the others wait while rank 0 scores and generates


@dataclass(frozen=True)
class Processes:
    """This process's number, and how many there are."""

    rank: int = 0
    world: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and talks."""
        return self.rank == 0

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace every gradient by its mean over all processes, in one message a device."""
        if self.world == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.world
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def average(self, values: Tensor) -> Tensor:
        """Return the mean over all processes."""
        if self.world == 1:
            return values
        mean = values.clone()
        dist.all_reduce(mean)
        return mean / self.world

    def from_first(self, values: list[float]) -> list[float]:
        """Return rank 0's values on all processes: clocks differ, decisions must not.

        They travel between CPUs, so that no GPU is waited for.
        """
        if self.world == 1:
            return values
        message = torch.tensor(values, dtype=torch.float64)
        dist.broadcast(message, src=0)
        return [float(value) for value in message]

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set on any process."""
        if self.world == 1:
            return flag
        message = torch.tensor([float(flag)])
        dist.all_reduce(message, op=dist.ReduceOp.MAX)
        return bool(message[0])

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.world > 1:
            self.any(False)


ALONE = Processes()


@contextmanager
def start_processes(device: torch.device) -> Iterator[tuple[Processes, torch.device]]:
    """Join the processes that torchrun started; yield which one this is, and its device.

    Raises:
        InputError: more processes than GPUs.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield ALONE, device
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if device.type == "cuda":
        if local >= torch.cuda.device_count():
            raise InputError(
                f"process {local} has no GPU: there are {torch.cuda.device_count()}",
                hint="Give torchrun at most as many --nproc-per-node.",
            )
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield Processes(dist.get_rank(), dist.get_world_size()), device
    finally:
        dist.destroy_process_group()
