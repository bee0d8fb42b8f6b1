"""Fingerprints of training pictures: their pixels, whatever their names, order and place.

The fingerprints of several pictures are a text, separated by spaces, as checkpoints hold it.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from mifid.baseline.data.store import PixelStore
from mifid.images import Pixels, default_workers

__all__ = ["common", "fingerprint", "fingerprints", "in_order"]

_BYTES = 8  # a chance of 1e-12 that two of 7,000 pictures have the same


def fingerprint(picture: Pixels) -> str:
    """Return the fingerprint of a picture (H, W, 3) uint8."""
    return hashlib.blake2b(np.ascontiguousarray(picture).data, digest_size=_BYTES).hexdigest()


def fingerprints(store: PixelStore) -> str:
    """Return the fingerprints of all pictures, in the run's order."""
    with ThreadPoolExecutor(default_workers()) as pool:
        return " ".join(pool.map(lambda index: fingerprint(store.pixels[index]), store.order))


def common(now: str, then: str) -> int:
    """Return how many pictures two texts of fingerprints have in common."""
    return (Counter(now.split()) & Counter(then.split())).total()


def in_order(store: PixelStore, *, now: str, then: str) -> PixelStore:
    """Return the same pictures in the order that they had.

    A run that goes on so sees each picture when it would have seen it, and keeps the photos that it
    is scored on out of training.

    Args:
        store: of this call.
        now: its fingerprints.
        then: the same fingerprints in the order of the run's first call.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for index, picture in zip(store.order.tolist(), now.split(), strict=True):
        places[picture].append(index)
    order = np.array([places[picture].pop(0) for picture in then.split()], np.int64)
    return replace(store, indices=order)
