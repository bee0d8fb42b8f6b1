"""Influence of single pictures on FID: leave-one-out changes of all pictures, in closed form.

With a_i = x_i - mu_g, leaving picture i out gives mu_g - a_i / (n - 1) and the covariance

    S_i = (n - 1) / (n - 2) * (S - c a_i a_i^T),    c = n / (n - 1)^2,

so mean and traces follow at once. For tr (S_i S_r)^(1/2), let M = A^T S A with A A^T = S_r, and
b = A^T a_i: it is sqrt((n - 1) / (n - 2)) tr (M - c b b^T)^(1/2). From the integral

    tr M^(1/2) = (1 / pi) * int_0^inf s^(-1/2) tr [M (M + s)^-1] ds

and the matrix determinant lemma, integrating by parts, with s = u^2:

    tr (M - c b b^T)^(1/2) - tr M^(1/2) = (1 / pi) * int_0^inf log(1 - c q(u)) du,
    q(u) = b^T (M + u^2)^-1 b = (n - 1) * sum_k v_ik^2 m_k / (m_k + u^2).

m_k are the eigenvalues of M, v_ik picture i's entry in the k-th right singular vector of
X_r X_g^T. Expanding the logarithm to first order gives the usual influence function,
-(c / 2) b^T M^(-1/2) b. With fewer pictures than dimensions it is wrong: without the picture the
rank falls by one (c q(0) = 1), and the root is not linear there. The integral is exact, and costs
one matrix product for all pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mifid.errors import UnavailableError
from mifid.metrics.linalg import Centred, Matrix, Vector, centred_pair, eigenvectors

__all__ = ["Influence", "influence"]

_STEP = 0.3  # the trapezoid rule's error is about exp(-pi^2 / step) = 5e-15
_TAIL = 26.0  # in log u, beyond the outermost singular values: cuts off exp(-26) of the total


class Influence(NamedTuple):
    """Change of FID when picture i is left out; negative: FID is better without it.

    Attributes:
        total: (N,) float64, ``FID without i - FID``.
        mean: (N,) the part from ``|mu_g - mu_r|^2``.
        covariance: (N,) the part from the traces and the overlap.
    """

    total: Vector
    mean: Vector
    covariance: Vector


def influence(*, generated: npt.ArrayLike, reference: npt.ArrayLike) -> Influence:
    """Return the change of FID when each generated picture is left out.

    FID is symmetric: swap the arguments for the influence of reference pictures.

    Args:
        generated: features (N, D), N at least 3.
        reference: features (M, D).

    Returns:
        The same as N recomputations to about 1e-6 of the largest, at the cost of one or two.

    Raises:
        UnavailableError: fewer than three generated pictures; one alone has no covariance.
        FeatureError: fewer than two reference rows, or widths that differ.

    Source: this module's opening; Koh and Liang 2017, "Understanding Black-box Predictions via
    Influence Functions", for the idea. Checked against recomputation.
    """
    of, other = centred_pair(generated=generated, reference=reference)
    n = len(of)
    if n < 3:
        raise UnavailableError(
            f"the influence of single pictures needs at least three generated pictures, got {n}"
        )
    difference = of.mu - other.mu
    along = np.concatenate([block @ difference for _, block in of.blocks()])
    mean = of.squares / (n - 1) ** 2 - 2.0 * along / (n - 1)
    trace = of.squares.sum() / (n - 1)
    traces = trace / (n - 2) - of.squares * (n / ((n - 1) * (n - 2)))
    covariance = traces - 2.0 * _overlap_change(of, other)
    return Influence(mean + covariance, mean, covariance)


def _overlap_change(of: Centred, other: Centred) -> Vector:
    """Return the change of tr (S_g S_r)^(1/2) without each row of ``of``, (N,)."""
    n = len(of)
    modes = _modes(of, other)
    if not len(modes.roots):  # one side has no variance, so there is no overlap
        return np.zeros(n)
    nodes = _nodes(modes.roots)
    m = modes.roots[:, None] ** 2
    resolvent = m / (m + nodes**2)
    change: Vector = np.empty(n)
    for rows, weights in modes.blocks():
        lost = np.minimum(n / (n - 1) * (weights @ resolvent), 1.0 - np.finfo(np.float64).eps)
        change[rows] = np.log1p(-lost) @ nodes
    change *= _STEP / np.pi  # du = u d(log u)
    scale = np.sqrt((n - 1) / (n - 2))
    return np.asarray((scale - 1.0) * modes.roots.sum() + scale * change)


def _nodes(roots: Vector) -> Vector:
    """Return the integral's points u, equally spaced in log u."""
    return np.exp(np.arange(np.log(roots.min()) - _TAIL, np.log(roots.max()) + _TAIL, _STEP))


class _Modes(NamedTuple):
    """Singular values of X_r X_g^T / sqrt((n_g - 1)(n_r - 1)), and each row's part in them.

    Row i's part in mode k is v_ik^2, where v is the rows of ``of`` times ``projection`` or,
    without one, ``vectors``.
    """

    roots: Vector
    of: Centred
    projection: Matrix | None
    vectors: Matrix | None

    def blocks(self) -> Iterator[tuple[slice, Matrix]]:
        if self.projection is None:
            assert self.vectors is not None
            yield slice(None), self.vectors**2
            return
        for rows, block in self.of.blocks():
            yield rows, (block @ self.projection) ** 2


def _modes(of: Centred, other: Centred) -> _Modes:
    """Solve the smallest of three eigenvalue problems: of size n_g, n_r or D."""
    scale = (len(of) - 1.0) * (len(other) - 1.0)
    if of.width < min(len(of), len(other)):
        return _modes_by_width(of, other, scale)
    small, large = (of, other) if len(of) < len(other) else (other, of)
    gram: Matrix = np.zeros((len(small), len(small)))
    x = small.whole()
    for _, block in large.blocks():
        products = block @ x.T
        gram += products.T @ products
    values, vectors = _kept(*eigenvectors(gram))
    roots = np.sqrt(values / scale)
    if small is of:
        return _Modes(roots, of, None, vectors)
    return _Modes(roots, of, x.T @ (vectors / np.sqrt(values)), None)


def _modes_by_width(of: Centred, other: Centred, scale: float) -> _Modes:
    values, vectors = _kept(*eigenvectors(other.scatter()))
    a = vectors * np.sqrt(values)
    values, vectors = _kept(*eigenvectors(a.T @ of.scatter() @ a))
    return _Modes(np.sqrt(values / scale), of, a @ (vectors / np.sqrt(values)), None)


def _kept(values: Vector, vectors: Matrix) -> tuple[Vector, Matrix]:
    """Drop eigenvalues that are only rounding; see frechet.py."""
    least = values.max(initial=0.0) * len(values) * float(np.finfo(np.float64).eps)
    kept = values > least
    return values[kept], vectors[:, kept]
