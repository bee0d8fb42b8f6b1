"""What a metric keeps of one side: features, or mean and covariance where they are many."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from mifid.errors import CompatibilityError, FeatureError, InputError
from mifid.statistics import FeatureMatrix, Features, Provenance, Statistics, check_finite

__all__ = ["Accumulated"]


class Accumulated:
    """The features of one side, batch by batch, in bounded memory.

    Up to ``most`` features are kept. When more come, mean and scatter of all pictures are
    accumulated from then on, if ``moments`` asks for them; the kept features stay if ``rows`` asks
    for them.

    Args:
        most: features that are kept at most.
        rows: single features are needed, however many pictures come.
        moments: mean and covariance of all pictures are needed.

    Attributes:
        n: number of pictures that were added.
        statistics: of all pictures; None: the kept features are all there are, or they are not
            needed.
        provenance: of the features; None: none came yet.
    """

    def __init__(self, *, most: int, rows: bool, moments: bool) -> None:
        self.most = most
        self.keeps_rows = rows
        self.needs_moments = moments
        self.clear()

    def clear(self) -> None:
        """Forget all pictures."""
        self.n = 0
        self.statistics: Statistics | None = None
        self.provenance: Provenance | None = None
        self._parts: list[FeatureMatrix] = []
        self._kept = 0

    @property
    def complete(self) -> bool:
        """Whether the kept features are those of all pictures."""
        return self._kept == self.n

    @property
    def width(self) -> int | None:
        """D; None: there is no picture."""
        if self.statistics is not None:
            return len(self.statistics.mu)
        return self._parts[0].shape[1] if self._parts else None

    @property
    def values(self) -> FeatureMatrix:
        """The kept features, (N, D)."""
        if len(self._parts) != 1:
            self._parts = [np.concatenate(self._parts)] if self._parts else []
        return self._parts[0] if self._parts else np.zeros((0, 0), np.float32)

    @property
    def features(self) -> Features:
        """The kept features, with their provenance."""
        return Features(self.values, provenance=self.provenance or Provenance())

    @property
    def computed(self) -> Features | Statistics:
        """The features of all pictures, or their statistics."""
        return self.features if self.statistics is None else self.statistics

    def add(self, values: FeatureMatrix, provenance: Provenance) -> None:
        """Add features (B, D).

        Raises:
            FeatureError: of another width.
            CompatibilityError: of another extractor.
        """
        if not len(values):
            return
        if self.width not in (None, values.shape[1]):
            raise FeatureError(
                f"features of width {values.shape[1]} cannot be added to features of width "
                f"{self.width}",
                hint="The extractor must give features of one width.",
            )
        self._same_maker(provenance)
        if self.needs_moments and self.statistics is None and self.n + len(values) > self.most:
            self._begin_statistics()
        if self.statistics is not None:
            self.statistics.update(values)
        self.n += len(values)
        if self.statistics is None or self.keeps_rows:
            part = values[: self.most - self._kept]
            # A copy of a part: a view would keep the whole batch.
            self.keep(part if len(part) == len(values) else part.copy())

    def merge(self, other: Accumulated) -> None:
        """Add the pictures of another one.

        Raises:
            FeatureError, CompatibilityError: as :meth:`add`.
        """
        if not other.n:
            return
        assert other.provenance is not None
        if other.statistics is None and other.complete:
            self.add(other.values, other.provenance)
            return
        if self.width not in (None, other.width):
            raise FeatureError(
                f"features of width {other.width} cannot be added to features of width {self.width}"
            )
        self._same_maker(other.provenance)
        if other.statistics is not None:
            if self.statistics is None:
                self._begin_statistics()
            assert self.statistics is not None
            self.statistics.merge(other.statistics)
        if self.keeps_rows:
            self.keep(other.values[: self.most - self._kept])
        self.n += other.n

    def keep(self, values: FeatureMatrix) -> None:
        """Keep features (B, D), which :attr:`n` counts already."""
        if len(values):
            self._parts.append(values)
            self._kept += len(values)

    def state(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return everything as arrays, by name; :meth:`from_state` reads it."""
        if not self.n:
            return {}
        assert self.provenance is not None
        found: dict[str, npt.NDArray[np.generic]] = {
            "n": np.array(self.n),
            "provenance": np.frombuffer(self.provenance.to_json().encode(), np.uint8),
            "features": self.values,
        }
        if self.statistics is not None:
            found |= {"mean": self.statistics.mu, "scatter": self.statistics.scatter}
        return found

    def set_state(self, state: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Replace everything by what :meth:`state` returned.

        Raises:
            InputError: it is something else.
            FeatureError: it holds NaN or infinity.
        """
        self.clear()
        if not state:
            return
        try:
            n, values = int(state["n"]), np.asarray(state["features"])
            provenance = Provenance.from_json(state["provenance"].tobytes().decode())
            moments = [np.asarray(state[k], np.float64) for k in ("mean", "scatter") if k in state]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"the state of the metric cannot be read: {error}") from error
        shapes = [part.shape for part in moments]
        width = shapes[0][0] if shapes and len(shapes[0]) == 1 else 0
        whole = not shapes and len(values) <= n
        if values.ndim != 2 or not (whole or shapes == [(width,), (width, width)]):
            raise InputError(
                f"the state of the metric does not fit together: {n} pictures, features of shape "
                f"{values.shape}, mean and scatter of shapes {shapes}"
            )
        check_finite(values)
        for part in moments:
            check_finite(np.atleast_2d(part), "the metric's mean and scatter")
        self.n, self.provenance = n, provenance
        self.keep(values)
        if moments:
            mean, scatter = moments
            self.statistics = Statistics.from_scatter(
                n=n, mean=mean, scatter=scatter, provenance=provenance
            )

    def _same_maker(self, provenance: Provenance) -> None:
        mine = self.provenance
        if mine is None:
            self.provenance = provenance
        elif (mine.extractor, mine.fingerprint) != (provenance.extractor, provenance.fingerprint):
            raise CompatibilityError(
                f"features of {provenance.extractor} ({provenance.dtype}) cannot be added to those "
                f"of {mine.extractor} ({mine.dtype})",
                hint="Both must come from the same extractor with the same weights and precision.",
            )

    def _begin_statistics(self) -> None:
        self.statistics = Statistics(provenance=self.provenance)
        for part in self._parts:
            self.statistics.update(part)
        if not self.keeps_rows:
            self._parts, self._kept = [], 0
