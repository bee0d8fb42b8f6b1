"""What tables of pictures are made of."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mifid.errors import UnavailableError
from mifid.metrics.memorization import Nearest
from mifid.statistics.features import Features

__all__ = [
    "Column",
    "Flags",
    "Floats",
    "Names",
    "Rows",
    "data_frame",
    "named",
    "names_of",
    "near_copies_of",
]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Names = tuple[str, ...]

Column = tuple[str | None, ...] | Floats | Rows | Flags
"""A column of a table: text, or an array in which NaN stands for what there is not."""


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
    """Say which pictures are nearer than ``epsilon`` to a training picture."""
    return np.asarray(near.distance < epsilon)  # False for NaN


def names_of(side: Features) -> Names:
    """Return names, or the rows' numbers where a file of features has none."""
    return side.names or tuple(str(row) for row in range(len(side)))


def named(rows: Rows, names: Names) -> tuple[str | None, ...]:
    """Return the names of rows; None for -1."""
    return tuple(names[row] if row >= 0 else None for row in rows.tolist())
