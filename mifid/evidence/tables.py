"""Tables with one row per picture: distances, nearest pictures, influence on FID."""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mifid.errors import FeatureError, OutputError, UnavailableError
from mifid.files import atomic_write, check_output
from mifid.formatting import csv_lines, encodable
from mifid.metrics import Influence, Nearest, influence, nearest_both_ways, nearest_reference
from mifid.statistics import Features

__all__ = [
    "Column",
    "PictureTable",
    "Table",
    "TrainingTable",
    "check_table_output",
    "data_frame",
    "picture_table",
    "training_table",
    "write_table",
]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Names = tuple[str, ...]

Column = tuple[str | None, ...] | Floats | Rows | Flags
"""A column of a table: text, or an array in which NaN means a missing value."""


class Table(Protocol):
    """Something with columns of one length, by name."""

    def columns(self) -> Mapping[str, Column]:
        """Return them, in order."""


def data_frame(columns: Mapping[str, Column]) -> Any:
    """Return columns as a pandas.DataFrame.

    Raises:
        UnavailableError: pandas is not installed.
    """
    try:
        pandas = importlib.import_module("pandas")
    except ImportError as error:
        raise UnavailableError(
            "a data frame needs pandas, which is not installed",
            hint="pip install pandas, or take columns(): name -> tuple or NumPy array.",
        ) from error
    return pandas.DataFrame(dict(columns))


def near_copies_of(near: Nearest, epsilon: float) -> Flags:
    """Return which pictures are nearer than ``epsilon`` to a training picture, (N,)."""
    return np.asarray(near.distance < epsilon)  # False for NaN


def names_of(side: Features) -> Names:
    """Return the names, or the numbers of the rows if there are none."""
    return side.names or tuple(str(row) for row in range(len(side)))


def named(rows: Rows, names: Names) -> tuple[str | None, ...]:
    """Return the names of these rows; None for row -1."""
    return tuple(names[row] if row >= 0 else None for row in rows.tolist())


NO_REFERENCE_FEATURES = "the reference is mean and covariance only; influence needs its features"


@dataclass(frozen=True, eq=False, repr=False)  # arrays have no single truth value
class PictureTable:
    """The N generated pictures, in the order of their features.

    Pictures whose features are all zero have no distance: NaN, no nearest picture, no near copy.
    Kaggle leaves them out of the memorization distance, but not of FID.

    Attributes:
        names: N names; the row's number from 0, as text, if a file of features has none.
        nearest: N names of the nearest training picture; None without a distance.
        nearest_row: (N,) int64 row of it; -1 without a distance.
        distance: (N,) float64 in 0..1, 1 - |cosine| to it; NaN: none.
        second_nearest, second_row, second_distance: the same for the second nearest training
            picture; None, -1 and NaN also if there is only one.
        near_copy: (N,) bool, whether ``distance`` is below ``epsilon`` (strictly).
        epsilon: the threshold. The score's penalty compares the mean distance with it; here each
            picture's distance is compared.
        influence: (N,) float64, the change of FID when the picture is left out, in FID's units;
            None if ``influence_reason`` says why.
        influence_mean, influence_covariance: its two parts, from the means and the covariances;
            their sum is ``influence``.
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
        """Return the columns as a pandas.DataFrame, one row per picture.

        Raises:
            UnavailableError: pandas is not installed.
        """
        return data_frame(self.columns())

    @property
    def near_copies(self) -> int:
        """Number of pictures that are nearer than ``epsilon`` to a training picture."""
        return int(self.near_copy.sum())

    def nearest_pairs(self, k: int) -> Rows:
        """Return the rows of the ``k`` pictures nearest to the training pictures, nearest first."""
        order = np.argsort(self.distance, kind="stable")  # NaN last
        return order[~np.isnan(self.distance[order])][:k]

    def worst(self, k: int) -> Rows:
        """Return the rows of at most ``k`` pictures whose removal lowers FID, worst first.

        There may be none: fewer pictures score higher, so leaving out any picture raises FID.

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
        """Return the table's columns by name; those of the influence only if there is one."""
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
            raise UnavailableError(f"there is no influence on FID: {self.influence_reason}")
        return self.influence


def picture_table(
    *, generated: Features, training: Features, reference: Features | None, epsilon: float
) -> PictureTable:
    """Compute each generated picture's nearest training pictures and influence on FID.

    Args:
        generated: of N pictures.
        training: of the training pictures, to which distances are.
        reference: that FID compares with; None if there is only its mean and covariance: then
            there is no influence, and the table says so.
        epsilon: pictures with smaller distances are near copies.

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
    """Return the influence, or the reason why there is none."""
    if reference is None:
        return None, NO_REFERENCE_FEATURES
    try:
        return influence(generated=generated.values, reference=reference.values), None
    except (FeatureError, UnavailableError) as error:  # mostly too few pictures
        return None, error.message


@dataclass(frozen=True, eq=False, repr=False)
class TrainingTable:
    """The T training pictures, in the order of their features.

    Attributes:
        names: T names; the row's number from 0, as text, if a file of features has none.
        copied: (T,) int64, number of generated pictures whose nearest it is.
        near_copies: (T,) int64, number of those that are nearer than ``epsilon``.
        nearest: T names of the nearest generated picture; None without a distance.
        nearest_row: (T,) int64 row of it; -1 without a distance.
        distance: (T,) float64 in 0..1 to it; NaN if the features are all zero.
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
        """Return the columns as a pandas.DataFrame, one row per picture.

        Raises:
            UnavailableError: pandas is not installed.
        """
        return data_frame(self.columns())

    @property
    def coverage(self) -> float:
        """Share of the training pictures that are the nearest of some generated picture, 0..1.

        Training pictures without a distance do not count; NaN if none has one. N generated pictures
        can approach at most N training pictures. With wide features, a few pictures are the nearest
        of very many and others of none, even with a perfect generator: compare coverage between
        models, at equal numbers of pictures.
        """
        with_distance = int((~np.isnan(self.distance)).sum())
        return float(self.approached.sum() / with_distance) if with_distance else float("nan")

    @property
    def never_approached(self) -> Rows:
        """Rows of the pictures that are nearest to no generated picture, the farthest first."""
        left = np.flatnonzero(~self.approached & ~np.isnan(self.distance))
        return left[np.argsort(-self.distance[left], kind="stable")]

    def most_copied(self, k: int) -> Rows:
        """Return the rows of the ``k`` pictures that are the nearest of most generated ones.

        Of equals, those with more near copies come first, then those with a nearer one. Pictures
        that are the nearest of none are left out, so there may be fewer than ``k``.
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
    """Compute how often each training picture is copied, and its nearest generated picture.

    Arguments are those of :func:`~mifid.evidence.tables.picture_table`.

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


TABLE_FORMATS = (".csv", ".parquet")


def check_table_output(path: str | os.PathLike[str]) -> Path:
    """Return the path if a table can be written there; raise before the long job, if not.

    Raises:
        OutputError: an unknown ending, a folder that is missing or cannot be written,
            ``.parquet`` without pyarrow, or a ``.csv`` that is a history of scores.
    """
    file = check_output(path, TABLE_FORMATS)
    if file.suffix.lower() == ".parquet":
        _pyarrow(file)
    return file


def write_table(path: str | os.PathLike[str], table: Table) -> None:
    """Write a table, one line per picture or class, in the format of the path's ending, atomically.

    The columns are those of ``table.columns()``, in that order; lines are in the order of the
    features. Missing values (no distance, no nearest picture) are empty cells in CSV and null in
    Parquet.

    CSV: UTF-8, a header, ``true`` and ``false``, floats with all their digits. A name that begins
    with ``=``, ``+``, ``-``, ``@`` or a tab, which a spreadsheet would take for a formula, gets a
    ``'`` before it. Parquet: string, int64, float64 and bool.

    Raises:
        OutputError: as :func:`check_table_output`, or the disk is full.
    """
    file = check_table_output(path)
    if file.suffix.lower() == ".parquet":
        content = _parquet(_pyarrow(file), table.columns())
        with atomic_write(file) as out:
            out.write(content)
    else:
        with atomic_write(file) as out:
            out.writelines(line.encode() for line in _csv_lines(table.columns()))


def _csv_lines(columns: Mapping[str, Column]) -> Iterator[str]:
    yield from csv_lines([columns])
    yield from csv_lines(zip(*(_cells(column) for column in columns.values()), strict=True))


def _cells(column: Column) -> Iterable[str | float | None]:
    values = column.tolist() if isinstance(column, np.ndarray) else column
    return (_cell(value) for value in values)


def _cell(value: str | float | None) -> str | float | None:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and math.isnan(value):
        return None
    # The csv module writes a float as the shortest text that gives the same float.
    return encodable(value) if isinstance(value, str) else value


def _parquet(pyarrow: Any, columns: Mapping[str, Column]) -> bytes:
    table = pyarrow.table({name: _arrow(pyarrow, column) for name, column in columns.items()})
    buffer = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, buffer)
    return bytes(buffer.getvalue())


def _arrow(pyarrow: Any, column: Column) -> Any:
    if isinstance(column, np.ndarray):
        return pyarrow.array(column, from_pandas=True)  # NaN becomes null
    texts = [None if text is None else encodable(text) for text in column]
    return pyarrow.array(texts, pyarrow.string())


def _pyarrow(file: Path) -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise OutputError(
            f"cannot write the table {file}: Parquet needs pyarrow, which is not installed",
            hint="pip install 'mifid[parquet]', or give a name that ends in .csv.",
        ) from error
    return pyarrow
