"""Features of more pictures than one process or machine can compute: shards, and their engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import Registry, lazy_names

__all__ = ["ENGINES"]

ENGINES = Registry(
    "engine",
    {
        "local": "mifid.distributed.local_engine:run",
        "ray": "mifid.distributed.ray_engine:run",
        "torchrun": "mifid.distributed.torchrun_engine:run",
    },
)
"""name -> ``run(job, shards, *, processes, address)``, which yields a Partial for each shard."""

if TYPE_CHECKING:
    from mifid.distributed.shard_worker import Job as Job
    from mifid.distributed.shard_worker import Partial as Partial
    from mifid.distributed.shard_worker import ShardWorker as ShardWorker
    from mifid.distributed.sharding import compute_shards as compute_shards

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "shard_worker": ["Job", "Partial", "ShardWorker"],
        "sharding": ["compute_shards"],
    },
)
