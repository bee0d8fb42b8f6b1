"""Features: the array of a set of pictures, with their names and provenance."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from mifid.errors import FeatureError
from mifid.images import Colours
from mifid.statistics import formats
from mifid.statistics.provenance import Provenance

__all__ = ["FeatureMatrix", "Features", "check_finite"]

FeatureMatrix = npt.NDArray[np.float32]
"""(N, D) float32, one row per picture; float64 if a file holds values that float32 cannot."""


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Features:
    """Features of N pictures.

    Attributes:
        values: (N, D) float32, finite, read-only; float64 if they come from a file with values
            that float32 would round.
        names: N names, or None if the file they come from has none.
        provenance: with what they were computed.
        converted: number of pictures that were not RGB, by mode.
        bad: (name, reason) of pictures that were left out.
        available: number of pictures before a limit; None: there was no limit, or it is unknown.
        spatial: (N, 2023) float32, Inception's spatial features of the same pictures; None: they
            were not computed.
        colours: of the pictures; None: they are unknown.
    """

    values: FeatureMatrix
    names: tuple[str, ...] | None = None
    provenance: Provenance = field(default_factory=Provenance)
    converted: Mapping[str, int] = field(default_factory=dict)
    bad: tuple[tuple[str, str], ...] = ()
    available: int | None = None
    spatial: FeatureMatrix | None = None
    colours: Colours | None = None

    def __post_init__(self) -> None:
        for name in ("values", "spatial"):
            if (values := getattr(self, name)) is not None:
                check_finite(values)
                # Read-only, since results are cached under its hash.
                frozen = values.view()
                frozen.flags.writeable = False
                object.__setattr__(self, name, frozen)
        if self.names is not None and len(self.names) != len(self.values):
            raise FeatureError(
                f"there are {len(self.names)} names for {len(self.values)} rows of features",
                hint="Give one name per row.",
            )

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the values in the order of their rows, in hexadecimal; computed once."""
        return hashlib.sha256(np.ascontiguousarray(self.values).tobytes()).hexdigest()

    def take(self, rows: npt.NDArray[np.int64] | Sequence[int]) -> Features:
        """Return the features of some pictures, by their rows."""
        names = None if self.names is None else tuple(self.names[row] for row in rows)
        spatial = None if self.spatial is None else self.spatial[rows]
        return replace(self, values=self.values[rows], names=names, spatial=spatial, colours=None)

    def same_set(self, other: Features) -> bool:
        """Return whether both hold the same rows, in any order."""
        if self.values.shape != other.values.shape:
            return False
        if not np.array_equal(
            np.sort(self.values[:, :1], axis=0), np.sort(other.values[:, :1], axis=0)
        ):
            return False  # the usual case, decided without hashing
        return self._sorted_rows == other._sorted_rows

    @cached_property
    def _sorted_rows(self) -> list[bytes]:
        # Adding 0 turns -0.0 into 0.0.
        return sorted(
            hashlib.sha256((row.astype(np.float64) + 0.0).tobytes()).digest() for row in self.values
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write features, names, statistics and provenance as .npz, atomically.

        Raises:
            OutputError: it cannot be written there.
            FeatureError: fewer than two pictures, which have no covariance.
        """
        if len(self) < 2:
            raise FeatureError(f"a covariance needs at least two pictures, got {len(self)}")
        rows = self.values.astype(np.float64)
        formats.write(
            path,
            mu=rows.mean(axis=0),
            sigma=np.cov(rows, rowvar=False).reshape((rows.shape[1],) * 2),
            n=len(self),
            provenance=self.provenance,
            features=self.values,
            names=self.names,
            available=self.available,
            spatial_features=self.spatial,
            colours=self.colours,
        )

    @classmethod
    def from_contents(cls, contents: formats.Contents) -> Features:
        """Return the features that a file holds.

        Raises:
            FeatureError: they are not finite, or whole numbers that float64 cannot represent.
        """
        assert contents.features is not None
        return cls(
            _held(contents.features),
            contents.names,
            contents.provenance,
            available=contents.available,
            spatial=None if contents.spatial_features is None else _held(contents.spatial_features),
            colours=contents.colours,
        )


def _held(values: npt.NDArray[Any]) -> FeatureMatrix:
    """Return features (N, D) as float32 if that is exact, else as float64.

    In float32, features with mean 1e8 would lose their variance, and FID would be 0.
    """
    check_finite(values)
    whole = values.dtype.kind in "iu" and values.size > 0
    if whole and max(int(values.max()), -int(values.min())) > 1 << 53:
        raise FeatureError(
            "the features are whole numbers above 2^53, which float64 cannot represent",
            hint="Subtract a constant from each column, the same on both sides; FID does not "
            "change.",
        )
    with np.errstate(over="ignore"):
        single = np.ascontiguousarray(values, dtype=np.float32)
    if values.dtype in (np.float16, np.float32) or np.array_equal(single, values):
        return single
    return cast(FeatureMatrix, np.ascontiguousarray(values, dtype=np.float64))


def check_finite(values: npt.NDArray[Any], where: str = "the features") -> None:
    """Raise FeatureError unless ``values`` is (N, D) and finite."""
    if values.ndim != 2:
        raise FeatureError(f"{where} have shape {values.shape}; expected (pictures, width)")
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        raise FeatureError(
            f"{where} hold NaN or infinity in {int((~finite).sum())} of {len(values)} rows, "
            f"first in row {row}",
            hint="The network's weights may be damaged, or an earlier computation overflowed.",
        )
