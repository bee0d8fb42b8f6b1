"""A few of many pictures: evenly chosen, or sampled with a seed."""

from __future__ import annotations

import numpy as np

from mifid.images.source import Source
from mifid.images.subset import Subset

__all__ = ["evenly", "sampled", "thinned"]


def evenly(n: int, limit: int) -> list[int]:
    """Choose at most ``limit`` of ``range(n)``, as evenly as can be; always the same ones."""
    chosen = min(n, limit)
    return [i * n // chosen for i in range(chosen)]


def sampled(n: int, limit: int, seed: int) -> list[int]:
    """Draw at most ``limit`` of ``range(n)``, in order; a smaller limit draws some of the same.

    Not evenly: names often alternate by what they show.
    """
    order = np.random.RandomState(seed).permutation(n)
    return [int(index) for index in np.sort(order[:limit])]


def thinned(source: Source, limit: int, seed: int) -> Source:
    """Return ``limit`` pictures of a source, or all if it holds no more; closing it closes all."""
    if len(source) <= limit:
        return source
    return _Thinned(source, sampled(len(source), limit, seed))


class _Thinned(Subset):
    def close(self) -> None:
        """Close what the pictures are of."""
        self._source.close()
