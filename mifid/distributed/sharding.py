"""compute_shards(): features of a set of pictures, in parts that any machines compute."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mifid.distributed.shard_worker import Job, Partial, ShardWorker
from mifid.pipeline import Keywords, Options, with_options
from mifid.statistics import Shard

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["compute_shards"]


@with_options
def compute_shards(
    images: Any,
    store: str | os.PathLike[str],
    *,
    shard: str = "1/1",
    **keywords: Unpack[Keywords],
) -> list[Partial]:
    """Compute the features of one shard of a set of pictures, and write them into a feature store.

    A store is a folder of parts, one a shard: ``part-00003-<key>.npz``. Shards can be computed by
    any number of processes and machines that share the folder, in any order. A part that is there
    already is not computed again. ``mifid.score(store, ...)`` merges the parts.

    Args:
        images: the pictures: what :func:`mifid.images.open_images` takes, but no stream.
        store: the folder; it is made if it is missing.
        shard: ``"3/16"``: the third of 16 ranges of pictures, by their index.
        keywords: as of :class:`mifid.pipeline.Options`. The cache is not used, since the store is
            one.

    Returns:
        list: of the shard: ``.part`` (``.shard``, ``.n``, ``.width``, ``.bad``, ``.path``, ...) and
        ``.computed``, False if it was there.

    Raises:
        MifidError: bad pictures, a store of something else, an extractor without a fingerprint;
            the message says what to do.
    """
    options = Options.of(compute_shards, keywords)
    wanted = Shard.parse(shard)  # before weights are downloaded
    with ShardWorker(Job(images, os.fspath(store), options)) as worker:
        return [worker.compute(wanted)]
