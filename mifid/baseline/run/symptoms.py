"""Known ways in which a training goes wrong, recognised in the records of a run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mifid.images import Pixels

__all__ = ["COPIED", "EXPLODED", "NOTHING", "Symptom", "Watch", "difference", "lasting"]

EXPLODED = 1000.0
"""A loss that is so many times its first value has left what the network was made for."""

_SMALL_LOSS = 0.1
"""First values below it count as it: a hinge loss may begin at 0, and 100 is far from any start."""

NOTHING = 1e-3
"""A discriminator's loss below it is 0 for a generator, which learns from its gradient alone."""

COPIED = 4.0
"""Grey levels (of 255) of mean absolute difference below which a painting is a copy of its photo.

Measured on photos of the competition: 20% more saturation changes 2.7, JPEG of quality 50 changes
5.7, and half the size and back 6.8; another painting differs by 72.
"""

_HALF = 0.5  # of the run: before, a generator may be on its way from copying to painting


@dataclass(frozen=True)
class Symptom:
    """A sign that the training goes wrong.

    Attributes:
        name: ``"exploded"``, ``"won"`` or ``"copies"``.
        step: at which it was seen.
        text: a warning, with what to try.
    """

    name: str
    step: int
    text: str


def difference(photos: Pixels, painted: Pixels) -> float:
    """Return the mean absolute difference of pictures (N, H, W, 3) uint8, in grey levels."""
    return float(np.abs(photos.astype(np.int16) - painted).mean())


class Watch:
    """Reads the lines of a run as they are written, and recognises each symptom once.

    Args:
        losses: names of the method's losses.
        discriminators: names of those that discriminators minimise.
        rows: the lines so far, of a run that goes on.
    """

    def __init__(
        self,
        losses: Sequence[str] = (),
        discriminators: Sequence[str] = (),
        rows: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        self._losses, self._discriminators = losses, discriminators
        self._first: dict[str, float] = {}
        self._since: dict[str, float] = {}  # epoch from which on a discriminator's loss was 0
        self._epoch = 0.0
        self._known: set[str] = set()
        for row in rows:
            self.see(row)

    def see(self, row: Mapping[str, Any]) -> list[Symptom]:
        """Return the symptoms that a line shows for the first time."""
        found: list[Symptom] = []
        if row["kind"] == "warning":
            self._known.add(str(row.get("symptom")))
        elif row["kind"] == "train":
            found = [*self._exploded(row), *self._won(row)]
            self._epoch = row.get("epoch", self._epoch)
        elif row["kind"] == "sample" and row.get("fraction", 0.0) >= _HALF and _is_copy(row):
            found = [_copies(row)]
        new = {each.name: each for each in reversed(found) if each.name not in self._known}
        self._known.update(new)
        return list(new.values())

    def _exploded(self, row: Mapping[str, Any]) -> Iterable[Symptom]:
        for name in self._losses:
            value = abs(row.get(name, 0.0))
            if not math.isfinite(value):  # which ends the run
                continue
            if value and name not in self._first:
                self._first[name] = value
            if value >= EXPLODED * max(self._first.get(name, 0.0), _SMALL_LOSS):
                yield Symptom(
                    "exploded",
                    row["step"],
                    f"{name} is {value:.3g} at step {row['step']:,} and was "
                    f"{self._first[name]:.3g} at first: the training diverges. Lower "
                    "optimiser.rate and optimiser.discriminator_rate, or use training.precision "
                    "float32, in a new run; snapshots before this step may be good",
                )

    def _won(self, row: Mapping[str, Any]) -> Iterable[Symptom]:
        for name in self._discriminators:
            if name not in row or name not in self._first:  # the generator still learns to copy
                continue
            if abs(row[name]) >= NOTHING:
                self._since.pop(name, None)
                continue
            since = self._since.setdefault(name, self._epoch)
            if row.get("epoch", since) - since >= 1:
                yield Symptom(
                    "won",
                    row["step"],
                    f"{name} is below {NOTHING:g} for an epoch, until step {row['step']:,}: the "
                    "discriminator recognises every picture, and the generator learns nothing from "
                    "it. Lower optimiser.discriminator_rate, or make its task harder with "
                    "diffaugment, loss.label_noise or discriminator.noise",
                )


def _is_copy(row: Mapping[str, Any]) -> bool:
    return bool(row.get("difference", COPIED) < COPIED)


def _copies(row: Mapping[str, Any]) -> Symptom:
    return Symptom(
        "copies",
        row["step"],
        f"the generator copies its photos: at step {row['step']:,} its pictures differ from them "
        f"by {row['difference']:.2g} of 255 grey levels, less than a JPEG of quality 50 does. "
        "Lower loss.identity and loss.cycle, or train longer",
    )


def lasting(rows: Iterable[Mapping[str, Any]], *, step: int | None) -> tuple[Symptom, ...]:
    """Return the symptoms of a run that has ended, of which the snapshot at ``step`` is the best.

    Whether it copies is said of that snapshot alone.

    Args:
        rows: all lines of the run.
        step: None: there was no snapshot.
    """
    found, copies = {}, None
    for row in rows:
        if row["kind"] == "warning" and isinstance(row.get("text"), str):
            symptom = Symptom(str(row.get("symptom")), row["step"], row["text"])
            found[symptom.name] = symptom
        elif row["kind"] == "sample" and row["step"] == step:
            copies = _copies(row) if _is_copy(row) else None
    found.pop("copies", None)
    return (*([copies] if copies else []), *found.values())
