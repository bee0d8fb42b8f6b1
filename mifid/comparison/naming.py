"""Which submissions hold pictures of the same names, and are drawn together picture by picture."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from mifid.statistics.features import Features

__all__ = ["features_naming", "naming", "rows_hash", "shuffled_rows"]


def naming(names: Sequence[str]) -> str:
    """Return a hash of pictures' names, without folders and endings, in the order of rows."""
    stems = [PurePosixPath(name).stem for name in names]
    told = stems if len(set(stems)) == len(stems) else names
    return hashlib.sha256("\0".join(told).encode()).hexdigest()


def features_naming(features: Features) -> str:
    """Return the naming of features; without names it is their own, shared with no others."""
    return rows_hash(features) if features.names is None else naming(features.names)


def rows_hash(features: Features) -> str:
    """Hash features whatever the order of their rows."""
    rows = sorted(hashlib.sha256(row.tobytes()).digest() for row in features.values)
    return hashlib.sha256(b"".join(rows)).hexdigest()


def shuffled_rows(values: npt.NDArray[Any], naming: str) -> npt.NDArray[Any]:
    """Return rows in an order that depends on the naming alone."""
    order = np.random.RandomState(int(naming[:8], 16)).permutation(len(values))
    return np.asarray(values[order])
