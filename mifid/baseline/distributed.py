"""Distributed training: one process for each GPU, started by torchrun, or this process alone.

The processes may be on several machines, which need no common disk: each machine decodes the
pictures into a cache of its own, and keeps the checkpoints of its processes.

Gradients are averaged here rather than by DistributedDataParallel: a CycleGAN step runs every
network several times before one backward pass, and other weights have gradients each time. Each
process has its own buffers (batch norm's statistics); those of rank 0 are kept.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor
from torch import distributed as dist

from mifid.errors import InputError, MifidError, first_line, setting

__all__ = ["ALONE", "PeerError", "Processes", "start_processes"]

_PATIENCE = timedelta(hours=12)  # the others wait while rank 0 scores and generates


class PeerError(MifidError):
    """Another process failed and reports why."""


@dataclass(frozen=True)
class Processes:
    """This process's number, and the number of all; ``local`` is its number on this machine."""

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and reports."""
        return self.rank == 0

    @property
    def is_first_here(self) -> bool:
        """Whether this is the first process of its machine, which decodes pictures there."""
        return self.local == 0

    def place(self, device: torch.device) -> torch.device:
        """Return the device of this process: each of several processes has its own GPU.

        Raises:
            InputError: more processes than GPUs.
        """
        if self.world == 1 or device.type != "cuda":
            return device
        if self.local >= torch.cuda.device_count():
            raise InputError(
                f"process {self.local} has no GPU: the machine has {torch.cuda.device_count()}",
                hint=f"Give torchrun --nproc-per-node {torch.cuda.device_count()} or less.",
            )
        own = torch.device("cuda", self.local)
        torch.cuda.set_device(own)
        return own

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace every gradient by its mean over all processes, in one message."""
        if self.world == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        _sum(flat)
        flat /= self.world
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def average(self, values: Tensor) -> Tensor:
        """Return the mean over all processes."""
        if self.world == 1:
            return values
        mean = values.clone()
        _sum(mean)
        return mean / self.world

    def from_first(self, values: list[float]) -> list[float]:
        """Return rank 0's values on all processes: clocks differ, decisions must not.

        They are sent between CPUs, so that no process waits for a GPU.
        """
        if self.world == 1:
            return values
        message = torch.tensor(values, dtype=torch.float64)
        _sum(message if self.is_first else message.zero_())
        return [float(value) for value in message]

    def highest(self, value: int) -> int:
        """Return the highest value of all processes."""
        return max(each for (each,) in self.of_all([value]))

    def of_all(self, values: Sequence[int]) -> list[list[int]]:
        """Return the values of each process, by its number; all have as many."""
        if self.world == 1:
            return [list(values)]
        message = torch.zeros(self.world, len(values), dtype=torch.int64)
        message[self.rank] = torch.tensor(values, dtype=torch.int64)
        _sum(message)
        found: list[list[int]] = message.tolist()
        return found

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let a block that fails on one process fail on all, after all have reached its end.

        The first process that failed raises its error, the others :class:`PeerError`: the user sees
        one message, and no process waits for one that has ended. Within the block the processes
        must not exchange other messages than those of whole blocks like it.
        """
        failure: Exception | None = None
        try:
            yield
        except Exception as error:
            failure = error
        failed = self.of_all([int(failure is not None)])
        first = failed.index([1]) if [1] in failed else None
        if failure is not None and first == self.rank:
            raise failure
        if first is not None:
            raise PeerError(f"process {first} failed; its own message says why") from failure


ALONE = Processes()


@contextmanager
def start_processes() -> Iterator[Processes]:
    """Join the processes that torchrun started; yield this process's number.

    Raises:
        InputError: the environment names several processes that cannot be reached.
    """
    world = os.environ.get("WORLD_SIZE", "1")
    if world == "1":
        yield ALONE
        return
    # Its functions keep the group that exists when it is imported. Imported within the block (by
    # torch's optimisers, at their first step), it would keep the group's threads alive until Python
    # ends, and they may crash then: "terminate called", exit code -6.
    importlib.import_module("torch.distributed.nn.functional")
    several = torch.cuda.is_available() and dist.is_nccl_available()
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if several else "gloo", timeout=_PATIENCE)
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"WORLD_SIZE is {world}, but the other processes cannot be reached: "
            f"{first_line(error)}",
            hint="Start with torchrun --nproc-per-node N -m mifid_cli train-baseline ..., or "
            "unset WORLD_SIZE to train in one process.",
        ) from error
    try:
        local = int(os.environ.get("LOCAL_RANK", "0"))
        yield Processes(dist.get_rank(), dist.get_world_size(), local)
    finally:
        dist.destroy_process_group()


def _sum(message: Tensor) -> None:
    """Add up all processes' tensors in place."""
    try:
        dist.all_reduce(message)
    except RuntimeError as error:  # gloo's: Connection closed by peer
        raise MifidError(
            f"process {dist.get_rank()} cannot reach the other processes: {first_line(error)}",
            hint="One of them has ended. The last checkpoint is kept: go on with "
            f"{setting('resume', True)}.",
        ) from error
