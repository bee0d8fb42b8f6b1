"""A few of many pictures, without any chance in it."""

from __future__ import annotations

from mifid.images.source import Source
from mifid.images.subset import Subset

__all__ = ["evenly", "thinned"]


def evenly(n: int, limit: int) -> list[int]:
    """Choose at most ``limit`` of ``range(n)``, as evenly as can be; always the same ones."""
    chosen = min(n, limit)
    return [i * n // chosen for i in range(chosen)]


def thinned(source: Source, limit: int | None) -> Source:
    """Return ``limit`` evenly chosen pictures of a source, or all if it holds no more."""
    if limit is None or len(source) <= limit:
        return source
    return Subset(source, evenly(len(source), limit))
