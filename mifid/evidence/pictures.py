"""Pictures one by one: which are near copies, of what, and which of them FID suffers from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mifid.errors import FeatureError, UnavailableError
from mifid.featureset import Features
from mifid.metrics.influence import Influence, influence
from mifid.metrics.memorization import Nearest, nearest_both_ways, nearest_reference

__all__ = [
    "Column",
    "PictureTable",
    "TrainingTable",
    "picture_table",
    "training_table",
]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Names = tuple[str, ...]

Column = tuple[str | None, ...] | Floats | Rows | Flags
"""A column of a table: text, or an array in which NaN stands for what there is not."""

NO_REFERENCE_FEATURES = "the reference is mean and covariance only; influence needs its features"


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
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


@dataclass(frozen=True, eq=False)
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
    training_names = _names(training)
    return PictureTable(
        names=_names(generated),
        nearest=_named(near.row, training_names),
        nearest_row=near.row,
        distance=near.distance,
        second_nearest=_named(near.second_row, training_names),
        second_row=near.second_row,
        second_distance=near.second_distance,
        near_copy=_near_copy(near, epsilon),
        epsilon=epsilon,
        influence=None if found is None else found.total,
        influence_mean=None if found is None else found.mean,
        influence_covariance=None if found is None else found.covariance,
        influence_reason=reason,
    )


def training_table(*, generated: Features, training: Features, epsilon: float) -> TrainingTable:
    """Look at each training picture: how often it is copied, and by which nearest picture.

    Arguments are those of :func:`picture_table`.

    Raises:
        FeatureError: widths differ, or all training features are zero.
    """
    near, back = nearest_both_ways(generated=generated.values, reference=training.values)
    copies = near.row[_near_copy(near, epsilon)]
    return TrainingTable(
        names=_names(training),
        copied=back.copied,
        near_copies=np.bincount(copies, minlength=len(training)).astype(np.int64),
        nearest=_named(back.row, _names(generated)),
        nearest_row=back.row,
        distance=back.distance,
        approached=back.copied > 0,
        epsilon=epsilon,
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


def _near_copy(near: Nearest, epsilon: float) -> Flags:
    return np.asarray(near.distance < epsilon)  # False for NaN


def _names(side: Features) -> Names:
    return side.names or tuple(str(row) for row in range(len(side)))


def _named(rows: Rows, names: Names) -> tuple[str | None, ...]:
    return tuple(names[row] if row >= 0 else None for row in rows.tolist())
