"""Training pictures one by one: which are copied most, and which are never approached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mifid.evidence.columns import (
    Column,
    Flags,
    Floats,
    Names,
    Rows,
    data_frame,
    named,
    names_of,
    near_copies_of,
)
from mifid.metrics.memorization import nearest_both_ways
from mifid.statistics.features import Features

__all__ = ["TrainingTable", "training_table"]


@dataclass(frozen=True, eq=False, repr=False)
class TrainingTable:
    """The T training pictures, in the order of their features: the reverse view.

    Attributes:
        names: T names; the row's number from 0, as text, where a file of features has none.
        copied: (T,) int64, how many generated pictures have it as their nearest.
        near_copies: (T,) int64, how many of those are nearer than ``epsilon``.
        nearest: T names of the nearest generated picture; None without a distance.
        nearest_row: (T,) int64 row of it; -1 without a distance.
        distance: (T,) float64 in 0..1 to it; NaN where the features are all zero.
        approached: (T,) bool, whether it is the nearest of any generated picture.
        epsilon: the threshold.
    """

    names: Names
    copied: Rows
    near_copies: Rows
    nearest: tuple[str | None, ...]
    nearest_row: Rows
    distance: Floats
    approached: Flags
    epsilon: float

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"TrainingTable({len(self):,} pictures; columns: {', '.join(self.columns())})"

    def to_frame(self) -> Any:
        """Return the columns as a pandas.DataFrame, a row a picture.

        Raises:
            UnavailableError: pandas is not installed.
        """
        return data_frame(self.columns())

    @property
    def coverage(self) -> float:
        """Share of the training pictures that are the nearest of some generated picture, 0..1.

        Training pictures without a distance don't count; NaN if none has one. N generated
        pictures can approach N training pictures at most. In wide features a few pictures are
        the nearest of very many, and others of none, however good the generator: compare
        coverage between models, at equal numbers of pictures.
        """
        with_distance = int((~np.isnan(self.distance)).sum())
        return float(self.approached.sum() / with_distance) if with_distance else float("nan")

    @property
    def never_approached(self) -> Rows:
        """Rows of the pictures that are nearest to no generated picture, farthest first."""
        left = np.flatnonzero(~self.approached & ~np.isnan(self.distance))
        return left[np.argsort(-self.distance[left], kind="stable")]

    def most_copied(self, k: int) -> Rows:
        """Return the rows of the ``k`` pictures that most generated ones are nearest to.

        Of equals, those with more near copies come first, then those with a nearer one. Pictures
        that are nearest to none are not among them, so that there may be fewer than ``k``.
        """
        order = np.lexsort((self.distance, -self.near_copies, -self.copied))
        return order[self.copied[order] > 0][:k]

    def columns(self) -> Mapping[str, Column]:
        """Return the table's columns by name."""
        return {
            "name": self.names,
            "copied": self.copied,
            "near_copies": self.near_copies,
            "nearest": self.nearest,
            "distance": self.distance,
            "approached": self.approached,
        }


def training_table(*, generated: Features, training: Features, epsilon: float) -> TrainingTable:
    """Look at each training picture: how often it is copied, and by which nearest picture.

    Arguments are those of :func:`~mifid.evidence.pictures.picture_table`.

    Raises:
        FeatureError: widths differ, or all training features are zero.
    """
    near, back = nearest_both_ways(generated=generated.values, reference=training.values)
    copies = near.row[near_copies_of(near, epsilon)]
    return TrainingTable(
        names=names_of(training),
        copied=back.copied,
        near_copies=np.bincount(copies, minlength=len(training)).astype(np.int64),
        nearest=named(back.row, names_of(generated)),
        nearest_row=back.row,
        distance=back.distance,
        approached=back.copied > 0,
        epsilon=epsilon,
    )
