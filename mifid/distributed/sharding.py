"""compute_shards(): features of a set of pictures, in parts that any machines compute."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mifid.distributed import ENGINES
from mifid.distributed.shard_worker import Job, Partial, ShardWorker
from mifid.errors import InputError, setting
from mifid.files import given_path
from mifid.pipeline import Keywords, Options, with_options
from mifid.statistics import Shard

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["SHARDS", "compute_shards"]

SHARDS = 16


@with_options
def compute_shards(
    images: Any,
    store: str | os.PathLike[str],
    *,
    shard: str | None = None,
    engine: str | None = None,
    shards: int | None = None,
    processes: int | None = None,
    **keywords: Unpack[Keywords],
) -> list[Partial]:
    """Compute the features of a set of pictures in shards, and write them into a feature store.

    A store is a folder of parts, one a shard: ``part-00003-<key>.npz``. Shards can be computed by
    any number of processes and machines that share the folder, in any order. A part that is there
    already is not computed again. ``mifid.score(store, ...)`` merges the parts.

    Args:
        images: the pictures: what :func:`mifid.images.open_images` takes, but no stream.
        store: the folder; it is made if it is missing.
        shard: ``"3/16"``: compute only the third of 16 ranges of pictures, by their index, in this
            process.
        engine: compute all shards, by a name of :data:`mifid.distributed.ENGINES`: ``"local"``
            (processes of this machine), ``"torchrun"`` (this process is one of those that it
            started), ``"ray"``, or ``"ray://host:10001"`` (a Ray cluster). None, without
            ``shard``: one shard, in this process.
        shards: number of shards of an engine; None: 16. Results depend on it in the last bits, but
            not on the number of processes.
        processes: of the engine; None: one a core or GPU.
        keywords: as of :class:`mifid.pipeline.Options`. The cache is not used, since the store is
            one.

    Returns:
        list: one a shard, in order: ``.part`` (``.shard``, ``.n``, ``.width``, ``.bad``,
        ``.path``, ...) and ``.computed``, False if it was there.

    Raises:
        MifidError: bad pictures, a store of something else, an extractor without a fingerprint;
            the message says what to do.
    """
    options = Options.of(compute_shards, keywords)
    options.warn_of_unused_seed()
    folder = given_path(store)
    numbers = {"shards": shards, "processes": processes}
    if engine is None:
        for name, number in numbers.items():
            if number is not None:
                raise InputError(
                    f"{setting(name, number)} is given without {setting('engine')}",
                    hint=f"{setting('engine', 'local')} computes all shards; without it, "
                    f"{setting('shard', '1/16')} computes one.",
                )
        wanted = Shard.parse(shard or "1/1")  # before weights are downloaded
        with ShardWorker(Job(images, folder, options)) as worker:
            return [worker.compute(wanted)]
    if shard is not None:
        raise InputError(
            f"{setting('shard')} is {shard}, and {setting('engine')} is {engine}",
            hint=f"An engine computes all shards; {setting('shards', 16)} is their number.",
        )
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise InputError(f"{setting(name)} is {number}; expected 1 or more")
    shards = SHARDS if shards is None else shards
    job = Job(images, folder, replace(options, progress=False))
    everyone = [Shard(number, shards) for number in range(1, shards + 1)]
    run = ENGINES[engine.partition("://")[0]]
    found = []
    with options.reporter.task("shards", shards, "shard") as task:
        partials = run(
            job, everyone, processes=processes, address=engine if "://" in engine else None
        )
        with closing(partials):
            for partial in partials:
                found.append(partial)
                task.advance()
    return sorted(found, key=lambda partial: partial.part.shard)
