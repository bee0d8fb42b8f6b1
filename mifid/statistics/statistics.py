"""Statistics: mean and covariance of features, in float64, in one pass, mergeable."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mifid.errors import CompatibilityError, FeatureError
from mifid.statistics import formats
from mifid.statistics.features import Features, check_finite
from mifid.statistics.provenance import Provenance

if TYPE_CHECKING:
    from mifid.statistics.feature_store import FeatureStore

__all__ = ["Computed", "Statistics"]

_FLUSH_ROWS = 1024  # fewer rows at a time are slower; more need more memory


class Statistics:
    """Mean and covariance (ddof 1) of features that may be too many for memory.

    Batches are added one by one; the memory does not grow with their number. It uses the pairwise
    update of Chan, Golub and LeVeque (1979): with ``d = mean_b - mean_a``,
    ``M = M_a + M_b + d d^T n_a n_b / (n_a + n_b)``, where M is the sum of centred outer products.

    >>> import numpy as np
    >>> statistics = Statistics()
    >>> statistics.update(np.array([[0.0, 1.0], [2.0, 5.0]]))
    >>> statistics.n, statistics.mu.tolist(), statistics.sigma.tolist()
    (2, [1.0, 3.0], [[2.0, 4.0], [4.0, 8.0]])

    Attributes:
        provenance: with what the features were computed.
        spatial: the statistics of Inception's spatial features of the same pictures, if a file
            holds them.
        shards: the store of the features, if they are too many to be held; they are read part by
            part.
        pictures: features of the pictures that the file of the statistics also holds; None: there
            are none, or they are not used.
    """

    def __init__(self, *, provenance: Provenance | None = None) -> None:
        self.provenance = provenance or Provenance()
        self.spatial: Statistics | None = None
        self.pictures: Features | None = None
        self.shards: FeatureStore | None = None
        self._n = 0
        self._unknown_n = False
        self._mean: npt.NDArray[np.float64] = np.zeros(0)
        self._scatter: npt.NDArray[np.float64] = np.zeros((0, 0))
        self._pending: npt.NDArray[np.float64] = np.zeros((0, 0))
        self._pending_rows = 0

    @classmethod
    def from_features(
        cls, values: npt.ArrayLike, *, provenance: Provenance | None = None
    ) -> Statistics:
        """Compute the statistics of features (N, D)."""
        statistics = cls(provenance=provenance)
        statistics.update(values)
        return statistics

    @classmethod
    def from_moments(
        cls,
        *,
        mu: npt.ArrayLike,
        sigma: npt.ArrayLike,
        n: int | None = None,
        provenance: Provenance | None = None,
    ) -> Statistics:
        """Return statistics with a mean (D,) and a covariance (D, D) with ddof 1.

        ``n`` None: the number of pictures is not known. A covariance that is symmetric up to
        rounding is made symmetric.

        Raises:
            FeatureError: shapes that do not fit, NaN or infinity; a sigma that is not a
                covariance: complex, not symmetric (by more than 1e-5 of its largest entry), or
                with eigenvalues below -1e-6 of the largest; n that is not a whole number of at
                least 2.
        """
        mean = _real(mu, "mu").reshape(-1).copy()  # the caller may change the original
        covariance = _real(sigma, "sigma")
        if covariance.shape != (len(mean), len(mean)) or not len(mean):
            raise FeatureError(
                f"sigma has shape {covariance.shape}; mu of width {len(mean)} "
                f"needs {(len(mean), len(mean))}"
            )
        if n is not None and not (float(n).is_integer() and n >= 2):
            raise FeatureError(f"n is {n}; expected a whole number of at least 2 pictures")
        check_finite(mean[None], "the statistics' mu")
        check_finite(covariance, "the statistics' sigma")
        covariance = _covariance(covariance)
        statistics = cls(provenance=provenance)
        statistics._unknown_n = n is None
        statistics._n = 2 if n is None else int(n)
        statistics._mean = mean
        with np.errstate(over="ignore"):
            statistics._scatter = covariance * (statistics._n - 1)
        if not np.isfinite(statistics._scatter).all():
            raise FeatureError(
                "the statistics' sigma overflows: it is too large for float64",
                hint="Divide the features of both sides by the same number.",
            )
        return statistics

    def update(self, values: npt.ArrayLike) -> None:
        """Add features (B, D).

        Raises:
            FeatureError: not (B, D), not finite, of another width, or n is not known.
        """
        batch = np.asarray(values)
        if batch.dtype.kind != "f":
            batch = batch.astype(np.float64)
        check_finite(batch)
        self._check_mergeable(batch.shape[1])
        if len(self._mean) == 0:
            self._mean = np.zeros(batch.shape[1])
            self._scatter = np.zeros((batch.shape[1],) * 2)
        while len(batch):
            if not len(self._pending):
                self._pending = np.empty((_FLUSH_ROWS + 1, batch.shape[1]))
            first = self._pending_rows
            part, batch = np.split(batch, [_FLUSH_ROWS - first])
            self._pending_rows += len(part)
            self._pending[first : self._pending_rows] = part  # the caller may reuse its buffer
            if self._pending_rows == _FLUSH_ROWS:
                self._flush()

    def merge(self, other: Statistics) -> None:
        """Add another set's statistics, as if its features had been added here.

        Raises:
            FeatureError: they have another width, or an unknown number of pictures.
            CompatibilityError: they are from another extractor or of another precision.
        """
        other._flush()
        if other._unknown_n:
            raise _unknown_n()
        if other._n:
            self._flush()
            self._check_mergeable(len(other._mean))
            self.provenance = self._common_provenance(other)
            if self._n == 0:
                self._n, self._mean, self._scatter = other._n, other._mean, other._scatter.copy()
                return
            delta = other._mean - self._mean
            self._own_scatter()
            self._scatter += other._scatter
            self._scatter += np.outer(delta, delta) * (self._n * other._n / (self._n + other._n))
            self._move_mean(other._n, other._mean)

    @classmethod
    def from_scatter(
        cls,
        *,
        n: int,
        mean: npt.NDArray[np.float64],
        scatter: npt.NDArray[np.float64],
        provenance: Provenance | None = None,
    ) -> Statistics:
        """Return statistics of ``n`` pictures with a mean (D,) and a :attr:`scatter` (D, D)."""
        statistics = cls(provenance=provenance)
        statistics._n, statistics._mean, statistics._scatter = n, mean, _read_only(scatter)
        return statistics

    @property
    def limits(self) -> str:
        """Why there are no single rows, as the end of a sentence."""
        if self.shards is None:
            return "is mean and covariance only"
        return "is a feature store of more features than are held in memory at once"

    @property
    def n(self) -> int | None:
        """Number of pictures; None if the file that this was read from does not say."""
        return None if self._unknown_n else self._n + self._pending_rows

    @property
    def mu(self) -> npt.NDArray[np.float64]:
        """Mean, (D,) float64."""
        self._flush()
        return self._mean

    @property
    def sigma(self) -> npt.NDArray[np.float64]:
        """Covariance with ddof 1, (D, D) float64, symmetric.

        Raises:
            FeatureError: fewer than two pictures.
        """
        self._flush()
        if self._n < 2:
            raise FeatureError(
                f"a covariance needs at least two pictures, got {self._n}",
                hint="FID compares sets; a single picture has no distribution.",
            )
        return self._scatter / (self._n - 1)

    @property
    def scatter(self) -> npt.NDArray[np.float64]:
        """Sum of centred outer products, (D, D) float64: the covariance times n - 1; read-only."""
        self._flush()
        return _read_only(self._scatter)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write ``mu``, ``sigma``, ``n`` and the provenance: enough for FID, but not for MiFID."""
        formats.write(path, mu=self.mu, sigma=self.sigma, n=self.n, provenance=self.provenance)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Statistics:
        """Read statistics, or features, in any format of :mod:`~mifid.statistics.formats`."""
        with formats.naming(path):
            return cls.from_contents(formats.read(path))

    @classmethod
    def from_contents(cls, contents: formats.Contents) -> Statistics:
        """Return the statistics that a file holds, or those of its features."""
        if contents.features is not None:
            return cls.from_features(contents.features, provenance=contents.provenance)
        assert contents.mu is not None
        assert contents.sigma is not None
        found = cls.from_moments(
            mu=contents.mu, sigma=contents.sigma, n=contents.n, provenance=contents.provenance
        )
        if contents.spatial is not None:
            mu, sigma = contents.spatial
            try:
                found.spatial = cls.from_moments(mu=mu, sigma=sigma, n=contents.n)
            except FeatureError as error:
                message = f"spatial statistics (mu_s, sigma_s): {error.message}"
                raise FeatureError(message, hint=error.hint) from error
        return found

    def _common_provenance(self, other: Statistics) -> Provenance:
        mine, theirs = self.provenance, other.provenance
        if self._n == 0 and mine.fingerprint is None:
            return theirs
        if mine.fingerprint and theirs.fingerprint and mine.fingerprint != theirs.fingerprint:
            raise CompatibilityError(
                f"statistics from {theirs.extractor} ({theirs.dtype}, {theirs.resize}) cannot be "
                f"added to those from {mine.extractor} ({mine.dtype}, {mine.resize})",
                hint="Both must come from the same extractor with the same weights, precision and "
                "resize.",
            )
        # If a part's provenance is not known, the whole's is not, either.
        return mine if mine.fingerprint == theirs.fingerprint else Provenance()

    def _check_mergeable(self, width: int) -> None:
        if self._unknown_n:
            raise _unknown_n()
        if len(self._mean) and width != len(self._mean):
            raise FeatureError(
                f"features of width {width} cannot be added to features of width {len(self._mean)}"
            )

    def _flush(self) -> None:
        n, before = self._pending_rows, self._n
        if n == 0:
            return
        rows = self._pending[:n]
        mean = rows.mean(axis=0)
        rows -= mean
        # The term of the means is one more row, so that one product adds everything: each
        # temporary matrix needs 33 MB at D = 2048.
        self._pending[n] = (mean - self._mean) * np.sqrt(before * n / (before + n))
        rows = self._pending[: n + 1]
        self._own_scatter()
        self._scatter += rows.T @ rows
        self._move_mean(n, mean)
        self._pending_rows = 0
        if n < _FLUSH_ROWS:  # this may be the end
            self._pending = np.zeros((0, 0))

    def __getstate__(self) -> dict[str, Any]:
        self._flush()  # nothing is left to write when it is read, where arrays may be read-only
        return {**self.__dict__, "_pending": np.zeros((0, 0))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take arrays that may be others' memory (Ray, Dask, joblib's memory maps)."""
        self.__dict__.update(state)
        self._scatter = _read_only(self._scatter)

    def _own_scatter(self) -> None:
        """Copy the scatter before it is written to, if its memory may not be written to."""
        if not self._scatter.flags.writeable:
            self._scatter = np.array(self._scatter)

    def _move_mean(self, n: int, mean: npt.NDArray[np.float64]) -> None:
        self._mean = self._mean + (mean - self._mean) * (n / (self._n + n))
        self._n += n


def _read_only(array: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return a read-only view, also of memory that could be written to: a map of a shared file."""
    view = array.view()
    view.flags.writeable = False
    return view


_ASYMMETRY = 1e-5  # of the largest entry; float32 sums have up to 1e-6
_NEGATIVE = 1e-6  # of the largest eigenvalue


def _real(values: npt.ArrayLike, name: str) -> npt.NDArray[np.float64]:
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise FeatureError(
            f"the statistics' {name} is of type {array.dtype}; expected real numbers"
        )
    return np.asarray(array, dtype=np.float64)


def _covariance(sigma: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return a covariance (D, D), symmetric to the last bit.

    Raises:
        FeatureError: it is none.
    """
    scale = float(np.abs(sigma).max())
    if scale == 0:
        return sigma
    unit = sigma / scale  # so that nothing below overflows
    asymmetry = float(np.abs(unit - unit.T).max())
    if asymmetry > _ASYMMETRY:
        raise FeatureError(
            "the statistics' sigma is not a covariance: it is not symmetric (entries differ by "
            f"{asymmetry * scale:.3g}, the largest is {scale:.3g})",
            hint="Give a covariance, as np.cov returns it.",
        )
    if asymmetry > 0:
        unit = (unit + unit.T) / 2
        sigma = unit * scale
    least = _least_eigenvalue(unit)
    if least < -_NEGATIVE:
        raise FeatureError(
            "the statistics' sigma is not a covariance: variances are never negative, but its "
            f"smallest eigenvalue is {least:.3g} of the largest",
            hint="Give a covariance, as np.cov returns it.",
        )
    return sigma


def _least_eigenvalue(unit: npt.NDArray[np.float64]) -> float:
    """Return the smallest eigenvalue divided by the largest; 0 if it is certainly large enough.

    Cholesky's factorization of S + t I, which exists if no eigenvalue is below -t, takes a tenth
    of the time.
    """
    largest = float(np.diagonal(unit).max())  # at most the largest eigenvalue
    try:
        np.linalg.cholesky(unit + np.eye(len(unit)) * (_NEGATIVE / 2 * largest))
    except np.linalg.LinAlgError:
        values = np.linalg.eigvalsh(unit)
        return float(values[0] / max(abs(values[0]), values[-1]))
    return 0.0


def _unknown_n() -> FeatureError:
    return FeatureError(
        "statistics cannot be merged if their number of pictures is not known",
        hint="The file holds only mu and sigma; give the pictures or their features instead.",
    )


Computed = Features | Statistics
"""What is computed of a side."""
