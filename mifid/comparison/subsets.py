"""FID of a submission at fewer pictures than it has, to compare it with a smaller one fairly.

FID falls with the number of pictures, without the model getting better. So, beside a submission of
n pictures, a larger one is measured on n of its own, over and over: every subset is a sample of n
from its model, and the mean over subsets has the expectation of FID at n.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mifid.cache import Cache
from mifid.kept import kept
from mifid.metrics.frechet import frechet_distance
from mifid.progress import Progress
from mifid.statistics.features import Features
from mifid.uncertainty.calibration import LARGEST

__all__ = ["SUBSETS", "fid_at"]

SUBSETS = 16
"""With 4 of 100 among 700 pictures (width 64) the mean's own noise was a quarter of the standard
deviation of the difference to another submission, and lost in it when added; 16 leave less."""

_SUBSETS_OF_LARGE = 4  # where one FID takes seconds, and sets are too large for it to scatter much


def fid_at(
    n: int,
    *,
    generated: Features,
    reference: Features,
    seed: int,
    cache: Cache | None,
    progress: Progress,
) -> float:
    """Return the mean FID of subsets of ``n`` generated pictures.

    Args:
        n: 2 to N.
        generated, reference: features (N, D) and (M, D).
        seed: of the shuffling.
        cache: None: nothing is kept.
        progress: where it is shown.
    """
    large = min(n, len(reference), generated.values.shape[1]) > LARGEST
    subsets = _SUBSETS_OF_LARGE if large else SUBSETS

    def compute() -> dict[str, float]:
        found = []
        with progress.task("equal numbers", subsets, "subset") as task:
            for rows in _laid_around(len(generated), n, subsets, seed):
                values = generated.values[rows]
                found.append(frechet_distance(generated=values, reference=reference.values))
                task.advance()
        return {"fid": float(np.mean(found))}

    told = kept(
        cache,
        "fid at fewer 1",
        compute,
        sides={"generated": generated, "reference": reference},
        settings={"n": n, "subsets": subsets, "seed": seed},
    )
    return float(told["fid"])


def _laid_around(total: int, n: int, subsets: int, seed: int) -> Iterator[np.ndarray]:
    """Yield rows of subsets end to end around one shuffled circle.

    So every picture counts equally often, give or take once, and whose luck it was to be drawn
    cancels to first order.
    """
    circle = np.random.RandomState(seed).permutation(total)
    for start in range(0, subsets * n, n):
        yield circle.take(range(start, start + n), mode="wrap")
