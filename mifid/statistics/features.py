"""Features of a set of pictures, and where they come from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from mifid.errors import FeatureError
from mifid.statistics import formats
from mifid.statistics.provenance import Provenance

__all__ = ["FeatureMatrix", "Features", "check_finite"]

FeatureMatrix = npt.NDArray[np.float32]
"""(N, D) float32, a picture a row; float64 where a file holds what float32 cannot."""


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Features:
    """Features of N pictures.

    Attributes:
        values: (N, D) float32, finite, read-only; float64 where they come from a file that holds
            numbers which float32 would round.
        names: N names, or None when the file they come from has none.
        provenance: what computed them.
        converted: how many pictures were not RGB, by mode.
        bad: (name, reason) of pictures that were left out.
        available: pictures that there were before a limit; None: it took all, or cannot count them.
    """

    values: FeatureMatrix
    names: tuple[str, ...] | None = None
    provenance: Provenance = field(default_factory=Provenance)
    converted: Mapping[str, int] = field(default_factory=dict)
    bad: tuple[tuple[str, str], ...] = ()
    available: int | None = None

    def __post_init__(self) -> None:
        check_finite(self.values)
        # Its hash, by which what is computed of it is kept, must stay true.
        frozen = self.values.view()
        frozen.flags.writeable = False
        object.__setattr__(self, "values", frozen)
        if self.names is not None and len(self.names) != len(self.values):
            raise FeatureError(f"{len(self.values)} features have {len(self.names)} names")

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def sha256(self) -> str:
        """Hash of the values in the order of their rows, in hexadecimal; computed once."""
        return hashlib.sha256(np.ascontiguousarray(self.values).tobytes()).hexdigest()

    def same_set(self, other: Features) -> bool:
        """Say whether both hold the same rows, in whatever order."""
        if self.values.shape != other.values.shape:
            return False
        if not np.array_equal(
            np.sort(self.values[:, :1], axis=0), np.sort(other.values[:, :1], axis=0)
        ):
            return False  # as nearly always
        return self._sorted_rows == other._sorted_rows

    @cached_property
    def _sorted_rows(self) -> list[bytes]:
        # Adding 0 makes one of the two zeros of floating point.
        return sorted(
            hashlib.sha256((row.astype(np.float64) + 0.0).tobytes()).digest() for row in self.values
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write features, names, statistics and provenance as .npz, whole or not at all.

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
        )

    @classmethod
    def from_contents(cls, contents: formats.Contents) -> Features:
        """Take over the features that a file holds.

        Raises:
            FeatureError: not finite, or whole numbers that float64 cannot hold.
        """
        assert contents.features is not None
        return cls(
            _held(contents.features),
            contents.names,
            contents.provenance,
            available=contents.available,
        )


def _held(values: npt.NDArray[Any]) -> FeatureMatrix:
    """Return features (N, D) as float32 if that is exact, else as float64.

    Rounded to float32, features of mean 1e8 lose their whole variance, and FID is 0.
    """
    check_finite(values)
    whole = values.dtype.kind in "iu" and values.size > 0
    if whole and max(int(values.max()), -int(values.min())) > 1 << 53:
        raise FeatureError(
            "the features are whole numbers beyond 2^53, which float64 cannot hold",
            hint="Subtract a number from each column; FID does not change by that.",
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
