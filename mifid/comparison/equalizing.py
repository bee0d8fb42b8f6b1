"""Submissions of different numbers of pictures, measured at equal ones.

FID falls with the number of pictures. So the best submission and each other one are compared at as
many pictures as the smaller of the two has; scores and ranking stay those of all pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mifid.cache import Cache
from mifid.comparison.submissions import Entry
from mifid.comparison.subsets import fid_at
from mifid.evaluation.evaluation import Computed
from mifid.images import Stream
from mifid.inputs import GivenSide
from mifid.progress import Progress
from mifid.statistics.features import Features
from mifid.statistics.statistics import Statistics

__all__ = ["equalize", "shared_number", "sizes_may_differ"]


def sizes_may_differ(sides: Iterable[GivenSide]) -> bool:
    """Whether they hold different numbers of pictures, as far as is known before decoding."""
    sizes = {
        None if isinstance(side.input, Stream | Statistics) else len(side.input) for side in sides
    }
    return len(sizes) > 1 or None in sizes


def shared_number(one: Entry, other: Entry) -> int | None:
    """Return how many pictures both are compared at; None if there is no interval to compare by."""
    if one.draws is None or other.draws is None or one.side.n is None or other.side.n is None:
        return None
    return min(one.side.n, other.side.n)


def equalize(
    entries: Sequence[Entry],
    best: Entry,
    *,
    reference: Computed,
    seed: int,
    cache: Cache | None,
    progress: Progress,
) -> list[Entry]:
    """Add FID at the numbers of pictures at which each and the best one are compared.

    Args:
        entries: with features, wherever their numbers of pictures differ; they are let go of.
        best: of these, the one with which all others are compared.
        reference: what FID is measured against.
        seed: of the subsets.
        cache: None: nothing is kept.
        progress: where it is shown.
    """
    equalized = []
    for entry in entries:
        met = entries if entry is best else [best]
        numbers = {shared_number(entry, other) for other in met}
        fewer = {}
        for n in sorted(n for n in numbers if n is not None and n != entry.side.n):
            assert entry.features is not None
            assert isinstance(reference, Features)
            fewer[n] = fid_at(
                n,
                generated=entry.features,
                reference=reference,
                seed=seed,
                cache=cache,
                progress=progress,
            )
        equalized.append(replace(entry, features=None, fewer=fewer))
    return equalized
