"""A random sheet: what a set looks like, not what is best or worst of it."""

from __future__ import annotations

import numpy as np

from mifid.evidence.album import Album
from mifid.evidence.galleries import Card, Gallery

__all__ = ["random_rows", "random_sheet"]


def random_rows(n: int, count: int, *, seed: int = 0) -> list[int]:
    """Return ``count`` different rows of 0..n-1 in ascending order; all of them if n is smaller."""
    if n <= count:
        return list(range(n))
    drawn: list[int] = np.random.RandomState(seed).choice(n, count, replace=False).tolist()
    return sorted(drawn)


def random_sheet(album: Album, *, count: int = 12, seed: int = 0) -> Gallery:
    """Show pictures drawn at random: the same on every run.

    Args:
        album: opened.
        count: at most so many, without repetition.
        seed: of the draw.
    """
    rows = random_rows(len(album), count, seed=seed)
    return Gallery(
        tuple(Card((album.show(row),)) for row in rows),
        f"{len(rows):,} of {len(album):,}, drawn at random (seed {seed})",
    )
