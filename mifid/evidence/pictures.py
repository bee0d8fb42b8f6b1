"""Pictures one by one: which are near copies, of what, and which of them FID suffers from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mifid.errors import FeatureError, UnavailableError
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
from mifid.metrics.influence import Influence, influence
from mifid.metrics.memorization import nearest_reference
from mifid.statistics.features import Features

__all__ = ["PictureTable", "picture_table"]

NO_REFERENCE_FEATURES = "the reference is mean and covariance only; influence needs its features"


@dataclass(frozen=True, eq=False, repr=False)  # arrays have no single truth value
class PictureTable:
    """The N generated pictures, in the order of their features.

    Pictures whose features are all zero have no distance: NaN, no nearest picture, no near copy.
    Kaggle leaves them out of the memorization distance, but not of FID.

    Attributes:
        names: N names; the row's number from 0, as text, where a file of features has none.
        nearest: N names of the nearest training picture; None without a distance.
        nearest_row: (N,) int64 row of it; -1 without a distance.
        distance: (N,) float64 in 0..1, 1 - |cosine| to it; NaN: none.
        second_nearest, second_row, second_distance: the same of the training picture after that;
            None, -1 and NaN, too, where there is only one.
        near_copy: (N,) bool, whether ``distance`` is below ``epsilon`` (strictly).
        epsilon: the threshold. The score's penalty looks at the mean distance; here each picture
            is held against it.
        influence: (N,) float64, the change of FID when the picture is left out, in FID's units;
            None where ``influence_reason`` says why.
        influence_mean, influence_covariance: its two parts, from the distance of the means and
            from the covariances; they add up to ``influence``.
        influence_reason: why there is no influence; None if there is.
    """

    names: Names
    nearest: tuple[str | None, ...]
    nearest_row: Rows
    distance: Floats
    second_nearest: tuple[str | None, ...]
    second_row: Rows
    second_distance: Floats
    near_copy: Flags
    epsilon: float
    influence: Floats | None
    influence_mean: Floats | None
    influence_covariance: Floats | None
    influence_reason: str | None

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"PictureTable({len(self):,} pictures; columns: {', '.join(self.columns())})"

    def to_frame(self) -> Any:
        """Return the columns as a pandas.DataFrame, a row a picture.

        Raises:
            UnavailableError: pandas is not installed.
        """
        return data_frame(self.columns())

    @property
    def near_copies(self) -> int:
        """How many pictures are nearer than ``epsilon`` to a training picture."""
        return int(self.near_copy.sum())

    @property
    def without_distance(self) -> int:
        """How many pictures have no distance, their features being all zero."""
        return int(np.isnan(self.distance).sum())

    def nearest_pairs(self, k: int) -> Rows:
        """Return the rows of the ``k`` pictures nearest to the training pictures, nearest first."""
        order = np.argsort(self.distance, kind="stable")  # NaN last
        return order[~np.isnan(self.distance[order])][:k]

    def worst(self, k: int) -> Rows:
        """Return the rows of at most ``k`` pictures whose removal lowers FID, worst first.

        There may be none: fewer pictures score higher, so that leaving out any raises FID a bit.

        Raises:
            UnavailableError: there is no influence.
        """
        influence = self._influence()
        return np.argsort(influence, kind="stable")[: min(k, int((influence < 0).sum()))]

    def best(self, k: int) -> Rows:
        """Return the rows of at most ``k`` pictures whose removal raises FID, best first.

        Raises:
            UnavailableError: there is no influence.
        """
        influence = self._influence()
        return np.argsort(-influence, kind="stable")[: min(k, int((influence > 0).sum()))]

    def columns(self) -> Mapping[str, Column]:
        """Return the table's columns by name; those of the influence only where there is one."""
        columns: dict[str, Column] = {
            "name": self.names,
            "nearest": self.nearest,
            "distance": self.distance,
            "second_nearest": self.second_nearest,
            "second_distance": self.second_distance,
            "near_copy": self.near_copy,
        }
        for name in ("influence", "influence_mean", "influence_covariance"):
            if (values := getattr(self, name)) is not None:
                columns[name] = values
        return columns

    def _influence(self) -> Floats:
        if self.influence is None:
            raise UnavailableError(f"no influence on FID: {self.influence_reason}")
        return self.influence


def picture_table(
    *, generated: Features, training: Features, reference: Features | None, epsilon: float
) -> PictureTable:
    """Look at each generated picture: its nearest training pictures, and its influence on FID.

    Args:
        generated: of N pictures.
        training: of the pictures that were trained on, to which distances are.
        reference: of what FID is measured against; None if there is only its mean and covariance:
            then there is no influence, and the table says so.
        epsilon: distances below it make a near copy.

    Raises:
        FeatureError: widths differ, or all training features are zero.
    """
    near = nearest_reference(generated=generated.values, reference=training.values)
    found, reason = _influence_on_fid(generated, reference)
    training_names = names_of(training)
    return PictureTable(
        names=names_of(generated),
        nearest=named(near.row, training_names),
        nearest_row=near.row,
        distance=near.distance,
        second_nearest=named(near.second_row, training_names),
        second_row=near.second_row,
        second_distance=near.second_distance,
        near_copy=near_copies_of(near, epsilon),
        epsilon=epsilon,
        influence=None if found is None else found.total,
        influence_mean=None if found is None else found.mean,
        influence_covariance=None if found is None else found.covariance,
        influence_reason=reason,
    )


def _influence_on_fid(
    generated: Features, reference: Features | None
) -> tuple[Influence | None, str | None]:
    """Return the influence, or why there is none."""
    if reference is None:
        return None, NO_REFERENCE_FEATURES
    try:
        return influence(generated=generated.values, reference=reference.values), None
    except (FeatureError, UnavailableError) as error:  # too few pictures, above all
        return None, error.message
