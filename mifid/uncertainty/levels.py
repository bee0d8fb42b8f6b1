"""Levels that a score is read against: untouched photos and real pictures, at equal numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mifid.errors import FeatureError, UnavailableError
from mifid.metrics import METRICS
from mifid.statistics import Features

__all__ = ["Level", "Levels", "find_levels"]

Rows = npt.NDArray[np.floating[Any]]

LEAST = 20
"""With fewer pictures of a side, values depend more on chance than on the pictures."""

_MOST = 2000  # pictures of a side: enough to compare, and FID takes a second
_DRAWS = 10
_COSTLY = 1024  # pictures, from which FID at full width takes seconds
_DRAWS_IF_COSTLY = 2

ALWAYS = ("fid", "memorization", "vendi")
"""Metrics whose levels are always found: the score's own, and the one that sees variety."""


class Level(NamedTuple):
    """One value of equally many pictures; None: there are no such pictures.

    Attributes:
        photos: of untouched photos.
        generated: of the generated pictures.
        real: of real pictures.
    """

    photos: float | None
    generated: float
    real: float

    @property
    def share(self) -> float | None:
        """How much of the way from the photos to the real pictures is done, 1: all of it.

        None without photos, or where the photos are not farther from the reference than the real
        pictures, so that there is no way.
        """
        if self.photos is None or self.photos == self.real:
            return None
        return (self.photos - self.generated) / (self.photos - self.real)


@dataclass(frozen=True)
class Levels:
    """Values of untouched photos, of the generated and of real pictures, at equal numbers.

    Attributes:
        n: pictures of each side; of a larger side the mean over random draws.
        n_reference: pictures that they are compared with.
        held_out: whether the real pictures are held-out ones; else they are one half of the
            reference, and all are compared with the other half.
        values: the levels by the metrics' value names.
    """

    n: int
    n_reference: int
    held_out: bool
    values: Mapping[str, Level] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        levels = {
            name: {**level._asdict(), "share": level.share} for name, level in self.values.items()
        }
        return {**asdict(self), "values": levels}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Levels:
        """Read what :meth:`to_dict` returned."""
        levels = {
            name: Level(level["photos"], level["generated"], level["real"])
            for name, level in values["values"].items()
        }
        return cls(**{**values, "values": levels})


def find_levels(
    *,
    generated: Features,
    reference: Features,
    training: Features | None = None,
    held_out: Features | None = None,
    photos: Features | None = None,
    metrics: Iterable[str] = (),
    seed: int = 0,
) -> Levels:
    """Compute the values of all sides at equal numbers of pictures.

    Fewer pictures have a higher FID, so only values at equal numbers can be compared. A level is a
    mean over draws; metrics that are not among :data:`ALWAYS` take the first draw only.

    Args:
        generated: N features.
        reference: M features; without ``held_out`` it is halved at random in every draw.
        training: what memorization is measured to; None: the reference.
        held_out: features of real pictures that are not in the reference.
        photos: features of untouched photos.
        metrics: more names of :data:`mifid.metrics.METRICS`; those that need logits or held-out
            pictures are left out.
        seed: of the draws.

    Raises:
        UnavailableError: fewer than 20 pictures of a side, or of a half of the reference.
    """
    sizes = {
        "photos": None if photos is None else len(photos),
        "generated pictures": len(generated),
        "held-out pictures": None if held_out is None else len(held_out),
        "pictures in a half of the reference": None if held_out else len(reference) // 2,
    }
    n = _equal_number({side: size for side, size in sizes.items() if size is not None})
    costly = min(n, reference.values.shape[1]) > _COSTLY
    draws = _DRAWS_IF_COSTLY if costly else _DRAWS
    halves = [] if held_out else list(_halves(reference.values, draws, seed))
    pairs = [(reference.values, held_out.values)] * draws if held_out else halves

    def values_of(side: Features | None) -> dict[str, float]:
        """Return the means of a side's values; None: of the real pictures of each pair."""
        random = np.random.RandomState(seed)
        found: list[dict[str, float]] = []
        for against, real in pairs:
            rows = real if side is None else side.values
            if found and held_out and len(rows) == n:
                break  # nothing is drawn: it would be the same again
            if len(rows) > n:
                rows = rows[random.permutation(len(rows))[:n]]
            names = ALWAYS if found else dict.fromkeys((*ALWAYS, *metrics))
            trained = against if training is None else training.values
            found.append(_values(names, rows, against, trained))
        return {
            name: float(np.mean([one[name] for one in found if name in one])) for name in found[0]
        }

    untouched = {} if photos is None else values_of(photos)
    real = values_of(held_out)
    levels = {
        name: Level(untouched.get(name), value, real[name])
        for name, value in values_of(generated).items()
        if name in real
    }
    return Levels(n, len(pairs[0][0]), held_out is not None, levels)


def _equal_number(sizes: Mapping[str, int]) -> int:
    side, fewest = min(sizes.items(), key=lambda one: one[1])
    if fewest < LEAST:
        raise UnavailableError(f"there are {fewest} {side}; expected {LEAST} or more")
    return min(_MOST, fewest)


def _halves(reference: Rows, draws: int, seed: int) -> Iterator[tuple[Rows, Rows]]:
    random = np.random.RandomState(seed)
    half = len(reference) // 2
    for _ in range(draws):
        order = random.permutation(len(reference))
        yield reference[order[:half]], reference[order[half : 2 * half]]


def _values(names: Iterable[str], rows: Rows, against: Rows, trained: Rows) -> dict[str, float]:
    """Return what the metrics can compute of these rows; for the rest, the score says why not."""
    sides = {"generated": rows, "reference": against, "training": trained}
    found: dict[str, float] = {}
    for metric in map(METRICS.__getitem__, names):
        if not sides.keys() >= set(metric.needs):
            continue
        try:
            values = metric.function(**{need: sides[need] for need in metric.needs})
        except (UnavailableError, FeatureError):
            continue
        found |= {name: value for name, value in values.items() if metric.direction(name)}
    return found
