"""Genetic search for the subset of pictures with the least Fréchet distance to held-out ones.

Report E planned it without details: the operators here are the usual ones for subsets of fixed
size. A child keeps what its two parents share, draws the rest from what one of them has (Radcliffe
1993, random respectful recombination), and then exchanges a few members for others. The best of
parents and children go on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mifid.errors import InputError, setting
from mifid.metrics.linalg import eigenvalues
from mifid.progress import Progress

__all__ = ["Genetic", "SubsetDistance", "random_subsets", "search"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

_DIGITS = 9  # behind the point of a distance, as a part of the traces: below, BLAS libraries differ


@dataclass(frozen=True, kw_only=True)
class Genetic:
    """Settings of the search.

    Attributes:
        population: subsets that go on from one generation to the next.
        generations: how often so many children are made.
        mutation: probability that a member of a child is exchanged.
    """

    population: int = 64
    generations: int = 200
    mutation: float = 0.05

    def __post_init__(self) -> None:
        for name, least in (("population", 2), ("generations", 0)):
            value = getattr(self, name)
            if not hasattr(value, "__index__") or value < least:
                raise InputError(f"{setting(name)} is {value!r}; expected {least} or more")
        if not 0 <= self.mutation <= 1:
            raise InputError(f"{setting('mutation')} is {self.mutation!r}; expected 0 to 1")


class SubsetDistance:
    """Fréchet distance of subsets of candidates X (N, D) to a reference Y (M, D).

    Both are centred on the reference's mean, which then is 0. With n rows X_s of the subset, their
    mean m and A = X Y^T / sqrt(M - 1), whose centred rows of the subset are A_s,

        |m|^2 + tr S_s + tr S_y - 2 sum_i sqrt(eigenvalue_i(A_s A_s^T) / (n - 1)).

    So a subset costs an n x n (or M x M) eigenvalue problem, and no D x D covariance. Squaring A
    loses digits: the result agrees with :func:`mifid.metrics.frechet_distance` to about 1e-8 of the
    traces.

    Args:
        candidates: (N, D).
        reference: (M, D), M at least 2.
    """

    def __init__(self, candidates: npt.ArrayLike, reference: npt.ArrayLike) -> None:
        y = np.asarray(reference, np.float64)
        mean = y.mean(axis=0)
        self._x = np.asarray(candidates, np.float64) - mean
        self._squares = np.einsum("ij,ij->i", self._x, self._x)
        y = (y - mean) / np.sqrt(len(y) - 1.0)
        self._trace = float(np.vdot(y, y))
        self._a = self._x @ y.T
        self._rank = min(len(y) - 1, y.shape[1])

    def __call__(self, subsets: Rows) -> Floats:
        """Return (P,) for subsets (P, n) of rows, n at least 2."""
        n = subsets.shape[1]
        mean = np.array([_square_of_mean(self._x[rows]) for rows in subsets])
        spread = (self._squares[subsets].sum(axis=1) - n * mean) / (n - 1)
        grams = np.stack([_gram(self._a[rows]) for rows in subsets])
        # The others are 0, but for rounding, whose roots would add up.
        rank = min(n - 1, self._rank)
        values = np.maximum(eigenvalues(grams)[:, -rank:], 0.0) / (n - 1)
        return np.asarray(mean + spread + self._trace - 2.0 * np.sqrt(values).sum(axis=1))

    def rounded(self, subsets: Rows) -> Floats:
        """Return the same without the digits that differ between machines."""
        scale = self._trace + float(self._squares.mean())
        return np.round(self(subsets) / (scale or 1.0), _DIGITS)


def _square_of_mean(rows: Floats) -> float:
    """Return the squared norm of the mean of rows (n, D)."""
    mean = rows.mean(axis=0)
    return float(mean @ mean)


def _gram(rows: Floats) -> Floats:
    centred = rows - rows.mean(axis=0)
    few = len(rows) <= rows.shape[1]
    return np.asarray(centred @ centred.T if few else centred.T @ centred)


def random_subsets(n: int, size: int, count: int, random: np.random.RandomState) -> Rows:
    """Draw ``count`` subsets of 0..n-1, each of ``size`` different rows in ascending order."""
    return np.sort([random.permutation(n)[:size] for _ in range(count)]).astype(np.int64)


def search(
    distance: SubsetDistance,
    n: int,
    size: int,
    *,
    settings: Genetic,
    random: np.random.RandomState,
    progress: Progress,
) -> Rows:
    """Return the best subset found, (size,) ascending rows of 0..n-1.

    The same distances and the same draws give the same subset: ties are broken by the rows.

    Args:
        distance: that is minimized.
        n: number of candidates.
        size: of the subset.
        settings: of the search.
        random: what it draws from.
        progress: reports generations.
    """
    alive: dict[tuple[int, ...], float] = {}

    def add(subsets: Rows) -> list[tuple[int, ...]]:
        """Return the best of those alive and these, best first; the others are forgotten."""
        alive.update(zip(map(tuple, subsets.tolist()), distance.rounded(subsets), strict=True))
        best = sorted(alive, key=lambda rows: (alive[rows], rows))[: settings.population]
        for rows in alive.keys() - set(best):
            del alive[rows]
        return best

    best = add(random_subsets(n, size, settings.population, random))
    with progress.task("search", settings.generations, "generation") as task:
        for _ in range(settings.generations if size < n else 0):
            children = [_child(best, n, settings, random) for _ in range(settings.population)]
            best = add(np.array(children, np.int64))
            task.advance(1)
    return np.array(best[0], np.int64)


def _child(
    best: list[tuple[int, ...]], n: int, settings: Genetic, random: np.random.RandomState
) -> list[int]:
    """Make a child of two parents, each the better of two that are drawn."""
    size = len(best[0])
    draws = (random.random_sample((2, 2)) * len(best)).astype(int).min(axis=1)
    one, other = (set(best[i]) for i in draws)
    either = sorted(one ^ other)
    drawn = random.permutation(len(either))[: size - len(one & other)]
    child = sorted(one & other) + [either[i] for i in drawn]
    leaving = np.flatnonzero(random.random_sample(size) < settings.mutation)
    outside = np.delete(np.arange(n), child)
    entering = outside[random.permutation(len(outside))[: len(leaving)]]
    for place, row in zip(leaving, entering, strict=False):  # there may be fewer outside
        child[place] = int(row)
    return sorted(child)
