"""Intervals of many differences that hold all at once.

Of six equal submissions one is often "worse than the best" by each pair's own 95% interval: there
are five differences, and the best was chosen by the same scores. So, from three submissions on,
all pairs' intervals are widened alike, until 95% of the replicates lie in all of them together;
whichever turns out to be the best, its differences are among them.

Beran 1988, "Balanced Simultaneous Confidence Sets": a replicate's distance from its pair's middle
is measured by its rank, so every interval has the same share of its replicates outside, and scores
of another order of magnitude (a penalized one) need no common scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

__all__ = ["common_tail"]


def common_tail(replicates: Sequence[npt.NDArray[np.float64]], *, level: float) -> float:
    """Return the share of replicates that each end of a difference's interval leaves out.

    Args:
        replicates: for every submission (B,) scores over shared draws.
        level: of all intervals together, in per cent.

    Returns:
        ``(1 - level / 100) / 2`` for one pair; less for more; 0, the whole range of replicates,
        where there are too few of them for so many pairs.
    """
    rare = (100.0 - level) / 100.0
    if len(replicates) < 3:
        return rare / 2.0
    most = len(replicates[0])
    rank = np.full(most, most)  # of each replicate, in the pair in which it is most extreme
    for one, other in combinations(replicates, 2):
        np.minimum(rank, _rank(one - other), out=rank)
    limit = float(np.quantile(rank, rare, method="lower"))
    return min(rare / 2.0, (limit - 1.0) / (most - 1.0))


def _rank(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """From the nearer end, 1 for the outermost; ties have the inner one's."""
    ordered = np.sort(values)
    from_below = np.searchsorted(ordered, values, side="right")
    from_above = len(values) - np.searchsorted(ordered, values, side="left")
    return np.minimum(from_below, from_above)
