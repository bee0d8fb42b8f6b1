"""Engine ``ray``: actors on this machine, or on the machines of a Ray cluster.

Actors and not Ray Data, which cannot tell its shards apart. An actor has at most one shard at a
time. If its process dies, Ray starts it again with the same shard (``max_restarts``,
``max_task_retries``); an error of the library, such as a bad picture, is an answer and is not tried
again. Parts are written by the actors, so all machines must see the store and the pictures.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from mifid.distributed.shard_worker import Answer, Job, Partial, ShardWorker, answered
from mifid.errors import InputError, MifidError, first_line, name_options, option_names, setting
from mifid.machine import python_environment
from mifid.statistics import Shard

__all__ = ["run"]

_RESTARTS = 2


def run(
    job: Job, shards: Sequence[Shard], *, processes: int | None, address: str | None
) -> Iterator[Partial]:
    """Compute shards in actors; yield what is known of each, in the order they are done.

    Ray's usage statistics are off. A Ray that runs already is used and left running.

    Args:
        job: what to compute.
        shards: which.
        processes: number of actors; None: one a GPU of the cluster, or one a core without GPUs.
        address: of a cluster, such as ``ray://host:10001``; None: this machine.

    Raises:
        InputError: Ray is not installed, or the cluster does not answer.
        MifidError: that a shard raised, or actors that die again and again.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # A later default of Ray, which warns of the earlier one.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise InputError(
            f"{setting('engine', 'ray')} needs Ray, which is not installed",
            hint="pip install 'mifid[ray]'",
        ) from error
    ours = not ray.is_initialized()
    if ours:
        _connect(ray, address, processes)
    try:
        yield from _computed(ray, job, shards, processes)
    finally:
        if ours:
            ray.shutdown()


def _connect(ray: Any, address: str | None, processes: int | None) -> None:
    variables = {"PYTHONPATH": python_environment()["PYTHONPATH"]}
    try:
        if address is not None:
            ray.init(address=address, log_to_driver=False)
        else:
            ray.init(
                num_cpus=processes,
                include_dashboard=False,
                log_to_driver=False,
                runtime_env={"env_vars": variables},
            )
    except Exception as error:  # Ray raises nearly any type
        raise InputError(
            f"{setting('engine', address or 'ray')}: Ray cannot be reached: {first_line(error)}",
            hint="Is the cluster running, and is its client port open (10001)?",
        ) from error


def _computed(
    ray: Any, job: Job, shards: Sequence[Shard], processes: int | None
) -> Iterator[Partial]:
    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0)) if job.options.device != "cpu" else 0
    count = min(processes or gpus or int(resources.get("CPU", 1)), len(shards))
    remote = ray.remote(
        num_cpus=1,
        num_gpus=1 if gpus else 0,
        max_restarts=_RESTARTS,
        max_task_retries=_RESTARTS,
    )(_Actor)
    actors = [remote.remote(job, dict(option_names())) for _ in range(count)]
    waiting = iter(shards)
    running = {
        actor.compute.remote(shard): (actor, shard)
        for actor, shard in zip(actors, waiting, strict=False)
    }
    try:
        while running:
            (done,), _ = ray.wait(list(running), num_returns=1)
            actor, shard = running.pop(done)
            for following in islice(waiting, 1):
                running[actor.compute.remote(following)] = (actor, following)
            yield _answer(ray, done, shard).value()
    finally:
        for actor in actors:
            ray.kill(actor)


def _answer(ray: Any, done: Any, shard: Shard) -> Answer:
    try:
        found: Answer = ray.get(done)
        return found
    except ray.exceptions.RayError as error:
        raise MifidError(
            f"shard {shard}: the actor that computed it died {_RESTARTS + 1} times: "
            f"{first_line(error)}",
            hint="If the machine ran out of memory, use fewer "
            f"{setting('processes')} or a smaller {setting('batch_size')}. Finished shards are "
            "kept.",
        ) from error


class _Actor:
    """What Ray makes an actor of. Nothing can fail before the first shard."""

    def __init__(self, job: Job, options: dict[str, str]) -> None:
        name_options(options)
        self._job = job
        self._worker: ShardWorker | None = None

    def compute(self, shard: Shard) -> Answer:
        return answered(self._compute, shard)

    def _compute(self, shard: Shard) -> Partial:
        if self._worker is None:
            self._worker = ShardWorker(self._job)
        return self._worker.compute(shard)
