"""What tables of pictures are made of."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mifid.featureset import Features
from mifid.metrics.memorization import Nearest

__all__ = ["Column", "Flags", "Floats", "Names", "Rows", "named", "names_of", "near_copies_of"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Names = tuple[str, ...]

Column = tuple[str | None, ...] | Floats | Rows | Flags
"""A column of a table: text, or an array in which NaN stands for what there is not."""


def near_copies_of(near: Nearest, epsilon: float) -> Flags:
    """Say which pictures are nearer than ``epsilon`` to a training picture."""
    return np.asarray(near.distance < epsilon)  # False for NaN


def names_of(side: Features) -> Names:
    """Return names, or the rows' numbers where a file of features has none."""
    return side.names or tuple(str(row) for row in range(len(side)))


def named(rows: Rows, names: Names) -> tuple[str | None, ...]:
    """Return the names of rows; None for -1."""
    return tuple(names[row] if row >= 0 else None for row in rows.tolist())
