"""Which of the pictures left to take: the most typical, those of one style, or by a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mifid.metrics import frechet_distance
from mifid.metrics.neighbours import kth_distance, nearest
from mifid.progress import Progress
from mifid.selection.measures import Floats, Measures, Rows, cosine_distance
from mifid.selection.search import Genetic, SubsetDistance, random_subsets, search

__all__ = [
    "AgainstRandom",
    "Choice",
    "by_search",
    "by_style",
    "compare_with_random",
    "most_typical",
]

_DRAWS = 200
"""Random subsets that a choice is compared with."""


@dataclass(frozen=True)
class AgainstRandom:
    """Fréchet distance to some held-out pictures, of a choice and of random choices of its size.

    Attributes:
        held_out: which of them, in words.
        n: how many.
        chosen: the distance of the chosen pictures.
        mean, deviation: of the distances of 200 random choices among all pictures.
        least: the smallest of them.
        lower: share of them that are lower than that of the chosen pictures.
    """

    held_out: str
    n: int
    chosen: float
    mean: float
    deviation: float
    least: float
    lower: float

    @property
    def text(self) -> str:
        """One sentence."""
        side = "below" if self.chosen < self.mean else "above"
        percent = 100 * abs(self.chosen / self.mean - 1) if self.mean else 0.0
        return (
            f"to {self.n:,} {self.held_out}: {self.chosen:.2f}; of {_DRAWS} random choices "
            f"{self.mean:.2f} ± {self.deviation:.2f}, least {self.least:.2f}. The choice is "
            f"{percent:.1f}% {side} their mean; {self.lower:.0%} of them are lower"
        )


@dataclass(frozen=True)
class Choice:
    """Rows that are taken.

    Attributes:
        name: ``"keep"``, ``"style"`` or ``"search"``.
        rows: ascending.
        how: one sentence.
        missed: what the others are, such as ``"not among the 30 most typical"``.
        quantity: title of ``values``; empty: there are none.
        values: of all pictures, NaN for those that were dropped before.
    """

    name: str
    rows: Rows
    how: str
    missed: str
    quantity: str = ""
    values: Floats = field(default_factory=lambda: np.empty(0))


def most_typical(measures: Measures, left: Rows, count: int) -> Choice:
    """Take the pictures that are nearest to their neighbours."""
    values = measures.neighbour_distance
    rows = left[np.argsort(values[left], kind="stable")[:count]]
    how = (
        f"the {count:,} of {len(left):,} with the smallest neighbour distance, up to "
        f"{values[rows[-1]]:.4f}"
    )
    missed = f"not among the {count:,} most typical"
    return Choice("keep", np.sort(rows), how, missed, "neighbour distance", values)


def by_style(
    measures: Measures, left: Rows, count: int, *, like: Floats | None, called: str
) -> Choice:
    """Take the pictures nearest to some given ones, or the tightest cluster.

    That is the picture whose ``count - 1`` nearest are the nearest, and these.

    Args:
        measures: of all pictures.
        left: rows to choose from.
        count: to take, at least two.
        like: directions of the pictures that show the style, (L, D); None: the tightest cluster.
        called: what these pictures are.
    """
    unit = measures.directions[left]
    why = ""
    if like is None:
        radius = cosine_distance(kth_distance(unit, k=count - 1))
        centre = int(radius.argmin())
        like, called = unit[centre : centre + 1], f"'{measures.names[left[centre]]}'"
        why = (
            f"; it is the centre of the tightest {count:,}: around half of the pictures, so many "
            f"need a distance above {np.median(radius):.3f}"
        )
    values = np.full(len(measures), np.nan)
    values[left] = cosine_distance(nearest(unit, like).distance)
    rows = left[np.argsort(values[left], kind="stable")[:count]]
    how = (
        f"the {count:,} of {len(left):,} nearest to {called}, within cosine distance "
        f"{values[rows[-1]]:.3f}{why}"
    )
    missed = f"not among the {count:,} nearest to {called}"
    return Choice("style", np.sort(rows), how, missed, "style distance", values)


def by_search(
    features: npt.NDArray[np.floating],
    left: Rows,
    count: int,
    *,
    held_out: npt.NDArray[np.floating],
    settings: Genetic,
    random: np.random.RandomState,
    progress: Progress,
) -> Choice:
    """Search for the subset with the least Fréchet distance to held-out pictures.

    Args:
        features: of all pictures, (N, D).
        left: rows to choose from.
        count: to take, at least two.
        held_out: features, (M, D).
        settings: of the search.
        random: what it draws from.
        progress: reports generations.
    """
    distance = SubsetDistance(features[left], held_out)
    rows = search(distance, len(left), count, settings=settings, random=random, progress=progress)
    how = (
        f"the {count:,} of {len(left):,} that a genetic search found nearest to {len(held_out):,} "
        f"held-out pictures (population {settings.population}, {settings.generations} "
        f"generations, mutation {settings.mutation:g})"
    )
    return Choice("search", left[rows], how, f"not among the {count:,} that the search chose")


def compare_with_random(
    features: npt.NDArray[np.floating],
    chosen: Rows,
    *,
    held_out: Mapping[str, npt.NDArray[np.floating]],
    random: np.random.RandomState,
) -> tuple[AgainstRandom, ...]:
    """Compare chosen rows with random ones, as many of all, at the same held-out pictures.

    Args:
        features: of all pictures, (N, D).
        chosen: at least two rows.
        held_out: title -> features (M, D).
        random: what they are drawn from.
    """
    subsets = random_subsets(len(features), len(chosen), _DRAWS, random)
    found = []
    for title, reference in held_out.items():
        *drawn, same = SubsetDistance(features, reference)(np.concatenate([subsets, chosen[None]]))
        own = frechet_distance(generated=features[chosen], reference=reference)
        found.append(
            AgainstRandom(
                title,
                len(reference),
                chosen=own,
                mean=float(np.mean(drawn)),
                deviation=float(np.std(drawn, ddof=1)),
                least=float(min(drawn)),
                lower=float(np.mean(drawn < same)),
            )
        )
    return tuple(found)
