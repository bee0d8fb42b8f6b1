"""Engine ``torchrun``: this is one of several processes, of one or many machines, that it started.

    torchrun --nproc-per-node 2 -m mifid_cli features IMAGES -o STORE --engine torchrun

Each process computes every n-th shard; they exchange nothing but the store. torchrun starts all
again if one dies (``--max-restarts``), and they go on with what is missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from mifid.distributed.shard_worker import Job, Partial, ShardWorker, on_own_gpu
from mifid.errors import InputError, setting
from mifid.statistics import Shard

__all__ = ["run"]


def run(
    job: Job, shards: Sequence[Shard], *, processes: int | None, address: str | None
) -> Iterator[Partial]:
    """Compute this process's shards; yield what is known of each.

    Args:
        job: what to compute.
        shards: of all processes.
        processes: None; torchrun sets their number.
        address: of no meaning here.

    Raises:
        InputError: torchrun has not started this process, or ``processes`` is given.
        MifidError: that a shard raised.
    """
    del address
    if processes is not None:
        raise InputError(
            f"{setting('processes')} is {processes}, but torchrun sets the number of processes",
            hint=f"Leave out {setting('processes')}: torchrun --nproc-per-node {processes} ...",
        )
    try:
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    except (KeyError, ValueError) as error:
        raise InputError(
            f"{setting('engine', 'torchrun')}, but torchrun has not started this process: RANK and "
            "WORLD_SIZE are not set",
            hint="torchrun --nproc-per-node 2 -m mifid_cli features IMAGES -o STORE "
            "--engine torchrun",
        ) from error
    with ShardWorker(on_own_gpu(job, int(os.environ.get("LOCAL_RANK", rank)))) as worker:
        for shard in shards[rank::size]:
            yield worker.compute(shard)
