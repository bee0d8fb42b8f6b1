"""A set of pictures in shards of one batch each, and one hash of a store."""

import hashlib

import numpy as np
from toys import Counting, repainted

from mifid.distributed import compute_shards
from mifid.metrics import nearest_reference
from mifid.statistics import FeatureStore

PICTURES, SHARDS = repainted(20), 5


def totals(shard):
    """Return what Logging writes of the batch of a shard, which is one batch here."""
    return int(PICTURES[4 * (shard - 1) : 4 * shard].astype(int).sum())


def digest(folder):
    """One hash of mu, sigma and the distance of each picture."""
    store = FeatureStore.open(folder)
    moments = store.statistics()
    reference = np.random.RandomState(0).rand(5, store.width)
    near = nearest_reference(generated=store.values, reference=reference)
    held = [moments.mu, moments.sigma, near.distance, store.values]
    return hashlib.sha256(b"".join(each.tobytes() for each in held)).hexdigest()


def one_by_one(pictures, folder, extractor=None):
    for number in range(1, SHARDS + 1):
        shard = f"{number}/{SHARDS}"
        compute_shards(pictures, folder, shard=shard, extractor=extractor or Counting())
    return folder
